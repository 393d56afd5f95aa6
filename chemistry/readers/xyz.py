"""Read XYZ and extended XYZ files frame by frame, with the line number in every message."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers as numbers_by_symbol

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray, IntArray

_KEY_VALUE = re.compile(r"""(?P<key>[A-Za-z_]\w*)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))""")


@dataclass(frozen=True, kw_only=True, eq=False)
class XYZFrame:
    """One frame of an XYZ file.

    Attributes
    ----------
    atomic_numbers : (N,) int64
    positions : (N, 3) float64, Å
    info : mapping of str to str
        The key=value pairs of the comment line; keys in lower case.
    comment : str
    source : str
        File and line of the frame: "water.xyz:1".
    """

    atomic_numbers: IntArray
    positions: FloatArray
    info: Mapping[str, str]
    comment: str
    source: str

    def integer(self, key: str) -> int | None:
        """Return a whole number of the comment line, None where the key is absent."""
        text = self.info.get(key)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not value.is_integer():
            raise InputError(f"{self.source}: {key}={text} in the comment is not a whole number")
        return int(value)


def read_xyz(path: Path, text: str, bad: list[InputError]) -> list[XYZFrame]:
    """Return the frames of an XYZ or extended XYZ file.

    A frame that cannot be read goes to `bad`, with its line. Where its number of atoms cannot be
    trusted, what comes after it is lost too: that raises InputError.
    """
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    frames: list[XYZFrame] = []
    start = 0
    while start < len(lines):
        count = _atom_count(lines[start], f"{path}:{start + 1}")
        end = start + 2 + count
        if end > len(lines):
            raise InputError(
                f"{path}:{start + 1}: announces {count} atoms, "
                f"but the file ends after {max(len(lines) - start - 2, 0)}"
            )
        try:
            frames.append(_read_frame(lines[start + 1], lines[start + 2 : end], path, start + 1))
        except InputError as error:
            bad.append(error)
        start = end
    return frames


def _atom_count(line: str, source: str) -> int:
    text = line.strip()
    if not text.isdecimal() or int(text) == 0:
        raise InputError(f"{source}: expected a number of atoms, found {text[:40]!r}")
    return int(text)


def _read_frame(comment: str, rows: list[str], path: Path, line_number: int) -> XYZFrame:
    source = f"{path}:{line_number}"
    info = {
        match["key"].lower(): match["bare"] if match["quoted"] is None else match["quoted"]
        for match in _KEY_VALUE.finditer(comment)
    }
    if "T" in info.get("pbc", "T" if "lattice" in info else "F").upper():
        raise InputError(f"{source}: a periodic cell cannot be used: rung knows molecules only")
    species_column, position_column = _columns(info, source)
    numbers: list[int] = []
    positions: list[list[float]] = []
    for offset, row in enumerate(rows):
        row_source = f"{path}:{line_number + 2 + offset}"
        fields = row.split()
        if len(fields) < max(species_column + 1, position_column + 3):
            raise InputError(f"{row_source}: expected an element and x y z, found {row[:60]!r}")
        numbers.append(_atomic_number(fields[species_column], row_source))
        positions.append(_position(fields[position_column : position_column + 3], row_source))
    return XYZFrame(
        atomic_numbers=np.array(numbers, dtype=np.int64),
        positions=np.array(positions, dtype=np.float64),
        info=info,
        comment=comment.strip(),
        source=source,
    )


def _columns(info: Mapping[str, str], source: str) -> tuple[int, int]:
    """Return the columns in which element and x begin, by the `Properties` of extended XYZ."""
    if "properties" not in info:
        return 0, 1
    parts = info["properties"].split(":")
    starts: dict[str, int] = {}
    column = 0
    for name, width in zip(parts[0::3], parts[2::3], strict=False):
        starts[name.lower()] = column
        column += int(width) if width.isdecimal() else 1
    species = starts.get("species", starts.get("z"))
    if species is None or "pos" not in starts:
        raise InputError(f"{source}: Properties in the comment name no species or no pos")
    return species, starts["pos"]


def _atomic_number(symbol: str, source: str) -> int:
    number = int(symbol) if symbol.isdecimal() else numbers_by_symbol.get(symbol.capitalize(), 0)
    if not 1 <= number <= 118:
        raise InputError(f"{source}: {symbol!r} is not an element")
    return int(number)


def _position(fields: list[str], source: str) -> list[float]:
    try:
        position = [float(field) for field in fields]
    except ValueError:
        position = [np.nan]
    if not np.isfinite(position).all():
        raise InputError(f"{source}: {' '.join(fields)!r} are not three finite numbers")
    return position
