"""Read XYZ and extended XYZ files frame by frame, with the line number in every message."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from ase.data import atomic_numbers as numbers_by_symbol

from chemistry.errors import InputError
from chemistry.readers.electrons import pairs_in, without_pairs
from chemistry.records.structure import FloatArray, IntArray
from chemistry.units import ANGSTROM_PER_BOHR

_LENGTH_UNITS: Final[Mapping[str, float]] = {
    "angstrom": 1.0,
    "angstroms": 1.0,
    "ang": 1.0,
    "å": 1.0,
    "bohr": ANGSTROM_PER_BOHR,
    "bohrs": ANGSTROM_PER_BOHR,
    "a0": ANGSTROM_PER_BOHR,
    "au": ANGSTROM_PER_BOHR,
    "a.u.": ANGSTROM_PER_BOHR,
    "atomic": ANGSTROM_PER_BOHR,
    "atomic_units": ANGSTROM_PER_BOHR,
    "metal": 1.0,
    "real": 1.0,
    "nm": 10.0,
    "pm": 0.01,
}
"""Å in each unit of length, as a comment may name it."""
_LENGTH_UNIT_KEYS = re.compile(
    r"(length|pos|position|positions|coordinate|coordinates|xyz)_?units?"
)
_UNITS_OF_OTHERS = re.compile(r"(m?ev|electron_?volts?|hartrees?|ha|eh|kcal|kj|ry|debye).*|.*/.*")
_DIGITS_OF_A_COUNT = 9
_COLUMNS_OF_ATOMS = re.compile(r".*(charges|magmoms|magnetic_moments|spins)")


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
        What the comment line says beside them.
    of_atoms : mapping of str to (N,) float64
        Columns of charges and magnetic moments, by their names in lower case.
    states_unit : bool
        Whether the comment line names the unit of length.
    source : str
        File and line of the frame: "water.xyz:1".
    """

    atomic_numbers: IntArray
    positions: FloatArray
    info: Mapping[str, str]
    comment: str
    of_atoms: Mapping[str, FloatArray]
    states_unit: bool
    source: str


def read_frames(path: Path, text: str, bad: list[InputError]) -> list[XYZFrame]:
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
    if not text.isdecimal() or len(text) > _DIGITS_OF_A_COUNT or int(text) == 0:
        raise InputError(f"{source}: expected a number of atoms, found {text[:40]!r}")
    return int(text)


def _read_frame(comment: str, rows: list[str], path: Path, line_number: int) -> XYZFrame:
    source = f"{path}:{line_number}"
    info = pairs_in(comment, source)
    if "T" in info.get("pbc", "T" if "lattice" in info else "F").upper():
        raise InputError(f"{source}: a periodic cell cannot be used: rung knows molecules only")
    unit = _angstrom_per_unit(info, source)
    text = without_pairs(comment)
    if unit is None and re.search(r"\bbohrs?\b", text, re.IGNORECASE):
        raise InputError(f"{source}: the comment speaks of bohr: say units=bohr or units=angstrom")
    if "properties" not in info:
        _refuse_flags_before_positions(rows, f"{path}:{line_number + 2}")
    starts = _columns(info, source)
    species_column, position_column = starts["species"], starts["pos"]
    of_atoms: dict[str, list[float]] = {
        name: [] for name in starts if _COLUMNS_OF_ATOMS.fullmatch(name)
    }
    numbers: list[int] = []
    positions: list[list[float]] = []
    for offset, row in enumerate(rows):
        row_source = f"{path}:{line_number + 2 + offset}"
        fields = row.split()
        if len(fields) < max(species_column + 1, position_column + 3):
            raise InputError(f"{row_source}: expected an element and x y z, found {row[:60]!r}")
        numbers.append(_atomic_number(fields[species_column], row_source))
        positions.append(_numbers(fields[position_column : position_column + 3], row_source))
        for name, values in of_atoms.items():
            values += _numbers(fields[starts[name] : starts[name] + 1], row_source)
    return XYZFrame(
        atomic_numbers=np.array(numbers, dtype=np.int64),
        positions=np.array(positions, dtype=np.float64) * (1.0 if unit is None else unit),
        info=info,
        comment=text,
        of_atoms={name: np.array(values) for name, values in of_atoms.items()},
        states_unit=unit is not None,
        source=source,
    )


def _angstrom_per_unit(info: Mapping[str, str], source: str) -> float | None:
    """Return the unit of length that a comment names, in Å; None where it names none."""
    for key, value in info.items():
        is_of_length = _LENGTH_UNIT_KEYS.fullmatch(key) is not None
        if not is_of_length and key not in ("unit", "units"):
            continue
        parts = re.split(r"[,;\s]+", value.strip().lower())
        found = [_LENGTH_UNITS[part] for part in parts if part in _LENGTH_UNITS]
        others = [part for part in parts if part not in _LENGTH_UNITS]
        is_unknown = any(is_of_length or not _UNITS_OF_OTHERS.fullmatch(part) for part in others)
        if is_unknown or len(set(found)) > 1:
            known = ", ".join(("angstrom", "bohr", "nm", "pm"))
            raise InputError(f"{source}: {key}={value} is no unit of length: say {known}")
        if found:
            return found[0]
    return None


def _refuse_flags_before_positions(rows: list[str], source: str) -> None:
    """Refuse whole numbers between elements and positions: flags of frozen atoms, say.

    Numbers behind the positions are passed over, so that a flag would become x and z be lost.
    """
    fields = [row.split() for row in rows]
    if not fields or any(len(row) < 5 for row in fields):
        return
    are_flags = all(re.fullmatch(r"[+-]?\d+", row[1]) for row in fields)
    if are_flags and all("." in number for row in fields for number in row[2:5]):
        raise InputError(
            f"{source}: expected an element and x y z, found a whole number behind every element: "
            "remove that column"
        )


def _columns(info: Mapping[str, str], source: str) -> dict[str, int]:
    """Return the columns in which each property begins, by the `Properties` of extended XYZ."""
    if "properties" not in info:
        return {"species": 0, "pos": 1}
    parts = info["properties"].split(":")
    starts: dict[str, int] = {}
    column = 0
    for name, width in zip(parts[0::3], parts[2::3], strict=False):
        if width == "1" or name.lower() in ("species", "pos"):
            starts[name.lower()] = column
        column += int(width) if width.isdecimal() else 1
    species = starts.get("species", starts.get("z"))
    if species is None or "pos" not in starts:
        raise InputError(f"{source}: Properties in the comment name no species or no pos")
    return {**starts, "species": species}


def _atomic_number(symbol: str, source: str) -> int:
    number = int(symbol) if symbol.isdecimal() else numbers_by_symbol.get(symbol.capitalize(), 0)
    if not 1 <= number <= 118:
        raise InputError(f"{source}: {symbol!r} is not an element")
    return int(number)


def _numbers(fields: list[str], source: str) -> list[float]:
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        said = "are not three finite numbers" if len(fields) == 3 else "is not a finite number"
        raise InputError(f"{source}: {' '.join(fields)!r} {said}")
    return numbers
