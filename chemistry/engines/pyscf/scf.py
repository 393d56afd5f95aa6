"""Hartree-Fock and density functionals: the mean field, its convergence, its forces."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscf import dft, gto, lib, scf

from chemistry.engines.gap import smallest_gap_ev
from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf.fitting import built, fitting_basis
from chemistry.engines.pyscf.levels.functional import functional_of
from chemistry.records.recipe import Calculation
from chemistry.records.structure import FloatArray
from chemistry.units import (
    ANGSTROM_PER_BOHR,
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
)

_ENERGY_TOLERANCE_HARTREE = 1e-8
_GRID_LEVEL = 4
_NONLOCAL_GRID_LEVEL = 1
"""Of VV10, whose cost grows with the square of the points: within 1e-4 kcal/mol of level 3."""
_COARSE_GRID_LEVEL = 1
_COARSE_TOLERANCE_HARTREE = 1e-6


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


DIIS = Step(name="DIIS", cycles=60)
NEWTON = Step(name="Newton", cycles=60, newton=True)
LADDER: tuple[Step, ...] = (
    DIIS,
    Step(name="level shift 0.3, damping 0.3", cycles=120, level_shift_hartree=0.3, damping=0.3),
    NEWTON,
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


def converge(mf: Any, attempts: list[str], density: Any = None) -> int:
    """Converge a mean field in place and return the cycles that it took.

    Parameters
    ----------
    mf : pyscf mean field
    attempts : list of str
        Gets the name of each step of the ladder that is taken.
    density : array or None
        Density matrix to start from.

    Raises
    ------
    CalculationFailed
        No step of the ladder converges, or the matrices are singular.
    """
    cycles = 0
    try:
        if density is None and hasattr(mf, "grids"):
            # 25 % less CPU in all.
            coarse = on_coarse_grid(mf)
            coarse.kernel()
            density, cycles = coarse.make_rdm1(), int(coarse.cycles)
        for step in LADDER:
            attempts.append(step.name)
            density, taken = take(step, mf, density)
            cycles += taken
            if mf.converged:
                return cycles
    except np.linalg.LinAlgError as error:
        raise CalculationFailed("convergence", f"SCF broke down: {error}") from error
    raise CalculationFailed(
        "convergence",
        f"SCF not converged in {cycles} cycles and {len(LADDER)} ways; try another geometry",
    )


def on_coarse_grid(mf: Any) -> Any:
    """Return a copy that converges loosely and, of Kohn-Sham, on a coarse grid.

    A coarser grid (level 0, 1e-5) leaves two more cycles to the fine one: 10 % more in all.
    """
    coarse = mf.copy()
    coarse.conv_tol = _COARSE_TOLERANCE_HARTREE
    if hasattr(mf, "grids"):
        coarse.grids = dft.Grids(mf.mol)
        coarse.grids.level = _COARSE_GRID_LEVEL
        coarse.nlc = False
    return coarse


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


def take(step: Step, mf: Any, density: Any) -> tuple[Any, int]:
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


def gradient(mf: Any, memory_mb: float) -> FloatArray:
    """Return the gradient, (N, 3) hartree/bohr, of a converged mean field."""
    method = mf.nuc_grad_method()
    method.max_memory = memory_mb
    if hasattr(method, "grid_response"):
        # Without the movement of the grid the net force is up to 0.15 kcal/mol/Å.
        method.grid_response = True
    return np.asarray(method.kernel(), dtype=np.float64)


def forces(mf: Any, memory_mb: float) -> FloatArray:
    """Return minus the gradient, (N, 3) eV/Å, of a converged mean field."""
    return -gradient(mf, memory_mb) * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR


def dipole(mf: Any) -> FloatArray:
    """Return the dipole, (3,) e Å, about the origin of the coordinates."""
    return np.asarray(mf.dip_moment(unit="AU", verbose=0), dtype=np.float64) * ANGSTROM_PER_BOHR


def diagnostics(mf: Any, cycles: int) -> dict[str, float]:
    """Return S², the smallest gap between occupied and empty orbitals, and the cycles taken."""
    found = {"s2": float(mf.spin_square()[0]), "scf_cycles": float(cycles)}
    gap = gap_ev(mf)
    if gap is not None:
        found["gap_ev"] = gap
    return found


def gap_ev(mf: Any) -> float | None:
    """Return the smallest gap between occupied and empty orbitals of a spin; None without one."""
    return smallest_gap_ev(np.asarray(mf.mo_energy), np.asarray(mf.mo_occ) > 0)
