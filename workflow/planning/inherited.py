"""First sets of a rung that climbs: which of what the rung below has labelled."""

from collections.abc import Sequence

import numpy as np

from chemistry.geometries.geometry import distinct_rows
from workflow.planning.records import Candidate, Purpose
from workflow.planning.selection import RELAXED, Choice, choose_diverse, fingerprint

_ALIKE_ANGSTROM = 0.05


def choose_inherited(
    waiting: Sequence[Candidate], purpose: Purpose, quota: int, *, seed: int
) -> list[Choice]:
    """Choose `quota` structures of one molecule: relaxed conformers, other anchors, hot ones.

    Up to half of them are distinct relaxed conformers, the lowest first: relative energies are
    taken from them. Half are anchors of any sampler, the others hot, each as different as can be;
    where there are too few of the one, there are more of the other.
    """
    conformers = [
        Choice(
            structure_id=candidate.structure.structure_id,
            purpose=purpose,
            reason="relaxed conformer, the lowest first",
        )
        for candidate in lowest_conformers(waiting, quota)
    ]
    taken = {choice.structure_id for choice in conformers}
    others = [c for c in waiting if c.structure.structure_id not in taken]
    anchors, hot = (
        [c for c in others if c.structure.origin.kind == kind] for kind in ("anchor", "hot")
    )
    left = quota - len(conformers)
    n_hot = min(len(hot), max(quota - quota // 2, left - len(anchors)), left)
    return [
        *conformers,
        *choose_diverse(anchors, purpose, left - n_hot, seed=seed),
        *choose_diverse(hot, purpose, n_hot, seed=seed),
    ]


def lowest_conformers(waiting: Sequence[Candidate], quota: int) -> list[Candidate]:
    """Return distinct relaxed conformers for up to half of a set, the lowest on the rung below."""
    found = [
        c for c in waiting if c.structure.origin.sampler == RELAXED and c.energy_ev is not None
    ]
    found.sort(key=lambda c: (c.energy_ev, c.structure.structure_id))
    if not found:
        return []
    prints = np.array([fingerprint(c.structure) for c in found])
    return [found[row] for row in distinct_rows(prints, _ALIKE_ANGSTROM)[: -(-quota // 2)]]
