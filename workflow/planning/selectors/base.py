"""The protocol of selectors, and what they are asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from chemistry.records.potential import Threshold
from workflow.planning.selection import Choice, CostModel
from workflow.planning.state import Waiting


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """What is wanted of a selector.

    Attributes
    ----------
    n : int
        Structures, at most.
    passed_over : frozenset of str
        structure_ids that are chosen already, although they still wait.
    threshold : Threshold
        Of the newest committee.
    cost : CostModel
    already_chosen : mapping of molecule_id to int
        Chosen since the last training, without `passed_over`.
    molecule_cap : int
        Structures of one molecule between two trainings, at most.
    seed : int
        Of every random choice.
    least_excess : float
        How many times the threshold the disagreement on a structure has to be: less than one
        where there is nothing over it, and the next best will do.
    """

    n: int
    passed_over: frozenset[str]
    threshold: Threshold
    cost: CostModel
    already_chosen: Mapping[str, int]
    molecule_cap: int
    seed: int
    least_excess: float = 1.0


class Selector(Protocol):
    """Picks structures that a committee has judged: the same for the same candidates and batch."""

    def __call__(self, waiting: Waiting, batch: Batch) -> list[Choice]:
        """Return up to `batch.n` trainable of the waiting candidates, none twice.

        There may be millions: ask for what is needed.
        """
        ...
