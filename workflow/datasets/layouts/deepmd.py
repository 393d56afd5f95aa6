"""NumPy folders of DeePMD-kit and dpdata ("deepmd/npy"): eV, Å, eV/Å.

A system is a folder with `type.raw`, `type_map.raw` and sets `set.NNN/` of `coord.npy` (M, 3N),
`energy.npy` (M,) and perhaps `force.npy` (M, 3N). What rung's own exports say of each frame stands
in `labels.jsonl` above the systems, on the line that the set's `label.npy` gives; frames of others
have charge and multiplicity 0 and 1, because the format has no place for them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers as numbers_by_symbol

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray, IntArray, Structure
from workflow.datasets.layouts.base import FileLabel, Labels, Reading
from workflow.datasets.layouts.label_list import read_label_list
from workflow.datasets.layouts.units import AS_RUNG


class DeePMD:
    """A folder of systems, however deep."""

    name = "deepmd/npy (a folder with type.raw)"

    def fits(self, path: Path) -> bool:
        """Say whether a folder has a system in it."""
        return path.is_dir() and next(path.rglob("type.raw"), None) is not None

    def read(self, path: Path, reading: Reading) -> Labels:
        """Yield the labels that are wanted; an InputError in the place of each that is none."""
        facts = read_label_list(path)
        for system in sorted(file.parent for file in path.rglob("type.raw")):
            try:
                numbers = _elements(system)
                for folder in sorted(system.glob("set.*")):
                    yield from _read_set(folder, numbers, facts, reading)
            except InputError as error:
                yield error


def _elements(system: Path) -> IntArray:
    try:
        names = (system / "type_map.raw").read_text().split()
        types = [int(t) for t in (system / "type.raw").read_text().split()]
        return np.array([numbers_by_symbol[names[t]] for t in types], dtype=np.int64)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise InputError(
            f"{system}: type.raw and type_map.raw do not say its elements ({error})"
        ) from error


def _read_set(
    folder: Path, numbers: IntArray, facts: Sequence[Mapping[str, Any]], reading: Reading
) -> Labels:
    if not (folder.parent / "nopbc").exists():
        raise InputError(f"{folder.parent}: it is periodic (no `nopbc`): rung knows molecules only")
    arrays = {
        name: _array(folder / f"{name}.npy") for name in ("coord", "energy", "force", "label")
    }
    coord, energy = arrays["coord"], arrays["energy"]
    if coord is None or energy is None:
        raise InputError(f"{folder}: it has no coord.npy or no energy.npy")
    n_frames = len(coord)
    shapes = {"coord": (3 * len(numbers),), "energy": (), "force": (3 * len(numbers),), "label": ()}
    for name, shape in shapes.items():
        found = arrays[name]
        # Some writers keep one column for energies.
        if name == "energy" and energy.shape == (n_frames, 1):
            arrays[name] = energy[:, 0]
        elif found is not None and found.shape != (n_frames, *shape):
            raise InputError(
                f"{folder}: {name}.npy has the shape {found.shape}, not {(n_frames, *shape)}"
            )
    reading.seen.update(f"{name}.npy" for name, array in arrays.items() if array is not None)
    for i in range(n_frames):
        row = {name: array[i] for name, array in arrays.items() if array is not None}
        where = f"{folder}, frame {i}"
        try:
            label = _label(row, numbers, facts, where, reading)
        except InputError as error:
            yield error
        else:
            if label is not None:
                yield label


def _array(file: Path) -> FloatArray | None:
    if not file.exists():
        return None
    try:
        return np.asarray(np.load(file))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not readable as an array of NumPy ({error})") from error


def _label(
    row: Mapping[str, Any],
    numbers: IntArray,
    facts: Sequence[Mapping[str, Any]],
    where: str,
    reading: Reading,
) -> FileLabel | None:
    told: Mapping[str, Any] = {}
    if "label" in row:
        if not 0 <= int(row["label"]) < len(facts):
            raise InputError(f"{where}: labels.jsonl has no line {int(row['label'])}")
        told = facts[int(row["label"])]
    level = told.get("level")
    if not reading.wants(level):
        return None
    units = reading.units(AS_RUNG)
    order = told.get("atom_order", range(len(numbers)))
    back = np.argsort(order)
    charge, multiplicity = reading.electrons(told, where)
    force = row.get("force")
    sign = -1.0 if reading.are_gradients(False) else 1.0
    return FileLabel(
        where=where,
        level=level,
        structure=Structure(
            atomic_numbers=numbers[back],
            positions=np.asarray(row["coord"], dtype=float).reshape(-1, 3)[back],
            charge=charge,
            multiplicity=multiplicity,
        ),
        energy=float(row["energy"]) * units.ev,
        forces=None
        if force is None
        else np.asarray(force, dtype=float).reshape(-1, 3)[back] * (sign * units.ev_per_angstrom),
        components=told.get("components", {}),
        diagnostics=told.get("diagnostics", {}),
        facts=told,
        units=units,
    )
