"""Random picks: what any other selector is measured against."""

from workflow.planning.selection import Choice
from workflow.planning.selectors.base import Batch
from workflow.planning.state import Waiting


def random(waiting: Waiting, batch: Batch) -> list[Choice]:
    """Choose at random among all that waits, whatever the committee says of it."""
    drawn = waiting.drawn(batch.n + len(batch.passed_over), seed=batch.seed)
    ids = [candidate.structure.structure_id for candidate in drawn]
    free = [structure_id for structure_id in ids if structure_id not in batch.passed_over]
    return [
        Choice(structure_id=structure_id, purpose="random", reason="picked at random")
        for structure_id in free[: batch.n]
    ]
