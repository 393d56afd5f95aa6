"""`rung climb-report`: what climbing was worth, on the held-out labels of the highest rung.

All ways learn the same labels from the same committee below, with the same seed and settings, and
are held against the same held-out labels.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.potential import Potential
from chemistry.units import KCAL_MOL_PER_EV
from model import DEFAULT_ARCHITECTURE, TrainingRequest, find_architecture, load_committee
from model.evaluation import Errors, held_out_errors
from workflow.planning.keys import derive_seed
from workflow.run.folder import RunFolder
from workflow.run.store.store import StoreReader
from workflow.run.stored_campaign import stored_campaign

_BELOW = "below"


def way_titles(architecture: str = DEFAULT_ARCHITECTURE) -> dict[str, str]:
    """Return what people call the ways of an architecture and the rung below, by name."""
    ways = find_architecture(architecture).ways
    return {_BELOW: "the rung below, atoms shifted", **ways}


@dataclass(frozen=True, kw_only=True, eq=False)
class Way:
    """How one way of climbing did.

    Attributes
    ----------
    name : str
        "below" or a way of the architecture.
    errors : Errors
    conformer_mae_kcal_mol : float or None
        Mean absolute error of energy differences between all pairs of geometries of a molecule.
    """

    name: str
    errors: Errors
    conformer_mae_kcal_mol: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class ClimbReport:
    """All ways from one rung to the next, side by side.

    Attributes
    ----------
    titles : mapping of str to str
        What people call each way; reports of rung 0.1.0 leave them out.
    """

    below: str
    level: str
    n_labels: int
    n_held_out: int
    ways: tuple[Way, ...]
    titles: Mapping[str, str] = field(default_factory=way_titles)


def climb_report(
    run: Path, *, shown: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
) -> ClimbReport:
    """Compare all ways of climbing to the highest rung that has labels.

    The way of the campaign's newest committee is not trained again if that has learned the same
    labels; the others are trained here.

    Parameters
    ----------
    run : Path
    shown : callable
        Of what is done now, shows it meanwhile.

    Raises
    ------
    InputError
        The run has not climbed, or the highest rung has no held-out labels.
    """
    folder = RunFolder(run)
    with StoreReader.open(folder.store) as store:
        campaign = stored_campaign(store)
        rungs = store.trainings.rungs()
        if not rungs or rungs[-1] == 0:
            raise InputError(
                f"{run} has not climbed: give its campaign a second rung, and `rung launch` "
                "resumes it"
            )
        rung = rungs[-1]
        level = find_level(campaign.rungs[rung].level)
        data = store.labels.labelled(rung, level.level_id, held_out=False)
        held_out = store.labels.labelled(rung, level.level_id, held_out=True)
        newest = store.trainings.all(rung)[-1]
        below = load_committee(
            folder.checkpoint(rung - 1, store.trainings.all(rung - 1)[-1].version)
        )
    if not held_out:
        raise InputError(f"{run} has no held-out labels at {level.name}")
    request = TrainingRequest(
        data=data,
        settings=campaign.train,
        elements=below.elements,
        level=level,
        seed=derive_seed(campaign, "train"),
    )
    architecture = find_architecture(campaign.train.architecture)
    committees: dict[str, Potential] = {_BELOW: architecture.shifted(request, below)}
    is_whole = newest.n_labels == len(data)
    for way, title in architecture.ways.items():
        if is_whole and way == newest.history.transfer:
            committees[way] = load_committee(folder.path / newest.checkpoint)
            continue
        with shown(f"training on {len(data)} labels: {title}"):
            committees[way] = architecture.climb(request, below, way).committee
    return ClimbReport(
        below=below.level_name,
        level=level.name,
        n_labels=len(data),
        n_held_out=len(held_out),
        ways=tuple(_way(name, committee, held_out) for name, committee in committees.items()),
        titles=way_titles(architecture.name),
    )


def _way(name: str, committee: Potential, held_out: Sequence[LabelledStructure]) -> Way:
    errors = held_out_errors(committee, held_out)
    assert errors is not None, "the held-out set is not empty"
    return Way(name=name, errors=errors, conformer_mae_kcal_mol=conformer_mae(committee, held_out))


def conformer_mae(potential: Potential, data: Sequence[LabelledStructure]) -> float | None:
    """Return the mean absolute error of relative energies within molecules, kcal/mol.

    Over all pairs of geometries of the same molecule; None where no molecule has two.
    """
    predictions = potential.predict([row.structure for row in data])
    missing: dict[str, list[float]] = {}
    for row, prediction in zip(data, predictions, strict=True):
        error = (prediction.energy - row.label.energy) * KCAL_MOL_PER_EV
        missing.setdefault(row.structure.molecule_id, []).append(error)
    pairs = [abs(a - b) for errors in missing.values() for a, b in combinations(errors, 2)]
    return float(np.mean(pairs)) if pairs else None


def report_screen(report: ClimbReport) -> RenderableType:
    """Return the comparison as a table."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("way")
    for heading in (
        "energy MAE\nkcal/mol",
        "energy RMSE\nkcal/mol",
        "conformers MAE\nkcal/mol",
        "force MAE\nkcal/mol/Å",
    ):
        table.add_column(heading, justify="right")
    best = min(report.ways, key=lambda way: way.errors.of_energies_and_forces)
    for way in report.ways:
        values = (
            way.errors.energy_mae_kcal_mol,
            way.errors.energy_rmse_kcal_mol,
            way.conformer_mae_kcal_mol,
            way.errors.force_mae_kcal_mol_angstrom,
        )
        shown = ["-" if value is None else f"{value:.3f}" for value in values]
        table.add_row(report.titles[way.name], *shown, style="bold" if way is best else "")
    title = (
        f"Climbing from {report.below} to {report.level}: {report.n_labels} labels, "
        f"errors on {report.n_held_out} held-out ones"
    )
    return Group(Text(title, style="italic"), table)


def save_report(report: ClimbReport, path: Path) -> None:
    """Write the comparison as JSON."""
    path.write_bytes(TypeAdapter(ClimbReport).dump_json(report, indent=2))


def read_report(path: Path) -> ClimbReport | None:
    """Read what `save_report` wrote; None where there is nothing of use."""
    try:
        return TypeAdapter(ClimbReport).validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def save_plot(report: ClimbReport, path: Path) -> None:
    """Draw the comparison as bars."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none"}):
        figure = Figure(figsize=(7.0, 3.2), layout="constrained")
        axes = figure.add_subplot()
        names = [report.titles[way.name] for way in report.ways]
        places = np.arange(len(names))
        total = [way.errors.energy_mae_kcal_mol for way in report.ways]
        relative = [way.conformer_mae_kcal_mol or 0.0 for way in report.ways]
        axes.barh(places - 0.2, total, height=0.4, label="total energies", color="#1f5f8b")
        axes.barh(places + 0.2, relative, height=0.4, label="conformers", color="#e0a33e")
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set_xlabel("mean absolute error, kcal/mol")
        axes.set_title(f"{report.below} to {report.level} with {report.n_labels} labels")
        axes.legend(frameon=False)
        figure.savefig(path)
