"""Labels: those that are trained on, those that a quality gate refused, and what they cost."""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chemistry.gates import Finding, findings_to_json
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import FloatArray, Structure
from workflow.planning.cost import CostMoments, n_electrons
from workflow.planning.records import Purpose
from workflow.run.store import rows
from workflow.run.store.candidates import set_status
from workflow.run.store.database import Database, WritableDatabase
from workflow.run.store.records import ExportRow, LabelDetail
from workflow.run.store.tasks import insert_task
from workflow.work.results import Cost

_TRAINED_ON = "purpose != 'held_out'"
_MOST_STEPS = 200


@dataclass(frozen=True)
class LabelReader:
    """The labels of a run, to be read."""

    database: Database

    def level_names(self) -> dict[str, str]:
        """Return {level_id: name} of the levels that the run has labels of."""
        return {row[0]: row[1] for row in self.database.all("SELECT level_id, name FROM levels")}

    def labelled(
        self, rung: int, level_id: str, *, held_out: bool, most: int | None = None
    ) -> list[LabelledStructure]:
        """Return the training set or the held-out set of a rung, or the first of it, by id."""
        found = self.database.all(
            "SELECT structures.*, labels.* FROM labels JOIN structures USING (structure_id)"
            " JOIN candidates USING (structure_id) WHERE level_id = ? AND rung = ?"
            f" AND status = 'labelled' AND {_TRAINED_ON if not held_out else 'NOT ' + _TRAINED_ON}"
            " ORDER BY structure_id LIMIT ?",
            level_id,
            rung,
            -1 if most is None else most,
        )
        return [
            LabelledStructure(structure=rows.structure_from(row), label=rows.label_from(row))
            for row in found
        ]

    def find(self, structure_id: str, level_id: str) -> Label | None:
        """Return a label, quarantined or not, or None."""
        row = self.database.one(
            "SELECT * FROM labels WHERE structure_id = ? AND level_id = ?", structure_id, level_id
        )
        return None if row is None else rows.label_from(row)

    def steps(self, rung: int, structure: Structure, level_id: str, below_id: str) -> FloatArray:
        """Return how far labels of a rung lie above those of another level, (K,) eV.

        Of the other structures of the molecule whose labels passed the quality gates; of many,
        some.
        """
        found = self.database.all(
            "SELECT here.energy - below.energy FROM candidates INDEXED BY candidates_by_status"
            " JOIN labels AS here ON here.structure_id = candidates.structure_id"
            "  AND here.level_id = ?4"
            " JOIN labels AS below ON below.structure_id = candidates.structure_id"
            "  AND below.level_id = ?5 AND below.quarantine IS NULL"
            " WHERE rung = ?1 AND status = 'labelled' AND candidates.molecule_id = ?2"
            "  AND candidates.structure_id != ?3 LIMIT ?6",
            rung,
            structure.molecule_id,
            structure.structure_id,
            level_id,
            below_id,
            _MOST_STEPS,
        )
        return np.array([row[0] for row in found], dtype=np.float64)

    def history(self, structure_id: str) -> list[dict[str, Any]]:
        """Return all labels and failures of a structure, by level; energy in eV, None of failures.

        Of a label also what the quality gates found and how far it was checked, of a failure its
        kind and message.
        """
        found = self.database.all(
            "SELECT name AS level, energy, cpu_seconds, findings, quarantine, second,"
            " NULL AS kind, NULL AS message, provenance FROM labels JOIN levels USING (level_id)"
            " WHERE structure_id = ?1 UNION ALL"
            " SELECT name, NULL, cpu_seconds, '[]', NULL, NULL, kind, message, NULL"
            " FROM failures JOIN levels USING (level_id) WHERE structure_id = ?1 ORDER BY level",
            structure_id,
        )
        return [_history(dict(row)) for row in found]

    def count(self, rung: int) -> Counter[Purpose]:
        """Count the labels of a rung that passed the quality gates, by purpose."""
        found = self.database.all(
            "SELECT purpose, sum(n) FROM tallies WHERE rung = ? AND status = 'labelled'"
            " GROUP BY 1 HAVING sum(n) > 0",
            rung,
        )
        return Counter({row[0]: row[1] for row in found})

    def count_by_molecule(self) -> Counter[str]:
        """Count the labels of all levels by molecule_id, quarantined or not."""
        found = self.database.all(
            "SELECT molecule_id, count(*) FROM labels JOIN structures USING (structure_id)"
            " GROUP BY molecule_id"
        )
        return Counter({row[0]: row[1] for row in found})

    def origins(self, rung: int) -> list[tuple[str, str, str, int]]:
        """Count the labels of a rung: (sampler, molecule_id, purpose, number)."""
        found = self.database.all(
            "SELECT sampler, candidates.molecule_id, purpose, count(*) FROM candidates"
            " JOIN structures USING (structure_id) WHERE rung = ? AND status = 'labelled'"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            rung,
        )
        return [tuple(row) for row in found]

    def export_rows(
        self, level_ids: Collection[str] | None = None, *, with_quarantined: bool = False
    ) -> Iterator[ExportRow]:
        """Yield every label, of some levels or of all, as the store was when it began.

        Labels that a quality gate refused are left out unless they are asked for. Rows of one
        molecule follow one another, and in them those of one structure. Memory does not grow with
        their number: SQLite sorts keys only, on the disk where they are many.
        """
        # The subquery keeps its order: LIMIT bars SQLite from merging it into the join, and in a
        # CROSS JOIN the left table is the outer loop. Of a structure's purposes the first rung's
        # counts: beside min() SQLite takes the other columns from the row that has the minimum.
        sql = (
            "SELECT structures.*, labels.*, level_name, purpose, molecules.name AS molecule_name"
            " FROM (SELECT molecule_id, structure_id, level_id, levels.name AS level_name,"
            "   purpose, min(rung) FROM labels JOIN levels USING (level_id)"
            "   JOIN candidates USING (structure_id)"
            "   WHERE status IN ('labelled', 'quarantined') AND (?1 OR quarantine IS NULL)"
            "    AND (?2 IS NULL OR level_id IN (SELECT value FROM json_each(?2)))"
            "   GROUP BY structure_id, level_id"
            "   ORDER BY molecule_id, structure_id, level_name LIMIT -1) AS keys"
            " CROSS JOIN structures ON structures.structure_id = keys.structure_id"
            " CROSS JOIN labels ON labels.structure_id = keys.structure_id"
            "  AND labels.level_id = keys.level_id"
            " CROSS JOIN molecules ON molecules.molecule_id = keys.molecule_id"
        )
        wanted = None if level_ids is None else json.dumps(sorted(level_ids))
        for row in self.database.rows(sql, with_quarantined, wanted):
            yield ExportRow(
                structure=rows.structure_from(row),
                label=rows.label_from(row),
                level_name=row["level_name"],
                molecule_name=row["molecule_name"],
                split="test" if row["purpose"] == "held_out" else "train",
                purpose=row["purpose"],
            )

    def cost_moments(self, level_id: str) -> CostMoments:
        """Return what the cost model of a level is fitted to."""
        row = self.database.one(
            "SELECT n, x, y, xx, xy FROM label_costs WHERE level_id = ?", level_id
        )
        return CostMoments() if row is None else CostMoments(**dict(row))


