"""Labels that failed, that a quality gate refused, or that wait for a second opinion."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chemistry.gates import Finding, findings_to_json
from chemistry.records.label import Label, LabelFailure
from chemistry.records.structure import Structure
from workflow.planning.keys import CheckKey, LabelKey
from workflow.run.store import rows
from workflow.run.store.candidates import set_status
from workflow.run.store.database import Database, WritableDatabase
from workflow.run.store.records import LabelDetail, NoDetail, SecondOpinion, Unusable
from workflow.run.store.tasks import insert_task
from workflow.work.lost_tries import LOSSES_OF_A_POISON_TASK
from workflow.work.results import Cost


@dataclass(frozen=True)
class UnusableReader:
    """What of a run has no label, or one that is not used or in doubt, to be read."""

    database: Database

    def failures(self) -> list[LabelFailure]:
        """Return all labels that could not be made."""
        return [rows.failure_from(row) for row in self.database.all("SELECT * FROM failures")]

    def first_failure(self, level_id: str) -> str | None:
        """Say why one of the labels that failed or were refused at a level is not there."""
        row = self.database.one(
            "SELECT message FROM failures WHERE level_id = ?1"
            " UNION ALL SELECT quarantine FROM labels"
            " WHERE level_id = ?1 AND quarantine IS NOT NULL LIMIT 1",
            level_id,
        )
        return None if row is None else str(row[0])

    def count(self, level_id: str | None = None) -> Counter[str]:
        """Count, by kind, labels of a level or of all that failed, "suspect" those refused."""
        found = self.database.all(
            "SELECT kind, count(*) FROM failures WHERE level_id = coalesce(?1, level_id)"
            " GROUP BY 1 UNION ALL SELECT 'suspect', count(*) FROM labels"
            " WHERE level_id = coalesce(?1, level_id) AND quarantine IS NOT NULL"
            " HAVING count(*) > 0",
            level_id,
        )
        kinds: Counter[str] = Counter()
        for kind, n in found:
            kinds[kind] += n
        return kinds

    def all(self) -> list[Unusable]:
        """Return every label that failed or that a quality gate refused, by level and structure."""
        found = self.database.all(
            "SELECT structure_id, level_id, levels.name AS level_name,"
            " molecules.name AS molecule_name, kind, message, attempts,"
            " (SELECT count(*) FROM losses WHERE key = 'label-' || structure_id || '-' || level_id)"
            " AS lost FROM ("
            "  SELECT structure_id, level_id, kind, message, attempts FROM failures UNION ALL"
            "  SELECT structure_id, level_id, 'suspect', quarantine, provenance ->> 'attempts'"
            "  FROM labels WHERE quarantine IS NOT NULL"
            ") JOIN levels USING (level_id) JOIN structures USING (structure_id)"
            " JOIN molecules USING (molecule_id) ORDER BY level_name, kind, structure_id"
        )
        return [_unusable(dict(row)) for row in found]

    def second_opinions_due(self, level_id: str) -> list[Structure]:
        """Return the structures whose labels wait for a second opinion, by structure_id."""
        found = self.database.all(
            "SELECT structures.* FROM labels JOIN structures USING (structure_id)"
            " WHERE level_id = ? AND second = 'due' ORDER BY structure_id",
            level_id,
        )
        return [rows.structure_from(row) for row in found]

    def second_opinions(self, level_id: str) -> list[SecondOpinion]:
        """Return what the second opinions at a level have said."""
        found = self.database.all(
            "SELECT structure_id, second FROM labels"
            " WHERE level_id = ? AND second IS NOT NULL AND second != 'due'",
            level_id,
        )
        return [SecondOpinion(structure_id=i, said=said) for i, said in found]


@dataclass(frozen=True)
class UnusableWriter(UnusableReader):
    """Keeps why a label is not there, what a second opinion said, and puts labels back."""

    database: WritableDatabase

    def commit_failure(self, key: str, rung: int, failure: LabelFailure, cost: Cost) -> None:
        """Keep why a label could not be made."""
        with self.database.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?)",
                rows.failure_row(failure),
            )
            insert_task(db, key, rung, "label", LabelDetail(failed=failure.kind), cost)
            set_status(db, rung, failure.structure_id, "failed")

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
        with self.database.write() as db:
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
            insert_task(db, key, rung, "check", NoDetail(), cost)
            if changed:
                set_status(
                    db,
                    rung,
                    label.structure_id,
                    "labelled" if quarantine is None else "quarantined",
                )

    def put_back(self, rung: int, structure_id: str, level_id: str) -> None:
        """Forget that a label failed or was refused, so that the next launch computes it."""
        with self.database.write() as db:
            ids = (structure_id, level_id)
            db.execute("DELETE FROM failures WHERE structure_id = ? AND level_id = ?", ids)
            db.execute("DELETE FROM labels WHERE structure_id = ? AND level_id = ?", ids)
            for kind in (LabelKey, CheckKey):
                key = kind(structure_id=structure_id, level_id=level_id).key
                db.execute("DELETE FROM losses WHERE key = ?", (key,))
                db.execute("DELETE FROM tasks WHERE key = ?", (key,))
            db.execute(
                "UPDATE candidates SET status = 'chosen'"
                " WHERE rung = ? AND structure_id = ? AND status IN ('failed', 'quarantined')",
                (rung, structure_id),
            )


def _unusable(row: dict[str, Any]) -> Unusable:
    lost, attempts = row.pop("lost"), tuple(json.loads(row.pop("attempts")))
    # The last of a poison task's tries was lost, too; Parsl may have lost them all by itself.
    is_poison = row["kind"] == "poison"
    tries = max(lost, LOSSES_OF_A_POISON_TASK) if is_poison else lost + 1
    return Unusable(**row, attempts=attempts, tries=tries)
