"""How many labels a worker is given at once.

Handing one out, starting a process for it and taking it in cost some 20 ms of CPU time, as much as
several labels of the cheapest levels.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_SECONDS = 0.5
_MOST = 16


def labels_at_once(label_cpu_seconds: float | None) -> int:
    """Return how many labels of this mean cost go to a worker together; one if it is not known.

    So few that none waits long for the others.
    """
    if label_cpu_seconds is None:
        return 1
    return max(1, min(_MOST, int(_SECONDS / max(label_cpu_seconds, 1e-3))))


def labels_ahead(label_cpu_seconds: float | None, slots: int) -> int:
    """Return how many labels are kept under way: twice as many as workers take at once."""
    return 2 * slots * labels_at_once(label_cpu_seconds)


def shared_out(labels: Sequence[T], *, at_once: int, slots: int) -> list[Sequence[T]]:
    """Cut labels into what goes to a worker together: each of the workers is to have some."""
    size = max(1, min(at_once, math.ceil(len(labels) / max(slots, 1))))
    return [labels[first : first + size] for first in range(0, len(labels), size)]
