"""Read labelled structures from other people's files, one after the other."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import ase.io
import h5py
import numpy as np
from ase import Atoms

from chemistry.errors import InputError
from chemistry.records.level import LevelOfTheory
from chemistry.records.recipe import Composite
from chemistry.records.spelling import usual_spelling
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import EV_PER_HARTREE
from workflow.datasets.export.facts import column_name
from workflow.datasets.export.formats.ani_hdf5 import component_column
from workflow.settings.yaml_file import nearest

_ROWS_AT_ONCE = 1000
UNREADABLE_XYZ = (OSError, ValueError, KeyError, IndexError, AssertionError)
"""What ASE raises for a file that is no extended XYZ."""

_TEXTS = ("sampler", "block", "purpose", "split")


@dataclass(frozen=True, kw_only=True, eq=False)
class FileLabel:
    """A label as a file tells it, the structure's molecule not yet known.

    Attributes
    ----------
    structure : Structure
        In the file's order of atoms, or, where the file says it, in that from before.
    energy : float, eV
    forces : (N, 3) float64, eV/Å, or None
    dipole : (3,) float64, e Å, or None
    components, diagnostics : mapping
        As in `Label`.
    facts : mapping
        Texts and numbers that rung's own exports have: sampler, split, program, …
    """

    structure: Structure
    energy: float
    forces: FloatArray | None
    dipole: FloatArray | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


Labels: TypeAlias = Iterator[FileLabel]


def read_labels(path: Path, level: LevelOfTheory) -> Labels:
    """Yield the labels of one level that a file has: .h5 in the layout of ANI-1x, or .extxyz.

    Frames of extended XYZ that name no level are taken to be of this one.

    Raises
    ------
    InputError
        No such file, another kind of file, unreadable, or nothing of this level in it.
    """
    readers = {".h5": _read_h5, ".hdf5": _read_h5, ".extxyz": _read_extxyz, ".xyz": _read_extxyz}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: labels are read from {', '.join(readers)} files only")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    return readers[path.suffix.lower()](path, level)


def _read_h5(path: Path, level: LevelOfTheory) -> Labels:
    column = f"{column_name(level.name)}.energy"
    try:
        with h5py.File(path, "r") as file:
            groups = [group for group in file.values() if isinstance(group, h5py.Group)]
            names = sorted({n for group in groups for n in group if n.endswith(".energy")})
            if column not in names:
                known = nearest(column, names) if names else "it has none of that kind"
                raise InputError(
                    f"{path}: there are no labels of {level.name} (`{column}`): {known}"
                )
            for group in groups:
                if column in group:
                    yield from _rows_of(group, level)
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path}: not readable as HDF5 in the layout of ANI-1x ({error})"
        ) from error


def _rows_of(group: Any, level: LevelOfTheory) -> Labels:
    """Yield the rows of a group that have a label; what rung adds to the layout may be missing."""
    prefix = column_name(level.name)
    wanted = ("coordinates", "charge", "multiplicity", "atom_order", *_TEXTS)
    columns = {
        name: column.asstr() if h5py.check_string_dtype(column.dtype) else column
        for name, column in group.items()
        if name in wanted or name.startswith(f"{prefix}.") or name.endswith("energy")
    }
    numbers = np.asarray(group["atomic_numbers"][()], dtype=np.int64)
    for start in range(0, len(group["coordinates"]), _ROWS_AT_ONCE):
        block = {name: column[start : start + _ROWS_AT_ONCE] for name, column in columns.items()}
        energies = block[f"{prefix}.energy"]
        for i in np.flatnonzero(~np.isnan(energies)):
            yield _h5_label(numbers, {name: values[i] for name, values in block.items()}, level)


def _h5_label(numbers: Any, row: Mapping[str, Any], level: LevelOfTheory) -> FileLabel:
    prefix = column_name(level.name)
    back = np.argsort(row["atom_order"]) if "atom_order" in row else np.arange(len(numbers))
    structure = Structure(
        atomic_numbers=numbers[back],
        positions=row["coordinates"][back],
        charge=int(row.get("charge", 0)),
        multiplicity=int(row.get("multiplicity", 1)),
    )
    forces = row.get(f"{prefix}.forces")
    if forces is not None:
        forces = None if np.isnan(forces).any() else forces[back] * EV_PER_HARTREE
    recipe = level.recipe_for(structure)
    names = [c.name for c in recipe.components] if isinstance(recipe, Composite) else []
    parts = {name: row.get(component_column(name), np.nan) for name in names}
    facts = json.loads(row.get(f"{prefix}.provenance") or "{}")
    return FileLabel(
        structure=structure,
        energy=float(row[f"{prefix}.energy"] * EV_PER_HARTREE),
        forces=forces,
        components={n: float(e * EV_PER_HARTREE) for n, e in parts.items() if not np.isnan(e)},
        diagnostics=facts.pop("diagnostics", {}),
        facts={**facts, **{name: row[name] for name in _TEXTS if name in row}},
    )


def _read_extxyz(path: Path, level: LevelOfTheory) -> Labels:
    found = False
    try:
        for i, atoms in enumerate(ase.io.iread(path, index=":", format="extxyz")):
            if usual_spelling(str(atoms.info.get("level", level.name))) == level.name:
                found = True
                yield _frame_label(atoms, f"{path}, frame {i}")
    except UNREADABLE_XYZ as error:
        raise InputError(f"{path}: not readable as extended XYZ ({error})") from error
    if not found:
        raise InputError(f"{path}: there are no labels of {level.name}")


def _frame_label(atoms: Atoms, where: str) -> FileLabel:
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    energy = results.get("energy", atoms.info.get("REF_energy"))
    forces = results.get("forces", atoms.arrays.get("REF_forces"))
    if energy is None:
        raise InputError(f"{where}: there is no `energy` or `REF_energy`, which are read in eV")
    if atoms.pbc.any():
        raise InputError(f"{where}: a periodic cell cannot be used: rung knows molecules only")
    return FileLabel(
        structure=structure_of_frame(atoms),
        energy=float(energy),
        forces=None if forces is None else np.asarray(forces, dtype=np.float64),
        dipole=results.get("dipole", atoms.info.get("REF_dipole")),
        facts=atoms.info,
    )


def structure_of_frame(atoms: Atoms, *, molecule_id: str = "") -> Structure:
    """Return the structure of a frame of extended XYZ; ValueError where it makes no sense."""
    return Structure(
        atomic_numbers=atoms.numbers,
        positions=atoms.positions,
        charge=int(atoms.info.get("charge", 0)),
        multiplicity=int(atoms.info.get("multiplicity", 1)),
        molecule_id=molecule_id,
    )
