"""MP2 from density-fitted integrals: energies, densities, natural orbitals for coupled cluster."""

from typing import Any

import numpy as np
from pyscf.ao2mo import _ao2mo

from chemistry.engines.pyscf.correlated.densities import Densities
from chemistry.engines.pyscf.correlated.orbitals import orbital_sets
from chemistry.records.structure import FloatArray

_BLOCK = 80
"""Auxiliary functions that are transformed at a time."""


class FittedMP2:
    """Density-fitted MP2 on a converged mean field, restricted or unrestricted.

    (ia|jb) is the sum over P of B_iPa B_jPb; one pair of occupied orbitals is held at a time.

    Attributes
    ----------
    integrals : pyscf.df.DF
        Those over basis functions.
    sets : tuple of OrbitalSet
    """

    def __init__(self, mf: Any, integrals: Any, core: int) -> None:
        self.sets = orbital_sets(mf, core)
        self.integrals = integrals
        self._b = [transformed(self.integrals, o.correlated, o.virtual) for o in self.sets]
        self._occupied = [o.energies[core : o.filled] for o in self.sets]
        self._virtual = [o.energies[o.filled :] for o in self.sets]

    def energy(self) -> float:
        """Return the correlation energy, hartree."""
        if len(self._b) == 1:
            return self._restricted(None)
        alpha, beta = range(2)
        return self._same_spin(alpha) + self._same_spin(beta) + self._opposite_spin()

    def virtual_density(self) -> FloatArray:
        """Return the (V, V) virtual block of the unrelaxed density of a closed shell."""
        density = np.zeros((len(self._virtual[0]), len(self._virtual[0])))
        self._restricted(density)
        return density

    def densities(self) -> list[Densities]:
        """Return the densities of each set of orbitals; of a closed shell those of one spin.

        A quarter of the trace of `auxiliary` is the correlation energy of the spin.
        """
        if len(self._b) == 1:
            return [self._densities(0, {0: (2.0, 1.0)})]
        return [
            self._densities(spin, {spin: (1.0, 1.0), 1 - spin: (1.0, 0.0)}) for spin in range(2)
        ]

    def _densities(self, spin: int, partners: dict[int, tuple[float, float]]) -> Densities:
        """Sum over partners: spin -> weights of the amplitudes and of their exchange."""
        b = self._b[spin]
        n_occupied, _, n_virtual = b.shape
        occupied, virtual = np.zeros((n_occupied, n_occupied)), np.zeros((n_virtual, n_virtual))
        pairs = np.zeros_like(b)
        for partner, (direct, exchange) in partners.items():
            others = self._b[partner]
            for j, b_j in enumerate(others):
                k = np.matmul(b.transpose(0, 2, 1), b_j)  # (O, V, V') of this j
                gaps = self._virtual[spin][:, None] + self._virtual[partner][None, :]
                sums = self._occupied[spin] + self._occupied[partner][j]
                t = k / (sums[:, None, None] - gaps)
                weighted = direct * t
                if exchange:
                    weighted -= exchange * t.transpose(0, 2, 1)
                occupied -= np.tensordot(t, weighted, axes=([1, 2], [1, 2]))
                virtual += np.tensordot(t, weighted, axes=([0, 2], [0, 2]))
                pairs += np.matmul(b_j, weighted.transpose(0, 2, 1))
        o, pairs = self.sets[spin], 2.0 * pairs
        one = np.zeros((len(o.energies), len(o.energies)))
        one[o.core : o.filled, o.core : o.filled] = occupied
        one[o.filled :, o.filled :] = virtual
        return Densities(
            orbitals=o,
            one=one,
            left=slice(o.core, o.filled),
            right=slice(o.filled, None),
            pairs=pairs,
            auxiliary=np.tensordot(pairs, b, axes=([0, 2], [0, 2])),
        )

    def _restricted(self, density: FloatArray | None) -> float:
        energy = 0.0
        for i in range(len(self._occupied[0])):
            for j in range(i + 1):
                k, t = self._pair(0, i, 0, j)
                contravariant = 2.0 * t - t.T
                energy += (1.0 if i == j else 2.0) * float((contravariant * k).sum())
                if density is not None:
                    density += 2.0 * t @ contravariant.T
                    if i != j:
                        density += 2.0 * t.T @ contravariant
        return energy

    def _same_spin(self, spin: int) -> float:
        energy = 0.0
        for i in range(len(self._occupied[spin])):
            for j in range(i):
                k, t = self._pair(spin, i, spin, j)
                energy += 0.5 * float(((k - k.T) * (t - t.T)).sum())
        return energy

    def _opposite_spin(self) -> float:
        energy = 0.0
        for i in range(len(self._occupied[0])):
            for j in range(len(self._occupied[1])):
                k, t = self._pair(0, i, 1, j)
                energy += float((k * t).sum())
        return energy

    def _pair(self, spin_i: int, i: int, spin_j: int, j: int) -> tuple[FloatArray, FloatArray]:
        """Return (ia|jb) and the first-order amplitudes, both (V, V)."""
        k = self._b[spin_i][i].T @ self._b[spin_j][j]
        gaps = self._virtual[spin_i][:, None] + self._virtual[spin_j][None, :]
        return k, k / (self._occupied[spin_i][i] + self._occupied[spin_j][j] - gaps)


def transformed(integrals: Any, occupied: FloatArray, virtual: FloatArray) -> FloatArray:
    """Return B, (O, P, V), from fitted integrals over basis functions."""
    n_occupied, n_virtual = occupied.shape[1], virtual.shape[1]
    b = np.empty((n_occupied, integrals.get_naoaux(), n_virtual))
    orbitals = np.asfortranarray(np.hstack([occupied, virtual]))
    slices = (0, n_occupied, n_occupied, n_occupied + n_virtual)
    start, buffer = 0, None
    for block in integrals.loop(_BLOCK):  # (p, nao (nao + 1) / 2)
        end = start + len(block)
        buffer = _ao2mo.nr_e2(block, orbitals, slices, aosym="s2", mosym="s1", out=buffer)
        # Sizes in full: of electrons of one spin the other has no orbitals.
        part = buffer.reshape(len(block), n_occupied, n_virtual)
        b[:, start:end] = part.transpose(1, 0, 2)
        start = end
    return b
