"""`rung import`: labels of somebody's data set become labels of a run."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from chemistry.errors import InputError
from chemistry.names import nearest
from chemistry.readers.recognition import Recogniser
from chemistry.records.label import Label, LabelledStructure, Provenance
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.molecule import Molecule
from chemistry.records.structure import IntArray, Origin, Structure, hill_formula
from workflow.datasets.labelled_files import FileLabel, read_labels
from workflow.planning.records import Purpose
from workflow.run.opened import opened_run
from workflow.settings.campaign import Campaign

_ROWS_AT_ONCE = 500
# Neighbours in a file of unknown origin are taken for frames of one trajectory.
_FRAMES_A_BLOCK = 10


@dataclass
class Imported:
    """What an import did.

    Attributes
    ----------
    new, known : int
        Labels that the run has gained, and those that it had.
    by_purpose : Counter of str
        Labels that the run has of the file, by what they are for.
    left_out : Counter of str
        Structures of no molecule of the campaign, by formula.
    """

    new: int = 0
    known: int = 0
    by_purpose: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


def import_data(campaign: Campaign, path: Path, data: Path, level_name: str | None) -> Imported:
    """Take the labels of a file into a run, which is made if need be.

    A label that the run has already stays as it is. Structures are recognised by their bonds;
    those of no molecule of the campaign are left out. What the file calls held out, and every
    structure of a molecule that is only tested on, is held out; all else is trained on.

    Parameters
    ----------
    campaign : Campaign
    path : Path
        The run folder.
    data : Path
        HDF5 in the layout of ANI-1x, or extended XYZ.
    level_name : str or None
        None takes that of the first rung.

    Raises
    ------
    InputError
        The level is of no rung, or the file cannot be used, or nothing in it.
    StoreError, RunInUse
    """
    index, level = _rung_of(campaign, level_name)
    labels = read_labels(data, level)
    with opened_run(campaign, path) as run:
        store = run.store
        store.labels.add_level(level)
        molecules = store.molecules.all()
        imported = Imported()
        found = _recognised(labels, molecules, level, data, imported)
        origin = f"imported from {data.name}, sha256 {_sha256(data)}"
        while batch := list(islice(found, _ROWS_AT_ONCE)):
            new = store.labels.import_labels(index, batch, origin)
            imported.new += new
            imported.known += len(batch) - new
            imported.by_purpose.update(purpose for _, purpose in batch)
        if not imported.by_purpose:
            raise InputError(
                f"{data}: none of its {imported.left_out.total()} structures is of a molecule of "
                f"the campaign ({_listed(imported.left_out)}): name theirs under `molecules`"
            )
        store.diary.add_event("import", f"{imported.new} labels of {level.name}, {origin}")
    return imported


def describe_import(imported: Imported, campaign: Campaign, level_name: str | None) -> list[str]:
    """Say what an import did, and what it means for the campaign."""
    index, level = _rung_of(campaign, level_name)
    training = sum(n for purpose, n in imported.by_purpose.items() if purpose != "held_out")
    held_out = imported.by_purpose["held_out"]
    lines = [
        f"{imported.new} new labels of {level.name}, {imported.known} were known; "
        f"{training} to train on, {held_out} held out"
    ]
    if imported.left_out:
        lines.append(
            f"{imported.left_out.total()} structures are of no molecule of the campaign and left "
            f"out ({_listed(imported.left_out)})"
        )
    budget = campaign.rungs[index].budget.labels
    if training >= budget:
        lines.append(
            f"rungs.{index}.budget.labels is {budget} and counts them: raise it, or the campaign "
            "only trains on what it has"
        )
    return lines


def _listed(counts: Mapping[str, int]) -> str:
    shown = Counter(counts).most_common(5)
    text = ", ".join(f"{name} {n}" for name, n in shown)
    return f"{text}, …" if len(counts) > len(shown) else text


def _rung_of(campaign: Campaign, level_name: str | None) -> tuple[int, LevelOfTheory]:
    level = find_level(level_name or campaign.rungs[0].level)
    names = [find_level(rung.level).name for rung in campaign.rungs]
    if level.name not in names:
        raise InputError(
            f"--level {level.name}: no rung of the campaign has it: {nearest(level.name, names)}"
        )
    return names.index(level.name), level


def _recognised(
    labels: Iterable[FileLabel],
    molecules: Iterable[tuple[Molecule, bool]],
    level: LevelOfTheory,
    data: Path,
    imported: Imported,
) -> Iterator[tuple[LabelledStructure, Purpose]]:
    """Yield labels with their molecule and purpose; count those of no molecule."""
    molecules = list(molecules)
    only_tested = {molecule.molecule_id for molecule, held_out in molecules if held_out}
    recogniser = Recogniser(molecule for molecule, _ in molecules)
    for number, label in enumerate(labels):
        recognised = recogniser.recognise(label.structure)
        if recognised is None:
            imported.left_out[hill_formula(label.structure.atomic_numbers)] += 1
            continue
        structure, order = recognised
        structure = replace(structure, origin=_origin(label.facts, data, number))
        is_tested = structure.molecule_id in only_tested or _is_held_out(label.facts)
        purpose: Purpose = "held_out" if is_tested else "initial"
        yield (
            LabelledStructure(
                structure=structure, label=_label(label, structure, order, level, data)
            ),
            purpose,
        )


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
    label: FileLabel, structure: Structure, order: IntArray, level: LevelOfTheory, data: Path
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
