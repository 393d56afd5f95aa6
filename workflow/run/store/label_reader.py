"""What a store says of labels: those that are trained on, those that failed, those refused."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from chemistry.records.label import Label, LabelFailure, LabelledStructure
from chemistry.records.structure import Structure
from workflow.planning.cost import CostMoments
from workflow.planning.records import Purpose
from workflow.run.store import rows
from workflow.run.store.database import Database, explained
from workflow.run.store.records import ExportRow, SecondOpinion, Unusable
from workflow.work.lost_tries import LOSSES_OF_A_POISON_TASK, LostTry

_TRAINED_ON = "purpose != 'held_out'"


class LabelReader(Database):
    """Labels, failures and tries that were lost, to be read."""

    def level_names(self) -> dict[str, str]:
        """Return {level_id: name} of the levels that the run has labels of."""
        return {row[0]: row[1] for row in self._all("SELECT level_id, name FROM levels")}

    def labelled(
        self, rung: int, level_id: str, *, held_out: bool, most: int | None = None
    ) -> list[LabelledStructure]:
        """Return the training set or the held-out set of a rung, or the first of it, by id."""
        found = self._all(
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

    def label(self, structure_id: str, level_id: str) -> Label | None:
        """Return a label, quarantined or not, or None."""
        row = self._one(
            "SELECT * FROM labels WHERE structure_id = ? AND level_id = ?", structure_id, level_id
        )
        return None if row is None else rows.label_from(row)

    def label_history(self, structure_id: str) -> list[dict[str, Any]]:
        """Return all labels and failures of a structure, by level; energy in eV, None of failures.

        Of a label also what the quality gates found and how far it was checked, of a failure its
        kind and message.
        """
        found = self._all(
            "SELECT name AS level, energy, cpu_seconds, findings, quarantine, second,"
            " NULL AS kind, NULL AS message, provenance FROM labels JOIN levels USING (level_id)"
            " WHERE structure_id = ?1 UNION ALL"
            " SELECT name, NULL, cpu_seconds, '[]', NULL, NULL, kind, message, NULL"
            " FROM failures JOIN levels USING (level_id) WHERE structure_id = ?1 ORDER BY level",
            structure_id,
        )
        return [_history(dict(row)) for row in found]

    def count_labels(self, rung: int) -> Counter[Purpose]:
        """Count the labels of a rung that passed the quality gates, by purpose."""
        found = self._all(
            "SELECT purpose, sum(n) FROM tallies WHERE rung = ? AND status = 'labelled'"
            " GROUP BY 1 HAVING sum(n) > 0",
            rung,
        )
        return Counter({row[0]: row[1] for row in found})

    def label_origins(self, rung: int) -> list[tuple[str, str, str, int]]:
        """Count the labels of a rung: (sampler, molecule_id, purpose, number)."""
        found = self._all(
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
        with explained(self.path):
            for row in self._connection.execute(sql, (with_quarantined, wanted)):
                yield ExportRow(
                    structure=rows.structure_from(row),
                    label=rows.label_from(row),
                    level_name=row["level_name"],
                    molecule_name=row["molecule_name"],
                    split="test" if row["purpose"] == "held_out" else "train",
                    purpose=row["purpose"],
                )

    def count_labels_by_molecule(self) -> Counter[str]:
        """Count the labels of all levels by molecule_id, quarantined or not."""
        found = self._all(
            "SELECT molecule_id, count(*) FROM labels JOIN structures USING (structure_id)"
            " GROUP BY molecule_id"
        )
        return Counter({row[0]: row[1] for row in found})

    # What labels cost

    def label_cpu_seconds(self, rung: int) -> float:
        """Add up the CPU seconds of a rung's labels, failed and repeated ones included."""
        found = self._one(
            "SELECT coalesce(sum(cpu_seconds), 0) FROM stages"
            " WHERE rung = ? AND kind IN ('label', 'check')",
            rung,
        )
        return float(found[0])

    def cost_moments(self, level_id: str) -> CostMoments:
        """Return what the cost model of a level is fitted to."""
        row = self._one("SELECT n, x, y, xx, xy FROM label_costs WHERE level_id = ?", level_id)
        return CostMoments() if row is None else CostMoments(**dict(row))

    # What has no label, or one that is not used

    def failures(self) -> list[LabelFailure]:
        """Return all labels that could not be made."""
        return [rows.failure_from(row) for row in self._all("SELECT * FROM failures")]

    def first_failure(self, level_id: str) -> str | None:
        """Say why one of the labels that failed or were refused at a level is not there."""
        row = self._one(
            "SELECT message FROM failures WHERE level_id = ?1"
            " UNION ALL SELECT quarantine FROM labels"
            " WHERE level_id = ?1 AND quarantine IS NOT NULL LIMIT 1",
            level_id,
        )
        return None if row is None else str(row[0])

    def count_unusable(self, level_id: str | None = None) -> Counter[str]:
        """Count, by kind, labels of a level or of all that failed, "suspect" those refused."""
        found = self._all(
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

    def unusable(self) -> list[Unusable]:
        """Return every label that failed or that a quality gate refused, by level and structure."""
        found = self._all(
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

    def losses(self, key: str) -> list[LostTry]:
        """Return the tries of a task that were lost, in order."""
        found = self._all(
            "SELECT at, kind, message, worker FROM losses WHERE key = ? ORDER BY rowid", key
        )
        return [LostTry(**dict(row)) for row in found]

    def count_losses(self) -> Counter[str]:
        """Count the tries that were lost, by kind; the tasks were tried again."""
        return Counter(dict(map(tuple, self._all("SELECT kind, count(*) FROM losses GROUP BY 1"))))

    def second_opinions_due(self, level_id: str) -> list[Structure]:
        """Return the structures whose labels wait for a second opinion, by structure_id."""
        found = self._all(
            "SELECT structures.* FROM labels JOIN structures USING (structure_id)"
            " WHERE level_id = ? AND second = 'due' ORDER BY structure_id",
            level_id,
        )
        return [rows.structure_from(row) for row in found]

    def second_opinions(self, level_id: str) -> list[SecondOpinion]:
        """Return what the second opinions at a level have said."""
        found = self._all(
            "SELECT structure_id, second FROM labels"
            " WHERE level_id = ? AND second IS NOT NULL AND second != 'due'",
            level_id,
        )
        return [SecondOpinion(structure_id=i, said=said) for i, said in found]


def _history(row: dict[str, Any]) -> dict[str, Any]:
    provenance = row.pop("provenance")
    checked = None if provenance is None else rows.provenance_from(provenance).checked
    return {**row, "findings": json.loads(row["findings"]), "checked": checked}


def _unusable(row: dict[str, Any]) -> Unusable:
    lost, attempts = row.pop("lost"), tuple(json.loads(row.pop("attempts")))
    # The last of a poison task's tries was lost, too; Parsl may have lost them all by itself.
    is_poison = row["kind"] == "poison"
    tries = max(lost, LOSSES_OF_A_POISON_TASK) if is_poison else lost + 1
    return Unusable(**row, attempts=attempts, tries=tries)
