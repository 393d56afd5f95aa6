"""Groups in the layout of SPICE (doi:10.1038/s41597-022-01882-6): one a molecule.

`atomic_numbers` (N,), `conformations` (M, N, 3) in bohr, `dft_total_energy` (M,) in hartree,
`dft_total_gradient` (M, N, 3) in hartree/bohr, `scf_dipole` (M, 3) in e·bohr, and `smiles`, which
says the charge. No level is named.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chemistry.errors import InputError
from chemistry.readers.formal_charge import formal_charge
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
from workflow.datasets.layouts.units import ATOMIC, Units

_ENERGY, _GRADIENT, _DIPOLE = "dft_total_energy", "dft_total_gradient", "scf_dipole"


class SPICE:
    """One group a molecule."""

    def has(self, group: Group) -> bool:
        """Say whether a group is of this layout."""
        return {"atomic_numbers", "conformations", _ENERGY} <= group.columns.keys()

    def rows(self, group: Group, reading: Reading) -> Labels:
        """Yield the labels of a group."""
        columns = group.columns
        numbers = elements(columns["atomic_numbers"][()], group.where)
        if numbers.ndim != 1:
            raise InputError(f"{group.where}: `atomic_numbers` has the shape {numbers.shape}")
        shapes: dict[str, tuple[int | None, ...]] = {"conformations": (len(numbers), 3)}
        shapes[_ENERGY] = ()
        optional = {_GRADIENT: (len(numbers), 3), _DIPOLE: (3,)}
        shapes |= {name: shape for name, shape in optional.items() if name in columns}
        named = {name: name if name in columns else None for name in (_GRADIENT, _DIPOLE)}
        units = reading.units(
            column_units(
                group,
                ATOMIC,
                {
                    "length": "conformations",
                    "energy": _ENERGY,
                    "force": named[_GRADIENT],
                    "dipole": named[_DIPOLE],
                },
            )
        )
        electrons = _electrons(group, reading)
        for number, row in rows_of(group, shapes | row_facts(group, len(columns["conformations"]))):
            where = f"{group.where}, row {number}"
            sign = -1.0 if reading.are_gradients(True) else 1.0
            yield bad_or(where, _label, row, numbers, units, sign, electrons, group, where)


def _electrons(group: Group, reading: Reading) -> tuple[int, int]:
    facts = dict(group.facts)
    smiles = facts.pop("smiles", None)
    if isinstance(smiles, str) and not any("charge" in str(key).lower() for key in facts):
        facts["charge"] = formal_charge(smiles, group.where)
    return reading.electrons(facts, group.where)


def _label(
    row: Mapping[str, Any],
    numbers: IntArray,
    units: Units,
    sign: float,
    electrons: tuple[int, int],
    group: Group,
    where: str,
) -> FileLabel:
    gradient, dipole = row.get(_GRADIENT), row.get(_DIPOLE)
    charge, multiplicity = electrons
    return FileLabel(
        where=where,
        level=None,
        structure=Structure(
            atomic_numbers=numbers,
            positions=np.asarray(row["conformations"], dtype=np.float64) * units.angstrom,
            charge=charge,
            multiplicity=multiplicity,
        ),
        energy=float(row[_ENERGY]) * units.ev,
        forces=None
        if gradient is None
        else np.asarray(gradient, dtype=np.float64) * (sign * units.ev_per_angstrom),
        dipole=None if dipole is None else np.asarray(dipole, dtype=np.float64) * units.e_angstrom,
        facts={"molecule": group.where.rpartition("group ")[2]},
        units=units,
    )
