"""What a person sees in the terminal: the summary of a run as tables."""

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from chemistry.records.structure import KIND_TITLES
from model.evaluation import MoleculeErrors
from workflow.planning.records import Training
from workflow.report.summary import RungSummary, RunSummary
from workflow.report.time_spent import duration, time_spent, to_go_text, under_way_text
from workflow.run.folder import RunFolder
from workflow.run.store.records import Unusable

_GAIN = 0.75
"""The error that is forecast, as a share of the one that is."""
_ERROR_HEADINGS = (
    "energy MAE\nkcal/mol",
    "energy RMSE\nkcal/mol",
    "force MAE\nkcal/mol/Å",
    "force RMSE\nkcal/mol/Å",
    "above lowest\nMAE kcal/mol",
)


def summary_screen(summary: RunSummary, folder: RunFolder) -> RenderableType:
    """Return the whole summary: what `rung status` prints."""
    parts: list[RenderableType] = [_headline(summary), *waiting_lines(summary)]
    for rung in summary.rungs:
        parts += [Text(), _labels_line(rung)]
        if rung.trainings:
            parts += [
                _trainings_table(rung),
                *_kinds_table(rung),
                *_molecules_table(summary, rung),
                *_reliability_table(rung),
                *_forecast_line(rung),
            ]
    parts += [Text(), _cost_table(summary), *_diary(summary), _paths(summary, folder)]
    return Group(*parts)


def failures_screen(labels: Sequence[Unusable]) -> RenderableType:
    """Return the labels that failed or were refused: what `rung status --failures` prints."""
    if not labels:
        return Text("no label failed, none was refused")
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("structure", "molecule", "level", "kind", "tries", "what happened"):
        table.add_column(heading, overflow="fold")
    for label in labels:
        steps = f" (took {', '.join(label.attempts)})" if label.attempts else ""
        table.add_row(
            label.structure_id,
            label.molecule_name,
            label.level_name,
            label.kind,
            str(label.tries),
            Text(label.message + steps),
        )
    return _titled(f"labels that failed or were refused: {len(labels)}", table)


