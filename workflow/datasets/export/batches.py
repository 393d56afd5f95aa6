"""Rows in batches of one kind, so that files are written in blocks and memory stays bounded."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)

PENDING_ATOMS = 16_384
"""Atoms that wait in batches at most: some megabytes."""


def batched(
    items: Iterable[Item], key: Callable[[Item], Key], n_atoms: Callable[[Item], int]
) -> Iterator[tuple[Key, list[Item]]]:
    """Yield (key, items that share it), in their order, whenever many wait, and at the end."""
    pending: dict[Key, list[Item]] = defaultdict(list)
    waiting = 0
    for item in items:
        pending[key(item)].append(item)
        waiting += n_atoms(item)
        if waiting < PENDING_ATOMS:
            continue
        # The largest first, until half is gone: no batch of one row while others are long.
        for name in sorted(pending, key=lambda name: -len(pending[name])):
            batch = pending.pop(name)
            waiting -= sum(map(n_atoms, batch))
            yield name, batch
            if waiting < PENDING_ATOMS / 2:
                break
    yield from pending.items()
