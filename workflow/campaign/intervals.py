"""`rung intervals`: error bars for molecules never seen, from committees that leave some out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.level import find_level
from model import Committee, TrainingRequest, load_committee
from model.calibration import calibrate
from model.conformal import Coverage, Scores, coverage, held_out_intervals, scores_by_molecule
from model.intervals import FEWEST_GROUPS, LEVEL, IntervalFactors
from model.left_out import LeftOut, Step, leave_molecules_out
from workflow.planning.keys import derive_seed
from workflow.run.folder import RunFolder
from workflow.run.store.store import StoreReader
from workflow.run.stored_campaign import stored_campaign


@dataclass(frozen=True, kw_only=True)
class RungIntervals:
    """The intervals of one rung's newest committee.

    Attributes
    ----------
    level : str
    checkpoint : Path
        Whose record has them now.
    known, unseen : IntervalFactors or None
        For molecules that it has learned, and for others.
    held_out_molecules : Coverage or None
        How often the intervals for unseen molecules hold on those that the campaign holds out.
    """

    level: str
    checkpoint: Path
    known: IntervalFactors | None
    unseen: IntervalFactors | None
    held_out_molecules: Coverage | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rung:
    """One rung of a run: its newest committee, what it learned and how, and what was held out."""

    checkpoint: Path
    committee: Committee
    step: Step
    held_out: list[LabelledStructure]


def measure_intervals(
    run: Path,
    *,
    folds: int,
    members: int | None = None,
    on_committee: Callable[[LeftOut], None] = lambda _: None,
) -> tuple[RungIntervals, ...]:
    """Leave molecules out on all rungs of a run and write the intervals into its checkpoints.

    Parameters
    ----------
    run : Path
    folds : int
        Parts of the molecules, each left out once; all rungs are trained anew for each.
    members : int or None
        Of the committees that leave molecules out; None: as many as the campaign's.
    on_committee : callable
        Called with each committee that was trained without a part of the molecules.

    Raises
    ------
    InputError
        Nothing was trained, no rung has learned enough molecules, or a rung has no held-out
        labels.
    """
    rungs = _read(RunFolder(run), members)
    most = max(len(_molecules(rung.step.request.data)) for rung in rungs)
    if most < FEWEST_GROUPS:
        raise InputError(
            f"{run} has learned {most} molecules: to know what {LEVEL:.0%} of errors on others do "
            f"not exceed takes {FEWEST_GROUPS} at least; add molecules to the campaign"
        )
    scores = [Scores(energy=(), relative_energy=(), force=()) for _ in rungs]
    for found in leave_molecules_out([rung.step for rung in rungs], folds=folds):
        scores[found.rung] += found.scores()
        on_committee(found)
    return tuple(_kept(rung, of_rung) for rung, of_rung in zip(rungs, scores, strict=True))


def _read(folder: RunFolder, members: int | None) -> list[_Rung]:
    with StoreReader.open(folder.store) as store:
        campaign = stored_campaign(store)
        settings = campaign.train
        if members is not None:
            settings = settings.model_copy(update={"members": members})
        rungs = []
        start: Committee | None = None
        for index in store.trainings.rungs():
            if store.trainings.find(index, 0) is not None:
                start = load_committee(folder.checkpoint(index, 0))
            if not campaign.rungs[index].budget.labels:
                continue
            level = find_level(campaign.rungs[index].level)
            newest = store.trainings.all(index)[-1]
            checkpoint = folder.path / newest.checkpoint
            committee = load_committee(checkpoint)
            request = TrainingRequest(
                data=store.labels.labelled(index, level.level_id, held_out=False),
                settings=settings,
                elements=committee.elements,
                level=level,
                seed=derive_seed(campaign, "train"),
            )
            rungs.append(
                _Rung(
                    checkpoint=checkpoint,
                    committee=committee,
                    step=Step(request=request, way=newest.history.transfer, start=start),
                    held_out=store.labels.labelled(index, level.level_id, held_out=True),
                )
            )
    if not rungs:
        raise InputError(f"{folder.path} has no trained committee yet: `rung launch` trains one")
    for rung in rungs:
        if not rung.held_out:
            raise InputError(
                f"{rung.checkpoint} has no held-out labels to be calibrated on: give the campaign "
                "held_out.structures and launch it again"
            )
    return rungs


def _molecules(rows: Sequence[LabelledStructure]) -> set[str]:
    return {row.structure.molecule_id for row in rows}


def _kept(rung: _Rung, scores: Scores) -> RungIntervals:
    """Write the intervals of a rung into its checkpoint."""
    held_out, learned = rung.held_out, rung.step.request.data
    predictions = rung.committee.predict([row.structure for row in held_out])
    calibration = calibrate(held_out, predictions)
    found = held_out_intervals(learned, held_out, predictions)
    assert calibration is not None, "there are held-out labels and several members"
    assert found is not None, "likewise"
    unseen = scores.factors("molecules left out")
    intervals = replace(found, unseen=unseen)
    rung.committee.calibrated(replace(calibration, intervals=intervals)).save(rung.checkpoint)
    others = [
        (row, p)
        for row, p in zip(held_out, predictions, strict=True)
        if row.structure.molecule_id not in found.molecules
    ]
    of_others = scores_by_molecule([row for row, _ in others], [p for _, p in others])
    return RungIntervals(
        level=rung.committee.level_name,
        checkpoint=rung.checkpoint,
        known=found.known,
        unseen=unseen,
        held_out_molecules=coverage(of_others, unseen),
    )


def intervals_screen(found: tuple[RungIntervals, ...]) -> RenderableType:
    """Return the factors of all rungs as a table."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("rung")
    table.add_column("")
    for heading in ("groups", "energy", "relative\nenergy", "force"):
        table.add_column(heading, justify="right")
    for rung in found:
        for what, factors in (("known molecules", rung.known), ("unseen", rung.unseen)):
            if factors is not None:
                table.add_row(rung.level, what, *_cells(factors, "{:.1f}"))
        if rung.held_out_molecules is not None:
            cells = _cells(rung.held_out_molecules, "{:.0%}")
            table.add_row(rung.level, "unseen, held-out molecules covered", *cells)
    title = Text(
        f"Half the width of {LEVEL:.0%} intervals over the members' standard deviation",
        style="italic",
    )
    paths = [Text(f"wrote       {rung.checkpoint}") for rung in found]
    return Group(title, table, *paths)


def _cells(row: IntervalFactors | Coverage, form: str) -> list[str]:
    values = (row.energy, row.relative_energy, row.force)
    return [str(row.n_groups), *("-" if v is None else form.format(v) for v in values)]