def new_console(*, stderr: bool = False) -> Console:
    """Return a console; in a pipe its lines are wide enough not to be folded."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=200)


def save_picture(screen: RenderableType, path: Path, *, title: str) -> None:
    """Save a screen as an SVG picture of a terminal."""
    console = Console(record=True, width=120, file=io.StringIO(), force_terminal=True)
    console.print(screen)
    console.save_svg(str(path), title=title)


def _headline(summary: RunSummary) -> Text:
    state = f"finished: {summary.finished}" if summary.finished else "not finished"
    n_grown = sum(molecule.has_grown for molecule in summary.molecules)
    molecules = f"{len(summary.molecules)} molecules"
    if n_grown:
        molecules += f" ({n_grown} of them from the pool)"
    return Text.assemble(
        (summary.name, "bold"), f"  {molecules}, {duration(summary.wall_seconds)}, {state}"
    )


def waiting_lines(summary: RunSummary) -> list[Text]:
    """Return what is waited for and when it will be done; nothing of a run that is finished."""
    lines = [Text(under_way_text(summary.under_way))] if summary.under_way else []
    rung = summary.rung_under_way
    if rung is not None and rung.to_go is not None:
        lines.append(Text(f"{rung.level.name}: {to_go_text(rung.to_go, summary.slots)}"))
    return lines


def _diary(summary: RunSummary) -> list[RenderableType]:
    """Return what happened last beside labels and trainings; nothing where nothing did."""
    lost = [f"{n} tries lost ({kind}) and repeated" for kind, n in summary.lost.items()]
    lines = [Text("; ".join(lost))] if lost else []
    for at, _, text in summary.events:
        when = datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
        lines.append(Text.assemble((f"{when}  ", "dim"), text.strip().splitlines()[-1]))
    return [*lines, Text()] if lines else []


def _labels_line(rung: RungSummary) -> Text:
    made = ", ".join(
        f"{n} {purpose.replace('_', '-')}" for purpose, n in sorted(rung.labels.items())
    )
    failed = rung.failures.total()
    why = f" ({', '.join(f'{n} {kind}' for kind, n in rung.failures.items())})" if failed else ""
    return Text.assemble(
        (rung.level.name, "bold cyan"),
        f"  labels made: {rung.labels.total()}" + (f" ({made})" if made else ""),
        f"; failed: {failed}{why}; under way: {rung.to_label}; waiting: {rung.waiting}",
    )


def _forecast_line(rung: RungSummary) -> list[RenderableType]:
    """Return what more labels would bring, where the newest training knows."""
    forecast = rung.trainings[-1].history.forecast
    if forecast is None:
        return []
    said = f"labels left out: {forecast.error_kcal_mol:.2f} kcal/mol"
    target = _GAIN * forecast.error_kcal_mol
    more = forecast.more_labels(target)
    if more is None:
        return [Text(f"{said}; more labels of this kind do not seem to lower it")]
    made = rung.labels.total() + rung.failures.total()
    seconds = 3600.0 * rung.label_cpu_hours * more / made if made else 0.0
    return [Text(f"{said}; {target:.2f} with about {more} more, {duration(seconds)} of CPU time")]


def _trainings_table(rung: RungSummary) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD)
    headings = (
        *_ERROR_HEADINGS,
        "RMSE /\nsigma",
        "threshold\nkcal/mol",
        "uncertain\nwhen exploring",
    )
    for heading in ("training", "labels", *headings):
        table.add_column(heading, justify="right")
    for training, threshold in zip(rung.trainings, rung.thresholds, strict=True):
        sweep = rung.first_sweep(training.version)
        table.add_row(
            str(training.version) if training.version else training.title,
            str(training.n_labels),
            *errors_shown(training.errors),
            _calibration_factor(training),
            f"{threshold.rho_kcal_mol:.3f}",
            f"{sweep.uncertain_share:.0%} of {sweep.judged}" if sweep else "-",
        )
    return _titled("Held-out error by training", table)


def errors_shown(errors: MoleculeErrors | None) -> list[str]:
    """Return what `_ERROR_HEADINGS` name as text, "-" where there is none."""
    if errors is None:
        return ["-"] * len(_ERROR_HEADINGS)
    found = (
        errors.energy_mae_kcal_mol,
        errors.energy_rmse_kcal_mol,
        errors.force_mae_kcal_mol_angstrom,
        errors.force_rmse_kcal_mol_angstrom,
        errors.above_lowest_mae_kcal_mol,
    )
    return ["-" if value is None else f"{value:.2f}" for value in found]


def _kinds_table(rung: RungSummary) -> list[RenderableType]:
    """Return the newest errors on anchors and on others, where anchors were held out."""
    training = rung.trainings[-1]
    by_kind = training.errors.by_kind if training.errors else {}
    if "anchor" not in by_kind:
        return []
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("kind")
    for heading in ("held out", *_ERROR_HEADINGS, "RMSE /\nsigma"):
        table.add_column(heading, justify="right")
    for kind, title in KIND_TITLES.items():
        if kind in by_kind:
            found = by_kind[kind]
            factor = found.calibration_factor
            table.add_row(
                title,
                str(found.n_structures),
                *errors_shown(found),
                "-" if factor is None else f"{factor:.2f}",
            )
    return [_titled(f"Held-out error of {training.title} by kind of structure", table)]


def _molecules_table(summary: RunSummary, rung: RungSummary) -> list[RenderableType]:
    """Return the newest errors by molecule, if there is more than one."""
    errors = rung.trainings[-1].errors
    if errors is None or len(errors.by_molecule) < 2:
        return []
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("molecule")
    for heading in ("held out", *_ERROR_HEADINGS):
        table.add_column(heading, justify="right")
    for molecule in summary.molecules:
        found = errors.by_molecule.get(molecule.molecule_id)
        if found is not None:
            name = f"{molecule.name} (only tested on)" if molecule.held_out else molecule.name
            table.add_row(name, str(found.n_structures), *errors_shown(found))
    title = f"Held-out error of {rung.trainings[-1].title} by molecule"
    return [_titled(title, table)]


def _calibration_factor(training: Training) -> str:
    factor = training.errors.calibration_factor if training.errors else None
    return "-" if factor is None else f"{factor:.2f}"


def _reliability_table(rung: RungSummary) -> list[RenderableType]:
    """Return the newest committee's errors by its disagreement; nothing for a single member."""
    training = rung.trainings[-1]
    calibration = training.errors.calibration if training.errors else None
    if calibration is None:
        return []
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("held out", "sigma\nkcal/mol", "energy RMSE\nkcal/mol", "RMSE /\nsigma"):
        table.add_column(heading, justify="right")
    for found in calibration.bins:
        sigma, rmse = found.sigma_kcal_mol, found.rmse_kcal_mol
        ratio = f"{rmse / sigma:.2f}" if sigma > 0 else "-"
        table.add_row(str(found.n_structures), f"{sigma:.3f}", f"{rmse:.3f}", ratio)
    rank = calibration.rank_correlation
    title = (
        f"Error by disagreement of {training.title}, both over the square root of the "
        f"number of atoms"
    ) + (f"; rank correlation {rank:.2f}" if rank is not None else "")
    return [_titled(title, table)]


def _cost_table(summary: RunSummary) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("stage", "tasks", "CPU time", "share", "worker time"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for row in time_spent(summary.stages, summary.idle):
        table.add_row(
            row.name,
            "" if row.tasks is None else str(row.tasks),
            "" if row.cpu_seconds is None else duration(row.cpu_seconds),
            "" if row.cpu_share is None else f"{row.cpu_share:.1%}",
            duration(row.worker_seconds),
        )
    busy = "-" if summary.busy_share is None else f"{summary.busy_share:.0%}"
    return _titled(f"Cost by stage; workers busy until the last label: {busy}", table)


def _titled(title: str, table: Table) -> RenderableType:
    # A table's own title would be folded to the width of the table.
    return Group(Text(title, style="italic"), table)


def _paths(summary: RunSummary, folder: RunFolder) -> Text:
    lines = [f"run folder  {folder.path}"]
    trained = [rung.trainings[-1] for rung in summary.rungs if rung.trainings]
    if trained:
        lines.append(f"potential   {folder.path / trained[-1].checkpoint}")
    lines += [f"export      {path}" for path in sorted(folder.exports.glob("*"))]
    return Text("\n".join(lines))
