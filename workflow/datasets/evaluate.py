"""Compare a potential with a data set that it has not seen."""

from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chemistry.errors import InputError
from chemistry.records.label import Label, LabelledStructure, Provenance
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.structure import KIND_TITLES, Origin, hill_formula
from model.conformal import Coverage, coverage, scores_by_molecule
from model.evaluation import Errors, MoleculeErrors, errors_of
from model.intervals import intervals_of
from workflow.datasets.layouts import read_labels
from workflow.datasets.layouts.base import FileLabel, Reading, Stated
from workflow.run.potential import read_potential


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How wrong a potential is on a data set.

    Attributes
    ----------
    potential, data : Path
    level_name : str
        Of the labels that the potential has learned.
    other_levels : tuple of str
        Levels of the data that are not this one, as far as frames name one.
    errors : Errors
    as_known, as_unseen : Coverage or None
        The share of the data that the potential's intervals hold: those for molecules that it has
        learned, and those for others; None where the potential has none.
    """

    potential: Path
    data: Path
    level_name: str
    other_levels: tuple[str, ...]
    errors: Errors
    as_known: Coverage | None = None
    as_unseen: Coverage | None = None


def evaluate_potential(potential: Path, data: Path, stated: Stated | None = None) -> Evaluation:
    """Compare a potential with a data set, over all and by molecule.

    Of a file with labels of several levels, those of the potential's own count; a file of one
    other level is compared with as it is, and the evaluation says so.

    Parameters
    ----------
    potential : Path
        See `read_potential`.
    data : Path
        Of one of the layouts in `workflow.datasets.layouts`.
    stated : Stated or None
        Units, signs and spins that the file does not state.

    Raises
    ------
    InputError
        A file is missing or unreadable, or has a label that cannot be used, or none.
    """
    file, committee = read_potential(potential)
    labels, others = _labels(data, committee.level_name, stated or Stated())
    rows = [_row(label, data) for label in labels]
    predictions = committee.predict([row.structure for row in rows])
    errors = errors_of(rows, predictions)
    if errors is None:
        raise InputError(f"{data}: there is no structure in the file")
    intervals = intervals_of(committee.record)
    as_known = as_unseen = None
    if intervals is not None:
        scores = scores_by_molecule(rows, predictions)
        as_known, as_unseen = (coverage(scores, f) for f in (intervals.known, intervals.unseen))
    return Evaluation(
        potential=file,
        data=data,
        level_name=committee.level_name,
        other_levels=others,
        errors=errors,
        as_known=as_known,
        as_unseen=as_unseen,
    )


def _labels(data: Path, level_name: str, stated: Stated) -> tuple[list[FileLabel], tuple[str, ...]]:
    """Return the labels to compare with, and the names of levels among them that are others."""
    reading = Reading(level=_level(level_name), stated=stated)
    if reading.level is not None:
        try:
            return list(read_labels(data, reading)), ()
        except InputError:
            if len(reading.levels) != 1:
                raise
    # The file, or the potential, names a level that the other does not know.
    reading = Reading(stated=stated)
    labels = list(read_labels(data, reading))
    others = sorted({label.level for label in labels if label.level not in (None, level_name)})
    return labels, tuple(str(name) for name in others)


def _level(name: str) -> LevelOfTheory | None:
    """Return a level by name; None for that of a published potential, which has only a name."""
    try:
        return find_level(name)
    except InputError:
        return None


def evaluation_screen(found: Evaluation) -> RenderableType:
    """Return the errors as a table."""
    structures = f"{found.data}, {found.errors.n_structures} structures"
    lines = [
        Text.assemble(("potential  ", "dim"), str(found.potential), f" ({found.level_name})"),
        Text.assemble(("data       ", "dim"), structures),
    ]
    if found.other_levels:
        others = ", ".join(found.other_levels)
        lines.append(Text(f"the data are of another level: {others}", style="yellow"))
    errors = found.errors
    kinds: dict[str, MoleculeErrors] = {}
    if "anchor" in errors.by_kind:  # of a file of others nobody knows what is at rest
        kinds = {
            title: errors.by_kind[kind]
            for kind, title in KIND_TITLES.items()
            if kind in errors.by_kind
        }
    table = _table({"all": errors, **kinds, **errors.by_molecule})
    return Group(*lines, table, *_coverages(found))


def _coverages(found: Evaluation) -> list[RenderableType]:
    """Return how often the potential's intervals hold; it may have none."""
    lines = []
    for what, share in (("known", found.as_known), ("unseen", found.as_unseen)):
        if share is not None:
            shown = ", ".join(
                f"{value:.0%} of {quantity}"
                for quantity, value in (
                    ("energies", share.energy),
                    ("relative energies", share.relative_energy),
                    ("forces", share.force),
                )
                if value is not None
            )
            lines.append(f"90 % intervals for {what} molecules hold {shown or 'nothing'}")
    return [Text(line) for line in lines or ["intervals  this potential has none"]]


def _row(found: FileLabel, data: Path) -> LabelledStructure:
    name = str(found.facts.get("molecule") or hill_formula(found.structure.atomic_numbers))
    structure = replace(found.structure, molecule_id=name)
    if "sampler" in found.facts:
        structure = replace(structure, origin=Origin(sampler=str(found.facts["sampler"])))
    label = Label(
        structure_id=structure.structure_id,
        level_id="",
        energy=found.energy,
        forces=found.forces,
        provenance=Provenance(
            program=data.name,
            version="",
            host="",
            cpu_seconds=0.0,
            wall_seconds=0.0,
            attempts=(),
            finished_at=0.0,
            checked="nobody",
        ),
    )
    return LabelledStructure(structure=structure, label=label)


def _table(errors: dict[str, MoleculeErrors]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in (
        "molecule",
        "structures",
        "energy MAE\nkcal/mol",
        "energy RMSE\nkcal/mol",
        "relative\nenergy MAE",
        "above lowest\nMAE",
        "force MAE\nkcal/mol/Å",
        "force RMSE\nkcal/mol/Å",
    ):
        table.add_column(heading, justify="left" if heading == "molecule" else "right")
    for name, e in errors.items():
        values = (
            e.energy_mae_kcal_mol,
            e.energy_rmse_kcal_mol,
            e.relative_energy_mae_kcal_mol,
            e.above_lowest_mae_kcal_mol,
            e.force_mae_kcal_mol_angstrom,
            e.force_rmse_kcal_mol_angstrom,
        )
        shown = ["-" if value is None else f"{value:.2f}" for value in values]
        table.add_row(name, str(e.n_structures), *shown)
    return table
