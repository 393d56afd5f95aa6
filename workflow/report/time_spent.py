"""Where the time of a run goes, what is waited for and for how long: rows and sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflow.planning.to_go import ToGo
from workflow.run.store.records import StageCost
from workflow.run.under_way import UnderWay

STAGE_NAMES = {
    "sample": "exploring",
    "label": "labels",
    "check": "second opinions",
    "train": "training",
    "evaluate": "evaluating the start",
    "judge": "judging",
    "design": "design of the first labels",
    "grow": "new molecules",
}


def duration(seconds: float) -> str:
    """Return seconds as people say them: "42 s", "3 min 05 s", "2 h 10 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


@dataclass(frozen=True, kw_only=True)
class TimeSpent:
    """One part of the time of a run.

    Attributes
    ----------
    name : str
    tasks : int or None
        None for what is no task: workers that have none.
    cpu_seconds, cpu_share : float or None
        The share is of the CPU time of all tasks.
    worker_seconds : float
        Wall time of workers.
    """

    name: str
    tasks: int | None
    cpu_seconds: float | None
    cpu_share: float | None
    worker_seconds: float


def time_spent(stages: Mapping[str, StageCost], idle: Mapping[str, float]) -> list[TimeSpent]:
    """Return where time went: tasks by their kind, and workers without one by the reason."""
    cpu = sum(stage.cpu_seconds for stage in stages.values())
    tasks = [
        TimeSpent(
            name=STAGE_NAMES[kind],
            tasks=stage.tasks,
            cpu_seconds=stage.cpu_seconds,
            cpu_share=stage.cpu_seconds / cpu if cpu else None,
            worker_seconds=stage.wall_seconds,
        )
        for kind, stage in stages.items()
        if kind in STAGE_NAMES
    ]
    return [
        *tasks,
        *(
            TimeSpent(
                name=f"idle: {reason}",
                tasks=None,
                cpu_seconds=None,
                cpu_share=None,
                worker_seconds=seconds,
            )
            for reason, seconds in idle.items()
            if seconds >= 1.0
        ),
    ]


def under_way_text(tasks: Sequence[UnderWay]) -> str:
    """Say what workers compute, and how long the longest of each kind has taken so far."""
    counts = Counter(task.kind for task in tasks)
    longest = {task.kind: task.seconds for task in reversed(tasks)}
    found = [
        f"{n} x {STAGE_NAMES[kind]} (for {duration(longest[kind])})"
        for kind, n in counts.items()
        if kind in STAGE_NAMES
    ]
    return f"under way: {', '.join(found)}" if found else "nothing is under way"


def to_go_text(left: ToGo, slots: int) -> str:
    """Say what is left of a rung, at most."""
    trainings = "1 training" if left.trainings == 1 else f"{left.trainings} trainings"
    of_what = "" if left.knows_trainings else " for the labels"
    return (
        f"to go at most {left.labels} labels and {trainings}, "
        f"about {duration(left.wall_seconds)}{of_what} on {slots} workers"
    )
