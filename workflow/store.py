"""The store: one SQLite file that holds everything a campaign knows.

One process and one thread write it, the driver's. Each method that writes is one transaction: it
happened, or it did not.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any

from chemistry.gates import Finding, findings_to_json
from chemistry.label import Label, LabelFailure, LabelledStructure
from chemistry.level import LevelOfTheory
from chemistry.molecule import Molecule
from chemistry.molecule_json import molecule_to_json
from chemistry.potential import Threshold
from workflow import rows
from workflow.cost import n_electrons
from workflow.records import Candidate, Cost, Judgement, Loss, Purpose, Training
from workflow.selection import Choice, times_over
from workflow.store_reader import StoreReader
from workflow.task_keys import check_key, label_key


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
            _insert_task(db, key, rung, "grow", version, {"version": version, **found}, cost)

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
            _insert_task(db, key, rung, "inherit", 0, {}, cost)

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
            is_new = _insert_task(db, key, rung, "sample", detail.get("version", 0), detail, cost)
            if is_new and detail.get("purpose") == "explore":
                _add_to_sweep(db, rung, detail)

    def commit_label(
        self,
        key: str,
        rung: int,
        label: Label,
        cost: Cost,
        *,
        findings: Sequence[Finding] = (),
        quarantine: str | None = None,
        wants_second: bool = False,
    ) -> None:
        """Keep a label and what the quality gates say; one that is known already stays as it is.

        A label with a `quarantine`, the reason for it, is kept and not trained on.
        """
        with self._write() as db:
            added = db.execute(
                "INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *rows.label_row(label),
                    findings_to_json(findings),
                    quarantine,
                    "due" if wants_second else None,
                ),
            ).rowcount
            _insert_task(db, key, rung, "label", 0, {}, cost)
            if added:
                status = "labelled" if quarantine is None else "quarantined"
                _set_status(db, rung, label.structure_id, status)
                self._learn_cost(db, label)

    def commit_second(
        self,
        key: str,
        rung: int,
        label: Label,
        cost: Cost,
        *,
        said: str,
        findings: Sequence[Finding],
        quarantine: str | None,
    ) -> None:
        """Keep the better of two labels, what the second one said, and what the gates say now."""
        with self._write() as db:
            changed = db.execute(
                "UPDATE labels SET energy = ?, forces = ?, dipole = ?, components = ?,"
                " diagnostics = ?, provenance = ?, cpu_seconds = ?, findings = ?, quarantine = ?,"
                " second = ? WHERE structure_id = ? AND level_id = ? AND second = 'due'",
                (
                    *rows.label_row(label)[2:],
                    findings_to_json(findings),
                    quarantine,
                    said,
                    label.structure_id,
                    label.level_id,
                ),
            ).rowcount
            _insert_task(db, key, rung, "check", 0, {}, cost)
            if changed:
                status = "labelled" if quarantine is None else "quarantined"
                _set_status(db, rung, label.structure_id, status)

    def commit_failure(self, key: str, rung: int, failure: LabelFailure, cost: Cost) -> None:
        """Keep why a label could not be made."""
        with self._write() as db:
            db.execute(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?)",
                rows.failure_row(failure),
            )
            _insert_task(db, key, rung, "label", 0, {"failed": failure.kind}, cost)
            _set_status(db, rung, failure.structure_id, "failed")

    def add_loss(self, key: str, loss: Loss) -> int:
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
            _insert_task(db, key, rung, "train", training.version, detail, cost)

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
        excesses = [times_over(j.rho_kcal_mol, j.force_sigma, threshold) for j in judgements]
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
            _insert_task(db, key, rung, "judge", version, detail, cost)

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

    def import_labels(
        self, rung: int, labelled: Iterable[tuple[LabelledStructure, Purpose]], reason: str
    ) -> int:
        """Keep labels that somebody else made, to be trained on; return how many are new.

        Molecule and level of each must be known. What is held out stays held out, and what a
        quality gate has refused stays refused.
        """
        labelled = list(labelled)
        with self._write() as db:
            db.executemany(
                "INSERT OR IGNORE INTO structures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [rows.structure_row(known.structure, is_start=False) for known, _ in labelled],
            )
            added = db.executemany(
                "INSERT OR IGNORE INTO labels (structure_id, level_id, energy, forces, dipole,"
                " components, diagnostics, provenance, cpu_seconds)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [rows.label_row(known.label) for known, _ in labelled],
            ).rowcount
            db.executemany(
                "DELETE FROM failures WHERE structure_id = ? AND level_id = ?",
                [(known.label.structure_id, known.label.level_id) for known, _ in labelled],
            )
            db.executemany(
                "INSERT INTO candidates"
                " (rung, structure_id, molecule_id, purpose, status, reason, chosen_by)"
                " VALUES (?, ?, ?, ?, 'labelled', ?, 0)"
                " ON CONFLICT DO UPDATE SET status = 'labelled', chosen_by = 0,"
                "  reason = excluded.reason, purpose ="
                "  CASE purpose WHEN 'held_out' THEN purpose ELSE excluded.purpose END"
                " WHERE status IN ('waiting', 'chosen', 'failed')",
                [
                    (
                        rung,
                        known.structure.structure_id,
                        known.structure.molecule_id,
                        purpose,
                        reason,
                    )
                    for known, purpose in labelled
                ],
            )
        return added

    def put_back(self, rung: int, structure_id: str, level_id: str) -> None:
        """Forget that a label failed or was refused, so that the next launch computes it."""
        with self._write() as db:
            ids = (structure_id, level_id)
            db.execute("DELETE FROM failures WHERE structure_id = ? AND level_id = ?", ids)
            db.execute("DELETE FROM labels WHERE structure_id = ? AND level_id = ?", ids)
            for key in (label_key(*ids), check_key(*ids)):
                db.execute("DELETE FROM losses WHERE key = ?", (key,))
                db.execute("DELETE FROM tasks WHERE key = ?", (key,))
            db.execute(
                "UPDATE candidates SET status = 'chosen'"
                " WHERE rung = ? AND structure_id = ? AND status IN ('failed', 'quarantined')",
                (rung, structure_id),
            )

    def forget_broken_tasks(self) -> None:
        """Forget tasks, other than labels, that could not be carried out, for another try."""
        with self._write() as db:
            db.execute("UPDATE sweeps SET tasks = tasks - broken, broken = 0 WHERE broken > 0")
            db.execute(
                "DELETE FROM tasks WHERE kind IN ('sample', 'judge', 'grow')"
                " AND detail ->> 'is_broken'"
            )

    def _learn_cost(self, db: sqlite3.Connection, label: Label) -> None:
        row = self._one("SELECT * FROM structures WHERE structure_id = ?", label.structure_id)
        moments = self.cost_moments(label.level_id).plus(
            n_electrons(rows.structure_from(row)), label.provenance.cpu_seconds
        )
        db.execute(
            "INSERT OR REPLACE INTO label_costs VALUES (?, ?, ?, ?, ?, ?)",
            (label.level_id, moments.n, moments.x, moments.y, moments.xx, moments.xy),
        )


def _set_status(db: sqlite3.Connection, rung: int, structure_id: str, status: str) -> None:
    db.execute(
        "UPDATE candidates SET status = ? WHERE rung = ? AND structure_id = ?",
        (status, rung, structure_id),
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
        None if rho is None or threshold is None else times_over(rho, force, threshold),
        candidate.judged_by,
        candidate.reason,
    )


def _insert_molecules(db: sqlite3.Connection, molecules: Iterable[tuple[Molecule, bool]]) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO molecules (molecule_id, name, held_out, record) VALUES (?, ?, ?, ?)",
        [(m.molecule_id, m.name, int(held_out), molecule_to_json(m)) for m, held_out in molecules],
    )


def _insert_task(
    db: sqlite3.Connection,
    key: str,
    rung: int,
    kind: str,
    version: int,
    detail: dict[str, Any],
    cost: Cost,
) -> bool:
    """Note a finished task; say whether it was not known before."""
    added = db.execute(
        "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            rung,
            kind,
            version,
            json.dumps(detail),
            cost.worker,
            cost.started_at,
            cost.finished_at,
            cost.cpu_seconds,
        ),
    )
    return added.rowcount > 0
