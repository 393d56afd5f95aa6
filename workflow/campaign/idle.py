"""Why workers have nothing to do: counted while the driver waits."""

from collections import defaultdict
from collections.abc import Collection

from workflow.planning.keys import TaskKind, kind_of

_WAITED_FOR: tuple[tuple[TaskKind, str], ...] = (
    ("train", "training"),
    ("evaluate", "evaluating the start"),
    ("grow", "new molecules"),
    ("judge", "judging"),
    ("design", "design of the first labels"),
    ("sample", "exploring"),
    ("label", "last labels"),
    ("check", "second opinions"),
)


def waited_for(under_way: Collection[str]) -> str:
    """Say what workers without a task wait for, from the keys of the tasks that there are."""
    kinds = {kind_of(key) for key in under_way}
    return next((name for kind, name in _WAITED_FOR if kind in kinds), "the driver")


class IdleTime:
    """Adds up the time of workers for which there was no task, by what they waited for."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)

    def note(self, under_way: Collection[str], *, slots: int, seconds: float) -> None:
        """Count a time in which so many workers had these tasks, some of them perhaps none."""
        idle = slots - len(under_way)
        if idle > 0:
            self._seconds[waited_for(under_way)] += idle * seconds

    def take(self) -> dict[str, float]:
        """Return what was counted since the last time, worker seconds."""
        found = dict(self._seconds)
        self._seconds.clear()
        return found
