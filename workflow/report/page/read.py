"""Read from a run folder what its report shows; nothing is written."""

import json
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from chemistry.records.label import LabelledStructure
from chemistry.records.potential import Prediction
from model import load_committee
from model.intervals import Intervals, intervals_of
from model.simulation.snippets import PROGRAMS, snippet_for
from workflow.planning.keys import TrainKey
from workflow.report.climb_report import read_report
from workflow.report.page.records import Origin, Predicted, RungReport, RunReport
from workflow.report.summary import RungSummary, RunSummary, summarize
from workflow.run.folder import RunFolder
from workflow.run.launches import launch_spans
from workflow.run.store.store import StoreReader
from workflow.run.stored_campaign import stored_campaign
from workflow.settings.campaign import Campaign

_MOST_HELD_OUT = 2000
_MOST_TRAINED_ON = 600


def read_run(folder: RunFolder) -> RunReport:
    """Read a run and predict its held-out structures.

    Raises
    ------
    StoreError
        The folder has no readable store.
    """
    summary = summarize(folder)
    with StoreReader.open(folder.store) as store:
        campaign = stored_campaign(store)
        tasks = list(store.tasks.all())
        ends = [task.cost.finished_at for task in tasks]
        hours = list(accumulate(task.cost.cpu_seconds / 3600.0 for task in tasks))
        trained_at = {task.key: task.cost.finished_at for task in tasks if task.kind == "train"}
        versions = folder.path / "versions.json"
        return RunReport(
            campaign=campaign,
            summary=summary,
            molecules=tuple(store.molecules.all()),
            rungs=tuple(
                _rung(store, folder, campaign, i, rung, (trained_at, ends, hours))
                for i, rung in enumerate(summary.rungs)
            ),
            tasks=tuple((task.kind, task.cost) for task in tasks),
            spans=tuple(launch_spans(store)),
            unusable=tuple(store.unusable.all()),
            climb=read_report(folder.climb_report),
            versions=json.loads(versions.read_text()) if versions.exists() else {},
            written_at=time.time(),
            snippets=_snippets(folder, summary),
        )


def _snippets(folder: RunFolder, summary: RunSummary) -> dict[str, str]:
    """Return what uses the newest committee of the highest rung; torchani would want a file."""
    trained = [index for index, rung in enumerate(summary.rungs) if rung.trainings]
    if not trained:
        return {}
    newest = folder.checkpoint(trained[-1], summary.rungs[trained[-1]].trainings[-1].version)
    if not newest.exists():
        return {}
    committee = load_committee(newest)
    return {
        name: snippet_for(name, committee, newest.absolute())
        for name in PROGRAMS
        if name != "torchani"
    }


def _rung(
    store: StoreReader,
    folder: RunFolder,
    campaign: Campaign,
    index: int,
    summary: RungSummary,
    clock: tuple[dict[str, float], Sequence[float], Sequence[float]],
) -> RungReport:
    trained_at, ends, hours = clock
    until = [trained_at.get(TrainKey(rung=index, version=t.version).key) for t in summary.trainings]
    held_out, before, trained_on, intervals = _predicted(store, folder, index, summary)
    return RungReport(
        planned=campaign.rungs[index],
        n_held_out_planned=campaign.held_out_structures(index),
        summary=summary,
        cpu_hours_at=tuple(
            _hours_at(end, ends, hours) if training.version else 0.0
            for training, end in zip(summary.trainings, until, strict=True)
        ),
        label_cpu_seconds=store.tasks.label_cpu_seconds(index),
        origins=tuple(
            Origin(sampler=sampler, molecule_id=molecule, purpose=purpose, n_labels=n)
            for sampler, molecule, purpose, n in store.labels.origins(index)
        ),
        held_out=held_out,
        held_out_before=before,
        trained_on=trained_on,
        intervals=intervals,
    )


def _hours_at(end: float | None, ends: Sequence[float], hours: Sequence[float]) -> float:
    """Return the CPU hours of labels until a training ended.

    Its task may be committed a moment after the training: then all until now.
    """
    until = len(hours) if end is None else bisect_right(ends, end)
    return hours[until - 1] if until else 0.0


def _predicted(
    store: StoreReader, folder: RunFolder, index: int, summary: RungSummary
) -> tuple[Predicted | None, tuple[Prediction, ...], Predicted | None, Intervals | None]:
    """Return held-out structures by the newest and the first committee, training ones, intervals.

    The intervals are those of the newest committee's checkpoint.
    """
    if not summary.trainings:
        return None, (), None, None
    n_held_out = summary.labels["held_out"]
    level_id = summary.level.level_id
    # Structure ids are hashes: the first of them are drawn at random.
    held_out = store.labels.labelled(index, level_id, held_out=True, most=_MOST_HELD_OUT)
    trained_on = store.labels.labelled(index, level_id, held_out=False, most=_MOST_TRAINED_ON)
    newest = folder.checkpoint(index, summary.trainings[-1].version)
    first = folder.checkpoint(index, summary.trainings[0].version)
    if not newest.exists():
        return None, (), None, None
    committee = load_committee(newest)

    def predicted(rows: list[LabelledStructure], n_all: int) -> Predicted | None:
        found = committee.predict([row.structure for row in rows])
        return Predicted(rows=tuple(rows), predictions=tuple(found), n_all=n_all) if rows else None

    before = []
    if first != newest and first.exists() and held_out:
        before = load_committee(first).predict([row.structure for row in held_out])
    return (
        predicted(held_out, n_held_out),
        tuple(before),
        predicted(trained_on, summary.labels.total() - n_held_out),
        intervals_of(committee.record),
    )
