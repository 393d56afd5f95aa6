"""One way to hold a run, so that nobody else writes into it."""

from collections.abc import Iterator
from contextlib import contextmanager

from workflow.run.folder import RunFolder, locked
from workflow.run.store.database import require_store
from workflow.run.store.store import Store


@contextmanager
def held_store(folder: RunFolder) -> Iterator[Store]:
    """Hold a run that exists and open its store for writing.

    The lock comes first: a store that a launch works with is not even opened for writing.

    Raises
    ------
    RunInUse
        A launch holds it.
    StoreError
        It is no run folder, or its store cannot be written.
    """
    require_store(folder.store)
    with locked(folder), Store.open(folder.store) as store:
        yield store
