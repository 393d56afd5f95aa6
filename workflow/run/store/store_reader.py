"""What can be read from a store: by the driver, and by anybody else while it runs (WAL)."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from chemistry.records.molecule import Molecule
from chemistry.records.molecule_json import molecule_from_json
from chemistry.records.structure import Structure
from workflow.planning.records import Candidate, Purpose, Training
from workflow.run.store import rows
from workflow.run.store.label_reader import LabelReader
from workflow.run.store.records import GrownMolecules, StageCost
from workflow.run.store.waiting import StoredWaiting
from workflow.work.results import Cost


class StoreReader(LabelReader):
    """Everything that a campaign knows, to be read."""

    # What it was made for

    def events(self, last: int | None = None) -> list[tuple[float, str, str]]:
        """Return the diary, or its last entries: (seconds since 1970, kind, text) in order."""
        found = self._all(
            "SELECT * FROM events ORDER BY rowid DESC LIMIT ?", -1 if last is None else last
        )
        return [tuple(row) for row in reversed(found)]

    def launches(self) -> list[tuple[float, float | None, int]]:
        """Return (started_at, ended_at or None, slots) of every launch, in order."""
        return [tuple(row) for row in self._all("SELECT * FROM launches ORDER BY started_at")]

    # Molecules and structures

    def molecules(self) -> list[tuple[Molecule, bool]]:
        """Return all molecules in order, each with whether it is only tested on."""
        found = self._all("SELECT record, held_out FROM molecules ORDER BY position")
        return [(molecule_from_json(row["record"]), bool(row["held_out"])) for row in found]

    def given_molecules(self) -> list[tuple[Molecule, bool]]:
        """Return what `molecules` does, without those that came from the pool."""
        grown = self.grown_molecules().molecule_ids
        return [(m, held_out) for m, held_out in self.molecules() if m.molecule_id not in grown]

    def molecule(self, molecule_id: str) -> Molecule:
        """Return one molecule."""
        row = self._one("SELECT record FROM molecules WHERE molecule_id = ?", molecule_id)
        return molecule_from_json(row["record"])

    def molecule_names(self) -> list[tuple[str, str, bool]]:
        """Return (molecule_id, name, whether it is only tested on) of all molecules, in order."""
        found = self._all("SELECT molecule_id, name, held_out FROM molecules ORDER BY position")
        return [(row[0], row[1], bool(row[2])) for row in found]

    def elements(self) -> tuple[int, ...]:
        """Return the atomic numbers that occur in any structure, in increasing order."""
        found = self._all(
            "SELECT atomic_numbers FROM structures WHERE is_start = 1 GROUP BY molecule_id"
        )
        return tuple(sorted({int(z) for row in found for z in rows.integers(row[0])}))

    def grown_molecules(self) -> GrownMolecules:
        """Return which molecules came from the pool."""
        found = [
            json.loads(row[0]) for row in self._all("SELECT detail FROM tasks WHERE kind = 'grow'")
        ]
        certain = [detail["version"] for detail in found if not detail["molecule_ids"]]
        return GrownMolecules(
            molecule_ids=frozenset(i for detail in found for i in detail["molecule_ids"]),
            exhausted_by=max(certain, default=None),
        )

    def starts(self, molecule_id: str) -> list[Structure]:
        """Return the structures of a molecule that samplers start from, by structure_id."""
        found = self._all(
            "SELECT * FROM structures WHERE molecule_id = ? AND is_start = 1 ORDER BY structure_id",
            molecule_id,
        )
        return [rows.structure_from(row) for row in found]

    def molecules_with_starts(self) -> frozenset[str]:
        """Return the ids of molecules that have conformers."""
        found = self._all("SELECT DISTINCT molecule_id FROM structures WHERE is_start = 1")
        return frozenset(row[0] for row in found)

    def structures(self, structure_ids: Iterable[str]) -> list[Structure]:
        """Return structures by their ids, in the order of these."""
        found = self._all(
            "SELECT structures.* FROM json_each(?) CROSS JOIN structures"
            " ON structure_id = json_each.value ORDER BY json_each.key",
            json.dumps(list(structure_ids)),
        )
        return [rows.structure_from(row) for row in found]

    def structures_beginning(self, beginning: str, *, limit: int) -> list[Structure]:
        """Return the structures whose structure_id begins so, by structure_id."""
        found = self._all(
            "SELECT * FROM structures WHERE structure_id >= ? AND structure_id < ?"
            " ORDER BY structure_id LIMIT ?",
            beginning,
            beginning + "\uffff",
            limit,
        )
        return [rows.structure_from(row) for row in found]

    # Finished tasks

    def finished_tasks(self, rung: int, version: int = 0) -> frozenset[str]:
        """Return the keys of a rung's finished tasks with one committee (0: with none).

        Labels are not among them.
        """
        found = self._all(
            "SELECT key FROM tasks WHERE rung = ? AND version = ?"
            " AND kind NOT IN ('label', 'check')",
            rung,
            version,
        )
        return frozenset(row[0] for row in found)

    def tasks(self, kind: str | None = None) -> Iterator[tuple[str, str, dict[str, Any], Cost]]:
        """Yield (key, kind, detail, cost) of finished tasks in order of their end."""
        sql = "SELECT * FROM tasks WHERE kind = coalesce(?, kind) ORDER BY finished_at"
        for row in self._all(sql, kind):
            yield _task(row)

    def recent_tasks(
        self, since: float, *, at_least: int
    ) -> list[tuple[str, str, dict[str, Any], Cost]]:
        """Return what `tasks` yields of those that ended after a moment, and of the last few.

        Inheriting is no work: it does not count among the last few.
        """
        found = self._all(
            "SELECT * FROM tasks WHERE key IN (SELECT key FROM tasks WHERE finished_at > ? UNION"
            " SELECT key FROM (SELECT key FROM tasks WHERE kind != 'inherit'"
            "  ORDER BY finished_at DESC LIMIT ?)) ORDER BY finished_at",
            since,
            at_least,
        )
        return [_task(row) for row in found]

    def stages(self) -> dict[str, StageCost]:
        """Return what each kind of task has cost, over all rungs."""
        found = self._all(
            "SELECT kind, sum(tasks) AS tasks, sum(cpu_seconds) AS cpu_seconds,"
            " sum(wall_seconds) AS wall_seconds FROM stages GROUP BY kind"
        )
        return {
            row["kind"]: StageCost(
                tasks=row["tasks"],
                cpu_seconds=row["cpu_seconds"],
                wall_seconds=row["wall_seconds"],
            )
            for row in found
        }

    def last_end(self, kind: str) -> float | None:
        """Return when the last finished task of a kind ended, or None."""
        row = self._one("SELECT max(finished_at) FROM tasks WHERE kind = ?", kind)
        return None if row[0] is None else float(row[0])

    def last_end_within(self, start: float, end: float) -> float | None:
        """Return the latest end of a task from `start` on and before `end`, or None."""
        row = self._one(
            "SELECT max(finished_at) FROM tasks WHERE finished_at >= ? AND finished_at < ?",
            start,
            end,
        )
        return None if row[0] is None else float(row[0])

    def busy_seconds_after(self, moment: float) -> float:
        """Return the worker time that tasks took after a moment."""
        row = self._one(
            "SELECT coalesce(sum(finished_at - max(started_at, ?1)), 0) FROM tasks"
            " WHERE finished_at > ?1",
            moment,
        )
        return float(row[0])

    def sweeps(self, rung: int) -> list[dict[str, int]]:
        """Return what the explorations of a rung have found, by version and number."""
        found = self._all("SELECT * FROM sweeps WHERE rung = ? ORDER BY version, number", rung)
        return [dict(row) for row in found]

    # Candidates

    def waiting(self, rung: int) -> StoredWaiting:
        """Return the candidates of a rung that nobody has chosen yet."""
        return StoredWaiting(self._all, self._cursor, rung)

    def tally(self, rung: int) -> Counter[tuple[str, Purpose, str]]:
        """Count the candidates of a rung by (status, purpose, molecule_id)."""
        found = self._all(
            "SELECT status, purpose, molecule_id, n FROM tallies WHERE rung = ? AND n > 0", rung
        )
        return Counter({(row[0], row[1], row[2]): row[3] for row in found})

    def candidate(self, rung: int, structure_id: str) -> Candidate | None:
        """Return one candidate, or None."""
        found = self._all(
            "SELECT * FROM candidates JOIN structures USING (structure_id)"
            " WHERE rung = ? AND structure_id = ?",
            rung,
            structure_id,
        )
        return rows.candidate_from(found[0]) if found else None

    def candidate_history(self, structure_id: str) -> list[dict[str, Any]]:
        """Return what became of a structure at each rung: the columns of its candidates."""
        found = self._all(
            "SELECT rung, status, purpose, reason, judged_by, rho_kcal_mol,"
            " force_sigma_kcal_mol_angstrom, excess, chosen_by FROM candidates"
            " WHERE structure_id = ? ORDER BY rung",
            structure_id,
        )
        return [dict(row) for row in found]

    def to_label(self, rung: int) -> list[tuple[str, Purpose]]:
        """Return the chosen candidates that have no answer yet: (structure_id, purpose), by id."""
        found = self._all(
            "SELECT structure_id, purpose FROM candidates INDEXED BY candidates_by_status"
            " WHERE rung = ? AND status = 'chosen' ORDER BY structure_id",
            rung,
        )
        return [(row[0], row[1]) for row in found]

    def chosen_by(self, rung: int, version: int) -> Counter[str]:
        """Count, by molecule, what was chosen while `version` was the newest committee.

        What failed does not count: it brings the next training nothing.
        """
        found = self._all(
            "SELECT molecule_id, count(*) FROM candidates"
            " WHERE rung = ? AND chosen_by = ? AND purpose IN ('active', 'random')"
            " AND status NOT IN ('failed', 'quarantined') GROUP BY 1",
            rung,
            version,
        )
        return Counter({row[0]: row[1] for row in found})

    # Trainings

    def training(self, rung: int, version: int) -> Training | None:
        """Return one training of a rung, or None."""
        found = self._all("SELECT * FROM trainings WHERE rung = ? AND version = ?", rung, version)
        return rows.training_from(found[0]) if found else None

    def trainings(self, rung: int) -> list[Training]:
        """Return the trainings of a rung in order."""
        found = self._all("SELECT * FROM trainings WHERE rung = ? ORDER BY version", rung)
        return [rows.training_from(row) for row in found]

    def trained_rungs(self) -> list[int]:
        """Return the rungs that have a training, from first to last."""
        return [row[0] for row in self._all("SELECT DISTINCT rung FROM trainings ORDER BY rung")]


def _task(row: sqlite3.Row) -> tuple[str, str, dict[str, Any], Cost]:
    cost = Cost(
        worker=row["worker"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        cpu_seconds=row["cpu_seconds"],
    )
    return row["key"], row["kind"], json.loads(row["detail"]), cost
