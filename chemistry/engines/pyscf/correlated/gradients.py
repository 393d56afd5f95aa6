"""Gradients of correlated methods with fitted integrals and frozen core, closed and open shells.

The relaxed density by the Z-vector (Handy and Schaefer, doi:10.1063/1.447489), in the form for
fitted integrals (Weigend and Häser, doi:10.1007/s002140050269). Coulomb and exchange matrices of
the reference are fitted, too, in an auxiliary basis of their own, and so is the response of the
orbitals; that of core with correlated orbitals has a closed form.

h are one-electron integrals, S overlap, F Fock matrix, G(D) its electronic part, D and P the
densities of the reference and of the method, C^P = sum over Q of (P|Q)^-1 (Q|..), Gamma^P_pq the
two-particle density times C^P_rs, A_rp the derivative of the energy with U_rp, the part of orbital
r in the change of orbital p. Then

    dE(HF) = D·dh + D·dG(D) / 2 - D F·dS
    dE(method) = P·dh + P·dG(D) - A·dS / 2 + Gamma^P_pq d(pq|P) - Gamma^P_pq C^Q_pq d(P|Q) / 2
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chemistry.engines.pyscf.correlated.densities import Densities
from chemistry.engines.pyscf.correlated.fitted_derivatives import contracted
from chemistry.engines.pyscf.correlated.fitted_response import FittedResponse
from chemistry.engines.pyscf.correlated.orbitals import OrbitalSet, orbital_sets, total
from chemistry.engines.pyscf.fitting import metric_root, raised, unpacked
from chemistry.records.structure import FloatArray

_Matrices: TypeAlias = Sequence[FloatArray]
"""One of each set of orbitals."""


def gradients(
    mf: Any, integrals: Any, methods: Sequence[Sequence[Densities]]
) -> tuple[FloatArray, list[FloatArray]]:
    """Return the gradients of Hartree-Fock and of each correlation energy, (N, 3) hartree/bohr.

    Parameters
    ----------
    mf : pyscf mean field
        Converged and density-fitted.
    integrals : pyscf.df.DF
        Of the correlated methods.
    methods : sequence of sequences of Densities
        Of each method one for each set of orbitals.

    Raises
    ------
    CalculationFailed
        The response of the orbitals does not converge.
    """
    sets = orbital_sets(mf, core=0)
    response = FittedResponse(mf, sets)
    filled = [np.diag((np.arange(len(o.energies)) < o.filled).astype(float)) for o in sets]
    halves: list[_Matrices] = [[0.5 * d for d in filled]]
    densities: list[_Matrices] = [filled]
    weighted: list[_Matrices] = [[2.0 * o.energies * d for o, d in zip(sets, filled, strict=True)]]
    for found in methods:
        relaxed, weights = _relaxed(response, integrals, found)
        halves.append(relaxed)
        densities.append(relaxed)
        weighted.append(weights)
    reference, *rest = _mean_field_parts(mf, sets, response, halves)
    own = [_one_electron_part(mf, sets, d, w) for d, w in zip(densities, weighted, strict=True)]
    return reference + own[0] + mf.nuc_grad_method().grad_nuc(mf.mol), [
        a + b + c
        for a, b, c in zip(rest, own[1:], _pair_parts(mf.mol, integrals, methods), strict=True)
    ]


def _relaxed(
    response: FittedResponse, integrals: Any, found: Sequence[Densities]
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return P and the symmetric part of A, (M, M) of each set.

    A_rp - A_pr = 0 is what determines the mixing of core with correlated and of occupied with
    virtual orbitals.
    """
    slopes = [_slope(integrals, d) for d in found]
    densities = [_with_core(d, slope) for d, slope in zip(found, slopes, strict=True)]
    potentials = response.of_density(densities)
    right = []
    for d, s, g in zip(found, slopes, potentials, strict=True):
        filled = d.orbitals.filled
        antisymmetric = s[filled:, :filled] - s[:filled, filled:].T
        right.append(-0.5 * antisymmetric - g[filled:, :filled])
    rotations = response.solve(right)
    moved = response.of_rotation(rotations)
    weighted = []
    for d, p, z, s, g, change in zip(
        found, densities, rotations, slopes, potentials, moved, strict=True
    ):
        filled = d.orbitals.filled
        p[filled:, :filled], p[:filled, filled:] = z, z.T
        a = s + 2.0 * d.orbitals.energies[:, None] * p
        a[:, :filled] += 2.0 * (g + change)[:, :filled]
        weighted.append(0.5 * (a + a.T))
    return densities, weighted


