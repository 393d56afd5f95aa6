"""Groups in the layout of ANI-1x, rung's own `ani-hdf5` among them.

`atomic_numbers` (N,), `coordinates` (M, N, 3) in Å and for each level `LEVEL.energy` (M,) in
hartree and `LEVEL.forces` (M, N, 3) in hartree/Å, NaN where there is no label
(doi:10.1038/s41597-020-0473-z). What rung adds to it, `workflow.datasets.export.formats.ani_hdf5`
says.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from chemistry.errors import InputError
from chemistry.records.recipe import Composite
from chemistry.records.structure import IntArray, Structure
from chemistry.units import EV_PER_HARTREE
from workflow.datasets.export.facts import column_name, level_of_column
from workflow.datasets.export.formats.ani_hdf5 import component_column
from workflow.datasets.layouts.base import FileLabel, Labels, Reading
from workflow.datasets.layouts.hdf5 import (
    Group,
    bad_or,
    column_units,
    elements,
    row_facts,
    rows_of,
)
from workflow.datasets.layouts.units import AS_ANI, Units

_ENERGY = ".energy"


class ANI1x:
    """One group a formula, a column a level."""

    def has(self, group: Group) -> bool:
        """Say whether a group is of this layout."""
        names = group.columns
        return "coordinates" in names and any(name.endswith(_ENERGY) for name in names)

    def rows(self, group: Group, reading: Reading) -> Labels:
        """Yield the labels of a group."""
        if "atomic_numbers" not in group.columns:
            raise InputError(f"{group.where}: it has no `atomic_numbers`")
        numbers = elements(group.columns["atomic_numbers"][()], group.where)
        n_rows = len(group.columns["coordinates"])
        prefixes = [n.removesuffix(_ENERGY) for n in group.columns if n.endswith(_ENERGY)]
        for prefix in prefixes:
            if reading.wants(_level(prefix, reading), n_rows):
                yield from _rows(group, prefix, numbers, reading)


def _level(prefix: str, reading: Reading) -> str:
    """Return the level of a column, which is not spelled in a column as elsewhere."""
    wanted = None if reading.level is None else reading.level.name
    if wanted is not None and column_name(wanted) == prefix.lower():
        return wanted
    return level_of_column(prefix)


def _rows(group: Group, prefix: str, numbers: IntArray, reading: Reading) -> Labels:
    """Yield the labels of one level."""
    if numbers.ndim != 1:
        raise InputError(f"{group.where}: `atomic_numbers` has the shape {numbers.shape}, not (N,)")
    n_atoms = len(numbers)
    shapes: dict[str, tuple[int | None, ...]] = {"coordinates": (n_atoms, 3)}
    shapes[f"{prefix}{_ENERGY}"] = ()
    forces, provenance = f"{prefix}.forces", f"{prefix}.provenance"
    optional = {forces: (n_atoms, 3), provenance: (), "atom_order": (n_atoms,)}
    shapes |= {name: shape for name, shape in optional.items() if name in group.columns}
    parts = {name: () for name in _part_columns(reading) if name in group.columns}
    units = reading.units(
        column_units(
            group,
            AS_ANI,
            {
                "length": "coordinates",
                "energy": f"{prefix}{_ENERGY}",
                "force": forces if forces in group.columns else None,
            },
        )
    )
    rows = rows_of(group, shapes | parts | row_facts(group, len(group.columns["coordinates"])))
    for number, row in rows:
        if not np.isnan(row[f"{prefix}{_ENERGY}"]):
            where = f"{group.where}, row {number}"
            yield bad_or(where, _label, row, prefix, numbers, units, group, where, reading)


def _part_columns(reading: Reading) -> Iterator[str]:
    """Yield the columns of all parts that the level may have."""
    recipe = None if reading.level is None else reading.level.recipe
    choices = (recipe, getattr(recipe, "small", None), getattr(recipe, "large", None))
    for choice in choices:
        if isinstance(choice, Composite):
            yield from (component_column(part.name) for part in choice.components)


def _label(
    row: Mapping[str, Any],
    prefix: str,
    numbers: IntArray,
    units: Units,
    group: Group,
    where: str,
    reading: Reading,
) -> FileLabel:
    back = np.argsort(row["atom_order"]) if "atom_order" in row else np.arange(len(numbers))
    charge, multiplicity = reading.electrons({**group.facts, **row}, where)
    structure = Structure(
        atomic_numbers=numbers[back],
        positions=np.asarray(row["coordinates"], dtype=np.float64)[back] * units.angstrom,
        charge=charge,
        multiplicity=multiplicity,
    )
    forces = row.get(f"{prefix}.forces")
    if forces is not None:
        sign = -1.0 if reading.are_gradients(False) else 1.0
        scaled = np.asarray(forces, dtype=np.float64)[back] * (sign * units.ev_per_angstrom)
        forces = None if np.isnan(scaled).all() else scaled
    try:
        facts = json.loads(row.get(f"{prefix}.provenance") or "{}")
    except ValueError as error:
        raise InputError(f"{where}: its provenance is no JSON ({error})") from error
    diagnostics = facts.pop("diagnostics", {})
    beside = {name: value for name, value in {**group.facts, **row}.items() if "." not in name}
    return FileLabel(
        where=where,
        level=_level(prefix, reading),
        structure=structure,
        energy=float(row[f"{prefix}{_ENERGY}"]) * units.ev,
        forces=forces,
        components=_parts(row, structure, reading),
        diagnostics=diagnostics,
        facts={**facts, **beside},
        units=units,
    )


def _parts(row: Mapping[str, Any], structure: Structure, reading: Reading) -> dict[str, float]:
    recipe = None if reading.level is None else reading.level.recipe_for(structure)
    names = [part.name for part in recipe.components] if isinstance(recipe, Composite) else []
    found = {name: float(row.get(component_column(name), np.nan)) for name in names}
    return {name: e * EV_PER_HARTREE for name, e in found.items() if not np.isnan(e)}
