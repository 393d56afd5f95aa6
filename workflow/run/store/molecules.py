"""Molecules and their structures."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chemistry.records.molecule import Molecule
from chemistry.records.record_json import molecule_from_json, molecule_to_json
from chemistry.records.structure import Structure
from model.states import State
from workflow.run.store import rows
from workflow.run.store.database import Database, WritableDatabase
from workflow.run.store.records import GrowDetail, GrownMolecules
from workflow.run.store.tasks import insert_task
from workflow.work.results import Cost


@dataclass(frozen=True)
class MoleculeReader:
    """The molecules of a run and their structures, to be read."""

    database: Database

    def all(self) -> list[tuple[Molecule, bool]]:
        """Return all molecules in order, each with whether it is only tested on."""
        found = self.database.all("SELECT record, held_out FROM molecules ORDER BY position")
        return [(molecule_from_json(row["record"]), bool(row["held_out"])) for row in found]

    def given(self) -> list[tuple[Molecule, bool]]:
        """Return what `all` does, without those that came from the pool."""
        grown = self.grown().molecule_ids
        return [(m, held_out) for m, held_out in self.all() if m.molecule_id not in grown]

    def find(self, molecule_id: str) -> Molecule:
        """Return one molecule."""
        row = self.database.one("SELECT record FROM molecules WHERE molecule_id = ?", molecule_id)
        return molecule_from_json(row["record"])

    def names(self) -> list[tuple[str, str, bool]]:
        """Return (molecule_id, name, whether it is only tested on) of all molecules, in order."""
        found = self.database.all(
            "SELECT molecule_id, name, held_out FROM molecules ORDER BY position"
        )
        return [(row[0], row[1], bool(row[2])) for row in found]

    def elements(self) -> tuple[int, ...]:
        """Return the atomic numbers that occur in any structure, in increasing order."""
        found = self.database.all(
            "SELECT atomic_numbers FROM structures WHERE is_start = 1 GROUP BY molecule_id"
        )
        return tuple(sorted({int(z) for row in found for z in rows.integers(row[0])}))

    def states(self) -> tuple[State, ...]:
        """Return the charges and multiplicities that occur in any molecule, in order."""
        found = self.database.all(
            "SELECT DISTINCT charge, multiplicity FROM structures WHERE is_start = 1"
            " ORDER BY charge, multiplicity"
        )
        return tuple((row[0], row[1]) for row in found)

    def grown(self) -> GrownMolecules:
        """Return which molecules came from the pool."""
        found = [
            rows.detail_from(row[0], GrowDetail)
            for row in self.database.all("SELECT detail FROM tasks WHERE kind = 'grow'")
        ]
        certain = [search.version for search in found if not search.molecule_ids]
        return GrownMolecules(
            molecule_ids=frozenset(i for search in found for i in search.molecule_ids),
            exhausted_by=max(certain, default=None),
        )

    def starts(self, molecule_id: str) -> list[Structure]:
        """Return the structures of a molecule that samplers start from, by structure_id."""
        found = self.database.all(
            "SELECT * FROM structures WHERE molecule_id = ? AND is_start = 1 ORDER BY structure_id",
            molecule_id,
        )
        return [rows.structure_from(row) for row in found]

    def with_starts(self) -> frozenset[str]:
        """Return the ids of molecules that have conformers."""
        found = self.database.all("SELECT DISTINCT molecule_id FROM structures WHERE is_start = 1")
        return frozenset(row[0] for row in found)

    def structures(self, structure_ids: Iterable[str]) -> list[Structure]:
        """Return structures by their ids, in the order of these."""
        found = self.database.all(
            "SELECT structures.* FROM json_each(?) CROSS JOIN structures"
            " ON structure_id = json_each.value ORDER BY json_each.key",
            json.dumps(list(structure_ids)),
        )
        return [rows.structure_from(row) for row in found]

    def structures_beginning(self, beginning: str, *, limit: int) -> list[Structure]:
        """Return the structures whose structure_id begins so, by structure_id."""
        found = self.database.all(
            "SELECT * FROM structures WHERE structure_id >= ? AND structure_id < ?"
            " ORDER BY structure_id LIMIT ?",
            beginning,
            beginning + "\uffff",
            limit,
        )
        return [rows.structure_from(row) for row in found]


@dataclass(frozen=True)
class MoleculeWriter(MoleculeReader):
    """The molecules of a run, to be added to."""

    database: WritableDatabase

    def add(self, molecules: Iterable[tuple[Molecule, bool]]) -> None:
        """Add molecules in order, each with whether it is only tested on; known ones stay."""
        with self.database.write() as db:
            _insert_molecules(db, molecules)

    def commit_growth(
        self,
        key: str,
        rung: int,
        molecules: Sequence[Molecule],
        *,
        detail: GrowDetail,
        cost: Cost,
    ) -> None:
        """Add molecules that were found among those of a file."""
        with self.database.write() as db:
            _insert_molecules(db, [(molecule, False) for molecule in molecules])
            insert_task(db, key, rung, "grow", detail, cost)


def _insert_molecules(db: sqlite3.Connection, molecules: Iterable[tuple[Molecule, bool]]) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO molecules (molecule_id, name, held_out, record) VALUES (?, ?, ?, ?)",
        [(m.molecule_id, m.name, int(held_out), molecule_to_json(m)) for m, held_out in molecules],
    )
