"""Gradient of the density-fitted MP2 correlation energy, with frozen core, of closed or open shells.

The relaxed density of MP2 by the Z-vector (Handy and Schaefer, doi:10.1063/1.447489), in the form
for fitted integrals (Weigend and Häser, doi:10.1007/s002140050269); core orbitals as in Gauss and
Cremer, doi:10.1016/S0065-3276(08)60562-8. The reference has its Coulomb and exchange matrices
fitted, in an auxiliary basis of its own, and so has the response of the orbitals.

In formulas: h one-electron integrals, S overlap, F Fock matrix, G(D) its electronic part, P the
relaxed density of MP2, C^P = sum over Q of (P|Q)^-1 (Q|..), Gamma^P_ia the sum of amplitudes and
C^P_jb, and A_rp the derivative of the energy with U_rp, where orbital p changes by U_rp of r. Then

    dE = P·dh + P·dG(D) + 2 Gamma^P_ia d(ia|P) - Gamma^P_ia C^Q_ia d(P|Q) - A·dS / 2
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from pyscf import lib

from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf.correlated.fitted_derivatives import contracted
from chemistry.engines.pyscf.correlated.mp2 import Densities, FittedMP2
from chemistry.records.structure import FloatArray

_BLOCK = 80
"""Auxiliary functions that are unpacked at a time."""
_RESPONSE_TOLERANCE = 1e-8
_RESPONSE_CYCLES = 60
_RESPONSE_RESIDUAL = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class _Orbitals:
    """One set of orbitals: of a spin, or of both spins of a closed shell.

    Attributes
    ----------
    coefficients : (nao, M) float64
    energies : (M,) float64, hartree
    core, filled : int
        Orbitals that are not correlated, and that are occupied.
    """

    coefficients: FloatArray
    energies: FloatArray
    core: int
    filled: int

    @property
    def occupied(self) -> FloatArray:
        """Coefficients of all occupied orbitals."""
        return self.coefficients[:, : self.filled]

    @property
    def correlated(self) -> FloatArray:
        """Coefficients of the occupied orbitals that are correlated."""
        return self.coefficients[:, self.core : self.filled]

    @property
    def virtual(self) -> FloatArray:
        """Coefficients of the empty orbitals."""
        return self.coefficients[:, self.filled :]


def mp2_gradient(mf: Any, mp2: FittedMP2) -> FloatArray:
    """Return the gradient of the MP2 correlation energy, (N, 3) hartree/bohr.

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
    sets = _orbital_sets(mf, mp2)
    found = mp2.densities()
    slopes = [_slope(mp2.integrals, o, d.pairs) for o, d in zip(sets, found, strict=True)]
    relaxed = _relaxed(mf, sets, found, slopes)
    weighted = _energy_weighted(mf, sets, relaxed, slopes)
    return (
        _one_electron_part(mf, _in_functions(sets, relaxed), _in_functions(sets, weighted))
        + _mean_field_part(mf, sets, _in_functions(sets, relaxed))
        + _pair_part(mf.mol, mp2.integrals, sets, found)
    )


def _orbital_sets(mf: Any, mp2: FittedMP2) -> list[_Orbitals]:
    sets = len(mp2.occupied)
    coefficients = np.asarray(mf.mo_coeff).reshape(sets, mf.mol.nao, -1)
    energies = np.asarray(mf.mo_energy).reshape(sets, -1)
    return [
        _Orbitals(coefficients=c, energies=e, core=mp2.core, filled=mp2.core + len(correlated))
        for c, e, correlated in zip(coefficients, energies, mp2.occupied, strict=True)
    ]


def _slope(integrals: Any, orbitals: _Orbitals, pairs: FloatArray) -> FloatArray:
    """Return dE/dU through the integrals, (M, M); its columns of core orbitals are zero."""
    n_functions = len(orbitals.coefficients)
    by_occupied = np.zeros((n_functions, pairs.shape[0]))
    by_virtual = np.zeros((n_functions, pairs.shape[2]))
    for start, end, block in _unpacked(integrals):
        part = pairs[:, start:end]  # (O, p, V)
        by_occupied += np.tensordot(block, part @ orbitals.virtual.T, axes=([0, 2], [1, 2]))
        half = block @ orbitals.correlated  # (p, nao, O)
        by_virtual += np.tensordot(half, part, axes=([0, 2], [1, 0]))
    slope = np.zeros((len(orbitals.energies), len(orbitals.energies)))
    slope[:, orbitals.core : orbitals.filled] = orbitals.coefficients.T @ by_occupied
    slope[:, orbitals.filled :] = orbitals.coefficients.T @ by_virtual
    return 2.0 * slope


