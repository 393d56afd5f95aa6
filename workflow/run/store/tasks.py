"""Finished tasks, what they cost, and the tries that were lost."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workflow.planning.keys import TaskKind
from workflow.run.store import rows
from workflow.run.store.database import Database, WritableDatabase
from workflow.run.store.records import (
    FinishedTask,
    JudgeDetail,
    SampleDetail,
    StageCost,
    SweepRow,
    TaskDetail,
)
from workflow.work.lost_tries import LostTry
from workflow.work.results import Cost


@dataclass(frozen=True)
class TaskReader:
    """Finished tasks and lost tries, to be read."""

    database: Database

    def finished(self, rung: int, version: int = 0) -> frozenset[str]:
        """Return the keys of a rung's finished tasks with one committee (0: with none).

        Labels are not among them.
        """
        found = self.database.all(
            "SELECT key FROM tasks WHERE rung = ? AND version = ?"
            " AND kind NOT IN ('label', 'check')",
            rung,
            version,
        )
        return frozenset(row[0] for row in found)

    def all(self, kind: TaskKind | None = None) -> Iterator[FinishedTask]:
        """Yield finished tasks, of a kind or of all, in order of their end."""
        sql = "SELECT * FROM tasks WHERE kind = coalesce(?, kind) ORDER BY finished_at"
        for row in self.database.all(sql, kind):
            yield rows.task_from(row)

    def recent(self, since: float, *, at_least: int) -> list[FinishedTask]:
        """Return what `all` yields of those that ended after a moment, and of the last few.

        Inheriting is no work: it does not count among the last few.
        """
        found = self.database.all(
            "SELECT * FROM tasks WHERE key IN (SELECT key FROM tasks WHERE finished_at > ? UNION"
            " SELECT key FROM (SELECT key FROM tasks WHERE kind != 'inherit'"
            "  ORDER BY finished_at DESC LIMIT ?)) ORDER BY finished_at",
            since,
            at_least,
        )
        return [rows.task_from(row) for row in found]

    def stages(self, rung: int | None = None) -> dict[str, StageCost]:
        """Return what each kind of task has cost, on a rung or over all."""
        found = self.database.all(
            "SELECT kind, sum(tasks) AS tasks, sum(cpu_seconds) AS cpu_seconds,"
            " sum(wall_seconds) AS wall_seconds FROM stages WHERE rung = coalesce(?, rung)"
            " GROUP BY kind",
            rung,
        )
        return _stage_costs(found)

    def cost_of_committee(self, rung: int, version: int) -> dict[str, StageCost]:
        """Return what each kind of task with one committee has cost; labels are with none.

        Of explorations alone: what is sampled before has version 0, as what the run began with.
        """
        found = self.database.all(
            "SELECT kind, count(*) AS tasks, sum(cpu_seconds) AS cpu_seconds,"
            " sum(finished_at - started_at) AS wall_seconds FROM tasks"
            " WHERE rung = ? AND version = ? AND kind NOT IN ('label', 'check')"
            " AND (kind != 'sample' OR detail ->> 'purpose' = 'explore') GROUP BY kind",
            rung,
            version,
        )
        return _stage_costs(found)

    def finds(self, rung: int, version: int) -> dict[int, tuple[float, int]]:
        """Return, by sampler, the CPU seconds with one committee, and what it found over it."""
        found = self.database.all(
            # The key of an exploration ends with the number of its sampler.
            "SELECT CAST(replace(substr(key, -2), '-', '') AS INTEGER) AS sampler,"
            " sum(cpu_seconds), sum(detail ->> 'over_threshold') FROM tasks"
            " WHERE rung = ? AND version = ? AND kind NOT IN ('label', 'check')"
            " AND kind = 'sample' AND detail ->> 'purpose' = 'explore' GROUP BY sampler",
            rung,
            version,
        )
        return {row[0]: (row[1], row[2]) for row in found}

    def label_cpu_seconds(self, rung: int) -> float:
        """Add up the CPU seconds of a rung's labels, failed and repeated ones included."""
        found = self.database.one(
            "SELECT coalesce(sum(cpu_seconds), 0) FROM stages"
            " WHERE rung = ? AND kind IN ('label', 'check')",
            rung,
        )
        return float(found[0])

    def last_end(self, kind: TaskKind) -> float | None:
        """Return when the last finished task of a kind ended, or None."""
        row = self.database.one("SELECT max(finished_at) FROM tasks WHERE kind = ?", kind)
        return None if row[0] is None else float(row[0])

    def last_end_within(self, start: float, end: float) -> float | None:
        """Return the latest end of a task from `start` on and before `end`, or None."""
        row = self.database.one(
            "SELECT max(finished_at) FROM tasks WHERE finished_at >= ? AND finished_at < ?",
            start,
            end,
        )
        return None if row[0] is None else float(row[0])

    def busy_seconds_after(self, moment: float) -> float:
        """Return the worker time that tasks took after a moment."""
        row = self.database.one(
            "SELECT coalesce(sum(finished_at - max(started_at, ?1)), 0) FROM tasks"
            " WHERE finished_at > ?1",
            moment,
        )
        return float(row[0])

    def sweeps(self, rung: int) -> list[SweepRow]:
        """Return what the explorations of a rung have found, by version and number."""
        found = self.database.all(
            "SELECT * FROM sweeps WHERE rung = ? ORDER BY version, number", rung
        )
        return [SweepRow(**dict(row)) for row in found]

    def judgements(self, rung: int) -> list[JudgeDetail]:
        """Return what the committees of a rung have said of all that waited, in order."""
        found = self.database.all(
            "SELECT detail FROM tasks WHERE kind = 'judge' AND rung = ? ORDER BY finished_at", rung
        )
        return [rows.detail_from(row[0], JudgeDetail) for row in found]

    def losses(self, key: str) -> list[LostTry]:
        """Return the tries of a task that were lost, in order."""
        found = self.database.all(
            "SELECT at, kind, message, worker FROM losses WHERE key = ? ORDER BY rowid", key
        )
        return [LostTry(**dict(row)) for row in found]

    def count_losses(self) -> Counter[str]:
        """Count the tries that were lost, by kind; the tasks were tried again."""
        return Counter(
            dict(map(tuple, self.database.all("SELECT kind, count(*) FROM losses GROUP BY 1")))
        )


