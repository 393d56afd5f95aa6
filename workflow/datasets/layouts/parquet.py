"""Parquet: rung's own exports, and tables with the columns that people call alike.

A row is a label: `atomic_numbers` or `symbols`, `positions…`, `energy…`, `forces…`; a unit may end
the name of a column (`energy_ev`, `forces_ev_angstrom`, `energy_hartree`) or stand beside it
(`energy_unit`). Without one, numbers are taken for eV and Å.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers as numbers_by_symbol

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray, IntArray, Structure
from workflow.datasets.export.base import optional_library
from workflow.datasets.layouts.base import FileLabel, Labels, Reading
from workflow.datasets.layouts.keys import KeySet, choose_keys, quantity_of
from workflow.datasets.layouts.units import AS_RUNG, Units, stated_units, unit_of, with_stated

_ELEMENTS = ("atomic_numbers", "numbers", "species", "symbols", "elements", "z")
_POSITIONS = ("positions", "position", "pos", "coordinates", "coords", "geometry", "xyz")
_BATCH_ROWS = 1000
_WRONG = (KeyError, TypeError, ValueError)


class Parquet:
    """A file, or a folder of files."""

    name = "Parquet (.parquet)"

    def fits(self, path: Path) -> bool:
        """Say whether a path may be of this layout."""
        return path.suffix.lower() == ".parquet" or (path.is_dir() and any(path.glob("*.parquet")))

    def read(self, path: Path, reading: Reading) -> Labels:
        """Yield the labels that are wanted; an InputError in the place of each that is none."""
        pa, parquet = optional_library("pyarrow"), optional_library("pyarrow.parquet")
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        for file in files:
            try:
                table = parquet.ParquetFile(file)
                names = _columns(table.schema_arrow.names, str(file))
                reading.seen.update(table.schema_arrow.names)
                for number, row in enumerate(_rows(table)):
                    yield from _label_or_error(row, names, f"{file}, row {number}", reading)
            except (OSError, pa.ArrowException) as error:
                raise InputError(f"{file}: not readable as Parquet ({error})") from error


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Which columns of a table are what, by their whole names, and the units in these."""

    elements: str
    positions: str
    keys: KeySet
    units: Units


def _columns(names: list[str], where: str) -> _Columns:
    stated: dict[str, str] = {}
    plain: dict[str, str] = {}
    for name in names:
        stem, unit = _without_unit(name)
        if stem in plain:
            raise InputError(
                f"{where}: `{plain[stem]}` and `{name}` are the same quantity: remove what does "
                "not count"
            )
        plain[stem] = name
        stated |= unit
    elements = _first(_ELEMENTS, plain, "elements", where)
    positions = _first(_POSITIONS, plain, "positions", where)
    stems = [stem for stem, name in plain.items() if name not in (elements, positions)]
    keys = choose_keys(stems, stems, where)
    return _Columns(
        elements=elements,
        positions=positions,
        keys=replace(
            keys,
            energy=plain[keys.energy],
            forces=None if keys.forces is None else plain[keys.forces],
            dipole=None if keys.dipole is None else plain[keys.dipole],
        ),
        units=with_stated(AS_RUNG, stated),
    )


def _without_unit(name: str) -> tuple[str, dict[str, str]]:
    """Return a column's name without the unit that ends it: "energy", {"energy": "eV"}."""
    parts = name.split("_")
    for k in range(1, len(parts)):
        stem, text = "_".join(parts[:k]), "_".join(parts[k:])
        quantity = "length" if stem.lower() in _POSITIONS else quantity_of(stem)
        if quantity is not None and (unit := unit_of(quantity, text)) is not None:
            return stem, {quantity: unit}
    return name, {}


def _first(wanted: tuple[str, ...], plain: Mapping[str, str], what: str, where: str) -> str:
    found = {stem.lower(): name for stem, name in plain.items()}
    name = next((found[each] for each in wanted if each in found), None)
    if name is None:
        raise InputError(
            f"{where}: no column has the {what} (one of {', '.join(wanted)}): "
            f"it has {', '.join(plain.values())}"
        )
    return name


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    for batch in table.iter_batches(batch_size=_BATCH_ROWS):
        yield from batch.to_pylist()


def _label_or_error(
    row: Mapping[str, Any], columns: _Columns, where: str, reading: Reading
) -> Labels:
    try:
        label = _label(row, columns, where, reading)
    except InputError as error:
        yield error
    except _WRONG as error:
        yield InputError(f"{where}: it is no labelled structure ({error})")
    else:
        if label is not None:
            yield label


def _label(
    row: Mapping[str, Any], columns: _Columns, where: str, reading: Reading
) -> FileLabel | None:
    level = row.get("level")
    if not reading.wants(level):
        return None
    keys = columns.keys
    of_row = {k: v for k, v in row.items() if isinstance(v, str | int | float | bool)}
    units = reading.units(stated_units(of_row, where, columns.units))
    charge, multiplicity = reading.electrons(of_row, where)
    if row[keys.energy] is None:
        raise InputError(f"{where}: `{keys.energy}` is empty")
    forces = None if keys.forces is None else row[keys.forces]
    sign = -1.0 if reading.are_gradients(keys.is_gradient) else 1.0
    dipole = None if keys.dipole is None else row[keys.dipole]
    return FileLabel(
        where=where,
        level=level,
        structure=Structure(
            atomic_numbers=_numbers(row[columns.elements], where),
            positions=_vectors(row[columns.positions]) * units.angstrom,
            charge=charge,
            multiplicity=multiplicity,
        ),
        energy=float(row[keys.energy]) * units.ev,
        forces=None if forces is None else _vectors(forces) * (sign * units.ev_per_angstrom),
        dipole=None if dipole is None else np.array(dipole, dtype=float) * units.e_angstrom,
        components=json.loads(row.get("components_ev") or "{}"),
        diagnostics=json.loads(row.get("diagnostics") or "{}"),
        facts=of_row,
        units=units,
    )


def _numbers(values: Any, where: str) -> IntArray:
    unknown = [v for v in values if isinstance(v, str) and v.capitalize() not in numbers_by_symbol]
    if unknown:
        raise InputError(f"{where}: {unknown[0]!r} is not an element")
    if any(isinstance(v, float) and not v.is_integer() for v in values):
        raise InputError(f"{where}: an atomic number is not a whole number")
    return np.array(
        [numbers_by_symbol[v.capitalize()] if isinstance(v, str) else v for v in values],
        dtype=np.int64,
    )


def _vectors(values: Any) -> FloatArray:
    return np.array(values, dtype=np.float64).reshape(-1, 3)
