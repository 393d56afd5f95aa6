"""What the workers of a run are doing at this moment, by the claims that they hold."""

import time
from dataclasses import dataclass

from workflow.planning.keys import TaskKind, kind_of
from workflow.run.folder import RunFolder
from workflow.work.results import result_spool


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """A task that a worker computes.

    Attributes
    ----------
    seconds : float
        Since it began.
    """

    kind: TaskKind
    seconds: float


def tasks_under_way(folder: RunFolder) -> tuple[UnderWay, ...]:
    """Return the tasks that are being computed, the longest first."""
    spool, now = result_spool(folder.path), time.time()
    found = [
        UnderWay(kind=kind_of(key), seconds=max(0.0, now - began))
        for key, began in spool.claimed()
        if spool.held(key)
    ]
    return tuple(sorted(found, key=lambda task: -task.seconds))
