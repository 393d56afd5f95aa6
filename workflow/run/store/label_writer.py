"""What is written to a store about labels."""

import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np

from chemistry.gates import Finding, findings_to_json
from chemistry.records.label import Label, LabelFailure, LabelledStructure
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import FloatArray
from workflow.planning.cost import n_electrons
from workflow.planning.keys import check_key, label_key
from workflow.planning.records import Purpose
from workflow.run.store import rows
from workflow.run.store.database import insert_task
from workflow.run.store.store_reader import StoreReader
from workflow.work.results import Cost


class LabelWriter(StoreReader):
    """Labels, failures, and what became of the candidates that they are of."""

    def add_level(self, level: LevelOfTheory) -> None:
        """Name a level of theory, before its first label."""
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO levels VALUES (?, ?)", (level.level_id, level.name))

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
            insert_task(db, key, rung, "label", 0, {}, cost)
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
            insert_task(db, key, rung, "check", 0, {}, cost)
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
            insert_task(db, key, rung, "label", 0, {"failed": failure.kind}, cost)
            _set_status(db, rung, failure.structure_id, "failed")

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
                # Not OR IGNORE, which would pass over a NaN, a NULL to SQLite, in silence.
                "INSERT INTO labels (structure_id, level_id, energy, forces, dipole,"
                " components, diagnostics, provenance, cpu_seconds)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
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

    def forget_broken(self, rung: int, level_id: str) -> int:
        """Forget imported labels that are none; return how many there were.

        rung 0.1.0 took in numbers that are not finite and dipoles of two components, and noted
        structures as labelled whose energy was NaN, though no label was kept. The next launch
        computes them unless another import brings them.
        """
        imported = self._cursor(
            "SELECT structure_id, energy, forces, dipole FROM labels WHERE level_id = ?"
            " AND provenance ->> 'host' LIKE 'imported from %'",
            level_id,
        )
        broken = [
            (row["structure_id"], level_id)
            for row in imported
            if not np.isfinite([row["energy"], *rows.numbers(row["forces"])]).all()
            or not _is_dipole(rows.numbers(row["dipole"]))
        ]
        with self._write() as db:
            db.executemany("DELETE FROM labels WHERE structure_id = ? AND level_id = ?", broken)
            return db.execute(
                "UPDATE candidates SET status = 'chosen' WHERE rung = ? AND status = 'labelled'"
                " AND structure_id NOT IN (SELECT structure_id FROM labels WHERE level_id = ?)",
                (rung, level_id),
            ).rowcount

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

    def _learn_cost(self, db: sqlite3.Connection, label: Label) -> None:
        row = self._one("SELECT * FROM structures WHERE structure_id = ?", label.structure_id)
        moments = self.cost_moments(label.level_id).plus(
            n_electrons(rows.structure_from(row)), label.provenance.cpu_seconds
        )
        db.execute(
            "INSERT OR REPLACE INTO label_costs VALUES (?, ?, ?, ?, ?, ?)",
            (label.level_id, moments.n, moments.x, moments.y, moments.xx, moments.xy),
        )


def _is_dipole(numbers: FloatArray) -> bool:
    return len(numbers) in (0, 3) and bool(np.isfinite(numbers).all())


def _set_status(db: sqlite3.Connection, rung: int, structure_id: str, status: str) -> None:
    db.execute(
        "UPDATE candidates SET status = ? WHERE rung = ? AND structure_id = ?",
        (status, rung, structure_id),
    )