def _slope(integrals: Any, found: Densities) -> FloatArray:
    """Return the part of A, (M, M), that comes of the integrals."""
    coefficients = found.orbitals.coefficients
    left, right = coefficients[:, found.left], coefficients[:, found.right]
    by_left, by_right = np.zeros(left.shape), np.zeros(right.shape)
    for start, end, block in unpacked(integrals):
        part = found.pairs[:, start:end]  # (L, p, R)
        by_left += np.tensordot(block, part @ right.T, axes=([0, 2], [1, 2]))
        by_right += np.tensordot(block @ left, part, axes=([0, 2], [1, 0]))
    slope = np.zeros((coefficients.shape[1], coefficients.shape[1]))
    slope[:, found.left] += coefficients.T @ by_left
    slope[:, found.right] += coefficients.T @ by_right
    return slope


def _with_core(found: Densities, slope: FloatArray) -> FloatArray:
    """Return P with the mixing of core and correlated orbitals, (M, M)."""
    core = slice(found.orbitals.core)
    correlated = slice(found.orbitals.core, found.orbitals.filled)
    energies, p = found.orbitals.energies, found.one.copy()
    p[core, correlated] = slope[core, correlated] / (
        2.0 * (energies[None, correlated] - energies[core, None])
    )
    p[correlated, core] = p[core, correlated].T
    return p


def _one_electron_part(
    mf: Any, sets: Sequence[OrbitalSet], densities: _Matrices, weighted: _Matrices
) -> FloatArray:
    """Return P·dh - A·dS / 2, (N, 3)."""
    density, weights = (
        total(sets, [o.in_functions(m) for o, m in zip(sets, matrices, strict=True)])
        for matrices in (densities, weighted)
    )
    gradient = mf.nuc_grad_method()
    core_hamiltonian, overlap = gradient.hcore_generator(mf.mol), gradient.get_ovlp(mf.mol)
    found = np.zeros((mf.mol.natm, 3))
    for atom, (_, _, p, q) in enumerate(mf.mol.aoslice_by_atom()):
        found[atom] = np.einsum("xmn,mn->x", core_hamiltonian(atom), density)
        found[atom] -= np.einsum("xmn,mn->x", overlap[:, p:q], weights[p:q])
    return found


def _mean_field_parts(
    mf: Any, sets: Sequence[OrbitalSet], response: FittedResponse, several: Sequence[_Matrices]
) -> FloatArray:
    """Return P·dG(D), (E, N, 3), of E densities P over orbitals."""
    root = metric_root(mf.with_df)
    exchange = [raised(root, half).transpose(0, 2, 1) for half in response.half]  # (P, O, nao)
    reference = total(sets, [o.occupied @ o.occupied.T for o in sets])
    charges = _charges(mf.with_df, root, reference)
    three: list[Callable[[int, int], FloatArray]] = []
    two = []
    for densities in several:
        parts = [o.in_functions(d) for o, d in zip(sets, densities, strict=True)]
        whole = total(sets, parts)
        own = _charges(mf.with_df, root, whole)
        metric = -np.outer(own, charges)
        for o, c, p in zip(sets, exchange, parts, strict=True):
            metric += o.spins * np.tensordot(c, c @ p, axes=([1, 2], [1, 2]))
        two.append(metric)

        def density(
            start: int,
            end: int,
            whole: FloatArray = whole,
            own: FloatArray = own,
            parts: _Matrices = parts,
        ) -> FloatArray:
            found = np.multiply.outer(charges[start:end], whole)
            found += np.multiply.outer(own[start:end], reference)
            for o, c, p in zip(sets, exchange, parts, strict=True):
                found -= 2.0 * o.spins * (o.occupied @ (c[start:end] @ p))
            return found

        three.append(density)
    return contracted(mf.mol, mf.with_df.auxmol, three, two)


def _charges(integrals: Any, root: FloatArray, density: FloatArray) -> FloatArray:
    """Return sum over Q of (P|Q)^-1 (Q|density), (P,)."""
    fitted = [np.tensordot(block, density, axes=2) for _, _, block in unpacked(integrals)]
    return raised(root, np.concatenate(fitted))


def _pair_parts(mol: Any, integrals: Any, methods: Sequence[Sequence[Densities]]) -> FloatArray:
    """Return Gamma^P_pq d(pq|P) - Gamma^P_pq C^Q_pq d(P|Q) / 2, (E, N, 3)."""
    root = metric_root(integrals)
    three: list[Callable[[int, int], FloatArray]] = []
    two = []
    for found in methods:
        metric = total([d.orbitals for d in found], [d.auxiliary for d in found])
        two.append(-0.5 * raised(root, raised(root, metric).T))
        pairs = [raised(root, d.pairs.transpose(1, 0, 2)) for d in found]  # (P, L, R)

        def density(
            start: int,
            end: int,
            found: Sequence[Densities] = found,
            pairs: list[FloatArray] = pairs,
        ) -> FloatArray:
            return total(
                [d.orbitals for d in found],
                [
                    d.orbitals.coefficients[:, d.left]
                    @ (gamma[start:end] @ d.orbitals.coefficients[:, d.right].T)
                    for d, gamma in zip(found, pairs, strict=True)
                ],
            )

        three.append(density)
    return contracted(mol, integrals.auxmol, three, two)
