"""Which solution of the self-consistent field a label is: the lowest of its kind, or suspect.

A level means the lowest solution. An SCF finds a stationary one, in practice often that of the
symmetry of its guess. Two questions are asked, and the expensive ones only where a cheap one gives
reason to:

- of open shells, whether other guesses and the instabilities of what they lead to end lower;
- of closed shells, whether an unrestricted solution lies below. The label stays restricted and says
  by how much: a gate decides.

Both are searched for on a coarse grid, whose errors cancel in differences of one molecule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscf import dft
from pyscf import scf as pyscf_scf

from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf import scf
from chemistry.engines.pyscf.hessian import frontier_modes, rotated_density, softest_mode
from chemistry.geometries.valences import has_weak_bond
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import EV_PER_HARTREE, KCAL_MOL_PER_EV

_DOUBTFUL_FRONTIER_HARTREE = 0.1
"""A frontier curvature below it may hide an unstable mode of all orbitals: see `frontier_modes`."""
_WRONG_FRONTIER_HARTREE = -0.03
_DOUBTFUL_CURVATURE_HARTREE = 0.03
"""A mode softer than this, though stable, is that of an open shell with another one close by."""
_UNSTABLE_HARTREE = -1e-4
_CLEAR_LOWERING_HARTREE = 0.01
_SAME_ENERGY_HARTREE = 5e-6
_FELL_BACK_HARTREE = 1e-4

WRONG_STATE_KCAL_MOL = 12.5
"""How far UHF/cc-pVDZ lies below RHF, in kcal/mol: benzene 2, F2 6, singlet CH2 12, closed-shell O2
13, methanol with its C-O bond at 2.2 Å 30, O3 55, C2 74."""

_GAP_OF_NO_EXCHANGE_EV = 2.5
_GAP_OF_EXACT_EXCHANGE_EV = 7.5
_GAP_OF_WEAK_BONDS_EV = 2.0

_INSTABILITIES = 4
_PROMOTIONS = 3
_RANDOM_GUESSES = 4
_QUARTER_TURN = np.pi / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class _Solution:
    """A converged trial: its energy (hartree) and density."""

    energy: float
    density: Any


def converge(mf: Any, attempts: list[str], density: Any = None, *, is_second: bool = False) -> int:
    """Converge a mean field in place, of an open shell to its lowest solution; return the cycles.

    Parameters
    ----------
    mf : pyscf mean field
    attempts : list of str
        Gets the steps that are taken, and what was looked for.
    density : array or None
        Density to start from: that of the lowest solution in a smaller basis.
    is_second : bool
        Start from another guess than usual, and look for lower solutions in any case.

    Raises
    ------
    CalculationFailed
        Nothing converges, or what converges is not the lowest solution that was found.
    """
    start = density
    if is_second and density is None:
        attempts.append("from a Hückel guess")
        start = mf.get_init_guess(key="huckel")
    if mf.mol.spin == 0:
        return scf.converge(mf, attempts, start)
    trial = scf.on_coarse_grid(mf)
    cycles = scf.converge(trial, attempts, trial.get_init_guess() if start is None else start)
    lowest = _solution(trial)
    if is_second or _is_doubtful(trial, is_projected=density is not None):
        first, lowest = lowest, _search(trial)
        lowered = (first.energy - lowest.energy) * EV_PER_HARTREE * KCAL_MOL_PER_EV
        attempts.append(f"other guesses: {lowered:.2f} kcal/mol lower")
    cycles += scf.converge(mf, attempts, lowest.density)
    _stay(mf, trial, lowest, attempts)
    return cycles


def instability(mf: Any, structure: Structure, *, always: bool = False) -> dict[str, float]:
    """Return, of a closed shell that is doubtful, how far an unrestricted solution lies below.

    Where all bonds are whole, only what lies so far below that the closed shell is the wrong state:
    Hartree-Fock solutions of conjugated molecules at rest are unstable by a few kcal/mol.
    """
    is_weak = has_weak_bond(structure)
    if mf.mol.spin != 0 or not (always or _is_doubtful_closed_shell(mf, is_weak=is_weak)):
        return {}
    lowering_ev = unrestricted_lowering(mf) * EV_PER_HARTREE
    if not is_weak and lowering_ev * KCAL_MOL_PER_EV < WRONG_STATE_KCAL_MOL:
        return {}
    return {"uhf_lowering_ev": lowering_ev}


def unrestricted_lowering(mf: Any) -> float:
    """Return by how much (hartree), at least, an unrestricted solution lies below a closed shell.

    0 where no rotation that unpairs electrons is soft. Costs one to three times the SCF on the
    coarse grid. Where going down the softest mode gains little, or nothing, there may still be a
    lower solution beyond a barrier (wB97X of F2 at 1.7 Å: 0.1 kcal/mol down the mode, 3.5 beyond):
    then guesses are tried as for open shells.
    """
    restricted = mf
    if hasattr(mf, "grids"):
        restricted = scf.on_coarse_grid(mf)
        scf.take(scf.DIIS, restricted, mf.make_rdm1())
    softest = softest_mode(restricted)
    if not softest.curvatures.size or softest.curvatures[0] > _DOUBTFUL_CURVATURE_HARTREE:
        return 0.0
    unrestricted = _unrestricted(restricted)
    if not _descend(unrestricted, rotated_density(restricted, softest.rotations[0])):
        raise CalculationFailed(
            "convergence", "the unrestricted solution below the closed shell does not converge"
        )
    lowering = float(restricted.e_tot - unrestricted.e_tot)
    if lowering < _CLEAR_LOWERING_HARTREE:
        lowering = max(0.0, float(restricted.e_tot) - _search(unrestricted).energy)
    return lowering


def _is_doubtful_closed_shell(mf: Any, *, is_weak: bool) -> bool:
    """Whether an unrestricted solution may lie below.

    Of Hartree-Fock the frontier modes tell: where a bond is weak a small curvature is enough to
    ask, elsewhere it has to be clearly negative. Of density functionals the gap tells, which grows
    with the share of exact exchange at long range. Smallest gaps of stable molecules and largest of
    unstable ones at rest, in eV: PBE 3.7 (formaldehyde) and 2.1 (ethylene, twisted by 90 degrees),
    wB97X 10.3 (butadiene) and 9.6 (O3); of stretched ones wB97X 11.4 (N2 at 1.5 Å).
    """
    if not hasattr(mf, "xc"):
        curvatures = frontier_modes(mf).curvatures
        limit = _DOUBTFUL_FRONTIER_HARTREE if is_weak else _WRONG_FRONTIER_HARTREE
        return bool(curvatures.size and curvatures[0] < limit)
    gap = scf.gap_ev(mf)
    if gap is None:
        return False
    omega, long_range, hybrid = mf._numint.rsh_and_hybrid_coeff(mf.xc, mf.mol.spin)
    exchange = float(long_range if omega else hybrid)
    limit = _GAP_OF_NO_EXCHANGE_EV + _GAP_OF_EXACT_EXCHANGE_EV * exchange
    return gap < limit + (_GAP_OF_WEAK_BONDS_EV if is_weak else 0.0)


def _is_doubtful(trial: Any, *, is_projected: bool) -> bool:
    """Whether an open shell may have a lower solution.

    Of Hartree-Fock the frontier modes say whether to ask the whole Hessian. What was the lowest in
    a smaller basis is doubted only where they prove it to be none.
    """
    if not hasattr(trial, "xc"):
        frontier = frontier_modes(trial).curvatures
        limit = 0.0 if is_projected else _DOUBTFUL_FRONTIER_HARTREE
        if not frontier.size or frontier[0] > limit:
            return False
    curvatures = softest_mode(trial).curvatures
    return bool(curvatures.size and curvatures[0] < _DOUBTFUL_CURVATURE_HARTREE)


def _search(trial: Any) -> _Solution:
    """Return the lowest of the solutions that a trial, other guesses and instabilities lead to.

    The guesses are fixed: a search repeated finds the same. One that does not converge is none.
    """
    first = _solution(trial)
    found = [first]
    for density in [first.density, *_guesses(trial)]:
        candidate = trial.copy()
        if not _descend(candidate, density):
            continue
        is_new = all(abs(candidate.e_tot - s.energy) > _SAME_ENERGY_HARTREE for s in found)
        if (is_new or density is first.density) and _follow(candidate):
            found.append(_solution(candidate))
    return min(found, key=lambda solution: solution.energy)


def _guesses(trial: Any) -> Iterator[FloatArray]:
    """Yield densities unlike that of a solution: Hückel's, and others of its frontier orbitals.

    Soft modes are turned by 90 degrees, which moves an electron; the rest are random.
    """
    yield trial.get_init_guess(key="huckel")
    modes = frontier_modes(trial)
    for rotation in modes.rotations[:_PROMOTIONS]:
        yield rotated_density(trial, rotation, _QUARTER_TURN)
    rng = np.random.default_rng(0)
    for _ in range(_RANDOM_GUESSES):
        weights = rng.normal(size=len(modes.rotations))
        mixed = tuple(
            np.tensordot(weights, parts, axes=1) for parts in zip(*modes.rotations, strict=True)
        )
        yield rotated_density(trial, mixed)


def _follow(trial: Any) -> bool:
    """Go down from a solution to one that no rotation of its orbitals lowers, if it converges."""
    for _ in range(_INSTABILITIES):
        softest = softest_mode(trial)
        if not softest.curvatures.size or softest.curvatures[0] > _UNSTABLE_HARTREE:
            return True
        if not _descend(trial, rotated_density(trial, softest.rotations[0]), steps=(scf.NEWTON,)):
            return False
    return True


def _descend(
    trial: Any, density: Any, steps: tuple[scf.Step, ...] = (scf.DIIS, scf.NEWTON)
) -> bool:
    """Converge a trial from a density; say whether it did."""
    for step in steps:
        density, _ = scf.take(step, trial, density)
        if trial.converged:
            return True
    return False


def _stay(mf: Any, trial: Any, lowest: _Solution, attempts: list[str]) -> None:
    """Bring a mean field back to the solution that it started from, if DIIS has left it upward."""
    if _above(mf, trial, lowest):
        attempts.append("fell back; Newton")
        scf.take(scf.NEWTON, mf, lowest.density)
    if not mf.converged or _above(mf, trial, lowest):
        raise CalculationFailed(
            "suspect", "the SCF converges to a higher solution than one that is known"
        )


def _above(mf: Any, trial: Any, lowest: _Solution) -> bool:
    energy = trial.energy_tot(mf.make_rdm1()) if hasattr(mf, "grids") else mf.e_tot
    return bool(energy > lowest.energy + _FELL_BACK_HARTREE)


def _unrestricted(mf: Any) -> Any:
    """Return the unrestricted counterpart of a closed shell: same grid, same integrals."""
    is_kohn_sham = hasattr(mf, "xc")
    found = dft.UKS(mf.mol, xc=mf.xc) if is_kohn_sham else pyscf_scf.UHF(mf.mol)
    if is_kohn_sham:
        found.grids, found.nlcgrids = mf.grids, mf.nlcgrids
        found.nlc, found.disp = mf.nlc, False
    if getattr(mf, "with_df", None):
        found = found.density_fit()
        found.with_df = mf.with_df
    found.conv_tol, found.max_memory = mf.conv_tol, mf.max_memory
    return found


def _solution(mf: Any) -> _Solution:
    return _Solution(energy=float(mf.e_tot), density=mf.make_rdm1())
