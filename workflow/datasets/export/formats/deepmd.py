"""NumPy folders as DeePMD-kit and dpdata read them ("deepmd/npy"): eV, Å, eV/Å.

`LEVEL/SPLIT/SYSTEM/` is a system: one formula, charge and multiplicity, atoms sorted by element,
heaviest first. It has `type.raw`, `type_map.raw`, `nopbc` and sets of frames: `set.000/coord.npy`
(M, 3N), `energy.npy` (M,), `force.npy` (M, 3N) and `label.npy` (M,), the line of each frame in
labels.jsonl. Labels without forces are systems of their own, in `LEVEL-energies-only/`.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from ase.data import chemical_symbols

from chemistry.records.structure import Structure, hill_formula
from workflow.datasets.export.batches import batched
from workflow.datasets.export.facts import LabelList, heaviest_first, level_folder
from workflow.run.store.records import ExportRow

Place: TypeAlias = tuple[str, str, str]


class DeePMD:
    """Each batch of a system is a set of its own."""

    suffix = ".deepmd"
    units = "eV, Å, eV/Å"
    how_to_read = 'dpdata.LabeledSystem("{path}/LEVEL/train/FORMULA", fmt="deepmd/npy")'

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows and return how many."""
        count = 0
        path.mkdir()
        sets: Counter[Place] = Counter()
        with LabelList(path / "labels.jsonl") as labels:
            for place, batch in batched(rows, _place, _n_atoms):
                count += len(batch)
                system = path.joinpath(*place)
                if not sets[place]:
                    _begin(system, batch[0].structure)
                folder = system / f"set.{sets[place]:03d}"
                sets[place] += 1
                folder.mkdir()
                _write_set(folder, batch)
                np.save(folder / "label.npy", [labels.append(row) for row in batch])
        return count


DEEPMD = DeePMD()


def _place(row: ExportRow) -> Place:
    structure = row.structure
    charge = f"{structure.charge:+d}" if structure.charge else ""
    spin = f"_m{structure.multiplicity}" if structure.multiplicity != 1 else ""
    return level_folder(row), row.split, f"{hill_formula(structure.atomic_numbers)}{charge}{spin}"


def _n_atoms(row: ExportRow) -> int:
    return len(row.structure)


def _begin(system: Path, structure: Structure) -> None:
    """Write what all frames of a system share."""
    system.mkdir(parents=True)
    numbers = structure.atomic_numbers[heaviest_first(structure)]
    elements = sorted(set(numbers.tolist()))
    lines = [str(elements.index(number)) for number in numbers.tolist()]
    (system / "type.raw").write_text("\n".join(lines) + "\n")
    symbols = [chemical_symbols[number] for number in elements]
    (system / "type_map.raw").write_text("\n".join(symbols) + "\n")
    (system / "nopbc").touch()


def _write_set(folder: Path, batch: list[ExportRow]) -> None:
    orders = [heaviest_first(row.structure) for row in batch]
    coord = [
        row.structure.positions[order].ravel() for row, order in zip(batch, orders, strict=True)
    ]
    np.save(folder / "coord.npy", coord)
    np.save(folder / "energy.npy", [row.label.energy for row in batch])
    force = [
        row.label.forces[order].ravel()
        for row, order in zip(batch, orders, strict=True)
        if row.label.forces is not None
    ]
    if force:
        np.save(folder / "force.npy", force)
