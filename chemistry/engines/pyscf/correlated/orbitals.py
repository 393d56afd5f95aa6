"""Orbitals of a converged mean field: one set of a closed shell, one a spin of an open one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chemistry.records.structure import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class OrbitalSet:
    """Orbitals of one spin, or of both spins of a closed shell; occupied ones first.

    Attributes
    ----------
    coefficients : (nao, M) float64
    energies : (M,) float64, hartree
    core, filled : int
        How many are not correlated, and how many are occupied.
    spins : float
        For how many spins the set stands: 1 or 2.
    """

    coefficients: FloatArray
    energies: FloatArray
    core: int
    filled: int
    spins: float

    @property
    def occupied(self) -> FloatArray:
        """Coefficients of all occupied orbitals, (nao, core + O)."""
        return self.coefficients[:, : self.filled]

    @property
    def correlated(self) -> FloatArray:
        """Coefficients of the occupied orbitals that are correlated, (nao, O)."""
        return self.coefficients[:, self.core : self.filled]

    @property
    def virtual(self) -> FloatArray:
        """Coefficients of the empty orbitals, (nao, V)."""
        return self.coefficients[:, self.filled :]

    @property
    def gaps(self) -> FloatArray:
        """Energies of empty minus occupied orbitals, (V, core + O) hartree."""
        return self.energies[self.filled :, None] - self.energies[None, : self.filled]

    def in_functions(self, matrix: FloatArray) -> FloatArray:
        """Return a density over orbitals, (M, M), as one over basis functions."""
        return np.asarray(self.coefficients @ matrix @ self.coefficients.T)

    def in_orbitals(self, matrix: FloatArray) -> FloatArray:
        """Return a potential over basis functions as one over orbitals, (M, M)."""
        return np.asarray(self.coefficients.T @ matrix @ self.coefficients)


def orbital_sets(mf: Any, core: int) -> tuple[OrbitalSet, ...]:
    """Return the one set of a closed shell, or the two of an open one."""
    sets = 1 if np.ndim(mf.mo_occ) == 1 else 2
    return tuple(
        OrbitalSet(
            coefficients=coefficients,
            energies=energies,
            core=core,
            filled=int(np.count_nonzero(occupations)),
            spins=2.0 / sets,
        )
        for coefficients, energies, occupations in zip(
            np.asarray(mf.mo_coeff).reshape(sets, mf.mol.nao, -1),
            np.asarray(mf.mo_energy).reshape(sets, -1),
            np.asarray(mf.mo_occ).reshape(sets, -1),
            strict=True,
        )
    )


def total(sets: Sequence[OrbitalSet], matrices: Sequence[FloatArray]) -> FloatArray:
    """Return the sum over both spins of a matrix of each set."""
    return np.asarray(sum(o.spins * m for o, m in zip(sets, matrices, strict=True)))
