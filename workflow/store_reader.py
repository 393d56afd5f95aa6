"""What can be read from a store: by the driver, and by anybody else while it runs (WAL)."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

from chemistry.label import LabelFailure, LabelledStructure
from chemistry.molecule import Molecule
from chemistry.molecules import molecule_from_json
from chemistry.structure import Structure
from workflow import rows
from workflow.database import Database, explained
from workflow.records import Candidate, Cost, ExportRow, Purpose, Training

_TRAINED_ON = "purpose != 'held_out'"


class StoreReader(Database):
    """Everything that a campaign knows, to be read."""

    # What it was made for

    def events(self) -> list[tuple[float, str, str]]:
        """Return the diary: (seconds since 1970, kind, text) in order."""
        return [tuple(row) for row in self._all("SELECT * FROM events ORDER BY rowid")]

    def launches(self) -> list[tuple[float, float | None, int]]:
        """Return (started_at, ended_at or None, slots) of every launch, in order."""
        return [tuple(row) for row in self._all("SELECT * FROM launches ORDER BY started_at")]

    # Molecules and structures

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
        sql = (
            "SELECT structures.*, labels.*, levels.name AS level_name, purpose,"
            " molecules.name AS molecule_name FROM labels JOIN structures USING (structure_id)"
            " JOIN levels USING (level_id) JOIN molecules USING (molecule_id)"
            " JOIN candidates USING (structure_id)"
            " WHERE status = 'chosen' AND rung = coalesce(?, rung)"
            " GROUP BY structure_id, level_id ORDER BY structure_id, level_name"
        )
        with explained(self.path):
            for row in self._connection.execute(sql, (rung,)):
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
