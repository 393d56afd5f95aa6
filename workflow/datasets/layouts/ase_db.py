"""A database of ASE: eV, Å, eV/Å; rung's own facts stand in each row's `data`."""

import sqlite3
from pathlib import Path
from typing import Any

import ase.db
import numpy as np

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray, Structure
from workflow.datasets.layouts.base import FileLabel, Labels, Reading
from workflow.datasets.layouts.units import AS_RUNG, stated_units

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, sqlite3.Error)


class ASEDatabase:
    """One row a label."""

    name = "a database of ASE (.db)"

    def fits(self, path: Path) -> bool:
        """Say whether a path may be such a file."""
        return path.is_file() and path.suffix.lower() == ".db"

    def read(self, path: Path, reading: Reading) -> Labels:
        """Yield the labels that are wanted; an InputError in the place of each that is none."""
        try:
            with ase.db.connect(path, type="db", use_lock_file=False) as database:
                for row in database.select():
                    try:
                        label = _label(row, f"{path}, row {row.id}", reading)
                    except InputError as error:
                        yield error
                    else:
                        if label is not None:
                            yield label
        except _UNREADABLE as error:
            raise InputError(f"{path}: not readable as a database of ASE ({error})") from error


def _label(row: Any, where: str, reading: Reading) -> FileLabel | None:
    facts: dict[str, Any] = {**row.key_value_pairs, **row.data}
    level = facts.get("level")
    if not reading.wants(level):
        return None
    reading.seen.update([*row, *facts])
    if np.any(row.pbc):
        raise InputError(f"{where}: a periodic cell cannot be used: rung knows molecules only")
    if row.get("energy") is None:
        raise InputError(f"{where}: there is no `energy`")
    units = reading.units(stated_units(facts, where, AS_RUNG))
    charge, multiplicity = reading.electrons(_electron_facts(row, facts), where)
    forces, dipole = row.get("forces"), row.get("dipole")
    sign = -1.0 if reading.are_gradients(False) else 1.0
    return FileLabel(
        where=where,
        level=level,
        structure=Structure(
            atomic_numbers=row.numbers,
            positions=row.positions * units.angstrom,
            charge=charge,
            multiplicity=multiplicity,
        ),
        energy=float(row.energy) * units.ev,
        forces=None if forces is None else forces * (sign * units.ev_per_angstrom),
        dipole=None if dipole is None else _scaled(dipole, units.e_angstrom),
        components=facts.get("components", {}),
        diagnostics=facts.get("diagnostics", {}),
        facts=facts,
        units=units,
    )


def _electron_facts(row: Any, facts: dict[str, Any]) -> dict[str, Any]:
    of_atoms = ("initial_charges", "initial_magmoms")
    return {**{name: row.get(name) for name in of_atoms if row.get(name) is not None}, **facts}


def _scaled(values: Any, factor: float) -> FloatArray:
    return np.asarray(values, dtype=np.float64) * factor
