"""`rung label`: label the structures of a file without a campaign."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console

from chemistry.engines import default_engine, find_engine
from chemistry.errors import CampaignFailed, InputError
from chemistry.gates import Gates, examine, refusal
from chemistry.readers.given import NOTHING_GIVEN, Given
from chemistry.readers.molecules import read_molecules
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure
from workflow.datasets.export.formats.extxyz import ExtendedXYZ
from workflow.datasets.label_now import label_now
from workflow.run.store.records import ExportRow
from workflow.settings.backend import Backend
from workflow.settings.molecules import described, one_geometry, require_computable
from workflow.work.pools.workers import start_workers
from workflow.work.system.disk import disk_errors_explained, own_folder
from workflow.work.teachers import with_teachers


def label_file(
    file: Path,
    level_name: str,
    engine_name: str | None,
    backend: Backend,
    output: Path | None,
    console: Console,
    *,
    skip_bad: bool = False,
    given: Given = NOTHING_GIVEN,
) -> None:
    """Label every structure of a file and write those that succeed as extended XYZ.

    With `skip_bad`, entries of the file that cannot be used are named and left out; without it
    they refuse the file. Charge and multiplicity of what is labelled are said first.

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
    skipped: list[InputError] = []
    molecules = read_molecules(
        file,
        charge=given.charge,
        multiplicity=given.multiplicity,
        spin_means=given.spin_means,
        skipped=skipped if skip_bad else None,
    )
    for error in skipped:
        console.print(f"skipped  {error}", markup=False)
    for line in described(molecules):
        console.print(f"molecule  {line}", markup=False, highlight=False)
    require_computable(level, engine, molecules)
    backend = with_teachers(backend, [level], molecules)
    structures = _structures(molecules)
    names = {molecule.molecule_id: molecule.name for molecule in molecules}
    output = output or file.with_suffix(".labels.extxyz")
    # Results stay here until the file is written: a second call after a crash resumes.
    folder = output.with_name(f".{output.name}.work")
    with disk_errors_explained(output):
        for part in (folder, folder / "spool", folder / "logs"):
            own_folder(part)
        with start_workers(backend, folder) as workers:
            answers = label_now(structures, level, engine.name, workers, backend, folder)
            labels = _collect(answers, len(structures), names, console)
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
    with disk_errors_explained(output):
        if rows:
            ExtendedXYZ().write(rows, output)
        shutil.rmtree(folder)
    if not rows:
        raise CampaignFailed(f"none of the {len(structures)} structures could be labelled")
    console.print(f"wrote {len(rows)} of {len(structures)} labels to {output}")


def _structures(molecules: Iterable[Molecule]) -> list[Structure]:
    """Return the geometries of molecules, each once."""
    structures = [
        structure
        for molecule in molecules
        for structure in (molecule.geometries or (one_geometry(molecule, seed=1),))
    ]
    return list({structure.structure_id: structure for structure in structures}.values())


def _collect(
    answers: Iterable[tuple[Structure, Label | LabelFailure]],
    total: int,
    names: Mapping[str, str],
    console: Console,
) -> dict[str, Label]:
    """Return the labels by structure_id; say of each answer how it went."""
    labels = {}
    for count, (structure, answer) in enumerate(answers, start=1):
        if isinstance(answer, Label):
            labels[structure.structure_id] = answer
            said = f"{answer.energy:.6f} eV in {answer.provenance.cpu_seconds:.1f} CPU s"
            doubt = refusal(examine(structure, answer, Gates()))
            said += f"; suspect: {doubt}" if doubt else ""
        else:
            said = f"failed ({answer.kind}): {answer.message}"
        console.print(f"{count}/{total}  {names[structure.molecule_id]}  {said}", markup=False)
    return labels
