"""Extended XYZ, with the keys of ASE, of MACE, of rung, and of others.

Frames are cut out of the file here, so that a message names the frame, and one that cannot be used
does not hide those behind it. Comments are read by ASE, which knows their grammar.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from ase.data import atomic_numbers as numbers_by_symbol
from ase.io.extxyz import key_val_str_to_dict

from chemistry.errors import InputError
from chemistry.readers.electrons import pairs_in, without_pairs
from chemistry.records.structure import FloatArray, IntArray, Structure
from workflow.datasets.layouts.base import FileLabel, Labels, Reading
from workflow.datasets.layouts.keys import KeySet, choose_keys
from workflow.datasets.layouts.units import AS_RUNG, Units, stated_units

_PLAIN = (("species", "S", 1), ("pos", "R", 3))
_DIGITS_OF_A_COUNT = 9
_LEVELS = ("level", "level_of_theory")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frame:
    """One frame: its comment, the keys in it, and its columns, by the names of the file."""

    comment: str
    info: Mapping[str, Any]
    columns: Mapping[str, Any]
    atomic_numbers: IntArray


class ExtendedXYZ:
    """eV, Å and eV/Å unless a frame states other units."""

    name = "extended XYZ (.xyz, .extxyz)"

    def fits(self, path: Path) -> bool:
        """Say whether a path may be such a file."""
        return path.is_file() and path.suffix.lower() in (".xyz", ".extxyz")

    def read(self, path: Path, reading: Reading) -> Labels:
        """Yield the labels that are wanted; an InputError in the place of each that is none."""
        try:
            with path.open(encoding="utf-8-sig") as file:
                for number, lines in enumerate(_cut(file, path)):
                    where = f"{path}, frame {number}"
                    try:
                        label = _label(_parse(lines, where), where, reading)
                    except InputError as error:
                        yield error
                    else:
                        if label is not None:
                            yield label
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not readable as extended XYZ ({error})") from error


def _cut(file: IO[str], path: Path) -> Iterator[list[str]]:
    """Yield the comment and the atoms' lines of each frame."""
    number = 0
    for head in file:
        if not head.strip():
            continue
        count = head.strip()
        if not count.isdecimal() or len(count) > _DIGITS_OF_A_COUNT or int(count) == 0:
            raise InputError(
                f"{path}: not readable as extended XYZ (frame {number} should begin with its "
                f"number of atoms, not {count[:40]!r})"
            )
        # A number of atoms may be anything: no more is asked for than the file has.
        lines = list(islice(file, int(count) + 1))
        if len(lines) <= int(count):
            missing = int(count) - max(0, len(lines) - 1)
            raise InputError(
                f"{path}, frame {number}: the file ends {missing} of its {count} atoms early: it "
                "was cut short"
            )
        yield lines
        number += 1


def _parse(lines: Sequence[str], where: str) -> _Frame:
    try:
        info = key_val_str_to_dict(lines[0].strip())
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(f"{where}: its comment is no list of key=value ({error})") from error
    pairs_in(lines[0], where, keeps_case=True)  # of a key that is there twice, ASE takes the last
    columns = _columns(lines[1:], _properties(info.pop("Properties", None), where), where)
    lattice = {name.lower(): value for name, value in info.items()}
    if np.any(lattice.get("pbc", "lattice" in lattice)):
        raise InputError(f"{where}: a periodic cell cannot be used: rung knows molecules only")
    if "pos" not in columns or not {"species", "Z"} & columns.keys():
        raise InputError(f"{where}: its Properties name no species or no pos")
    species = columns["species" if "species" in columns else "Z"]
    numbers = [_atomic_number(str(symbol), where) for symbol in species]
    return _Frame(
        comment=lines[0],
        info=info,
        columns=columns,
        atomic_numbers=np.array(numbers, dtype=np.int64),
    )


def _properties(text: Any, where: str) -> Sequence[tuple[str, str, int]]:
    """Return name, type and width of each column."""
    if text is None:
        return _PLAIN
    parts = str(text).split(":")
    names, types, widths = parts[0::3], parts[1::3], parts[2::3]
    known = all(t in ("S", "R", "I", "L") for t in types) and all(w.isdecimal() for w in widths)
    if len(parts) % 3 or not known or len(set(names)) < len(names):
        raise InputError(f"{where}: Properties={text} is no list of name:type:width")
    return [(n, t, int(w)) for n, t, w in zip(names, types, widths, strict=True)]