def _relaxed(
    mf: Any, sets: list[_Orbitals], found: list[Densities], slopes: list[FloatArray]
) -> list[FloatArray]:
    """Return P, (M, M), of each set: with the mixing of core, correlated and virtual orbitals."""
    densities = []
    for o, d, slope in zip(sets, found, slopes, strict=True):
        core, filled = slice(o.core), slice(o.core, o.filled)
        p = np.zeros_like(slope)
        p[filled, filled], p[o.filled :, o.filled :] = d.occupied, d.virtual
        gaps = o.energies[None, filled] - o.energies[core, None]
        p[core, filled] = slope[core, filled] / (2.0 * gaps)
        p[filled, core] = p[core, filled].T
        densities.append(p)
    response = _responses(mf, sets, densities)
    right = []
    for o, slope, g in zip(sets, slopes, response, strict=True):
        f = o.filled
        right.append(-0.5 * (slope[f:, :f] - slope[:f, f:].T) - g[f:, :f])
    for o, p, z in zip(sets, densities, _solve(mf, sets, right), strict=True):
        p[o.filled :, : o.filled], p[: o.filled, o.filled :] = z, z.T
    return densities


def _solve(mf: Any, sets: list[_Orbitals], right: list[FloatArray]) -> list[FloatArray]:
    """Solve the Z-vector equation gap z + G(z) = right, (V, O) of each set."""
    gaps = [o.energies[o.filled :, None] - o.energies[None, : o.filled] for o in sets]
    ends = np.cumsum([gap.size for gap in gaps])[:-1]

    def blocks(vector: FloatArray) -> list[FloatArray]:
        parts = np.split(vector, ends)
        return [part.reshape(gap.shape) for part, gap in zip(parts, gaps, strict=True)]

    def product(vector: FloatArray) -> FloatArray:
        densities = []
        for o, z in zip(sets, blocks(vector), strict=True):
            p = np.zeros((len(o.energies), len(o.energies)))
            p[o.filled :, : o.filled], p[: o.filled, o.filled :] = z, z.T
            densities.append(p)
        found = _responses(mf, sets, densities)
        return np.concatenate(
            [
                (g[o.filled :, : o.filled] / gap).ravel()
                for o, g, gap in zip(sets, found, gaps, strict=True)
            ]
        )

    start = np.concatenate([(r / gap).ravel() for r, gap in zip(right, gaps, strict=True)])
    solution = lib.krylov(
        lambda vectors: np.array([product(v) for v in np.atleast_2d(vectors)]),
        start,
        tol=_RESPONSE_TOLERANCE,
        max_cycle=_RESPONSE_CYCLES,
    ).ravel()
    if np.abs(solution + product(solution) - start).max(initial=0.0) > _RESPONSE_RESIDUAL:
        raise CalculationFailed(
            "convergence", "the orbital response of MP2 is not converged; try another geometry"
        )
    return blocks(solution)


def _energy_weighted(
    mf: Any, sets: list[_Orbitals], relaxed: list[FloatArray], slopes: list[FloatArray]
) -> list[FloatArray]:
    """Return the symmetric part of A, (M, M), of each set."""
    found = []
    for o, p, slope, g in zip(sets, relaxed, slopes, _responses(mf, sets, relaxed), strict=True):
        a = slope + 2.0 * o.energies[:, None] * p
        a[:, : o.filled] += 2.0 * g[:, : o.filled]
        found.append(0.5 * (a + a.T))
    return found


def _responses(mf: Any, sets: list[_Orbitals], densities: list[FloatArray]) -> list[FloatArray]:
    """Return G of densities in orbitals, (M, M) of each set."""
    changes = _in_functions(sets, densities)
    response = mf.gen_response(hermi=1)
    potentials = [response(2.0 * changes[0])] if len(sets) == 1 else response(np.array(changes))
    return [o.coefficients.T @ v @ o.coefficients for o, v in zip(sets, potentials, strict=True)]


def _in_functions(sets: list[_Orbitals], matrices: list[FloatArray]) -> list[FloatArray]:
    return [o.coefficients @ m @ o.coefficients.T for o, m in zip(sets, matrices, strict=True)]


