"""HDF5 files of groups, each with geometries of one molecule or formula."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from ase.data import atomic_numbers as numbers_by_symbol

from chemistry.errors import InputError
from chemistry.records.structure import IntArray
from workflow.datasets.layouts.base import FileLabel, Labels, Reading
from workflow.datasets.layouts.units import Units, stated_units, with_stated

_ROWS_AT_ONCE = 1000
SUFFIXES = (".h5", ".hdf5", ".hdf")


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """A group of HDF5 with what stands in it.

    Attributes
    ----------
    where : str
        For messages: "data.h5, group H2O".
    columns : mapping of str to h5py.Dataset
    facts : mapping
        Attributes of the group and datasets of a single value.
    """

    where: str
    columns: Mapping[str, Any]
    facts: Mapping[str, Any]


class GroupLayout(Protocol):
    """How groups of one layout are read."""

    def has(self, group: Group) -> bool:
        """Say whether a group is of this layout."""
        ...

    def rows(self, group: Group, reading: Reading) -> Labels:
        """Yield the labels of a group; raises InputError where it cannot be used as a whole."""
        ...


class HDF5:
    """A file of groups, however deep, that one of some layouts fits.

    Parameters
    ----------
    name : str
    layouts : sequence of GroupLayout
    """

    def __init__(self, name: str, layouts: Sequence[GroupLayout]) -> None:
        self.name = name
        self._layouts = layouts

    def fits(self, path: Path) -> bool:
        """Say whether a path may be such a file."""
        return path.is_file() and path.suffix.lower() in SUFFIXES

    def read(self, path: Path, reading: Reading) -> Labels:
        """Yield the labels that are wanted; an InputError in the place of each that is none."""
        try:
            with h5py.File(path, "r") as file:
                for group in groups_of(file, str(path)):
                    layout = next((each for each in self._layouts if each.has(group)), None)
                    reading.seen.update(group.columns.keys())
                    if layout is None:
                        continue
                    try:
                        yield from layout.rows(group, reading)
                    except InputError as error:
                        yield error
        except (OSError, KeyError, RuntimeError) as error:
            raise InputError(f"{path}: not readable as HDF5 ({error})") from error


def groups_of(group: Any, path: str) -> Iterator[Group]:
    """Yield all groups that have datasets, from the outermost inwards."""
    columns = {name: item for name, item in group.items() if isinstance(item, h5py.Dataset)}
    if columns:
        where = path if group.name == "/" else f"{path}, group {group.name.lstrip('/')}"
        single = {n: _one(c) for n, c in columns.items() if c.size == 1 and c.ndim < 2}
        facts = {**{k: _text(v) for k, v in group.attrs.items()}, **single}
        yield Group(where=where, columns=columns, facts=facts)
    for item in group.values():
        if isinstance(item, h5py.Group):
            yield from groups_of(item, path)


def rows_of(
    group: Group, shapes: Mapping[str, tuple[int | None, ...]]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield number and values of each row of some columns, which must have as many rows each.

    Parameters
    ----------
    group : Group
    shapes : mapping of str to tuple
        What a row of each column is, () for a number; None is any length.

    Raises
    ------
    InputError
        A column has another shape or another number of rows than the first.
    """
    first, n_rows = next(iter(shapes)), len(group.columns[next(iter(shapes))])
    for name, shape in shapes.items():
        found = group.columns[name].shape
        if group.columns[name].dtype.kind == "c":
            raise InputError(f"{group.where}: `{name}` has complex numbers")
        fits = len(found) == len(shape) + 1 and all(
            wanted in (None, length) for wanted, length in zip(shape, found[1:], strict=True)
        )
        if not fits or found[0] != n_rows:
            wanted = ", ".join(map(str, (n_rows, *shape)))
            raise InputError(
                f"{group.where}: `{name}` has the shape {found}, not ({wanted}) as its `{first}` "
                "needs: rows would be lost or mixed up"
            )
    columns = {name: _readable(group.columns[name]) for name in shapes}
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        block = {n: column[start : start + _ROWS_AT_ONCE] for n, column in columns.items()}
        for i in range(len(block[first])):
            yield start + i, {name: values[i] for name, values in block.items()}


def elements(values: Any, where: str) -> IntArray:
    """Return atomic numbers, (N,) or (M, N), of numbers or symbols."""
    array = np.asarray(values)
    if array.dtype.kind in "iuf":
        if (array % 1 != 0).any():
            raise InputError(f"{where}: an atomic number is not a whole number")
        return array.astype(np.int64)
    symbols = [_text(item) for item in array.ravel()]
    try:
        numbers = [numbers_by_symbol[symbol.strip().capitalize()] for symbol in symbols]
    except KeyError as error:
        raise InputError(f"{where}: {error.args[0]!r} is not an element") from None
    return np.array(numbers, dtype=np.int64).reshape(array.shape)


def row_facts(group: Group, n_rows: int) -> dict[str, tuple[int | None, ...]]:
    """Return the columns with one number or text a row that may say charge, spin or origin."""
    return {
        name: ()
        for name, column in group.columns.items()
        if column.ndim == 1
        and len(column) == n_rows
        and "." not in name
        and name not in group.facts
        and (column.dtype.kind in "iufb" or h5py.check_string_dtype(column.dtype))
    }


def column_units(group: Group, default: Units, names: Mapping[str, str | None]) -> Units:
    """Return the units that columns state in an attribute `units`, else those of the layout.

    Parameters
    ----------
    names : mapping of str to str or None
        Names of columns, by the fields of `Units`.
    """
    facts = {k: v for k, v in group.facts.items() if k not in group.columns}
    stated: dict[str, str] = {}
    for what, name in names.items():
        attributes = {} if name is None else group.columns[name].attrs
        unit = next((attributes[k] for k in ("units", "unit") if k in attributes), None)
        if unit is not None:
            place = f"{group.where}: `{name}`"
            found = stated_units({f"{what}_unit": _text(unit)}, place, default)
            stated[what] = getattr(found, what)
    units = stated_units(facts, group.where, default)
    return with_stated(units, stated)


def bad_or(where: str, make: Callable[..., FileLabel], *arguments: Any) -> FileLabel | InputError:
    """Return what a function makes of a row, or the InputError that says why it makes none."""
    try:
        return make(*arguments)
    except InputError as error:
        return error
    except (TypeError, ValueError) as error:
        return InputError(f"{where}: it is no labelled structure ({error})")


def _readable(column: Any) -> Any:
    return column.asstr() if h5py.check_string_dtype(column.dtype) else column


def _one(column: Any) -> Any:
    return _text(np.asarray(column[()]).ravel()[0])


def _text(value: Any) -> Any:
    """Return bytes as text, arrays of one value as that value."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel()[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
