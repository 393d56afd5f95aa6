"""Labelled structures as a file for the workers that train: JSON lines, every float64 exact.

A file of its own, not the store: SQLite over a network file system is for one machine at a time.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from chemistry.records.label import Label, LabelledStructure
from chemistry.records.record_json import (
    label_from_json,
    label_to_json,
    structure_from_json,
    structure_to_json,
)


def write_labelled(path: Path, data: Iterable[LabelledStructure]) -> None:
    """Write one structure with its label a line; the file is whole or absent, whatever happens."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        for row in data:
            document = {
                "structure": structure_to_json(row.structure),
                "label": label_to_json(row.label),
            }
            file.write(json.dumps(document) + "\n")
    partial.replace(path)


def read_labelled(path: Path) -> list[LabelledStructure]:
    """Read what `write_labelled` wrote."""
    data = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            document = json.loads(line)
            label = label_from_json(document["label"])
            if not isinstance(label, Label):
                raise ValueError(f"{path} holds a failure where a label should be")
            data.append(
                LabelledStructure(structure=structure_from_json(document["structure"]), label=label)
            )
    return data
