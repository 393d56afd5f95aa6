"""Hartree-Fock and density functionals: the mean field, its convergence, its forces."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscf import dft, gto, lib, scf
from pyscf.scf import stability

from chemistry.engines.gap import smallest_gap_ev
from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf.fitting import built, fitting_basis
from chemistry.engines.pyscf.functional import functional_of
from chemistry.records.recipe import Calculation
from chemistry.records.structure import FloatArray
from chemistry.units import (
    ANGSTROM_PER_BOHR,
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
)

_ENERGY_TOLERANCE_HARTREE = 1e-8
_GRID_LEVEL = 4
_NONLOCAL_GRID_LEVEL = 1
"""Of VV10, whose cost grows with the square of the points: within 1e-4 kcal/mol of level 3."""
_COARSE_GRID_LEVEL = 1
_COARSE_TOLERANCE_HARTREE = 1e-6
_SUSPICIOUS_GAP_EV = 2.5
_GAP_OF_EXACT_EXCHANGE_EV = 7.5
_INSTABILITIES = 3


@dataclass(frozen=True, kw_only=True)
class Step:
    """One rung of the convergence ladder; each starts from the density where the last one ended.

    Attributes
    ----------
    name : str
        As it is recorded in `Provenance.attempts`.
    cycles : int
    level_shift_hartree, damping : float
    newton : bool
        Second-order SCF instead of DIIS.
    guess : str or None
        Throws the density away and starts from this initial guess.
    """

    name: str
    cycles: int
    level_shift_hartree: float = 0.0
    damping: float = 0.0
    newton: bool = False
    guess: str | None = None


LADDER: tuple[Step, ...] = (
    Step(name="DIIS", cycles=60),
    Step(name="level shift 0.3, damping 0.3", cycles=120, level_shift_hartree=0.3, damping=0.3),
    Step(name="Newton", cycles=60, newton=True),
    Step(name="Newton from a Hückel guess", cycles=100, newton=True, guess="huckel"),
)


def mean_field(mol: Any, calculation: Calculation, memory_mb: float) -> Any:
    """Return the unconverged mean field of a calculation: (R|U)HF or (R|U)KS.

    Open shells are unrestricted: PySCF's RKS would silently become ROKS.
    """
    open_shell = mol.spin != 0
    if calculation.kind == "dft":
        mf = dft.UKS(mol) if open_shell else dft.RKS(mol)
        functional = functional_of(calculation.method)
        mf.xc, mf.nlc, mf.disp = functional.code, functional.nlc, False
        mf.grids.level, mf.nlcgrids.level = _GRID_LEVEL, _NONLOCAL_GRID_LEVEL
    else:
        mf = scf.UHF(mol) if open_shell else scf.RHF(mol)
    if calculation.density_fitting:
        mf = mf.density_fit(auxbasis=fitting_basis(str(calculation.basis), mol, "scf"))
        built(mf.with_df, memory_mb)
    mf.conv_tol = _ENERGY_TOLERANCE_HARTREE
    mf.max_memory = memory_mb
    return mf


def converge(mf: Any, attempts: list[str], density: Any = None, *, is_second: bool = False) -> int:
    """Converge a mean field in place and return the cycles that it took.

    Parameters
    ----------
    mf : pyscf mean field
    attempts : list of str
        Gets the name of each step of the ladder that is taken.
    density : array or None
        Density matrix to start from.
    is_second : bool
        Start from another guess than usual and follow instabilities to lower solutions.

    Raises
    ------
    CalculationFailed
        No step of the ladder converges, or the matrices are singular.
    """
    cycles = 0
    try:
        if is_second and density is None:
            attempts.append("from a Hückel guess")
            density = mf.get_init_guess(key="huckel")
        elif density is None:
            density, cycles = _coarse_density(mf)
        for step in LADDER:
            attempts.append(step.name)
            density, taken = _take(step, mf, density)
            cycles += taken
            if mf.converged:
                if is_second or is_suspicious(mf):
                    _follow_instabilities(mf, attempts)
                return cycles
    except np.linalg.LinAlgError as error:
        raise CalculationFailed("convergence", f"SCF broke down: {error}") from error
    raise CalculationFailed(
        "convergence",
        f"SCF not converged in {cycles} cycles and {len(LADDER)} ways; try another geometry",
    )


def _coarse_density(mf: Any) -> tuple[Any, int]:
    """Converge a Kohn-Sham density loosely on a coarse grid first: 25 % less CPU in all.

    A coarser one (level 0, 1e-5) leaves two more cycles to the fine grid: 10 % more in all.
    """
    if not hasattr(mf, "grids"):
        return None, 0
    coarse = mf.copy()
    coarse.grids = dft.Grids(mf.mol)
    coarse.grids.level = _COARSE_GRID_LEVEL
    coarse.nlc = False
    coarse.conv_tol = _COARSE_TOLERANCE_HARTREE
    coarse.kernel()
    return coarse.make_rdm1(), int(coarse.cycles)


def is_suspicious(mf: Any) -> bool:
    """Whether the gap is so small that a lower solution may exist; wants a stability analysis.

    The usual gap grows with the share of exact exchange at long range. Smallest gaps of stable
    molecules and largest of unstable ones, in eV: PBE 3.7 (formaldehyde) and 2.1 (ethylene, twisted
    by 90 degrees), wB97X 10.3 (butadiene) and 9.6 (O3).
    """
    gap_ev = _gap_ev(mf)
    if gap_ev is None:
        return False
    exchange = 1.0
    if hasattr(mf, "xc"):
        omega, long_range, hybrid = mf._numint.rsh_and_hybrid_coeff(mf.xc, mf.mol.spin)
        exchange = float(long_range if omega else hybrid)
    return gap_ev < _SUSPICIOUS_GAP_EV + _GAP_OF_EXACT_EXCHANGE_EV * exchange


def _follow_instabilities(mf: Any, attempts: list[str]) -> None:
    """Go down to a solution of the same kind that no rotation of its orbitals lowers."""
    for _ in range(_INSTABILITIES):
        orbitals, _, stable, _ = mf.stability(
            internal=True, external=False, return_status=True, verbose=0
        )
        if stable:
            return
        attempts.append("followed an instability")
        density = mf.make_rdm1(orbitals, mf.mo_occ)
        _take(Step(name="Newton", cycles=60, newton=True), mf, density)
        if not mf.converged:
            raise CalculationFailed(
                "convergence", "the SCF has a lower solution that does not converge"
            )


def unrestricted_lowering(mf: Any) -> float:
    """Return by how much (hartree) an unrestricted solution lies below a closed-shell one.

    Follows the lowest mode of the orbital Hessian; 0 where that is positive. Costs three to ten
    times the SCF.
    """
    orbitals, stable = stability.rhf_external(mf, return_status=True, verbose=0)
    if stable:
        return 0.0
    unrestricted = dft.UKS(mf.mol, xc=mf.xc) if hasattr(mf, "xc") else scf.UHF(mf.mol)
    if hasattr(mf, "grids"):
        unrestricted.grids, unrestricted.nlcgrids = mf.grids, mf.nlcgrids
        unrestricted.nlc, unrestricted.disp = mf.nlc, False
    if getattr(mf, "with_df", None):
        unrestricted = unrestricted.density_fit()
        unrestricted.with_df = mf.with_df
    unrestricted.conv_tol = _COARSE_TOLERANCE_HARTREE
    # DIIS may fall back to the closed shell.
    unrestricted = unrestricted.newton()
    unrestricted.kernel(unrestricted.make_rdm1(orbitals, (mf.mo_occ / 2, mf.mo_occ / 2)))
    return max(0.0, float(mf.e_tot - unrestricted.e_tot))


def instability(mf: Any, *, always: bool = False) -> dict[str, float]:
    """Return, of a closed shell that is suspicious, how far an unrestricted solution lies below."""
    if mf.mol.spin != 0 or not (always or is_suspicious(mf)):
        return {}
    return {"uhf_lowering_ev": unrestricted_lowering(mf) * EV_PER_HARTREE}


def projected_density(mf: Any, mol: Any) -> Any:
    """Return the density of a converged mean field, projected onto the basis of another Mole.

    It bears its orbitals: from them PySCF builds the first exchange matrix in a fraction of the
    time that it takes from the bare density.
    """
    overlap = mol.intor_symmetric("int1e_ovlp")
    cross = gto.intor_cross("int1e_ovlp", mol, mf.mol)
    restricted = np.ndim(mf.mo_occ) == 1
    coefficients = np.asarray(mf.mo_coeff).reshape(-1, *np.shape(mf.mo_coeff)[-2:])
    occupations = np.atleast_2d(mf.mo_occ)
    # Orbitals that are empty in one spin are kept, with no occupation, so that shapes agree.
    used = (occupations > 0).any(axis=0)
    orbitals = []
    for coefficient in coefficients:
        occupied = np.linalg.solve(overlap, cross @ coefficient[:, used])
        values, vectors = np.linalg.eigh(occupied.T @ overlap @ occupied)
        orbitals.append(occupied @ (vectors / np.sqrt(values)) @ vectors.T)
    fillings = occupations[:, used]
    densities = np.array([c * n @ c.T for c, n in zip(orbitals, fillings, strict=True)])
    if restricted:
        return lib.tag_array(densities[0], mo_coeff=orbitals[0], mo_occ=fillings[0])
    return lib.tag_array(densities, mo_coeff=np.array(orbitals), mo_occ=fillings)


def _take(step: Step, mf: Any, density: Any) -> tuple[Any, int]:
    """Run one step; its solution is left in `mf`."""
    solver = mf.newton() if step.newton else mf
    solver.max_cycle = step.cycles
    if step.guess is not None:
        density = mf.get_init_guess(key=step.guess)
    if not step.newton:
        solver.level_shift, solver.damp = step.level_shift_hartree, step.damping
    solver.kernel(dm0=density)
    if solver is not mf:
        for name in ("converged", "e_tot", "mo_energy", "mo_coeff", "mo_occ"):
            setattr(mf, name, getattr(solver, name))
    return mf.make_rdm1(), int(getattr(solver, "cycles", 0))


def forces(mf: Any, memory_mb: float) -> FloatArray:
    """Return minus the gradient, (N, 3) eV/Å, of a converged mean field."""
    gradient = mf.nuc_grad_method()
    gradient.max_memory = memory_mb
    if hasattr(gradient, "grid_response"):
        # Without the movement of the grid the net force is up to 0.15 kcal/mol/Å.
        gradient.grid_response = True
    values = np.asarray(gradient.kernel(), dtype=np.float64)
    return -values * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR


def dipole(mf: Any) -> FloatArray:
    """Return the dipole, (3,) e Å, about the origin of the coordinates."""
    return np.asarray(mf.dip_moment(unit="AU", verbose=0), dtype=np.float64) * ANGSTROM_PER_BOHR


def diagnostics(mf: Any, cycles: int) -> dict[str, float]:
    """Return S², the smallest gap between occupied and empty orbitals, and the cycles taken."""
    found = {"s2": float(mf.spin_square()[0]), "scf_cycles": float(cycles)}
    gap_ev = _gap_ev(mf)
    if gap_ev is not None:
        found["gap_ev"] = gap_ev
    return found


def _gap_ev(mf: Any) -> float | None:
    return smallest_gap_ev(np.asarray(mf.mo_energy), np.asarray(mf.mo_occ) > 0)
