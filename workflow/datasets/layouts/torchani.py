"""rung's own export for torchani: a folder of files as ANI-2x has them, and labels.jsonl."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chemistry.errors import InputError
from workflow.datasets.layouts.base import FileLabel, Labels, Reading
from workflow.datasets.layouts.hdf5 import HDF5, SUFFIXES
from workflow.datasets.layouts.hdf5_groups.ani1 import ANI1
from workflow.datasets.layouts.label_list import read_label_list


class TorchANI:
    """`LEVEL/SPLIT.h5`, each with groups of one formula."""

    name = "torchani's HDF5 (a folder)"

    def __init__(self) -> None:
        self._file = HDF5("torchani's HDF5", (ANI1(),))

    def fits(self, path: Path) -> bool:
        """Say whether a folder has such files in it."""
        return path.is_dir() and any(_files(path))

    def read(self, path: Path, reading: Reading) -> Labels:
        """Yield the labels that are wanted; an InputError in the place of each that is none."""
        facts = read_label_list(path)
        for file in _files(path):
            for label in self._file.read(file, reading):
                if isinstance(label, InputError):
                    yield label
                    continue
                told = _told(label, facts)
                if isinstance(told, InputError):
                    yield told
                elif reading.wants(told.get("level")):
                    yield replace(
                        label,
                        level=told.get("level"),
                        components=told.get("components", {}),
                        diagnostics=told.get("diagnostics", {}),
                        facts={**label.facts, **told},
                    )


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)


def _told(label: FileLabel, facts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | InputError:
    """Return what labels.jsonl says of a label."""
    line = label.facts.get("label")
    if line is None or not facts:
        return {}
    if not 0 <= int(line) < len(facts):
        return InputError(f"{label.where}: labels.jsonl has no line {line}")
    return facts[int(line)]
