"""HDF5 in the layout of the published ANI-1x data set (doi:10.1038/s41597-020-0473-z).

One group a formula with `atomic_numbers` (N,), `coordinates` (M, N, 3) in Å and, for each level,
`LEVEL.energy` (M,) in hartree and `LEVEL.forces` (M, N, 3) in hartree/Å, minus the gradient; NaN
where a level has no label. The parts of a composite level have the names of the publication too,
`hf_tz.energy` and `mp2_tz.corr_energy` for example. As there, all molecules of a formula share one
order of atoms: they are sorted by element, heaviest first.

Beyond the published keys, rows bear `structure_id`, `molecule`, `molecule_id`, `sampler`, `block`
(one trajectory), `purpose`, `split`, `charge`, `multiplicity`, `atom_order` (M, N), where each atom
stood before it was sorted, and for each level `LEVEL.provenance`, JSON.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from chemistry.records.structure import hill_formula
from chemistry.units import EV_PER_HARTREE
from workflow.datasets.export.batches import batched
from workflow.datasets.export.facts import (
    column_name,
    heaviest_first,
    provenance_facts,
    row_facts,
)
from workflow.datasets.export.formats.hdf5_rows import append_rows, make_column
from workflow.run.store.records import ExportRow

_CORRELATION_CONSISTENT = re.compile(r"cc-pv([dtq])z")
_TEXTS = ("structure_id", "molecule", "molecule_id", "sampler", "block", "purpose", "split")

Labels: TypeAlias = list[ExportRow]
"""All labels of one structure: one row of the file."""


class AniHDF5:
    """Groups grow batch by batch."""

    suffix = ".h5"
    units = "hartree, Å, hartree/Å; energies are total electronic energies"
    how_to_read = 'h5py.File("{path}")  # or torchani.datasets.ANIDataset("{path}")'

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows and return how many labels they are."""
        count = 0
        columns: set[str] = set()
        structures = (list(labels) for _, labels in groupby(rows, _structure_id))
        with h5py.File(path, "w") as file:
            for name, batch in batched(structures, _group_name, _n_atoms):
                count += sum(map(len, batch))
                group = file.require_group(name)
                first = batch[0][0].structure
                if "atomic_numbers" not in group:
                    group["atomic_numbers"] = first.atomic_numbers[heaviest_first(first)]
                arrays = _arrays(batch)
                columns.update(name for name in arrays if "." in name)
                append_rows(group, arrays)
            for group in file.values():
                _complete(group, columns)
        return count


ANI_HDF5 = AniHDF5()


def component_column(name: str) -> str:
    """Return the column of a part of a composite: "mp2/cc-pvtz correlation", mp2_tz.corr_energy."""
    calculation, _, quantity = name.partition(" ")
    method, _, basis = calculation.partition("/")
    basis = _CORRELATION_CONSISTENT.sub(r"\1z", basis)
    kind = "corr_energy" if quantity == "correlation" else "energy"
    return f"{method.replace('-', '_')}_{basis}.{kind}"


def _structure_id(row: ExportRow) -> str:
    return row.structure.structure_id


def _n_atoms(labels: Labels) -> int:
    return len(labels[0].structure)


def _group_name(labels: Labels) -> str:
    structure = labels[0].structure
    charge = f"{structure.charge:+d}" if structure.charge else ""
    return hill_formula(structure.atomic_numbers) + charge


def _arrays(batch: list[Labels]) -> dict[str, Any]:
    """Return the columns of a batch of one formula; floats are NaN where a label is missing."""
    structures = [labels[0].structure for labels in batch]
    orders = np.array([heaviest_first(structure) for structure in structures])
    facts = [row_facts(labels[0]) for labels in batch]
    arrays: dict[str, Any] = {
        "coordinates": np.array([s.positions[o] for s, o in zip(structures, orders, strict=True)]),
        "atom_order": orders,
        "charge": np.array([s.charge for s in structures]),
        "multiplicity": np.array([s.multiplicity for s in structures]),
        **{name: np.array([fact[name] for fact in facts], dtype=object) for name in _TEXTS},
    }
    for i, labels in enumerate(batch):
        for row in labels:
            for column, value in _cells(row, orders[i]):
                if column not in arrays:
                    arrays[column] = _missing(np.shape(value), value, len(batch))
                arrays[column][i] = value
    return arrays


def _cells(row: ExportRow, order: Any) -> Iterator[tuple[str, Any]]:
    """Yield what one label puts into its row: (column, value)."""
    label, prefix = row.label, column_name(row.level_name)
    for name, energy in label.components.items():
        yield component_column(name), energy / EV_PER_HARTREE
    yield f"{prefix}.energy", label.energy / EV_PER_HARTREE
    forces = np.full((len(order), 3), np.nan) if label.forces is None else label.forces[order]
    yield f"{prefix}.forces", forces / EV_PER_HARTREE
    facts = {**provenance_facts(label), "diagnostics": dict(label.diagnostics)}
    yield f"{prefix}.provenance", json.dumps(facts)


def _missing(shape: tuple[int, ...], value: Any, n_rows: int) -> Any:
    if isinstance(value, str):
        return np.full(n_rows, "", dtype=object)
    return np.full((n_rows, *shape), np.nan)


def _complete(group: Any, columns: Iterable[str]) -> None:
    """Give a group the columns of all levels, as long as `coordinates`; NaN where no label is.

    Published loaders ask every group for the levels that they want.
    """
    n_rows, *shape = group["coordinates"].shape
    for name in sorted(columns):
        if name not in group:
            dtype = np.dtype(object if name.endswith(".provenance") else float)
            column_shape = tuple(shape) if name.endswith(".forces") else ()
            make_column(group, name, column_shape, dtype, n_rows=n_rows)
        group[name].resize(n_rows, axis=0)
