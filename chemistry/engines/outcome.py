"""What is the same around every engine: geometry checks, timing, and failures as values."""

import resource
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from ase.data import chemical_symbols, covalent_radii

from chemistry.records.label import FailureKind, Label, LabelFailure, Provenance
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import FloatArray, Structure, interatomic_distances

_OVERLAP_RATIO = 0.5
"""Atoms nearer than this share of their summed covalent radii lie on top of each other: no sampler
means such a geometry, but an SCF converges there happily."""

NET_FORCE_LIMIT_EV_ANGSTROM = 0.01
"""A molecule in empty space feels no net force; a larger one says that the gradient is wrong."""


class CalculationFailed(Exception):
    """Unwinds a calculation; `attempt` turns it into a LabelFailure. Never leaves an engine."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What a program computed, in the units of `Label`, whose fields these are."""

    energy: float
    forces: FloatArray | None = None
    dipole: FloatArray | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    force_components: Mapping[str, FloatArray] = field(default_factory=dict)
    diagnostics: Mapping[str, float] = field(default_factory=dict)


def attempt(
    structure: Structure,
    level: LevelOfTheory,
    program: tuple[str, str],
    compute: Callable[[list[str]], Outcome],
    surroundings: Mapping[str, str] | None = None,
) -> Label | LabelFailure:
    """Check the structure, compute, check the outcome, and say what it cost.

    Parameters
    ----------
    structure : Structure
    level : LevelOfTheory
    program : (name, version)
    compute : callable
        Gets an empty list to which it adds the steps of its ladder that it takes; raises
        CalculationFailed.
    surroundings : mapping of str to str, or None
        For the label's provenance; None where nothing is known of them.
    """
    attempts: list[str] = []
    cpu, wall = _cpu_seconds(), time.perf_counter()
    ids = {"structure_id": structure.structure_id, "level_id": level.level_id}
    try:
        _check_input(structure)
        _check_shell(structure, level)
        outcome = compute(attempts)
        _check_outcome(outcome)
    except (CalculationFailed, MemoryError, OSError) as error:
        kind, reason = _classify(error)
        return LabelFailure(
            **ids,
            kind=kind,
            message=f"structure {structure.structure_id} at {level.name}: {reason}",
            attempts=tuple(attempts),
            cpu_seconds=_cpu_seconds() - cpu,
        )
    return Label(
        **ids,
        energy=outcome.energy,
        forces=outcome.forces,
        dipole=outcome.dipole,
        components=outcome.components,
        force_components=outcome.force_components,
        diagnostics=outcome.diagnostics,
        provenance=Provenance(
            program=program[0],
            version=program[1],
            host=socket.gethostname(),
            cpu_seconds=_cpu_seconds() - cpu,
            wall_seconds=time.perf_counter() - wall,
            attempts=tuple(attempts),
            finished_at=time.time(),
            surroundings=surroundings or {},
        ),
    )


def _classify(error: Exception) -> tuple[FailureKind, str]:
    if isinstance(error, CalculationFailed):
        return error.kind, error.message
    if isinstance(error, MemoryError):
        return "resource", "out of memory; give the task more memory or take a smaller basis"
    return "infrastructure", f"{error}; check the scratch folder and the disk"


def _cpu_seconds() -> float:
    """CPU time so far of this process, its threads and the children that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _check_input(structure: Structure) -> None:
    """Refuse what no program should be asked: each of these gives a number in some program."""
    numbers, positions = structure.atomic_numbers, structure.positions
    if len(structure) == 0:
        raise CalculationFailed("input", "it has no atoms")
    unknown = numbers[(numbers < 1) | (numbers >= len(covalent_radii))]
    if len(unknown):
        raise CalculationFailed("input", f"there is no element of atomic number {unknown[0]}")
    if not np.isfinite(positions).all():
        raise CalculationFailed("input", "a position is not a finite number")
    electrons = int(numbers.sum()) - structure.charge
    unpaired = structure.multiplicity - 1
    if electrons < 1 or not 0 <= unpaired <= electrons or (electrons - unpaired) % 2:
        raise CalculationFailed(
            "input",
            f"{electrons} electrons (charge {structure.charge}) cannot have "
            f"multiplicity {structure.multiplicity}",
        )
    _check_overlap(structure)


def _check_shell(structure: Structure, level: LevelOfTheory) -> None:
    refusal = level.refuse_shell(
        multiplicity=structure.multiplicity, heavy_atoms=structure.heavy_atoms
    )
    if refusal is not None:
        raise CalculationFailed("input", refusal)


def _check_overlap(structure: Structure) -> None:
    radii = covalent_radii[structure.atomic_numbers]
    distances = interatomic_distances(structure.positions)
    np.fill_diagonal(distances, np.inf)
    ratio = distances / (radii[:, None] + radii[None, :])
    i, j = (int(k) for k in np.unravel_index(ratio.argmin(), ratio.shape))
    if ratio[i, j] < _OVERLAP_RATIO:
        symbols = [chemical_symbols[structure.atomic_numbers[k]] for k in (i, j)]
        raise CalculationFailed(
            "input",
            f"atoms {i} ({symbols[0]}) and {j} ({symbols[1]}) overlap: "
            f"they are {distances[i, j]:.3f} Å apart",
        )


def _check_outcome(outcome: Outcome) -> None:
    forces = np.zeros((0, 3)) if outcome.forces is None else outcome.forces
    if not (np.isfinite(outcome.energy) and np.isfinite(forces).all()):
        raise CalculationFailed("convergence", "the energy or a force is not a finite number")
    net_force = float(np.abs(forces.sum(axis=0)).max())
    if net_force > NET_FORCE_LIMIT_EV_ANGSTROM:
        raise CalculationFailed(
            "suspect", f"the forces add up to {net_force:.3f} eV/Å instead of nothing"
        )
