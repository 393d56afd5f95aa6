"""Derivatives of fitted electron repulsion by the positions of the nuclei.

An energy whose electron repulsion is fitted depends on the nuclei through (mn|P) and (P|Q) alone.
Whatever the method, its gradient is these integrals' derivatives times two densities:

    dE = sum three_Pmn d(mn|P) + sum two_PQ d(P|Q)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from pyscf import lib
from pyscf.ao2mo.outcore import balance_partition
from pyscf.df import incore

from chemistry.records.structure import FloatArray

_BLOCK = 64
"""Auxiliary functions whose derivative integrals are held at a time."""


def contracted(
    mol: Any, auxiliary: Any, three: Callable[[int, int], FloatArray], two: FloatArray
) -> FloatArray:
    """Return the gradient, (N, 3) hartree/bohr.

    Parameters
    ----------
    mol, auxiliary : pyscf.gto.Mole
    three : callable
        From first and last auxiliary function (excluded) to the density (p, nao, nao) between.
    two : (P, P) float64
    """
    by_function = np.zeros((3, mol.nao))
    by_auxiliary = -2.0 * np.einsum(
        "xpq,pq->xp", auxiliary.intor("int2c2e_ip1"), 0.5 * (two + two.T)
    )
    borders = auxiliary.ao_loc
    for first, last, _ in balance_partition(borders, _BLOCK):
        start, end = int(borders[first]), int(borders[last])
        slices = (0, mol.nbas, 0, mol.nbas, first, last)
        density = three(start, end)
        density = density + density.transpose(0, 2, 1)
        # In memory the auxiliary function is the slowest index, the first basis function the
        # fastest.
        bra = incore.aux_e2(mol, auxiliary, "int3c2e_ip1", "s1", comp=3, shls_slice=slices)
        by_function -= np.einsum("xpnm,pnm->xm", bra.transpose(0, 3, 2, 1), density)
        ket = incore.aux_e2(mol, auxiliary, "int3c2e_ip2", "s2ij", comp=3, shls_slice=slices)
        diagonal = np.arange(mol.nao)
        density[:, diagonal, diagonal] *= 0.5
        packed = lib.pack_tril(density)
        by_auxiliary[:, start:end] -= np.einsum("xpk,pk->xp", ket.transpose(0, 2, 1), packed)
    return _by_atom(mol, by_function) + _by_atom(auxiliary, by_auxiliary)


def _by_atom(mol: Any, values: FloatArray) -> FloatArray:
    """Sum (3, nao) over the functions of each atom to (N, 3)."""
    return np.array([values[:, p:q].sum(axis=1) for _, _, p, q in mol.aoslice_by_atom()])
