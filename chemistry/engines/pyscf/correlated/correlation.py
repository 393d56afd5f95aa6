"""MP2, CCSD, CCSD(T) and its frozen-natural-orbital form on a converged Hartree-Fock solution.

Energies here are in hartree.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscf import lib, mp
from pyscf.cc import ccsd, uccsd
from pyscf.data.elements import chemcore

from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf.correlated.ccsd_densities import ccsd_densities
from chemistry.engines.pyscf.correlated.densities import Densities
from chemistry.engines.pyscf.correlated.mp2 import FittedMP2
from chemistry.engines.pyscf.fitting import fitted_integrals
from chemistry.records.recipe import Calculation, FrozenNaturalOrbitals
from chemistry.records.structure import FloatArray

_CCSD_ENERGY_TOLERANCE_HARTREE = 1e-7
_CCSD_AMPLITUDE_TOLERANCE = 1e-5
_AUXILIARY_FUNCTIONS_PER_BASIS_FUNCTION = 5.0
_DENSITIES_PER_BLOCK = 2.5


@dataclass(frozen=True, kw_only=True)
class CoupledCluster:
    """Correlation energies in hartree, MP2 from the same integrals and orbitals.

    Attributes
    ----------
    mp2, ccsd, triples : float
        `triples` is (T) alone; 0 of CCSD.
    t1 : float
        T1 diagnostic (doi:10.1002/qua.560360824).
    t2_max : float
        The largest double amplitude.
    virtuals : int
        Virtual orbitals that were correlated.
    densities : list of Densities or None
        For the gradient of CCSD; None where it was not asked for.
    integrals : pyscf.df.DF or None
        Fitted ones over basis functions; None where they are exact.
    """

    mp2: float
    ccsd: float
    triples: float
    t1: float
    t2_max: float
    virtuals: int
    densities: list[Densities] | None = None
    integrals: Any = None


@dataclass(frozen=True, kw_only=True)
class CCStep:
    """One rung of the ladder of CCSD; each starts from the amplitudes of the last."""

    name: str
    cycles: int
    level_shift_hartree: float = 0.0
    damping: float = 0.0


CCSD_LADDER: tuple[CCStep, ...] = (
    CCStep(name="CCSD", cycles=50),
    CCStep(name="CCSD, level shift 0.3", cycles=100, level_shift_hartree=0.3),
    CCStep(name="CCSD, damping 0.5", cycles=200, damping=0.5),
)


def core_orbitals(mol: Any, calculation: Calculation) -> int:
    """Return how many orbitals are not correlated."""
    return int(chemcore(mol)) if calculation.frozen_core else 0


def has_pairs(mol: Any, calculation: Calculation) -> bool:
    """Whether there are two electrons to correlate, and an orbital to do it in."""
    electrons = mol.nelectron - 2 * core_orbitals(mol, calculation)
    return bool(electrons >= 2 and mol.nao > max(mol.nelec))


def mp2_energy(mf: Any, calculation: Calculation, memory_mb: float) -> float:
    """Return the MP2 correlation energy of a calculation on its mean field."""
    if calculation.density_fitting:
        return fitted_mp2(mf, calculation, memory_mb).energy()
    core = core_orbitals(mf.mol, calculation)
    solver = (mp.ump2.UMP2 if mf.mol.spin != 0 else mp.mp2.RMP2)(mf, frozen=core)
    solver.max_memory = memory_mb
    return float(solver.kernel(with_t2=False)[0])


def fitted_mp2(
    mf: Any, calculation: Calculation, memory_mb: float, integrals: Any = None
) -> FittedMP2:
    """Return the MP2 of a calculation on its mean field, with its own or with given integrals."""
    if integrals is None:
        integrals = fitted_integrals(mf.mol, str(calculation.basis), "mp2", memory_mb)
    return FittedMP2(mf, integrals, core_orbitals(mf.mol, calculation))


def coupled_cluster(
    mf: Any,
    calculation: Calculation,
    attempts: list[str],
    memory_mb: float,
    *,
    with_densities: bool = False,
) -> CoupledCluster:
    """Return canonical CCSD or CCSD(T), or the latter in frozen natural orbitals.

    With frozen natural orbitals `mp2` is the part of MP2 in those that are kept.

    Raises
    ------
    CalculationFailed
        CCSD does not converge, or the memory is too small; there are no densities.
    """
    core = core_orbitals(mf.mol, calculation)
    if with_densities and min(mf.mol.nelec) == core:
        raise CalculationFailed(
            "input", "there are no forces of CCSD for electrons of one spin; take mp2"
        )
    orbitals, frozen = mf.mo_coeff, list(range(core))
    if isinstance(calculation.truncation, FrozenNaturalOrbitals):
        orbitals, dropped = _natural_orbitals(mf, calculation, memory_mb)
        frozen += dropped
    reference = with_integrals(mf, calculation, memory_mb)
    solver = (uccsd.UCCSD if mf.mol.spin != 0 else ccsd.CCSD)(
        reference, frozen=frozen or None, mo_coeff=orbitals
    )
    limit_and_tolerances(solver, memory_mb)
    virtual = np.subtract(solver.nmo, solver.nocc)
    _refuse_too_large(mf.mol, calculation, solver.nocc, virtual, memory_mb, with_densities)
    eris = solver.ao2mo(orbitals)
    mp2 = _solve(solver, eris, attempts)
    integrals = getattr(reference, "with_df", None)
    densities = ccsd_densities(solver, eris, integrals, core) if with_densities else None
    return CoupledCluster(
        mp2=mp2,
        ccsd=float(solver.e_corr),
        triples=float(solver.ccsd_t(eris=eris)) if calculation.kind == "ccsd(t)" else 0.0,
        densities=densities,
        integrals=integrals,
        t1=t1_diagnostic(solver),
        t2_max=largest_t2(solver),
        virtuals=int(np.max(virtual)),
    )


def limit_and_tolerances(solver: Any, memory_mb: float) -> None:
    """Set what every CCSD solver of this engine has in common."""
    solver.max_memory, solver.verbose = memory_mb, 0
    solver.conv_tol = _CCSD_ENERGY_TOLERANCE_HARTREE
    solver.conv_tol_normt = _CCSD_AMPLITUDE_TOLERANCE


def _solve(solver: Any, integrals: Any, attempts: list[str]) -> float:
    """Walk the ladder of CCSD and return the MP2 energy of its integrals.

    PySCF computes (T) on CCSD amplitudes without asking whether they have converged.
    """
    mp2, t1, t2 = solver.init_amps(integrals)
    for step in CCSD_LADDER:
        attempts.append(step.name)
        solver.max_cycle, solver.level_shift = step.cycles, step.level_shift_hartree
        solver.iterative_damping = 1.0 - step.damping
        solver.kernel(t1, t2, eris=integrals)
        if solver.converged and np.isfinite(solver.e_corr):
            return float(mp2)
        t1, t2 = solver.t1, solver.t2
    raise CalculationFailed(
        "convergence", f"CCSD not converged in {len(CCSD_LADDER)} ways; try another geometry"
    )


def with_integrals(mf: Any, calculation: Calculation, memory_mb: float) -> Any:
    """Return the mean field as coupled cluster should see it: same Fock matrix, finer fitting."""
    if not calculation.density_fitting:
        return mf
    potential = mf.get_veff()
    fitted = mf.copy()
    fitted.get_veff = lambda *_, **__: potential
    if min(mf.mol.nelec) == core_orbitals(mf.mol, calculation):
        # PySCF has no fitted integrals for electrons of one spin only: very few electrons.
        fitted._eri = mf.mol.intor("int2e", aosym="s8")
        return fitted
    fitted.with_df = fitted_integrals(mf.mol, str(calculation.basis), "coupled cluster", memory_mb)
    return fitted


def _natural_orbitals(
    mf: Any, calculation: Calculation, memory_mb: float
) -> tuple[FloatArray, list[int]]:
    """Return a closed shell's orbitals, virtuals semicanonical natural ones, and which to drop."""
    assert isinstance(calculation.truncation, FrozenNaturalOrbitals)
    occupied = int(np.count_nonzero(mf.mo_occ))
    density = fitted_mp2(mf, calculation, memory_mb).virtual_density()
    virtual = mf.mo_coeff[:, occupied:]
    occupations, natural = np.linalg.eigh(density)
    share = np.cumsum(occupations[::-1]) / occupations.sum()
    kept = 1 + int(np.searchsorted(share, calculation.truncation.occupation))
    natural = natural[:, ::-1]
    fock = natural[:, :kept].T * mf.mo_energy[occupied:] @ natural[:, :kept]
    semicanonical = natural[:, :kept] @ np.linalg.eigh(fock)[1]
    orbitals = np.hstack(
        [mf.mo_coeff[:, :occupied], virtual @ semicanonical, virtual @ natural[:, kept:]]
    )
    return orbitals, list(range(occupied + kept, orbitals.shape[1]))


