"""The candidates that nobody has chosen yet: asked for what is needed, never read as a whole.

There may be millions of them, and a plan is made many times a second.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from workflow.planning.records import Candidate, Purpose
from workflow.run.store import rows
from workflow.run.store.database import Database

IDS_AT_ONCE = 500


class StoredWaiting:
    """The waiting candidates in a store."""

    def __init__(self, database: Database, rung: int) -> None:
        self._database = database
        self._rung = rung

    def offers(self, purpose: Purpose, molecule_id: str) -> list[Candidate]:
        """See `Waiting`."""
        found = self._database.all(
            "SELECT * FROM candidates INDEXED BY candidates_by_status"
            " JOIN structures USING (structure_id) WHERE rung = ?"
            " AND status = 'waiting' AND candidates.molecule_id = ? AND purpose = ?"
            " ORDER BY structure_id",
            self._rung,
            molecule_id,
            purpose,
        )
        return [rows.candidate_from(row) for row in found]

    def drawn(self, n: int, *, seed: int) -> list[Candidate]:
        """See `Waiting`. Ids are hashes: those that follow a random number are a fair sample."""
        lot = np.random.default_rng(seed).bytes(10).hex()
        halves = (("structure_id >= ?", lot), ("structure_id < ?", lot))
        found = self._first_ids(n, halves, index="waiting_by_id", order="structure_id")
        return self._candidates(found)

    def uncertain(
        self,
        n: int,
        *,
        most_of_a_molecule: int,
        already: Mapping[str, int],
        least_excess: float = 1.0,
    ) -> list[Candidate]:
        """See `Waiting`."""
        taken = Counter(already)
        ids: list[str] = []
        for structure_id, molecule_id in self._database.rows(
            "SELECT structure_id, molecule_id FROM candidates INDEXED BY waiting_by_excess"
            " WHERE rung = ? AND status = 'waiting' AND excess > ? AND purpose != 'held_out'"
            " ORDER BY excess DESC, structure_id",
            self._rung,
            least_excess,
        ):
            if len(ids) == n:
                break
            if taken[molecule_id] < most_of_a_molecule:
                taken[molecule_id] += 1
                ids.append(structure_id)
        return self._candidates(ids)

    def has_unjudged(self, version: int) -> bool:
        """See `Waiting`."""
        return any(
            self._database.all(
                "SELECT 1 FROM candidates INDEXED BY waiting_by_judge"
                " WHERE rung = ? AND status = 'waiting' AND purpose != 'held_out'"
                f" AND {condition} LIMIT 1",
                self._rung,
                *values,
            )
            for condition, values in (("judged_by IS NULL", ()), ("judged_by < ?", (version,)))
        )

    def to_judge(self, n: int, version: int) -> list[Candidate]:
        """See `Waiting`."""
        groups = [
            (f"judged_by IS NOT ? AND {of_group}", version)
            for of_group in ("excess IS NULL", "excess IS NOT NULL")
        ]
        order = "excess DESC, structure_id"
        found = self._first_ids(n, groups, index="waiting_by_excess", order=order)
        return self._candidates(found)

    def count_over(self) -> int:
        """See `Waiting`."""
        found = self._database.all(
            "SELECT count(*) FROM candidates WHERE rung = ? AND status = 'waiting'"
            " AND excess > 1 AND purpose != 'held_out'",
            self._rung,
        )
        return int(found[0][0])

    def _first_ids(
        self, n: int, groups: Sequence[tuple[str, str | int]], *, index: str, order: str
    ) -> list[str]:
        """Return up to `n` trainable ones of groups, (condition, its value), one after the other.

        A query for each, that an index answers: SQLite would read all to sort them in one.
        """
        ids: list[str] = []
        for condition, value in groups:
            found = self._database.all(
                f"SELECT structure_id FROM candidates INDEXED BY {index}"
                f" WHERE rung = ? AND status = 'waiting' AND {condition}"
                f" AND purpose != 'held_out' ORDER BY {order} LIMIT ?",
                self._rung,
                value,
                n - len(ids),
            )
            ids += [row[0] for row in found]
        return ids

    def _candidates(self, ids: Sequence[str]) -> list[Candidate]:
        """Return candidates in the order of their ids as given."""
        known: dict[str, Candidate] = {}
        for first in range(0, len(ids), IDS_AT_ONCE):
            part = ids[first : first + IDS_AT_ONCE]
            found = self._database.all(
                "SELECT * FROM candidates JOIN structures USING (structure_id) WHERE rung = ?"
                f" AND structure_id IN ({', '.join('?' * len(part))})",
                self._rung,
                *part,
            )
            known.update((row["structure_id"], rows.candidate_from(row)) for row in found)
        return [known[structure_id] for structure_id in ids]
