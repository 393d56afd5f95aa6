"""What `rung status` says, as JSON documents for programs."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from model.evaluation import errors_to_json
from workflow.report.summary import RungSummary, RunSummary
from workflow.run.store.records import Unusable

_SCHEMA_VERSION = 1


def summary_json(summary: RunSummary) -> dict[str, Any]:
    """Return the summary of a run."""
    return {
        "schema": _SCHEMA_VERSION,
        "name": summary.name,
        "finished": summary.finished,
        "molecules": [asdict(molecule) for molecule in summary.molecules],
        "rungs": [_rung(rung) for rung in summary.rungs],
        "stages": {name: asdict(stage) for name, stage in summary.stages.items()},
        "lost_tries": dict(summary.lost),
        "busy_share": summary.busy_share,
        "wall_seconds": summary.wall_seconds,
        "idle_worker_seconds": summary.idle,
        "under_way": [asdict(task) for task in summary.under_way],
        "events": [{"at": at, "kind": kind, "text": text} for at, kind, text in summary.events],
    }


def _rung(rung: RungSummary) -> dict[str, Any]:
    return {
        "level": rung.level.name,
        "level_id": rung.level.level_id,
        "labels": dict(rung.labels),
        "failures": dict(rung.failures),
        "waiting": rung.waiting,
        "to_label": rung.to_label,
        "to_go": None if rung.to_go is None else asdict(rung.to_go),
        "trainings": [
            {
                "version": training.version,
                "n_labels": training.n_labels,
                "errors": None if training.errors is None else errors_to_json(training.errors),
                "threshold_kcal_mol": threshold.rho_kcal_mol,
                "anchor_threshold_kcal_mol": threshold.on("anchor").rho_kcal_mol,
            }
            for training, threshold in zip(rung.trainings, rung.thresholds, strict=True)
        ],
    }


def failures_json(labels: Iterable[Unusable]) -> dict[str, Any]:
    """Return the labels that failed or were refused."""
    return {"schema": _SCHEMA_VERSION, "failures": [asdict(label) for label in labels]}