def t1_diagnostic(solver: Any) -> float:
    """Return ||t1|| / sqrt(correlated electrons), of spatial amplitudes in a closed shell."""
    if isinstance(solver.t1, tuple):
        squared = 0.5 * sum(float((t**2).sum()) for t in solver.t1)
        return float(np.sqrt(squared / sum(solver.nocc)))
    return float(np.sqrt((solver.t1**2).sum() / (2 * solver.nocc)))


def largest_t2(solver: Any) -> float:
    """Return the largest double amplitude of all spins."""
    blocks = solver.t2 if isinstance(solver.t2, tuple) else (solver.t2,)
    return max((float(np.abs(block).max()) for block in blocks if np.size(block)), default=0.0)


def forecast_memory(
    mol: Any, calculation: Calculation, memory_mb: float, *, with_densities: bool
) -> None:
    """Refuse canonical coupled cluster that cannot fit, before anything is computed.

    Raises
    ------
    CalculationFailed
    """
    if calculation.coupled_cluster and calculation.truncation is None:
        occupied = np.array(mol.nelec) - core_orbitals(mol, calculation)
        virtual = mol.nao - np.array(mol.nelec)
        if mol.spin == 0:
            occupied, virtual = occupied[:1], virtual[:1]
        _refuse_too_large(mol, calculation, occupied, virtual, memory_mb, with_densities)


