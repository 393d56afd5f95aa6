"""The store: one SQLite file that holds everything a campaign knows.

One process and one thread write it, the driver's; anyone may read it meanwhile (WAL). Each method
that writes is one transaction: it happened, or it did not.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from chemistry.errors import StoreError
from chemistry.label import Label, LabelFailure, LabelledStructure
from chemistry.level import LevelOfTheory
from chemistry.molecule import Molecule
from chemistry.molecules import molecule_from_json, molecule_to_json
from chemistry.structure import Structure
from workflow import rows
from workflow.records import Candidate, Cost, ExportRow, Purpose, Training
from workflow.selection import Choice

SCHEMA_VERSION = 1
_TRAINED_ON = "purpose != 'held_out'"


class Store:
    """One run's store; open it with `Store.create` or `Store.open`, in a `with` block."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def create(cls, path: Path, campaign: str) -> Self:
        """Make a new store for a campaign (its JSON text).

        Raises
        ------
        StoreError
            The file exists already or cannot be written.
        """
        if path.exists():
            raise StoreError(f"{path} exists already: it is not overwritten")
        store = cls(path, _connect(path, read_only=False))
        with store._write() as db:
            db.executescript(files("workflow").joinpath("schema.sql").read_text("utf-8"))
            db.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [("schema_version", str(SCHEMA_VERSION)), ("campaign", campaign)],
            )
        return store

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open the store of a run.

        Raises
        ------
        StoreError
            There is none, it is damaged, or another version of rung wrote it.
        """
        if not path.is_file():
            raise StoreError(f"{path.parent} is not a run folder: it has no {path.name}")
        store = cls(path, _connect(path, read_only=read_only))
        with _explained(path):
            found = store.meta("schema_version")
            # Reads the whole file: worth it before writing, not for a look at the status.
            check = "ok" if read_only else store._one("PRAGMA quick_check(1)")[0]
            if check != "ok":
                raise sqlite3.DatabaseError(check)
        if found != str(SCHEMA_VERSION):
            raise StoreError(
                f"{path} has schema version {found}, this rung reads {SCHEMA_VERSION}: "
                f"use the version of rung in {path.parent / 'versions.json'}"
            )
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    # What it was made for

    def meta(self, key: str) -> str | None:
        """Return one of the run's facts ("campaign", "finished"), or None."""
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Write one of the run's facts."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def add_event(self, kind: str, text: str) -> None:
        """Append to the run's diary."""
        with self._write() as db:
            db.execute("INSERT INTO events VALUES (?, ?, ?)", (time.time(), kind, text))

    def events(self) -> list[tuple[float, str, str]]:
        """Return the diary: (seconds since 1970, kind, text) in order."""
        return [tuple(row) for row in self._all("SELECT * FROM events ORDER BY rowid")]

    def begin_launch(self, slots: int) -> float:
        """Note that workers start; the answer names the launch."""
        now = time.time()
        with self._write() as db:
            db.execute("INSERT INTO launches VALUES (?, NULL, ?)", (now, slots))
        return now

    def end_launch(self, started_at: float) -> None:
        """Note that the workers of a launch are gone."""
        with self._write() as db:
            db.execute(
                "UPDATE launches SET ended_at = ? WHERE started_at = ?", (time.time(), started_at)
            )

    def launches(self) -> list[tuple[float, float | None, int]]:
        """Return (started_at, ended_at or None, slots) of every launch, in order."""
        return [tuple(row) for row in self._all("SELECT * FROM launches ORDER BY started_at")]

    # Molecules and structures

    def add_molecules(self, molecules: Iterable[tuple[Molecule, bool]]) -> None:
        """Add molecules in order, each with whether it is only tested on; known ones stay."""
        with self._write() as db:
            db.executemany(
                "INSERT OR IGNORE INTO molecules (molecule_id, name, held_out, record)"
                " VALUES (?, ?, ?, ?)",
                [
                    (m.molecule_id, m.name, int(held_out), molecule_to_json(m))
                    for m, held_out in molecules
                ],
            )

    def molecules(self) -> list[tuple[Molecule, bool]]:
        """Return all molecules in order, each with whether it is only tested on."""
        found = self._all("SELECT record, held_out FROM molecules ORDER BY position")
        return [(molecule_from_json(row["record"]), bool(row["held_out"])) for row in found]

    def elements(self) -> tuple[int, ...]:
        """Return the atomic numbers that occur in any structure, in increasing order."""
        found = self._all(
            "SELECT atomic_numbers FROM structures WHERE is_start = 1 GROUP BY molecule_id"
        )
        return tuple(sorted({int(z) for row in found for z in rows.integers(row[0])}))

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

    # Finished tasks

    def commit_sample(
        self,
        key: str,
        rung: int,
        candidates: Sequence[Candidate],
        *,
        are_starts: bool,
        detail: dict[str, Any],
        cost: Cost,
    ) -> None:
        """Keep what a sampler offered; a structure that is known already stays as it is."""
        with self._write() as db:
            db.executemany(
                "INSERT OR IGNORE INTO structures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [rows.structure_row(c.structure, is_start=are_starts) for c in candidates],
            )
            db.executemany(
                "INSERT OR IGNORE INTO candidates VALUES (?, ?, ?, 'waiting', ?, ?, ?, ?, NULL)",
                [_candidate_row(rung, candidate) for candidate in candidates],
            )
            _insert_task(db, key, rung, "sample", detail, cost)

    def commit_label(self, key: str, rung: int, label: Label, cost: Cost) -> None:
        """Keep a label; one that is known already stays as it is."""
        with self._write() as db:
            db.execute(
                "INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows.label_row(label),
            )
            _insert_task(db, key, rung, "label", {}, cost)

    def commit_failure(self, key: str, rung: int, failure: LabelFailure, cost: Cost) -> None:
        """Keep why a label could not be made."""
        with self._write() as db:
            db.execute(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?)",
                rows.failure_row(failure),
            )
            _insert_task(db, key, rung, "label", {"failed": failure.kind}, cost)

    def commit_training(self, key: str, rung: int, training: Training, cost: Cost) -> None:
        """Keep a training."""
        with self._write() as db:
            db.execute(
                "INSERT OR IGNORE INTO trainings VALUES (?, ?, ?, ?, ?, ?)",
                (
                    rung,
                    training.version,
                    training.checkpoint,
                    training.n_labels,
                    None if training.errors is None else json.dumps(training.errors),
                    json.dumps(training.history),
                ),
            )
            _insert_task(db, key, rung, "train", {"version": training.version}, cost)

    def commit_judgement(
        self,
        key: str,
        rung: int,
        version: int,
        disagreements: Sequence[tuple[str, float, float]],
        cost: Cost,
    ) -> None:
        """Keep what a committee says of waiting candidates: (structure_id, rho, force sigma)."""
        with self._write() as db:
            db.executemany(
                "UPDATE candidates SET rho_kcal_mol = ?, force_sigma_kcal_mol_angstrom = ?,"
                " judged_by = ? WHERE rung = ? AND structure_id = ? AND status = 'waiting'",
                [(rho, force, version, rung, i) for i, rho, force in disagreements],
            )
            _insert_task(db, key, rung, "judge", {"judged": len(disagreements)}, cost)

    def finished_tasks(self, rung: int) -> frozenset[str]:
        """Return the keys of all finished tasks of a rung that are not labels."""
        found = self._all("SELECT key FROM tasks WHERE rung = ? AND kind != 'label'", rung)
        return frozenset(row[0] for row in found)

    def tasks(self, kind: str | None = None) -> Iterator[tuple[str, str, dict[str, Any], Cost]]:
        """Yield (key, kind, detail, cost) of finished tasks in order of their end."""
        sql = "SELECT * FROM tasks WHERE kind = coalesce(?, kind) ORDER BY finished_at"
        for row in self._all(sql, kind):
            cost = Cost(
                worker=row["worker"],
                started_at=row["started_at"],
                finished_at=row["finished_at"],
                cpu_seconds=row["cpu_seconds"],
            )
            yield row["key"], row["kind"], json.loads(row["detail"]), cost

    # Candidates

    def waiting(self, rung: int) -> list[Candidate]:
        """Return the candidates that are neither chosen nor dropped, by structure_id."""
        return [rows.candidate_from(row) for row in self._candidates(rung, "waiting")]

    def to_label(self, rung: int, level_id: str) -> list[Candidate]:
        """Return the chosen candidates with neither label nor failure, by structure_id."""
        found = self._all(
            "SELECT * FROM candidates JOIN structures USING (structure_id)"
            " WHERE rung = ? AND status = 'chosen' AND NOT EXISTS (SELECT 1 FROM labels"
            "  WHERE labels.structure_id = candidates.structure_id AND level_id = ?)"
            " AND NOT EXISTS (SELECT 1 FROM failures"
            "  WHERE failures.structure_id = candidates.structure_id AND level_id = ?)"
            " ORDER BY structure_id",
            rung,
            level_id,
            level_id,
        )
        return [rows.candidate_from(row) for row in found]

    def choose(self, rung: int, choices: Iterable[Choice], version: int) -> None:
        """Mark candidates for labelling; `version` is the newest committee's, 0 for none."""
        with self._write() as db:
            db.executemany(
                "UPDATE candidates SET status = 'chosen', purpose = ?, reason = ?, chosen_by = ?"
                " WHERE rung = ? AND structure_id = ?",
                [(c.purpose, c.reason, version, rung, c.structure_id) for c in choices],
            )

    def chosen(self, rung: int) -> Counter[tuple[Purpose, str]]:
        """Count the chosen candidates by (purpose, molecule_id)."""
        found = self._all(
            "SELECT purpose, molecule_id, count(*) FROM candidates"
            " JOIN structures USING (structure_id)"
            " WHERE rung = ? AND status = 'chosen' GROUP BY 1, 2",
            rung,
        )
        return Counter({(row[0], row[1]): row[2] for row in found})

    def chosen_by(self, rung: int, version: int) -> Counter[str]:
        """Count, by molecule, what was chosen while `version` was the newest committee."""
        found = self._all(
            "SELECT molecule_id, count(*) FROM candidates JOIN structures USING (structure_id)"
            " WHERE rung = ? AND status = 'chosen' AND chosen_by = ?"
            " AND purpose IN ('active', 'random') GROUP BY 1",
            rung,
            version,
        )
        return Counter({row[0]: row[1] for row in found})

    def _candidates(self, rung: int, status: str) -> list[sqlite3.Row]:
        return self._all(
            "SELECT * FROM candidates JOIN structures USING (structure_id)"
            " WHERE rung = ? AND status = ? ORDER BY structure_id",
            rung,
            status,
        )

    # Labels

    def add_level(self, level: LevelOfTheory) -> None:
        """Name a level of theory, before its first label."""
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO levels VALUES (?, ?)", (level.level_id, level.name))

    def level_names(self) -> dict[str, str]:
        """Return {level_id: name} of the levels that the run has labels of."""
        return {row[0]: row[1] for row in self._all("SELECT level_id, name FROM levels")}

    def labelled(self, rung: int, level_id: str, *, held_out: bool) -> list[LabelledStructure]:
        """Return the training set or the held-out set of a rung, by structure_id."""
        found = self._all(
            "SELECT structures.*, labels.* FROM labels JOIN structures USING (structure_id)"
            " JOIN candidates USING (structure_id) WHERE level_id = ? AND rung = ?"
            f" AND status = 'chosen' AND {_TRAINED_ON if not held_out else 'NOT ' + _TRAINED_ON}"
            " ORDER BY structure_id",
            level_id,
            rung,
        )
        return [
            LabelledStructure(structure=rows.structure_from(row), label=rows.label_from(row))
            for row in found
        ]

    def count_labels(self, rung: int, level_id: str) -> Counter[Purpose]:
        """Count the labels of a rung by purpose."""
        found = self._all(
            "SELECT purpose, count(*) FROM labels JOIN candidates USING (structure_id)"
            " WHERE level_id = ? AND rung = ? AND status = 'chosen' GROUP BY 1",
            level_id,
            rung,
        )
        return Counter({row[0]: row[1] for row in found})

    def export_rows(self, rung: int | None = None) -> Iterator[ExportRow]:
        """Yield every label, of one rung or of all, those of one structure together."""
        cursor = self._connection.execute(
            "SELECT structures.*, labels.*, levels.name AS level_name, purpose,"
            " molecules.name AS molecule_name FROM labels JOIN structures USING (structure_id)"
            " JOIN levels USING (level_id) JOIN molecules USING (molecule_id)"
            " JOIN candidates USING (structure_id)"
            " WHERE status = 'chosen' AND rung = coalesce(?, rung)"
            " GROUP BY structure_id, level_id ORDER BY structure_id, level_name",
            (rung,),
        )
        for row in cursor:
            yield ExportRow(
                structure=rows.structure_from(row),
                label=rows.label_from(row),
                level_name=row["level_name"],
                molecule_name=row["molecule_name"],
                split="test" if row["purpose"] == "held_out" else "train",
                purpose=row["purpose"],
            )

    def label_cpu_seconds(self, level_id: str) -> float:
        """Add up the CPU seconds of a level's labels, failed ones included."""
        return float(
            sum(
                self._one(
                    f"SELECT coalesce(sum(cpu_seconds), 0) FROM {table} WHERE level_id = ?",
                    level_id,
                )[0]
                for table in ("labels", "failures")
            )
        )

    def count_failures(self, level_id: str) -> int:
        """Count the labels of a level that could not be made."""
        found = self._one("SELECT count(*) FROM failures WHERE level_id = ?", level_id)
        return int(found[0])

    def label_costs(self, level_id: str) -> list[tuple[Structure, float]]:
        """Return (structure, CPU seconds) of every label at a level."""
        found = self._all(
            "SELECT structures.*, cpu_seconds FROM labels JOIN structures USING (structure_id)"
            " WHERE level_id = ?",
            level_id,
        )
        return [(rows.structure_from(row), row["cpu_seconds"]) for row in found]

    def forget_lost_labels(self) -> None:
        """Forget failures that only lost workers caused, so that they are tried again."""
        with self._write() as db:
            db.execute("DELETE FROM failures WHERE kind = 'infrastructure'")

    def failures(self) -> list[LabelFailure]:
        """Return all labels that could not be made."""
        return [rows.failure_from(row) for row in self._all("SELECT * FROM failures")]

    # Trainings

    def trainings(self, rung: int) -> list[Training]:
        """Return the trainings of a rung in order."""
        found = self._all("SELECT * FROM trainings WHERE rung = ? ORDER BY version", rung)
        return [rows.training_from(row) for row in found]

    def trained_rungs(self) -> list[int]:
        """Return the rungs that have a training, from first to last."""
        return [row[0] for row in self._all("SELECT DISTINCT rung FROM trainings ORDER BY rung")]

    # SQLite

    def _one(self, sql: str, *values: Any) -> Any:
        with _explained(self.path):
            return self._connection.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with _explained(self.path):
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with _explained(self.path), self._connection as db:
            yield db


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    with _explained(path):
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(uri, uri=True, timeout=30.0)
        connection.row_factory = sqlite3.Row
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a committed label survives a power cut, not only a crash of the process.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        return connection


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one sentence that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL":
            advice = "make room on the disk and launch again; all committed labels are kept"
        elif isinstance(error, sqlite3.OperationalError):
            advice = "check the folder's permissions and its disk, then launch again"
        else:
            advice = "it is damaged; put back a copy, or recover it with `sqlite3 FILE .recover`"
        raise StoreError(f"the store {path} cannot be used ({error}): {advice}") from error


def _candidate_row(rung: int, candidate: Candidate) -> tuple[Any, ...]:
    return (
        rung,
        candidate.structure.structure_id,
        candidate.purpose,
        candidate.rho_kcal_mol,
        candidate.force_sigma_kcal_mol_angstrom,
        candidate.judged_by,
        candidate.reason,
    )


def _insert_task(
    db: sqlite3.Connection, key: str, rung: int, kind: str, detail: dict[str, Any], cost: Cost
) -> None:
    db.execute(
        "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            rung,
            kind,
            json.dumps(detail),
            cost.worker,
            cost.started_at,
            cost.finished_at,
            cost.cpu_seconds,
        ),
    )
