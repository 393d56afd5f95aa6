"""What every format says of a label beside its numbers, under the same names."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from chemistry.records.label import Label
from chemistry.records.structure import IntArray, Structure
from workflow.run.store.records import ExportRow

_PUBLISHED_NAMES = {
    "wb97x/6-31g*": "wb97x_dz",
    "wb97x/def2-tzvpp": "wb97x_tz",
    "ccsd(t)*/cbs": "ccsd(t)_cbs",
}


def column_name(level_name: str) -> str:
    """Return a level's name in keys and paths: as in ANI-1x, or with `_` for `/`."""
    return _PUBLISHED_NAMES.get(level_name, level_name.replace("/", "_"))


def level_of_column(name: str) -> str:
    """Return the level that `column_name` makes this name of, as far as it can be told."""
    published = {column: level for level, column in _PUBLISHED_NAMES.items()}
    return published.get(name.lower(), name.replace("_", "/", 1))


def level_folder(row: ExportRow) -> str:
    """Return the folder of a label's level, one of its own for labels without forces."""
    name = column_name(row.level_name)
    return name if row.label.forces is not None else f"{name}-energies-only"


def heaviest_first(structure: Structure) -> IntArray:
    """Return the order of atoms that all geometries of one formula share, (N,)."""
    return np.argsort(-structure.atomic_numbers, kind="stable")


def provenance_facts(label: Label) -> dict[str, Any]:
    """Say who computed a label, when, and what it cost; the host's name is nobody's business."""
    provenance = label.provenance
    return {
        "program": provenance.program,
        "program_version": provenance.version,
        "attempts": " ".join(provenance.attempts),
        "cpu_seconds": float(provenance.cpu_seconds),
        "wall_seconds": float(provenance.wall_seconds),
        "finished_at": float(provenance.finished_at),
    }


def row_facts(row: ExportRow) -> dict[str, Any]:
    """Return all that is text or a plain number: identity, level, split, origin, provenance."""
    structure = row.structure
    return {
        "charge": int(structure.charge),
        "multiplicity": int(structure.multiplicity),
        "structure_id": structure.structure_id,
        "molecule": row.molecule_name,
        "molecule_id": structure.molecule_id,
        "level": row.level_name,
        "level_id": row.label.level_id,
        "split": row.split,
        "purpose": row.purpose,
        "sampler": structure.origin.sampler,
        "block": structure.origin.block,
        **provenance_facts(row.label),
    }


class LabelList:
    """labels.jsonl: the facts of labels, one a line, for formats that hold only numbers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def __enter__(self) -> Self:
        self._file = self._path.open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, row: ExportRow, **more: Any) -> int:
        """Write the facts of a row, and more, and return the number of its line, from 0."""
        label = row.label
        parts = {"components": dict(label.components), "diagnostics": dict(label.diagnostics)}
        facts = {**row_facts(row), **parts, **more}
        self._file.write(json.dumps(facts, ensure_ascii=False) + "\n")
        self._count += 1
        return self._count - 1
