"""The launches of a run: when each worked, and whether the newest has ended or was killed."""

import math

from workflow.run.folder import RunFolder, is_locked
from workflow.run.store.store import StoreReader


def has_ended(folder: RunFolder) -> bool:
    """Say whether the newest launch of a run has ended; one that was killed never says so."""
    with StoreReader.open(folder.store) as store:
        launches = store.diary.launches()
    return bool(launches) and launches[-1][1] is not None


def was_killed(folder: RunFolder) -> bool:
    """Say whether the newest launch of a run is gone without having ended."""
    if is_locked(folder):
        return False
    with StoreReader.open(folder.store) as store:
        is_open = store.diary.has_open_launch()
    # Asked again: a launch that began in between has the lock before it is in the store.
    return is_open and not is_locked(folder)


def is_over(folder: RunFolder) -> bool:
    """Say whether the newest launch of a run has ended or was killed."""
    return has_ended(folder) or was_killed(folder)


def launch_spans(store: StoreReader) -> list[tuple[float, float, int]]:
    """Return (start, end, slots) of each launch; a killed one ended with its last task."""
    launches = store.diary.launches()
    starts = [start for start, _, _ in launches]
    return [
        (
            start,
            end if end is not None else store.tasks.last_end_within(start, bound) or start,
            slots,
        )
        for (start, end, slots), bound in zip(launches, [*starts[1:], math.inf], strict=False)
    ]
