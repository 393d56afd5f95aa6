"""Labels of a file beside their recomputations: do they agree?"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import EV_PER_KCAL_MOL
from workflow.datasets.layouts.units import Units

_MEAN_FIELD_KCAL_MOL = 0.2
"""Programs agree within 0.03 (wB97X/6-31G* of the ANI data sets); fitted integrals add up to 0.1.
Five d functions in the place of six are 0.3 to 1.2 off."""
_CORRELATED_KCAL_MOL = 1.0
"""Local and truncated coupled cluster differ by this much among programs."""
_FORCE_KCAL_MOL_ANGSTROM = 0.5
FORCE_SHARE = 0.05
"""Forces may be off by this share of the largest, too: those of published data sets are noisy
(on average by up to 0.033 eV/Å, arXiv:2510.19774), units and signs far more."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far a label may be from a recomputation.

    Attributes
    ----------
    energy_ev, force_ev_angstrom : float
    """

    energy_ev: float
    force_ev_angstrom: float = _FORCE_KCAL_MOL_ANGSTROM * EV_PER_KCAL_MOL


def tolerance_of(level: LevelOfTheory) -> Tolerance:
    """Return how well programs agree at a level."""
    correlated = any(calculation.correlated for calculation in level.calculations)
    return Tolerance(
        energy_ev=(_CORRELATED_KCAL_MOL if correlated else _MEAN_FIELD_KCAL_MOL) * EV_PER_KCAL_MOL
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """One label of a file beside its recomputation.

    Attributes
    ----------
    where : str
    structure : Structure
    energy, computed_energy : float, eV
    forces, computed_forces : (N, 3) float64, eV/Å, or None
    units : Units
        What the file's numbers were read in.
    """

    where: str
    structure: Structure
    energy: float
    computed_energy: float
    units: Units = field(default_factory=Units)
    forces: FloatArray | None = None
    computed_forces: FloatArray | None = None

    def energy_agrees(self, tolerance: Tolerance) -> bool:
        """Say whether both energies are of one level."""
        return abs(self.energy - self.computed_energy) <= tolerance.energy_ev

    @property
    def largest_force_difference(self) -> float:
        """How far a component of a force is off, eV/Å; 0 where there are none to compare."""
        if self.forces is None or self.computed_forces is None:
            return 0.0
        return float(np.abs(self.forces - self.computed_forces).max(initial=0.0))

    def forces_agree(self, tolerance: Tolerance) -> bool:
        """Say whether both forces are of one level; those that are not there agree."""
        if self.forces is None or self.computed_forces is None:
            return True
        largest = float(np.abs(self.computed_forces).max(initial=0.0))
        allowed = tolerance.force_ev_angstrom + FORCE_SHARE * largest
        return self.largest_force_difference <= allowed


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """The energy of a comparison's structure as it would be if something else were meant.

    Attributes
    ----------
    name : str
        What would be meant: "multiplicity 3".
    energy : float, eV
    advice : str
    """

    name: str
    energy: float
    advice: str


def disagreeing(comparisons: Sequence[Comparison], tolerance: Tolerance) -> tuple[Comparison, ...]:
    """Return the comparisons whose energies or forces differ."""
    return tuple(
        c for c in comparisons if not (c.energy_agrees(tolerance) and c.forces_agree(tolerance))
    )
