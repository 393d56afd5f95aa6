"""What a potential says of a molecule, as text and as JSON."""

from dataclasses import is_dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chemistry.records.structure import Structure
from workflow.use.dynamics import Trajectory
from workflow.use.relaxation import Relaxation
from workflow.use.subject import Subject
from workflow.use.torsion import TorsionProfile
from workflow.use.vibrations import VibrationsFound


def as_json(result: Any) -> Any:
    """Return a result as a JSON document; geometries as elements and positions, NaN as null."""
    if isinstance(result, Structure):
        return {
            "atomic_numbers": result.atomic_numbers.tolist(),
            "positions_angstrom": result.positions.tolist(),
        }
    if is_dataclass(result) and not isinstance(result, type):
        return {name: as_json(getattr(result, name)) for name in result.__dataclass_fields__}
    if isinstance(result, np.ndarray):
        return as_json(result.tolist())
    if isinstance(result, (list, tuple)):
        return [as_json(one) for one in result]
    if isinstance(result, float) and not np.isfinite(result):
        return None
    return result


def said_of(subject: Subject) -> dict[str, Any]:
    """Return what a result is of, for its JSON document."""
    return {
        "molecule": subject.molecule.name,
        "level": subject.committee.level_name,
        "members": subject.committee.n_members,
    }


def headline(subject: Subject, what: str) -> Text:
    """Return what was done with what."""
    by, level = subject.committee.n_members, subject.committee.level_name
    described = f"{by} members ({level}); ± is {error_bar(subject)}" if by > 1 else level
    return Text(f"{what} of {subject.molecule.name} by {described}", style="italic")


def error_bar(subject: Subject) -> str:
    """Say what the error bars of a molecule are, and where they come from."""
    intervals, factors = subject.intervals, subject.factors
    if intervals is None:
        return "their standard deviation: this potential has no intervals, errors may be larger"
    if subject.molecule.molecule_id in intervals.molecules:
        if factors.relative_energy is None:
            return "their standard deviation: too few structures were held out for an interval"
        return f"half a {intervals.percent} interval, from {factors.n_groups} {factors.source}"
    if factors.relative_energy is None:
        return (
            "their standard deviation: it has not learned this molecule, errors may be much "
            "larger (`rung intervals` measures how much)"
        )
    return (
        f"half a {intervals.percent} interval for molecules that it has not learned, from "
        f"{factors.n_groups} {factors.source}"
    )


def relaxation_screen(found: Relaxation) -> RenderableType:
    """Return where a relaxation ended."""
    state = "at rest" if found.converged else "NOT at rest: allow more steps with --max-steps"
    return Text(
        f"energy      {found.energy_ev:.6f} eV, {_pm(found.gain_kcal_mol)} "
        f"± {_pm(_known(found.gain_interval_kcal_mol, found.gain_sigma_kcal_mol))} kcal/mol below "
        f"the start\n"
        f"force       {found.max_force_ev_per_angstrom:.4f} eV/Å at most, {found.steps} steps, "
        f"{state}\n"
        f"rho         {_pm(found.rho_kcal_mol)} kcal/mol/√atoms"
    )


def vibrations_screen(found: VibrationsFound) -> RenderableType:
    """Return the wavenumbers."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("mode", "1/cm", "±"):
        table.add_column(heading, justify="right")
    pairs = zip(found.wavenumbers_per_cm, found.error_bars_per_cm, strict=True)
    for number, (wavenumber, error) in enumerate(pairs, start=1):
        value = f"{wavenumber:.0f}" if wavenumber >= 0 else f"{-wavenumber:.0f}i"
        table.add_row(str(number), value, f"{error:.0f}" if np.isfinite(error) else "-")
    zero_point_error = _known(found.zero_point_interval_kcal_mol, found.zero_point_sigma_kcal_mol)
    zero_point = f"zero point  {found.zero_point_kcal_mol:.2f} ± {_pm(zero_point_error)} kcal/mol"
    lines: list[RenderableType] = [relaxation_screen(found.relaxation), table, Text(zero_point)]
    by_forces = np.isfinite(found.interval_per_cm).all()
    error = "standard deviation" + (" times the factor of forces" if by_forces else "")
    lines.append(Text(f"± of wavenumbers and zero point: {error}"))
    n_imaginary = int((found.wavenumbers_per_cm < 0).sum())
    if n_imaginary:
        lines.append(Text(f"{n_imaginary} imaginary: this is not a minimum", style="yellow"))
    return Group(*lines)


def torsion_screen(profile: TorsionProfile) -> RenderableType:
    """Return the energies by angle."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("degrees", "kcal/mol", "±"):
        table.add_column(heading, justify="right")
    for angle, energy, error, rests in zip(
        profile.angles_degree,
        profile.energies_kcal_mol,
        profile.error_bars_kcal_mol,
        profile.converged,
        strict=True,
    ):
        table.add_row(f"{angle:.0f}", f"{energy:.2f}", _pm(error), style="" if rests else "yellow")
    atoms = "-".join(str(atom + 1) for atom in profile.torsion)
    highest = int(profile.energies_kcal_mol.argmax())
    lines: list[RenderableType] = [
        table,
        Text(
            f"barrier     {profile.barrier_kcal_mol:.2f} ± "
            f"{_pm(profile.error_bars_kcal_mol[highest])} kcal/mol, torsion of atoms {atoms}"
        ),
    ]
    n_restless = profile.converged.count(False)
    if n_restless:
        lines.append(
            Text(f"{n_restless} angles (yellow) are not at rest: raise --max-steps", style="yellow")
        )
    return Group(*lines)


def dynamics_screen(trajectory: Trajectory) -> RenderableType:
    """Return averages of a trajectory."""
    half = len(trajectory.times_fs) // 2
    error = (
        f", ± {np.median(trajectory.interval_kcal_mol):.2f} in the median"
        if np.isfinite(trajectory.interval_kcal_mol).all()
        else ""
    )
    return Text(
        f"time        {trajectory.times_fs[-1]:g} fs, {len(trajectory.times_fs)} frames\n"
        f"temperature {trajectory.temperatures_k[half:].mean():.0f} K over the second half\n"
        f"energy      total energy moved by {np.ptp(trajectory.total_kcal_mol):.2f} kcal/mol\n"
        f"potential   {trajectory.energies_kcal_mol[half:].mean():.2f} kcal/mol above the first "
        f"frame over the second half{error}\n"
        f"rho         {_pm(float(np.median(trajectory.rho_kcal_mol)), 3)} kcal/mol/√atoms in the "
        f"median, {_pm(float(trajectory.rho_kcal_mol.max()), 3)} at most"
    )


def _known(interval: float, sigma: float) -> float:
    """Return the interval, or the standard deviation where there is none."""
    return interval if np.isfinite(interval) else sigma


def _pm(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"