@dataclass(frozen=True)
class TaskWriter(TaskReader):
    """Notes lost tries, and forgets what could not be carried out."""

    database: WritableDatabase

    def add_loss(self, key: str, loss: LostTry) -> int:
        """Note a try of a task that ended without an answer; return how many of them there are."""
        with self.database.write() as db:
            db.execute(
                "INSERT INTO losses VALUES (?, ?, ?, ?, ?)",
                (key, loss.at, loss.kind, loss.message, loss.worker),
            )
        found = self.database.one(
            "SELECT count(*) FROM losses WHERE key = ? AND kind = ?", key, loss.kind
        )
        return int(found[0])

    def forget_broken(self) -> None:
        """Forget tasks, other than labels, that could not be carried out, for another try."""
        with self.database.write() as db:
            db.execute("UPDATE sweeps SET tasks = tasks - broken, broken = 0 WHERE broken > 0")
            db.execute(
                "DELETE FROM tasks WHERE kind IN ('sample', 'judge', 'grow')"
                " AND detail ->> 'is_broken'"
            )


def _stage_costs(found: Iterable[sqlite3.Row]) -> dict[str, StageCost]:
    return {
        row["kind"]: StageCost(
            tasks=row["tasks"],
            cpu_seconds=row["cpu_seconds"],
            wall_seconds=row["wall_seconds"],
        )
        for row in found
    }


def insert_task(
    db: sqlite3.Connection, key: str, rung: int, kind: TaskKind, detail: TaskDetail, cost: Cost
) -> bool:
    """Note a finished task; say whether it was not known before."""
    added = db.execute(
        "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            rung,
            kind,
            detail.version,
            rows.detail_text(detail),
            cost.worker,
            cost.started_at,
            cost.finished_at,
            cost.cpu_seconds,
        ),
    )
    return added.rowcount > 0


def add_to_sweep(db: sqlite3.Connection, detail: SampleDetail) -> None:
    """Add what an exploration has found to its sweep."""
    db.execute(
        "INSERT INTO sweeps VALUES (:rung, :version, :sweep, 1, :broken, :judged, :over)"
        " ON CONFLICT DO UPDATE SET tasks = tasks + 1, broken = broken + :broken,"
        " judged = judged + :judged, over_threshold = over_threshold + :over",
        {
            "rung": detail.rung,
            "version": detail.version,
            "sweep": detail.sweep,
            "broken": int(detail.is_broken),
            "judged": detail.judged,
            "over": detail.over_threshold,
        },
    )
