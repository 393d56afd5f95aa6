"""Gradient of density-fitted MP2 with frozen core, of closed or open shells.

The relaxed density of MP2 by the Z-vector (Handy and Schaefer, doi:10.1063/1.447489), in the form
for fitted integrals (Weigend and Häser, doi:10.1007/s002140050269). Coulomb and exchange matrices
of the reference are fitted, too, in an auxiliary basis of their own, and so is the response of the
orbitals; that of core with correlated orbitals has a closed form.

h are one-electron integrals, S overlap, F Fock matrix, G(D) its electronic part, D and P the
densities of the reference and of MP2, C^P = sum over Q of (P|Q)^-1 (Q|..), Gamma^P_ia the sum of
amplitudes and C^P_jb, A_rp the derivative of the energy with U_rp, the part of orbital r in the
change of orbital p. Then

    dE(HF) = D·dh + D·dG(D) / 2 - D F·dS
    dE(MP2) = P·dh + P·dG(D) - A·dS / 2 + 2 Gamma^P_ia d(ia|P) - Gamma^P_ia C^Q_ia d(P|Q)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chemistry.engines.pyscf.correlated.fitted_derivatives import contracted
from chemistry.engines.pyscf.correlated.fitted_response import FittedResponse
from chemistry.engines.pyscf.correlated.mp2 import Densities, FittedMP2
from chemistry.engines.pyscf.correlated.orbitals import OrbitalSet, total
from chemistry.engines.pyscf.fitting import metric_root, raised, unpacked
from chemistry.records.structure import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class MP2Gradients:
    """Gradients of one geometry, (N, 3) hartree/bohr.

    Attributes
    ----------
    hartree_fock, correlation : (N, 3) float64
    """

    hartree_fock: FloatArray
    correlation: FloatArray


def mp2_gradients(mf: Any, mp2: FittedMP2) -> MP2Gradients:
    """Return the gradients of the total Hartree-Fock and of the MP2 correlation energy.

    Parameters
    ----------
    mf : pyscf mean field
        Converged and density-fitted.
    mp2 : FittedMP2
        On this mean field.

    Raises
    ------
    CalculationFailed
        The response of the orbitals does not converge.
    """
    sets, found = mp2.sets, mp2.densities()
    response = FittedResponse(mf, sets)
    slopes = [_slope(mp2.integrals, o, d.pairs) for o, d in zip(sets, found, strict=True)]
    relaxed, weighted = _relaxed(response, sets, found, slopes)
    occupied = [np.diag(np.arange(len(o.energies)) < o.filled).astype(float) for o in sets]
    of_occupied = [2.0 * o.energies * d for o, d in zip(sets, occupied, strict=True)]
    halves, whole = [[0.5 * d for d in occupied], relaxed], [occupied, relaxed]
    reference, correlation = _mean_field_parts(mf, sets, response, halves) + np.array(
        [
            _one_electron_part(mf, sets, densities, weights)
            for densities, weights in zip(whole, (of_occupied, weighted), strict=True)
        ]
    )
    return MP2Gradients(
        hartree_fock=reference + mf.nuc_grad_method().grad_nuc(mf.mol),
        correlation=correlation + _pair_part(mf.mol, mp2.integrals, sets, found),
    )


def _slope(integrals: Any, orbitals: OrbitalSet, pairs: FloatArray) -> FloatArray:
    """Return dE/dU through (ia|P), (M, M); its columns of core orbitals are zero."""
    by_occupied = np.zeros(orbitals.correlated.shape)
    by_virtual = np.zeros(orbitals.virtual.shape)
    for start, end, block in unpacked(integrals):
        part = pairs[:, start:end]  # (O, p, V)
        by_occupied += np.tensordot(block, part @ orbitals.virtual.T, axes=([0, 2], [1, 2]))
        half = block @ orbitals.correlated  # (p, nao, O)
        by_virtual += np.tensordot(half, part, axes=([0, 2], [1, 0]))
    slope = np.zeros((len(orbitals.energies), len(orbitals.energies)))
    slope[:, orbitals.core : orbitals.filled] = orbitals.coefficients.T @ by_occupied
    slope[:, orbitals.filled :] = orbitals.coefficients.T @ by_virtual
    return 2.0 * slope


def _relaxed(
    response: FittedResponse,
    sets: Sequence[OrbitalSet],
    found: Sequence[Densities],
    slopes: Sequence[FloatArray],
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return P and the symmetric part of A, (M, M) of each set.

    A_rp - A_pr = 0 is what determines the mixing of core with correlated and of occupied with
    virtual orbitals.
    """
    densities = [_unrelaxed(o, d, s) for o, d, s in zip(sets, found, slopes, strict=True)]
    potentials = response.of_density(densities)
    rotations = response.solve(
        [
            -0.5 * (s[o.filled :, : o.filled] - s[: o.filled, o.filled :].T)
            - g[o.filled :, : o.filled]
            for o, s, g in zip(sets, slopes, potentials, strict=True)
        ]
    )
    moved = response.of_rotation(rotations)
    weighted = []
    for o, p, z, slope, *g in zip(
        sets, densities, rotations, slopes, potentials, moved, strict=True
    ):
        p[o.filled :, : o.filled], p[: o.filled, o.filled :] = z, z.T
        a = slope + 2.0 * o.energies[:, None] * p
        a[:, : o.filled] += 2.0 * (g[0] + g[1])[:, : o.filled]
        weighted.append(0.5 * (a + a.T))
    return densities, weighted