def _one_electron_part(
    mf: Any, relaxed: list[FloatArray], weighted: list[FloatArray]
) -> FloatArray:
    """Return P·dh - A·dS / 2."""
    spins = _spins(relaxed)
    density, weights = spins * sum(relaxed), spins * sum(weighted)
    gradient = mf.nuc_grad_method()
    core_hamiltonian = gradient.hcore_generator(mf.mol)
    overlap = gradient.get_ovlp(mf.mol)
    found = np.zeros((mf.mol.natm, 3))
    for atom, (_, _, p, q) in enumerate(mf.mol.aoslice_by_atom()):
        found[atom] = np.einsum("xmn,mn->x", core_hamiltonian(atom), density)
        found[atom] -= np.einsum("xmn,mn->x", overlap[:, p:q], weights[p:q])
    return found


def _mean_field_part(mf: Any, sets: list[_Orbitals], relaxed: list[FloatArray]) -> FloatArray:
    """Return P·dG(D)."""
    spins, n_functions = _spins(relaxed), mf.mol.nao
    total = spins * sum(relaxed)
    reference = spins * sum(o.occupied @ o.occupied.T for o in sets)
    n_auxiliary = mf.with_df.get_naoaux()
    coulomb = np.zeros((2, n_auxiliary))
    exchange = [np.zeros((n_auxiliary, o.filled, n_functions)) for o in sets]
    for start, end, block in _unpacked(mf.with_df):
        coulomb[:, start:end] = [np.tensordot(block, d, axes=2) for d in (total, reference)]
        for o, half in zip(sets, exchange, strict=True):
            half[start:end] = o.occupied.T @ block
    metric = _metric_root(mf.with_df)
    by_total, by_reference = (_raised(metric, values) for values in coulomb)
    exchange = [_raised(metric, half) for half in exchange]
    two = -np.outer(by_total, by_reference)
    for o, half, p in zip(sets, exchange, relaxed, strict=True):
        if o.filled:
            two += spins * np.tensordot(half, half @ p, axes=([1, 2], [1, 2]))

    def three(start: int, end: int) -> FloatArray:
        part = slice(start, end)
        density = np.multiply.outer(by_reference[part], total)
        density += np.multiply.outer(by_total[part], reference)
        for o, half, p in zip(sets, exchange, relaxed, strict=True):
            density -= 2.0 * spins * (o.occupied @ (half[part] @ p))
        return density

    return contracted(mf.mol, mf.with_df.auxmol, three, two)


def _pair_part(
    mol: Any, integrals: Any, sets: list[_Orbitals], found: list[Densities]
) -> FloatArray:
    """Return 2 Gamma^P_ia d(ia|P) - Gamma^P_ia C^Q_ia d(P|Q)."""
    spins, root = _spins(sets), _metric_root(integrals)
    metric = spins * sum(d.auxiliary for d in found)
    two = -_raised(root, _raised(root, metric).T)
    pairs = [_raised(root, d.pairs.transpose(1, 0, 2)) for d in found]  # (P, O, V)

    def three(start: int, end: int) -> FloatArray:
        return sum(
            2.0 * spins * (o.correlated @ (gamma[start:end] @ o.virtual.T))
            for o, gamma in zip(sets, pairs, strict=True)
        )

    return contracted(mol, integrals.auxmol, three, two)


def _spins(sets: list[Any]) -> float:
    """Return for how many spins each set of orbitals stands."""
    return 2.0 if len(sets) == 1 else 1.0


def _unpacked(integrals: Any) -> Iterator[tuple[int, int, FloatArray]]:
    """Yield first and last auxiliary function (excluded) and the integrals, (p, nao, nao)."""
    start = 0
    for block in integrals.loop(_BLOCK):
        yield start, start + len(block), lib.unpack_tril(block)
        start += len(block)


def _metric_root(integrals: Any) -> FloatArray:
    """Return L of (P|Q) = L L^T, by which the fitted integrals are L^-1 (Q|mn)."""
    metric = integrals.auxmol.intor("int2c2e")
    return np.asarray(scipy.linalg.cholesky(metric, lower=True), dtype=np.float64)


def _raised(root: FloatArray, values: FloatArray) -> FloatArray:
    """Return L^-T times values whose first index is the auxiliary function."""
    flat = values.reshape(len(values), -1)
    raised = scipy.linalg.solve_triangular(root, flat, trans="T", lower=True)
    return np.asarray(raised.reshape(values.shape), dtype=np.float64)
