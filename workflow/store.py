"""The store: one SQLite file that holds everything a campaign knows.

One process and one thread write it, the driver's. Each method that writes is one transaction: it
happened, or it did not.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any

from chemistry.label import Label, LabelFailure
from chemistry.level import LevelOfTheory
from chemistry.molecule import Molecule
from chemistry.molecules import molecule_to_json
from workflow import rows
from workflow.records import Candidate, Cost, Training
from workflow.selection import Choice
from workflow.store_reader import StoreReader


class Store(StoreReader):
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
            db.executemany(
                "INSERT OR IGNORE INTO molecules (molecule_id, name, held_out, record)"
                " VALUES (?, ?, ?, ?)",
                [
                    (m.molecule_id, m.name, int(held_out), molecule_to_json(m))
                    for m, held_out in molecules
                ],
            )

    # Finished tasks

    def inherit(self, key: str, rung: int) -> None:
        """Make candidates of a rung what the rung below has labelled; held-out stays held-out."""
        now = time.time()
        cost = Cost(worker="driver", started_at=now, finished_at=now, cpu_seconds=0.0)
        with self._write() as db:
            db.execute(
                "INSERT OR IGNORE INTO candidates"
                " SELECT ?, structure_id,"
                "  CASE purpose WHEN 'held_out' THEN 'held_out' ELSE 'initial' END,"
                "  'waiting', NULL, NULL, NULL, 'labelled on the rung below', NULL"
                " FROM candidates WHERE rung = ? AND status = 'chosen' AND structure_id IN"
                "  (SELECT structure_id FROM labels)",
                (rung, rung - 1),
            )
            _insert_task(db, key, rung, "inherit", {}, cost)

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
        *,
        over_threshold: int,
        cost: Cost,
    ) -> None:
        """Keep what a committee says of waiting candidates: (structure_id, rho, force sigma)."""
        with self._write() as db:
            db.executemany(
                "UPDATE candidates SET rho_kcal_mol = ?, force_sigma_kcal_mol_angstrom = ?,"
                " judged_by = ? WHERE rung = ? AND structure_id = ? AND status = 'waiting'",
                [(rho, force, version, rung, i) for i, rho, force in disagreements],
            )
            detail = {
                "rung": rung,
                "version": version,
                "judged": len(disagreements),
                "over_threshold": over_threshold,
            }
            _insert_task(db, key, rung, "judge", detail, cost)

    # Candidates

    def choose(self, rung: int, choices: Iterable[Choice], version: int) -> None:
        """Mark candidates for labelling; `version` is the newest committee's, 0 for none."""
        with self._write() as db:
            db.executemany(
                "UPDATE candidates SET status = 'chosen', purpose = ?, reason = ?, chosen_by = ?"
                " WHERE rung = ? AND structure_id = ?",
                [(c.purpose, c.reason, version, rung, c.structure_id) for c in choices],
            )

    # Labels

    def add_level(self, level: LevelOfTheory) -> None:
        """Name a level of theory, before its first label."""
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO levels VALUES (?, ?)", (level.level_id, level.name))

    def forget_lost_labels(self) -> None:
        """Forget failures that only lost workers caused, so that they are tried again."""
        with self._write() as db:
            db.execute("DELETE FROM failures WHERE kind = 'infrastructure'")


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
