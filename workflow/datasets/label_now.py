"""Label some structures on workers, without a campaign: for `rung label` and `rung check`."""

from collections.abc import Iterable, Iterator
from concurrent.futures import as_completed
from pathlib import Path

from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import Structure
from workflow.planning.keys import LabelKey
from workflow.settings.backend import Backend
from workflow.work.lost_tries import lost_result
from workflow.work.orders import LabelOrder
from workflow.work.results import result_spool
from workflow.work.submit import Workers, submit_orders


def label_now(
    structures: Iterable[Structure],
    level: LevelOfTheory,
    engine: str,
    workers: Workers,
    backend: Backend,
    folder: Path,
) -> Iterator[tuple[Structure, Label | LabelFailure]]:
    """Yield each structure with its answer as it comes; those in the folder's spool come at once.

    Parameters
    ----------
    structures : iterable of Structure
    level : LevelOfTheory
    engine : str
    workers : Workers
    backend : Backend
        Its limits and the threads of a task.
    folder : Path
        Results stay in its `spool`, so that a second call computes only what is missing.
    """
    spool = result_spool(folder)
    pending = {}
    for structure in structures:
        order = LabelOrder(structure=structure, level=level, engine=engine)
        key = LabelKey(structure_id=structure.structure_id, level_id=level.level_id).key
        future = submit_orders(workers, backend, folder, "label", {key: order})
        pending[future] = (key, order)
    for future in as_completed(pending):
        key, order = pending[future]
        result = spool.read(key) or lost_result(order, future.exception())
        if isinstance(result.answer, Label | LabelFailure):
            yield order.structure, result.answer
