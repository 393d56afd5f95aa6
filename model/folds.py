"""Which structures each member validates on: parts of the data that never move as data grow."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chemistry.records.structure import Structure


@dataclass(frozen=True, kw_only=True, eq=False)
class Folds:
    """Who learns what.

    Attributes
    ----------
    validates : (M, B) bool
        Whether a member validates on a structure; it learns the others.
    notes : tuple of str
        What had to be split otherwise than by block, in sentences for people.
    """

    validates: npt.NDArray[np.bool_]
    notes: tuple[str, ...]


def assign_folds(structures: Sequence[Structure], *, members: int, folds: int, seed: int) -> Folds:
    """Give each member a part of the data to validate on.

    A part is a hash of the seed and of the structure's block (`Origin.block`: one trajectory), so
    a block keeps its part for ever. A molecule with fewer blocks than there are parts is split by
    structure instead, as members would otherwise not learn it at all, or hardly.
    """
    blocks: dict[str, set[str]] = defaultdict(set)
    for structure in structures:
        blocks[structure.molecule_id].add(structure.origin.block)
    few = {molecule for molecule, names in blocks.items() if len(names) < folds}
    parts = np.array(
        [
            _part(s.structure_id if s.molecule_id in few else s.origin.block, folds, seed)
            for s in structures
        ],
        dtype=np.int64,
    )
    notes = []
    if few:
        notes.append(
            f"{len(few)} of {len(blocks)} molecules have fewer than {folds} blocks: their "
            f"validation parts are split by structure, and their validation errors are optimistic"
        )
    used = np.unique(parts)
    if len(used) < 2:
        notes.append("too few structures to validate on any: members stop at the last epoch")
        return Folds(validates=np.zeros((members, len(parts)), dtype=bool), notes=tuple(notes))
    own = used[np.arange(members) % len(used)]
    return Folds(validates=parts[None, :] == own[:, None], notes=tuple(notes))


def _part(name: str, folds: int, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % folds