def _refuse_too_large(
    mol: Any,
    calculation: Calculation,
    occupied: Any,
    virtual: Any,
    memory_mb: float,
    with_densities: bool,
) -> None:
    """Compare what coupled cluster needs with what it has; PySCF's own bound is soft.

    Counted are (vv|vv) and (ov|vv) in packed form, eight times the double amplitudes for their
    intermediates and the DIIS, and either two sets of fitted integrals or the exact ones over
    basis functions and over orbitals. Methanol in cc-pVTZ: forecast 0.5 and 1.0 GB, measured 0.57
    and 0.97 GB. Forces need the two-particle density of each pair of spins, and what it is made
    of: ethanol in cc-pVDZ 0.31 GB without and 0.74 GB with them.
    """
    occupied, virtual = (np.atleast_1d(n).astype(float) for n in (occupied, virtual))
    pairs, singles = virtual * (virtual + 1) / 2, occupied * virtual
    words = np.outer(pairs + singles, pairs).sum() + 8 * np.outer(singles, singles).sum()
    basis_pairs = mol.nao * (mol.nao + 1) / 2
    if calculation.density_fitting:
        words += 2 * _AUXILIARY_FUNCTIONS_PER_BASIS_FUNCTION * mol.nao * basis_pairs
    else:
        words += 0.5 * basis_pairs**2 + max(occupied + virtual) ** 4 / 4
    if with_densities:
        orbitals = (occupied + virtual) ** 2
        words += _DENSITIES_PER_BLOCK * np.triu(np.outer(orbitals, orbitals)).sum()
    needed_mb = float(lib.current_memory()[0] + 8e-6 * words)
    if needed_mb > memory_mb:
        raise CalculationFailed(
            "resource",
            f"coupled cluster in {int(virtual.max())} virtual orbitals needs "
            f"{needed_mb / 1000:.1f} GB and has {memory_mb / 1000:.1f} GB; give it more memory, "
            "or take a smaller basis or a truncated level",
        )
