"""A selector: those whose ids come first in the alphabet."""

from workflow.planning.selection import Choice


def by_id(pool, batch):
    found = pool.drawn(1000, seed=batch.seed)
    ids = sorted({c.structure.structure_id for c in found} - batch.passed_over)
    return [
        Choice(structure_id=structure_id, purpose="active", reason="first in the alphabet")
        for structure_id in ids[: batch.n]
    ]
