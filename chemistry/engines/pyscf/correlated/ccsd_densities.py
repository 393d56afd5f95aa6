"""Densities of CCSD with fitted integrals, from PySCF's amplitudes and Lambda.

Scheiner, Scuseria, Rice, Lee and Schaefer, doi:10.1063/1.453655.
"""

from typing import Any

import numpy as np
from pyscf.cc import ccsd_rdm, uccsd_rdm

from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf.correlated.densities import Densities
from chemistry.engines.pyscf.correlated.mp2 import transformed
from chemistry.engines.pyscf.correlated.orbitals import OrbitalSet, orbital_sets
from chemistry.records.structure import FloatArray

_CYCLES = 100


def ccsd_densities(solver: Any, eris: Any, integrals: Any, core: int) -> list[Densities]:
    """Solve for Lambda and return the densities of each set of orbitals.

    Parameters
    ----------
    solver : pyscf.cc.CCSD or UCCSD
        Converged, of canonical orbitals.
    eris
        Its integrals over orbitals.
    integrals : pyscf.df.DF
        Those over basis functions that they were made of.
    core : int
        Orbitals that are not correlated.

    Raises
    ------
    CalculationFailed
        Lambda does not converge.
    """
    solver.max_cycle = _CYCLES
    solver.solve_lambda(solver.t1, solver.t2, solver.t1, solver.t2, eris=eris)
    if not solver.converged_lambda:
        raise CalculationFailed("convergence", "Lambda of CCSD not converged; try another geometry")
    sets = orbital_sets(solver._scf, core)
    active = [slice(core, None) for _ in sets]
    b = [transformed(integrals, o.coefficients[:, core:], o.coefficients[:, core:]) for o in sets]
    ones, pairs = (_restricted if len(sets) == 1 else _unrestricted)(solver, b)
    return [
        Densities(
            orbitals=o,
            one=_embedded(o, one),
            left=part,
            right=part,
            pairs=pair,
            auxiliary=np.tensordot(pair, own, axes=([0, 2], [0, 2])),
        )
        for o, one, part, pair, own in zip(sets, ones, active, pairs, b, strict=True)
    ]


def _restricted(solver: Any, b: list[FloatArray]) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return one- and two-particle densities of each spin of a closed shell, the latter times B."""
    amplitudes = (solver.t1, solver.t2, solver.l1, solver.l2)
    one = ccsd_rdm._make_rdm1(
        solver, ccsd_rdm._gamma1_intermediates(solver, *amplitudes), False, with_mf=False
    )
    intermediates = ccsd_rdm._gamma2_intermediates(solver, *amplitudes)
    two = ccsd_rdm._make_rdm2(solver, None, intermediates, with_dm1=False, with_frozen=False)
    return [0.5 * one], [0.5 * _times(two, b[0])]


def _unrestricted(solver: Any, b: list[FloatArray]) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return one- and two-particle densities of each spin of an open shell, the latter times B."""
    amplitudes = (solver.t1, solver.t2, solver.l1, solver.l2)
    ones = uccsd_rdm._make_rdm1(
        solver, uccsd_rdm._gamma1_intermediates(solver, *amplitudes), False, with_mf=False
    )
    intermediates = uccsd_rdm._gamma2_intermediates(solver, *amplitudes)
    aa, ab, bb = uccsd_rdm._make_rdm2(
        solver, None, intermediates, with_dm1=False, with_frozen=False
    )
    alpha = _times(aa, b[0]) + _times(ab, b[1])
    beta = _times(bb, b[1]) + _times(ab.transpose(2, 3, 0, 1), b[0])
    return list(ones), [alpha, beta]


def _times(two: FloatArray, b: FloatArray) -> FloatArray:
    """Return sum over r and s of the density (p, q, r, s) and B, (p, P, q)."""
    return np.tensordot(two, b, axes=([2, 3], [0, 2])).transpose(0, 2, 1)


def _embedded(orbitals: OrbitalSet, active: FloatArray) -> FloatArray:
    """Return a density over active orbitals over all, without its occupied-virtual block."""
    one = np.zeros((len(orbitals.energies), len(orbitals.energies)))
    one[orbitals.core :, orbitals.core :] = active
    one[: orbitals.filled, orbitals.filled :] = one[orbitals.filled :, : orbitals.filled] = 0.0
    return one
