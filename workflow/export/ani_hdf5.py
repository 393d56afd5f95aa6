"""HDF5 in the layout of the published ANI-1x data set (doi:10.1038/s41597-020-0473-z).

One group a formula with `atomic_numbers` (N,), `coordinates` (M, N, 3) in Å and, for each level,
`LEVEL.energy` (M,) in hartree and `LEVEL.forces` (M, N, 3) in hartree/Å, minus the gradient; NaN
where a level has no label. The parts of a composite level have the names of the publication too,
`hf_tz.energy` and `mp2_tz.corr_energy` for example. As there, all molecules of a formula share one
order of atoms, so atoms are sorted by element, heaviest first. Beyond the published keys, rows bear
`structure_id`, `split`, `charge` and `multiplicity`.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ase.data import chemical_symbols
from ase.formula import Formula

from chemistry.units import EV_PER_HARTREE
from workflow.records import ExportRow

_PUBLISHED_NAMES = {
    "wb97x/6-31g*": "wb97x_dz",
    "wb97x/def2-tzvpp": "wb97x_tz",
    "ccsd(t)*/cbs": "ccsd(t)_cbs",
}
_CORRELATION_CONSISTENT = re.compile(r"cc-pv([dtq])z")
_CHUNK_ROWS = 256


class AniHDF5:
    """Groups grow row by row, so that memory does not grow with the data set."""

    suffix = ".h5"

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows and return how many.

        Labels of one structure share a row of the file: they must follow one another.
        """
        count = 0
        previous = None
        columns: set[str] = set()
        with h5py.File(path, "w") as file:
            for row in rows:
                count += 1
                _write_row(file, row, is_new=row.structure.structure_id != previous)
                previous = row.structure.structure_id
                columns.update(_energies(row), [f"{column_name(row.level_name)}.forces"])
            for group in file.values():
                _complete(group, columns)
        return count


def column_name(level_name: str) -> str:
    """Return a level's prefix in the file: the published one, or its name with `_` for `/`."""
    return _PUBLISHED_NAMES.get(level_name, level_name.replace("/", "_"))


def component_column(name: str) -> str:
    """Return the column of a part of a composite: "mp2/cc-pvtz correlation", mp2_tz.corr_energy."""
    calculation, _, quantity = name.partition(" ")
    method, _, basis = calculation.partition("/")
    basis = _CORRELATION_CONSISTENT.sub(r"\1z", basis)
    kind = "corr_energy" if quantity == "correlation" else "energy"
    return f"{method.replace('-', '_')}_{basis}.{kind}"


def _energies(row: ExportRow) -> dict[str, float]:
    """Return all energies of a label by column, eV."""
    parts = {component_column(name): energy for name, energy in row.label.components.items()}
    return {**parts, f"{column_name(row.level_name)}.energy": row.label.energy}


def _write_row(file: Any, row: ExportRow, *, is_new: bool) -> None:
    structure, label = row.structure, row.label
    order = np.argsort(-structure.atomic_numbers, kind="stable")
    group = _group(file, row, structure.atomic_numbers[order])
    n_atoms = len(structure)
    place = len(group["coordinates"]) - (not is_new)
    if is_new:
        _put(group, "coordinates", place, structure.positions[order])
        _put(group, "structure_id", place, structure.structure_id, h5py.string_dtype())
        _put(group, "split", place, row.split, h5py.string_dtype())
        _put(group, "charge", place, structure.charge, "i8")
        _put(group, "multiplicity", place, structure.multiplicity, "i8")
    for column, energy in _energies(row).items():
        _put(group, column, place, energy / EV_PER_HARTREE)
    forces = np.full((n_atoms, 3), np.nan) if label.forces is None else label.forces[order]
    _put(group, f"{column_name(row.level_name)}.forces", place, forces / EV_PER_HARTREE)


def _group(file: Any, row: ExportRow, atomic_numbers: np.ndarray[Any, Any]) -> Any:
    name = Formula.from_list([chemical_symbols[number] for number in atomic_numbers]).format("hill")
    if row.structure.charge:
        name += f"{row.structure.charge:+d}"
    if name not in file:
        group = file.create_group(name)
        group["atomic_numbers"] = atomic_numbers
        n_atoms = len(atomic_numbers)
        _column(group, "coordinates", (n_atoms, 3), "f8")
    return file[name]


def _column(group: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    return group.create_dataset(
        name,
        shape=(0, *shape),
        maxshape=(None, *shape),
        chunks=(_CHUNK_ROWS, *shape),
        dtype=dtype,
        fillvalue=np.nan if dtype == "f8" else None,
    )


def _put(group: Any, name: str, place: int, value: Any, dtype: Any = "f8") -> None:
    """Write one row of a column; rows in between that no label filled hold NaN."""
    if name not in group:
        _column(group, name, np.shape(value), dtype)
    column = group[name]
    if len(column) <= place:
        column.resize(place + 1, axis=0)
    column[place] = value


def _complete(group: Any, columns: Iterable[str]) -> None:
    """Give a group the columns of all levels, as long as `coordinates`; NaN where no label is.

    Published loaders ask every group for the levels that they want.
    """
    n_rows, *shape = group["coordinates"].shape
    for name in sorted(columns):
        if name not in group:
            _column(group, name, tuple(shape) if name.endswith(".forces") else (), "f8")
    for name, column in group.items():
        if name != "atomic_numbers":
            column.resize(n_rows, axis=0)