def _columns(
    lines: Sequence[str], properties: Sequence[tuple[str, str, int]], where: str
) -> dict[str, Any]:
    """Return {name: (N,) or (N, width) array} of the atoms' lines."""
    rows = [line.split() for line in lines]
    width = sum(width for _, _, width in properties)
    for i, row in enumerate(rows):
        if len(row) != width:
            said = " ".join(name for name, _, _ in properties)
            raise InputError(
                f"{where}: the line of atom {i} has {len(row)} columns, not the {width} of {said}"
            )
    found: dict[str, Any] = {}
    start = 0
    for name, kind, width in properties:
        cells = [row[start : start + width] for row in rows]
        start += width
        values = _numbers(cells, f"{where}: {name}") if kind in ("R", "I") else np.array(cells)
        found[name] = values[:, 0] if width == 1 else values
    return found


def _numbers(cells: Sequence[Sequence[str]], where: str) -> FloatArray:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        bad = next(cell for row in cells for cell in row if not _is_number(cell))
        hint = ": a decimal point is meant, not a comma" if "," in bad else ""
        raise InputError(f"{where} has {bad!r}, which is no number{hint}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _atomic_number(symbol: str, where: str) -> int:
    is_number = symbol.replace(".0", "").isdecimal()
    number = int(float(symbol)) if is_number else numbers_by_symbol.get(symbol.capitalize(), 0)
    if not 1 <= number <= 118:
        raise InputError(f"{where}: {symbol!r} is not an element")
    return int(number)


def _label(frame: _Frame, where: str, reading: Reading) -> FileLabel | None:
    """Return the label of a frame; None where it is of a level that is not asked for."""
    info = frame.info
    level = next((str(info[key]) for key in _LEVELS if key in info), None)
    if not reading.wants(level):
        return None
    vectors = [name for name, values in frame.columns.items() if _is_vector(name, values)]
    reading.seen.update([*info, *vectors])
    keys = choose_keys(info, vectors, where)
    units = reading.units(stated_units(info, where, AS_RUNG))
    _note(keys, frame, reading)
    of_atoms = {n: v for n, v in frame.columns.items() if v.ndim == 1 and v.dtype.kind == "f"}
    # Words without a value stand in the rest of the comment, in which "0 3" may be electrons.
    keys_with_values = {key: value for key, value in info.items() if value is not True}
    charge, multiplicity = reading.electrons(
        {**of_atoms, **keys_with_values}, where, comment=without_pairs(frame.comment)
    )
    return FileLabel(
        where=where,
        level=level,
        structure=Structure(
            atomic_numbers=frame.atomic_numbers,
            positions=frame.columns["pos"] * units.angstrom,
            charge=charge,
            multiplicity=multiplicity,
        ),
        energy=_energy(info[keys.energy], f"{where}: {keys.energy}") * units.ev,
        forces=_forces(frame, keys, units, reading),
        dipole=None if keys.dipole is None else _dipole(info[keys.dipole], where, units),
        facts=info,
        units=units,
    )


def _is_vector(name: str, values: Any) -> bool:
    return name != "pos" and values.ndim == 2 and values.shape[1] == 3 and values.dtype.kind == "f"


def _note(keys: KeySet, frame: _Frame, reading: Reading) -> None:
    if keys.passed_over:
        others = ", ".join(keys.passed_over)
        taken = keys.energy if keys.forces is None else f"{keys.energy} and {keys.forces}"
        reading.notes[f"took {taken}, passed over {others}"] += 1
    wide = [name for name, values in frame.columns.items() if values.ndim == 2 and name != "pos"]
    if keys.forces is None and (left := [n for n in wide if n not in keys.passed_over]):
        reading.notes[f"took no forces: the columns {', '.join(left)} are not known as such"] += 1
    if keys.is_gradient:
        reading.notes[f"took {keys.forces} for gradients: forces are minus them"] += 1


def _energy(value: Any, where: str) -> float:
    number = np.asarray(value)
    if number.shape != () or number.dtype.kind not in "fi":
        said = " ".join(map(str, number.ravel()))
        comma = ": is a decimal comma meant as a point?" if number.shape == (2,) else ""
        raise InputError(f"{where} is {said!r}, which is not one number{comma}")
    return float(number)


def _dipole(value: Any, where: str, units: Units) -> FloatArray:
    try:
        return np.asarray(value, dtype=np.float64) * units.e_angstrom
    except ValueError as error:
        raise InputError(f"{where}: its dipole is {value!r}, not three numbers") from error


def _forces(frame: _Frame, keys: KeySet, units: Units, reading: Reading) -> FloatArray | None:
    if keys.forces is None:
        return None
    sign = -1.0 if reading.are_gradients(keys.is_gradient) else 1.0
    return np.asarray(frame.columns[keys.forces] * (sign * units.ev_per_angstrom))
