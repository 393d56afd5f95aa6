"""Labels of a file as those of molecules that a run knows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from chemistry.geometries.geometry import check_geometry
from chemistry.readers.recognition import Recogniser
from chemistry.records.label import Checked, Label, LabelledStructure, Provenance
from chemistry.records.level import LevelOfTheory
from chemistry.records.molecule import Molecule
from chemistry.records.structure import IntArray, Origin, Structure, hill_formula
from workflow.datasets.layouts.base import FileLabel
from workflow.planning.records import Purpose

# Neighbours in a file of unknown origin are taken for frames of one trajectory.
_FRAMES_A_BLOCK = 10

Recognised: TypeAlias = str | tuple[FileLabel, tuple[LabelledStructure, Purpose]]
"""What a structure of no molecule is, or a label with its molecule and purpose."""


def recognised(
    labels: Iterable[FileLabel],
    molecules: Iterable[tuple[Molecule, bool]],
    level: LevelOfTheory,
    data: Path,
    checked: Checked,
) -> Iterator[Recognised]:
    """Yield labels with their molecule and purpose; the formula of those of no molecule."""
    molecules = list(molecules)
    only_tested = {molecule.molecule_id for molecule, held_out in molecules if held_out}
    recogniser = Recogniser(molecule for molecule, _ in molecules)
    for number, label in enumerate(labels):
        recognised = recogniser.recognise(label.structure)
        if recognised is None:
            yield _kind(label.structure)
            continue
        structure, order = recognised
        structure = replace(structure, origin=_origin(label.facts, data, number))
        is_tested = structure.molecule_id in only_tested or _is_held_out(label.facts)
        purpose: Purpose = "held_out" if is_tested else "initial"
        known = _label(label, structure, order, level, data, checked)
        yield label, (LabelledStructure(structure=structure, label=known), purpose)


def _kind(structure: Structure) -> str:
    """Say what a structure is, for counting those of no molecule."""
    kind = hill_formula(structure.atomic_numbers)
    if structure.charge:
        kind += f" of charge {structure.charge:+d}"
    if structure.multiplicity != 1:
        kind += f" of multiplicity {structure.multiplicity}"
    fault = check_geometry(structure)
    return kind if fault is None else f"{kind} with atoms on top of each other: are lengths in Å?"


def _is_held_out(facts: Mapping[str, Any]) -> bool:
    purpose = facts.get("purpose")
    return facts.get("split") == "test" if purpose is None else purpose == "held_out"


def _origin(facts: Mapping[str, Any], data: Path, number: int) -> Origin:
    """Return where a structure comes from, as the file says, so that folds stay as they were."""
    sampler, parent, seed = ([*str(facts.get("block", "")).rsplit("/", 2), "", ""])[:3]
    if not sampler:
        return Origin(sampler=f"import {data.name}", seed=number // _FRAMES_A_BLOCK)
    return Origin(
        sampler=sampler,
        parent_id=None if parent == "-" else parent,
        seed=int(seed) if seed.lstrip("-").isdecimal() else None,
    )


def _label(
    label: FileLabel,
    structure: Structure,
    order: IntArray,
    level: LevelOfTheory,
    data: Path,
    checked: Checked,
) -> Label:
    facts = label.facts
    provenance = Provenance(
        program=str(facts.get("program", "unknown")),
        version=str(facts.get("program_version", "")),
        host=f"imported from {data.name}",
        cpu_seconds=float(facts.get("cpu_seconds", 0.0)),
        wall_seconds=float(facts.get("wall_seconds", 0.0)),
        attempts=tuple(str(facts.get("attempts", "")).split()),
        finished_at=float(facts.get("finished_at", 0.0)),
        checked=checked,
    )
    return Label(
        structure_id=structure.structure_id,
        level_id=level.level_id,
        energy=label.energy,
        forces=None if label.forces is None else label.forces[order],
        dipole=label.dipole,
        components=label.components,
        diagnostics=label.diagnostics,
        provenance=provenance,
    )