def _unrelaxed(orbitals: OrbitalSet, found: Densities, slope: FloatArray) -> FloatArray:
    """Return P without the mixing of occupied and virtual orbitals, (M, M)."""
    core, correlated = slice(orbitals.core), slice(orbitals.core, orbitals.filled)
    virtual = slice(orbitals.filled, None)
    p = np.zeros_like(slope)
    p[correlated, correlated], p[virtual, virtual] = found.occupied, found.virtual
    gaps = orbitals.energies[None, correlated] - orbitals.energies[core, None]
    p[core, correlated] = slope[core, correlated] / (2.0 * gaps)
    p[correlated, core] = p[core, correlated].T
    return p


def _one_electron_part(
    mf: Any,
    sets: Sequence[OrbitalSet],
    densities: Sequence[FloatArray],
    weighted: Sequence[FloatArray],
) -> FloatArray:
    """Return P·dh - A·dS / 2, (N, 3), of matrices over orbitals."""
    density, weights = (
        total(sets, [o.in_functions(m) for o, m in zip(sets, matrices, strict=True)])
        for matrices in (densities, weighted)
    )
    gradient = mf.nuc_grad_method()
    core_hamiltonian = gradient.hcore_generator(mf.mol)
    overlap = gradient.get_ovlp(mf.mol)
    found = np.zeros((mf.mol.natm, 3))
    for atom, (_, _, p, q) in enumerate(mf.mol.aoslice_by_atom()):
        found[atom] = np.einsum("xmn,mn->x", core_hamiltonian(atom), density)
        found[atom] -= np.einsum("xmn,mn->x", overlap[:, p:q], weights[p:q])
    return found


def _mean_field_parts(
    mf: Any,
    sets: Sequence[OrbitalSet],
    response: FittedResponse,
    several: Sequence[Sequence[FloatArray]],
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
            parts: list[FloatArray] = parts,
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


def _pair_part(
    mol: Any, integrals: Any, sets: Sequence[OrbitalSet], found: Sequence[Densities]
) -> FloatArray:
    """Return 2 Gamma^P_ia d(ia|P) - Gamma^P_ia C^Q_ia d(P|Q), (N, 3)."""
    root = metric_root(integrals)
    two = -raised(root, raised(root, total(sets, [d.auxiliary for d in found])).T)
    pairs = [raised(root, d.pairs.transpose(1, 0, 2)) for d in found]  # (P, O, V)

    def three(start: int, end: int) -> FloatArray:
        return 2.0 * total(
            sets,
            [
                o.correlated @ (gamma[start:end] @ o.virtual.T)
                for o, gamma in zip(sets, pairs, strict=True)
            ],
        )

    (gradient,) = contracted(mol, integrals.auxmol, [three], [two])
    return np.asarray(gradient)