@dataclass(frozen=True)
class LabelWriter(LabelReader):
    """The labels of a run, and what becomes of the candidates that they are of."""

    database: WritableDatabase

    def add_level(self, level: LevelOfTheory) -> None:
        """Name a level of theory, before its first label."""
        with self.database.write() as db:
            db.execute("INSERT OR IGNORE INTO levels VALUES (?, ?)", (level.level_id, level.name))

    def commit(
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
        with self.database.write() as db:
            added = db.execute(
                "INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *rows.label_row(label),
                    findings_to_json(findings),
                    quarantine,
                    "due" if wants_second else None,
                ),
            ).rowcount
            insert_task(db, key, rung, "label", LabelDetail(), cost)
            if added:
                set_status(
                    db,
                    rung,
                    label.structure_id,
                    "labelled" if quarantine is None else "quarantined",
                )
                self._learn_cost(db, label)

    def import_labels(
        self, rung: int, labelled: Iterable[tuple[LabelledStructure, Purpose]], reason: str
    ) -> int:
        """Keep labels that somebody else made, to be trained on; return how many are new.

        Molecule and level of each must be known. What is held out stays held out, and what a
        quality gate has refused stays refused.
        """
        labelled = list(labelled)
        with self.database.write() as db:
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
        imported = self.database.rows(
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
        with self.database.write() as db:
            db.executemany("DELETE FROM labels WHERE structure_id = ? AND level_id = ?", broken)
            return db.execute(
                "UPDATE candidates SET status = 'chosen' WHERE rung = ? AND status = 'labelled'"
                " AND structure_id NOT IN (SELECT structure_id FROM labels WHERE level_id = ?)",
                (rung, level_id),
            ).rowcount

    def _learn_cost(self, db: sqlite3.Connection, label: Label) -> None:
        row = self.database.one(
            "SELECT * FROM structures WHERE structure_id = ?", label.structure_id
        )
        moments = self.cost_moments(label.level_id).plus(
            n_electrons(rows.structure_from(row)), label.provenance.cpu_seconds
        )
        db.execute(
            "INSERT OR REPLACE INTO label_costs VALUES (?, ?, ?, ?, ?, ?)",
            (label.level_id, moments.n, moments.x, moments.y, moments.xx, moments.xy),
        )


def _history(row: dict[str, Any]) -> dict[str, Any]:
    provenance = row.pop("provenance")
    checked = None if provenance is None else rows.provenance_from(provenance).checked
    return {**row, "findings": json.loads(row["findings"]), "checked": checked}


def _is_dipole(numbers: FloatArray) -> bool:
    return len(numbers) in (0, 3) and bool(np.isfinite(numbers).all())
