"""HDF5 as torchani's ANIDataset reads it: a folder with a file for each level and split.

`LEVEL/SPLIT.h5` has a group a formula ("by_formula") with `species` (M, N), `coordinates`
(M, N, 3) in Å, `energies` (M,) in hartree and `forces` (M, N, 3) in hartree/Å. ANIDataset takes
numbers only, so `label` (M,) is the line of each row in labels.jsonl. Labels without forces have
files of their own, `LEVEL-energies-only/`: all groups of a file must have the same properties.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from chemistry.records.structure import hill_formula
from chemistry.units import EV_PER_HARTREE
from workflow.datasets.export.batches import batched
from workflow.datasets.export.facts import LabelList, level_folder
from workflow.datasets.export.formats.hdf5_rows import append_rows
from workflow.run.store.records import ExportRow


class TorchaniHDF5:
    """Files grow batch by batch."""

    suffix = ".torchani"
    units = "hartree, Å, hartree/Å"
    how_to_read = 'torchani.datasets.ANIDataset("{path}/LEVEL/train.h5")'

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows and return how many."""
        count = 0
        path.mkdir()
        with LabelList(path / "labels.jsonl") as labels:
            for (folder, split, formula), batch in batched(rows, _place, _n_atoms):
                count += len(batch)
                arrays = _arrays(batch)
                arrays["label"] = np.array([labels.append(row) for row in batch])
                (path / folder).mkdir(exist_ok=True)
                with h5py.File(path / folder / f"{split}.h5", "a") as file:
                    file.attrs["grouping"] = "by_formula"
                    append_rows(file.require_group(formula), arrays)
        return count


TORCHANI = TorchaniHDF5()


def _place(row: ExportRow) -> tuple[str, str, str]:
    return level_folder(row), row.split, hill_formula(row.structure.atomic_numbers)


def _n_atoms(row: ExportRow) -> int:
    return len(row.structure)


def _arrays(batch: list[ExportRow]) -> dict[str, Any]:
    arrays = {
        "species": np.array([row.structure.atomic_numbers for row in batch]),
        "coordinates": np.array([row.structure.positions for row in batch]),
        "energies": np.array([row.label.energy for row in batch]) / EV_PER_HARTREE,
        "charge": np.array([row.structure.charge for row in batch]),
        "multiplicity": np.array([row.structure.multiplicity for row in batch]),
    }
    if batch[0].label.forces is not None:
        arrays["forces"] = np.array([row.label.forces for row in batch]) / EV_PER_HARTREE
    return arrays
