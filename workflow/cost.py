"""How long a label will take: a power law in the number of electrons, learned from the labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chemistry.structure import Structure

_EXPONENT_BEFORE_DATA = 2.5
_SECONDS_OF_TEN_ELECTRONS = 1.0


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """CPU seconds = prefactor * (number of electrons) ** exponent."""

    prefactor: float = _SECONDS_OF_TEN_ELECTRONS / 10**_EXPONENT_BEFORE_DATA
    exponent: float = _EXPONENT_BEFORE_DATA

    def __call__(self, structure: Structure) -> float:
        """Return the predicted CPU seconds of a structure's label."""
        return float(self.prefactor * n_electrons(structure) ** self.exponent)


def n_electrons(structure: Structure) -> int:
    """Count the electrons of a structure."""
    return max(1, int(structure.atomic_numbers.sum()) - structure.charge)


def fit_cost(electrons: Sequence[int], cpu_seconds: Sequence[float]) -> PowerLaw:
    """Fit the power law to finished labels by least squares of the logarithms.

    With labels of a single size only the prefactor is fitted; without labels the default holds.
    The exponent is kept within 0 and 7, the scaling of CCSD(T).
    """
    if not electrons:
        return PowerLaw()
    x, y = np.log(electrons), np.log(np.maximum(cpu_seconds, 1e-3))
    spread = float(np.var(x))
    slope = _EXPONENT_BEFORE_DATA
    if spread > 0.0:
        slope = float(np.clip(np.mean((x - x.mean()) * (y - y.mean())) / spread, 0.0, 7.0))
    return PowerLaw(prefactor=float(np.exp(y.mean() - slope * x.mean())), exponent=slope)
