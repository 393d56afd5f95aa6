"""The gap between occupied and empty orbitals, which every mean field has."""

import numpy as np
import numpy.typing as npt

from chemistry.records.structure import FloatArray
from chemistry.units import EV_PER_HARTREE


def smallest_gap_ev(energies: FloatArray, occupied: npt.NDArray[np.bool_]) -> float | None:
    """Return the smallest gap of any spin, or None where no spin has both kinds of orbitals.

    Parameters
    ----------
    energies : (n,) or (spins, n) float64, hartree
    occupied : of the same shape
    """
    gaps = [
        float(e[~filled].min() - e[filled].max())
        for e, filled in zip(np.atleast_2d(energies), np.atleast_2d(occupied), strict=True)
        if filled.any() and not filled.all()
    ]
    return min(gaps) * EV_PER_HARTREE if gaps else None
