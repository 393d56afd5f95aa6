"""The store: one SQLite file that holds everything a campaign knows.

One process and one thread write it, the driver's. Each method that writes is one transaction: it
happened, or it did not.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any

from chemistry.records.molecule import Molecule
from chemistry.records.molecule_json import molecule_to_json
from chemistry.records.potential import Threshold
from workflow.planning.records import Candidate, Training
from workflow.planning.selection import Choice
from workflow.run.store import rows
from workflow.run.store.database import insert_task
from workflow.run.store.label_writer import LabelWriter
from workflow.work.lost_tries import LostTry
from workflow.work.results import Cost, Judgement


class Store(LabelWriter):
    """One run's store: `Store.create`, `Store.open`, then in a `with` block."""

    # What it was made for

    def set_meta(self, key: str, value: str) -> None:
        """Write one of the run's facts."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def clear_meta(self, key: str) -> None:
        """Forget one of the run's facts."""
        with self._write() as db:
            db.execute("DELETE FROM meta WHERE key = ?", (key,))

    def add_event(self, kind: str, text: str) -> None:
        """Append to the run's diary."""
        with self._write() as db:
            db.execute("INSERT INTO events VALUES (?, ?, ?)", (time.time(), kind, text))

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

    # Molecules and structures

    def add_molecules(self, molecules: Iterable[tuple[Molecule, bool]]) -> None:
        """Add molecules in order, each with whether it is only tested on; known ones stay."""
        with self._write() as db:
            _insert_molecules(db, molecules)

    def commit_growth(
        self,
        key: str,
        rung: int,
        version: int,
        molecules: Sequence[Molecule],
        *,
        detail: dict[str, Any],
        cost: Cost,
    ) -> None:
        """Add molecules that were found in the pool."""
        with self._write() as db:
            _insert_molecules(db, [(molecule, False) for molecule in molecules])
            found = {"molecule_ids": [m.molecule_id for m in molecules], **detail}
            insert_task(db, key, rung, "grow", version, {"version": version, **found}, cost)

    # Finished tasks

    def inherit(self, key: str, rung: int) -> None:
        """Make candidates of a rung what the rung below has labelled; held-out stays held-out."""
        now = time.time()
        cost = Cost(worker="driver", started_at=now, finished_at=now, cpu_seconds=0.0)
        with self._write() as db:
            db.execute(
                "INSERT OR IGNORE INTO candidates"
                " SELECT ?, structure_id, molecule_id,"
                "  CASE purpose WHEN 'held_out' THEN 'held_out' ELSE 'initial' END,"
                "  'waiting', NULL, NULL, NULL, NULL, NULL, 'labelled on the rung below', NULL"
                " FROM candidates WHERE rung = ? AND status = 'labelled'",
                (rung, rung - 1),
            )
            insert_task(db, key, rung, "inherit", 0, {}, cost)

    def commit_sample(
        self,
        key: str,
        rung: int,
        candidates: Sequence[Candidate],
        *,
        are_starts: bool,
        threshold: Threshold | None,
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
                "INSERT OR IGNORE INTO candidates"
                " VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?, NULL)",
                [_candidate_row(rung, candidate, threshold) for candidate in candidates],
            )
            is_new = insert_task(db, key, rung, "sample", detail.get("version", 0), detail, cost)
            if is_new and detail.get("purpose") == "explore":
                _add_to_sweep(db, rung, detail)

    def add_loss(self, key: str, loss: LostTry) -> int:
        """Note a try of a task that ended without an answer; return how many of them there are."""
        with self._write() as db:
            db.execute(
                "INSERT INTO losses VALUES (?, ?, ?, ?, ?)",
                (key, loss.at, loss.kind, loss.message, loss.worker),
            )
        found = self._one("SELECT count(*) FROM losses WHERE key = ? AND kind = ?", key, loss.kind)
        return int(found[0])

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
            detail = {"version": training.version}
            insert_task(db, key, rung, "train", training.version, detail, cost)

    def commit_judgement(
        self,
        key: str,
        rung: int,
        version: int,
        judgements: Sequence[Judgement],
        *,
        threshold: Threshold,
        cost: Cost,
        is_broken: bool = False,
    ) -> None:
        """Keep what a committee says of waiting candidates."""
        excesses = [threshold.times_over(j.rho_kcal_mol, j.force_sigma) for j in judgements]
        with self._write() as db:
            db.executemany(
                "UPDATE candidates SET rho_kcal_mol = ?, force_sigma_kcal_mol_angstrom = ?,"
                " energy_ev = ?, excess = ?, judged_by = ?"
                " WHERE rung = ? AND structure_id = ? AND status = 'waiting'",
                [
                    (
                        j.rho_kcal_mol,
                        j.force_sigma,
                        j.energy_ev,
                        excess,
                        version,
                        rung,
                        j.structure_id,
                    )
                    for j, excess in zip(judgements, excesses, strict=True)
                ],
            )
            detail = {
                "rung": rung,
                "version": version,
                "judged": len(judgements),
                "over_threshold": sum(excess > 1 for excess in excesses),
                "is_broken": is_broken,
            }
            insert_task(db, key, rung, "judge", version, detail, cost)

    def forget_broken_tasks(self) -> None:
        """Forget tasks, other than labels, that could not be carried out, for another try."""
        with self._write() as db:
            db.execute("UPDATE sweeps SET tasks = tasks - broken, broken = 0 WHERE broken > 0")
            db.execute(
                "DELETE FROM tasks WHERE kind IN ('sample', 'judge', 'grow')"
                " AND detail ->> 'is_broken'"
            )

    # Candidates

    def choose(self, rung: int, choices: Iterable[Choice], version: int) -> None:
        """Mark candidates for labelling; `version` is the newest committee's, 0 for none."""
        with self._write() as db:
            db.executemany(
                "UPDATE candidates SET status = 'chosen', purpose = ?, reason = ?, chosen_by = ?"
                " WHERE rung = ? AND structure_id = ?",
                [(c.purpose, c.reason, version, rung, c.structure_id) for c in choices],
            )


def _add_to_sweep(db: sqlite3.Connection, rung: int, detail: dict[str, Any]) -> None:
    db.execute(
        "INSERT INTO sweeps VALUES (:rung, :version, :sweep, 1, :broken, :judged, :over)"
        " ON CONFLICT DO UPDATE SET tasks = tasks + 1, broken = broken + :broken,"
        " judged = judged + :judged, over_threshold = over_threshold + :over",
        {
            "rung": rung,
            "version": detail["version"],
            "sweep": detail["sweep"],
            "broken": int(detail["is_broken"]),
            "judged": detail["judged"],
            "over": detail["over_threshold"],
        },
    )


def _candidate_row(rung: int, candidate: Candidate, threshold: Threshold | None) -> tuple[Any, ...]:
    rho, force = candidate.rho_kcal_mol, candidate.force_sigma_kcal_mol_angstrom
    return (
        rung,
        candidate.structure.structure_id,
        candidate.structure.molecule_id,
        candidate.purpose,
        rho,
        force,
        candidate.energy_ev,
        None if rho is None or threshold is None else threshold.times_over(rho, force or 0.0),
        candidate.judged_by,
        candidate.reason,
    )


def _insert_molecules(db: sqlite3.Connection, molecules: Iterable[tuple[Molecule, bool]]) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO molecules (molecule_id, name, held_out, record) VALUES (?, ?, ?, ?)",
        [(m.molecule_id, m.name, int(held_out), molecule_to_json(m)) for m, held_out in molecules],
    )
