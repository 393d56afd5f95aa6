"""Water with made-up numbers that obey what a molecule in vacuum obeys, written in many ways."""

from pathlib import Path

import numpy as np

from chemistry.records.level import find_level
from workflow.datasets.layouts import read_labels
from workflow.datasets.layouts.base import FileLabel, Reading, Stated

LEVEL = find_level("hf/sto-3g")
ENERGY_EV = -2039.5
POSITIONS = np.array([[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]])
FORCES = np.array([[0.0, 0.0, -2.0], [0.0, 1.0, 1.0], [0.0, -1.0, 1.0]])


def frame(
    comment: str = f"energy={ENERGY_EV}",
    *,
    positions: np.ndarray = POSITIONS,
    **columns: np.ndarray,
) -> str:
    """Return a frame of extended XYZ; columns are three numbers an atom."""
    properties = "species:S:1:pos:R:3" + "".join(f":{name}:R:3" for name in columns)
    rows = [
        " ".join(
            [
                symbol,
                *(repr(float(x)) for block in (positions, *columns.values()) for x in block[i]),
            ]
        )
        for i, symbol in enumerate("OHH")
    ]
    return "\n".join(["3", f'Properties={properties} {comment} pbc="F F F"', *rows]) + "\n"


def read(path: Path, *, stated: Stated | None = None, **choices) -> tuple[list[FileLabel], Reading]:
    """Return the labels of a file at the level of these tests, and what was met."""
    reading = Reading(level=choices.pop("level", LEVEL), stated=stated or Stated(), **choices)
    return list(read_labels(path, reading)), reading


def read_text(folder: Path, text: str, name: str = "data.xyz", **choices):
    """Write a text and read it."""
    (folder / name).write_text(text)
    return read(folder / name, **choices)
