"""`rung label`: label the structures of a file without a campaign."""

import shutil
from pathlib import Path

from rich.console import Console

from chemistry.engines import default_engine, find_engine
from chemistry.errors import CampaignFailed, InputError
from chemistry.label import Label
from chemistry.level import find_level
from chemistry.molecules import read_molecules
from chemistry.structure import Structure
from workflow.backend import Backend
from workflow.export.extxyz import ExtendedXYZ
from workflow.inputs import one_geometry
from workflow.label_now import label_now
from workflow.records import ExportRow
from workflow.workers import start_workers


def label_file(
    file: Path,
    level_name: str,
    engine_name: str | None,
    backend: Backend,
    output: Path | None,
    console: Console,
) -> None:
    """Label every structure of a file and write those that succeed as extended XYZ.

    Raises
    ------
    InputError
        The file, the level or the engine cannot be used.
    CampaignFailed
        No structure could be labelled.
    """
    level = find_level(level_name)
    engine = find_engine(engine_name or default_engine(level))
    if (refusal := engine.refuse(level)) is not None:
        raise InputError(refusal)
    structures, names = _structures(file)
    output = output or file.with_suffix(".labels.extxyz")
    # Results stay here until the file is written: a second call after a crash goes on.
    folder = output.with_name(f".{output.name}.work")
    for part in ("spool", "logs"):
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    labels: dict[str, Label] = {}
    with start_workers(backend, folder) as workers:
        answers = label_now(structures, level, engine.name, workers, backend, folder)
        for count, (structure, answer) in enumerate(answers, start=1):
            if isinstance(answer, Label):
                labels[structure.structure_id] = answer
                said = f"{answer.energy:.6f} eV in {answer.provenance.cpu_seconds:.1f} CPU s"
            else:
                said = f"failed ({answer.kind}): {answer.message}"
            console.print(
                f"{count}/{len(structures)}  {names[structure.molecule_id]}  {said}", markup=False
            )
    rows = [
        ExportRow(
            structure=structure,
            label=labels[structure.structure_id],
            level_name=level.name,
            molecule_name=names[structure.molecule_id],
            split="train",
            purpose="asked for",
        )
        for structure in structures
        if structure.structure_id in labels
    ]
    if not rows:
        raise CampaignFailed(f"none of the {len(structures)} structures could be labelled")
    ExtendedXYZ().write(rows, output)
    shutil.rmtree(folder)
    console.print(f"wrote {len(rows)} of {len(structures)} labels to {output}")


def _structures(file: Path) -> tuple[list[Structure], dict[str, str]]:
    """Return the structures of a file, each once, and the names of their molecules."""
    molecules = read_molecules(file)
    structures = [
        structure
        for molecule in molecules
        for structure in (molecule.geometries or (one_geometry(molecule, seed=1),))
    ]
    unique = {structure.structure_id: structure for structure in structures}
    return list(unique.values()), {m.molecule_id: m.name for m in molecules}
