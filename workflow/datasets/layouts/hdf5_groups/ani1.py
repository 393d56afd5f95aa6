"""Groups in the layouts of ANI-1 and ANI-2x: `species`, `coordinates`, `energies`, `forces`.

ANI-1 (doi:10.1038/sdata.2017.193) and the tools of its authors have a group a molecule with
`species` (N,); what such files call forces are gradients, +dE/dR. ANI-2x and torchani have a group
a number of atoms or a formula with `species` (M, N); their forces are minus the gradient. Both are
in hartree and Å. The level stands in `lot`, if anywhere.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chemistry.errors import InputError
from chemistry.records.structure import IntArray, Structure
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

_LEVELS = ("level", "lot")
_HIGH_ENERGIES = "energiesHE"


class ANI1:
    """One group a molecule, a formula, or a number of atoms."""

    def has(self, group: Group) -> bool:
        """Say whether a group is of this layout."""
        species = {"species", "atomic_numbers"} & group.columns.keys()
        return bool(species) and {"coordinates", "energies"} <= group.columns.keys()

    def rows(self, group: Group, reading: Reading) -> Labels:
        """Yield the labels of a group."""
        n_rows = len(group.columns["coordinates"])
        level = next((str(group.facts[key]) for key in _LEVELS if key in group.facts), None)
        if not reading.wants(level, n_rows):
            return
        species = "species" if "species" in group.columns else "atomic_numbers"
        is_one_molecule = group.columns[species].ndim == 1
        forces = "forces" if "forces" in group.columns else None
        gradients = reading.are_gradients(is_one_molecule)
        if forces is not None and gradients:
            reading.notes["took `forces` for gradients: those of ANI-1 are"] += n_rows
        if _HIGH_ENERGIES in group.columns:
            reading.notes["passed over ANI-1's structures of high energy (`energiesHE`)"] += len(
                group.columns[_HIGH_ENERGIES]
            )
        units = reading.units(
            column_units(
                group, AS_ANI, {"length": "coordinates", "energy": "energies", "force": forces}
            )
        )
        numbers = elements(group.columns[species][()], group.where)
        shapes: dict[str, tuple[int | None, ...]] = {"coordinates": (numbers.shape[-1], 3)}
        shapes["energies"] = ()
        if forces is not None:
            shapes[forces] = (numbers.shape[-1], 3)
        if numbers.ndim not in (1, 2) or (not is_one_molecule and len(numbers) != n_rows):
            raise InputError(
                f"{group.where}: `{species}` has the shape {numbers.shape}, not (N,) or "
                f"({n_rows}, N)"
            )
        for number, row in rows_of(group, shapes | row_facts(group, n_rows)):
            where = f"{group.where}, row {number}"
            atoms = numbers if is_one_molecule else numbers[number]
            yield bad_or(where, _label, row, atoms, units, gradients, level, group, where, reading)


def _label(
    row: Mapping[str, Any],
    numbers: IntArray,
    units: Units,
    gradients: bool,
    level: str | None,
    group: Group,
    where: str,
    reading: Reading,
) -> FileLabel:
    facts = {**group.facts, **{n: v for n, v in row.items() if n not in ("energies", "smiles")}}
    charge, multiplicity = reading.electrons(facts, where)
    # A group of several formulas is filled up with atoms of number -1 or 0.
    real = numbers > 0
    forces = row.get("forces")
    if forces is not None:
        sign = -1.0 if gradients else 1.0
        forces = np.asarray(forces, dtype=np.float64)[real] * (sign * units.ev_per_angstrom)
    return FileLabel(
        where=where,
        level=level,
        structure=Structure(
            atomic_numbers=numbers[real],
            positions=np.asarray(row["coordinates"], dtype=np.float64)[real] * units.angstrom,
            charge=charge,
            multiplicity=multiplicity,
        ),
        energy=float(row["energies"]) * units.ev,
        forces=forces,
        facts={k: v for k, v in facts.items() if k not in ("coordinates", "forces")},
        units=units,
    )
