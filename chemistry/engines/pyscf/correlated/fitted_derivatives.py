"""Derivatives of fitted electron repulsion by the positions of the nuclei.

An energy whose electron repulsion is fitted depends on the nuclei through (mn|P) and (P|Q) alone.
Whatever the method, its gradient is these integrals' derivatives times two densities:

    dE = sum three_Pmn d(mn|P) + sum two_PQ d(P|Q)

Several energies of one geometry share the integrals.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pyscf import lib
from pyscf.ao2mo.outcore import balance_partition
from pyscf.df import incore

from chemistry.records.structure import FloatArray

_BLOCK = 64
"""Auxiliary functions whose derivative integrals are held at a time."""


def contracted(
    mol: Any,
    auxiliary: Any,
    three: Sequence[Callable[[int, int], FloatArray]],
    two: Sequence[FloatArray],
) -> FloatArray:
    """Return the gradient of each of E energies, (E, N, 3) hartree/bohr.

    Parameters
    ----------
    mol, auxiliary : pyscf.gto.Mole
    three : sequence of callables
        From first and last auxiliary function (excluded) to the density (p, nao, nao) between.
    two : sequence of (P, P) float64
    """
    by_function = np.zeros((len(three), 3, mol.nao))
    derivatives = auxiliary.intor("int2c2e_ip1")
    by_auxiliary = -np.array(
        [np.einsum("xpq,pq->xp", derivatives, density + density.T) for density in two]
    )
    borders = auxiliary.ao_loc
    for first, last, _ in balance_partition(borders, _BLOCK):
        start, end = int(borders[first]), int(borders[last])
        slices = (0, mol.nbas, 0, mol.nbas, first, last)
        # In memory the auxiliary function is the slowest index, the first basis function the
        # fastest: (3, nao, nao, p) and (3, nao (nao + 1) / 2, p), transposed.
        bra = incore.aux_e2(mol, auxiliary, "int3c2e_ip1", "s1", comp=3, shls_slice=slices)
        ket = incore.aux_e2(mol, auxiliary, "int3c2e_ip2", "s2ij", comp=3, shls_slice=slices)
        for energy, density_of in enumerate(three):
            density = density_of(start, end)
            density = density + density.transpose(0, 2, 1)
            by_function[energy] -= np.einsum("xpnm,pnm->xm", bra.transpose(0, 3, 2, 1), density)
            by_auxiliary[energy, :, start:end] -= np.einsum(
                "xpk,pk->xp", ket.transpose(0, 2, 1), _packed(density)
            )
    return np.array(
        [
            _by_atom(mol, b) + _by_atom(auxiliary, a)
            for b, a in zip(by_function, by_auxiliary, strict=True)
        ]
    )


def _packed(doubled: FloatArray) -> FloatArray:
    """Return what a density plus its transpose has on pairs, each counted once."""
    diagonal = np.arange(doubled.shape[1])
    doubled[:, diagonal, diagonal] *= 0.5
    return np.asarray(lib.pack_tril(doubled))


def _by_atom(mol: Any, values: FloatArray) -> FloatArray:
    """Sum (3, nao) over the functions of each atom to (N, 3)."""
    return np.array([values[:, p:q].sum(axis=1) for _, _, p, q in mol.aoslice_by_atom()])
