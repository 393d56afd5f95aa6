"""What tasks cost, learned from those that have ended.

A label: a power law in the number of electrons. Trainings and explorations: in proportion to what
they have to do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from chemistry.records.structure import Structure

SHARE = 0.08
"""CPU time outside labels, as a part of that of labels: what is aimed at where labels are dear."""

_EXPONENT_BEFORE_DATA = 2.5
_SECONDS_OF_TEN_ELECTRONS = 1.0
# Of ln(electrons); what is below is rounding: 100 and 101 electrons alone have 2e-5.
_NO_SPREAD = 1e-9


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """CPU seconds = prefactor * (number of electrons) ** exponent."""

    prefactor: float = _SECONDS_OF_TEN_ELECTRONS / 10**_EXPONENT_BEFORE_DATA
    exponent: float = _EXPONENT_BEFORE_DATA

    def __call__(self, structure: Structure) -> float:
        """Return the predicted CPU seconds of a structure's label."""
        return self.seconds(n_electrons(structure))

    def seconds(self, electrons: int) -> float:
        """Return the predicted CPU seconds of a label of so many electrons."""
        return float(self.prefactor * electrons**self.exponent)


def n_electrons(structure: Structure) -> int:
    """Count the electrons of a structure."""
    return max(1, int(structure.atomic_numbers.sum()) - structure.charge)


@dataclass(frozen=True, kw_only=True)
class CostMoments:
    """Sums over labels of x = ln(electrons) and y = ln(CPU seconds): all that the fit needs."""

    n: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def plus(self, electrons: int, cpu_seconds: float) -> "CostMoments":
        """Return the sums with one more label."""
        x, y = math.log(electrons), math.log(max(cpu_seconds, 1e-3))
        return CostMoments(
            n=self.n + 1, x=self.x + x, y=self.y + y, xx=self.xx + x * x, xy=self.xy + x * y
        )


def fit_cost(moments: CostMoments) -> PowerLaw:
    """Fit the power law to finished labels by least squares of the logarithms.

    With labels of a single size only the prefactor is fitted; without labels the default holds.
    The exponent is kept within 0 and 7, the scaling of CCSD(T).
    """
    if not moments.n:
        return PowerLaw()
    x, y = moments.x / moments.n, moments.y / moments.n
    spread = moments.xx / moments.n - x * x
    slope = _EXPONENT_BEFORE_DATA
    if spread > _NO_SPREAD:
        slope = min(max((moments.xy / moments.n - x * y) / spread, 0.0), 7.0)
    return PowerLaw(prefactor=math.exp(y - slope * x), exponent=slope)


@dataclass(frozen=True, kw_only=True)
class RungCosts:
    """What the tasks of a rung have cost so far, in CPU seconds where nothing else is said.

    Attributes
    ----------
    labels : float
        All labels, failed ones and second opinions included.
    n_labels : int
        How many they were.
    others : float
        All other tasks.
    training_a_label : float
        A training, for each label that it learned.
    sweep : float
        Exploring all molecules once with a committee.
    exploring : float
        All that the newest committee has explored.
    judging : float
        The newest committee's look at all that waited.
    wall_of_labels, wall_of_others : float
        Wall seconds of a worker for each CPU second.
    finding : mapping of int to float
        For each sampler that explores, what finding one structure over the threshold takes with the
        newest committee; infinite where it finds none.
    """

    labels: float = 0.0
    n_labels: int = 0
    others: float = 0.0
    training_a_label: float = 0.0
    sweep: float = 0.0
    exploring: float = 0.0
    judging: float = 0.0
    wall_of_labels: float = 1.0
    wall_of_others: float = 1.0
    finding: Mapping[int, float] = field(default_factory=dict)

    @property
    def candidate(self) -> float:
        """What finding a structure may take: as much as learning it, or a share of its label."""
        return SHARE * (self.label or 0.0) + self.training_a_label

    @property
    def are_labels_cheap(self) -> bool:
        """Whether a label costs less than learning it."""
        return self.label is not None and self.label < self.training_a_label

    @property
    def label(self) -> float | None:
        """Mean of a label; None before the first."""
        return self.labels / self.n_labels if self.n_labels else None

    def training(self, n_labels: int) -> float:
        """Return what a training on so many labels takes."""
        return self.training_a_label * n_labels

    def committee(self, n_labels: int) -> float:
        """Return what another committee takes: training, judging what waits, one sweep."""
        return self.training(n_labels) + self.judging + self.sweep
