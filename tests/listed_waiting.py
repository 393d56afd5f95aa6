"""Waiting candidates in a list: what the plan is tested with, where a store would be too slow."""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from chemistry.records.potential import Threshold
from workflow.planning.records import Candidate, Purpose
from workflow.planning.selection import excess


class ListedWaiting:
    """`workflow.planning.state.Waiting` over a list, held against the store's in tests/contract."""

    def __init__(self, candidates: Iterable[Candidate], threshold: Threshold) -> None:
        self._all = sorted(candidates, key=lambda c: c.structure.structure_id)
        self._trainable = [c for c in self._all if c.purpose != "held_out"]
        self._threshold = threshold

    def offers(self, purpose: Purpose, molecule_id: str) -> list[Candidate]:
        return [
            c for c in self._all if (c.purpose, c.structure.molecule_id) == (purpose, molecule_id)
        ]

    def drawn(self, n: int, *, seed: int) -> list[Candidate]:
        order = np.random.default_rng(seed).permutation(len(self._trainable))
        return [self._trainable[i] for i in order[:n]]

    def uncertain(
        self,
        n: int,
        *,
        most_of_a_molecule: int,
        already: Mapping[str, int],
        least_excess: float = 1.0,
    ) -> list[Candidate]:
        taken, found = Counter(already), []
        for c in sorted(self._over(least_excess), key=self._falling):
            if len(found) < n and taken[c.structure.molecule_id] < most_of_a_molecule:
                taken[c.structure.molecule_id] += 1
                found.append(c)
        return found

    def has_unjudged(self, version: int) -> bool:
        return bool(self.to_judge(1, version))

    def to_judge(self, n: int, version: int) -> list[Candidate]:
        open_ones = [c for c in self._trainable if c.judged_by != version]
        never = [c for c in open_ones if c.judged_by is None]
        again = [c for c in open_ones if c.judged_by is not None]
        return [*never, *sorted(again, key=self._falling)][:n]

    def count_over(self) -> int:
        return len(self._over())

    def _falling(self, candidate: Candidate) -> float:
        return -excess(candidate, self._threshold)

    def _over(self, least: float = 1.0) -> list[Candidate]:
        return [c for c in self._trainable if excess(c, self._threshold) > least]
