"""A database of ASE (SQLite), one row a label: eV, Å, eV/Å.

Rows can be selected by level, split, purpose, sampler, program, total_charge and multiplicity:
`db.select(level="gfn2-xtb", split="test")`. Names and identities stand in each row's `data`: ASE
allows no key whose text looks like a number, and some identities do.
"""

from collections.abc import Iterable
from pathlib import Path

import ase.db
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from workflow.datasets.export.facts import row_facts
from workflow.run.store.records import ExportRow

_KEYS = ("level", "split", "purpose", "sampler", "program")


class ASEDatabase:
    """One transaction: SQLite spills what it does not hold in memory."""

    suffix = ".db"
    units = "eV, Å, eV/Å, e·Å"
    how_to_read = 'ase.db.connect("{path}")'

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows and return how many."""
        count = 0
        path.unlink(missing_ok=True)
        # The whole path, whatever it ends with, and no lock: nobody else knows the file yet.
        with ase.db.connect(path, type="db", use_lock_file=False) as database:
            for row in rows:
                count += 1
                facts = row_facts(row)
                pairs = {key: facts[key] for key in _KEYS}
                pairs["total_charge"] = facts["charge"]
                pairs["multiplicity"] = facts["multiplicity"]
                extras = {
                    "components": dict(row.label.components),
                    "diagnostics": dict(row.label.diagnostics),
                }
                database.write(_atoms(row), key_value_pairs=pairs, data={**facts, **extras})
        return count


ASE_DB = ASEDatabase()


def _atoms(row: ExportRow) -> Atoms:
    atoms = Atoms(numbers=row.structure.atomic_numbers, positions=row.structure.positions)
    label = row.label
    results = {"energy": float(label.energy), "forces": label.forces, "dipole": label.dipole}
    known = {name: value for name, value in results.items() if value is not None}
    atoms.calc = SinglePointCalculator(atoms, **known)
    return atoms
