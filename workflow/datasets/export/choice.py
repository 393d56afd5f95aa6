"""Which labels a data set holds, and how they are told: decided row by row."""

import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chemistry.errors import InputError
from chemistry.names import nearest
from chemistry.records.structure import Structure, hill_formula, interatomic_distances
from workflow.run.store.records import ExportRow, Split

SplitRule: TypeAlias = Literal["molecule", "campaign"]
"""molecule: whole molecules are trained, validated or tested on. campaign: the held-out set of
the campaign, which its potentials have not seen, is for testing; all else for training."""

EnergyReference: TypeAlias = Literal["total", "minus-self-energies"]

_HELD_BACK_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a label must meet: `FIELD OP VALUE`, as in "n_atoms<=20"."""

    field: str
    comparison: str
    value: str | float

    def __str__(self) -> str:
        return f"{self.field}{self.comparison}{self.value}"

    def holds(self, row: ExportRow) -> bool:
        """Say whether a label meets it; one that lacks the quantity does not."""
        if self.field.startswith(_DIAGNOSTICS):
            found: Any = row.label.diagnostics.get(self.field.removeprefix(_DIAGNOSTICS))
        else:
            found = FIELDS[self.field](row)
        return found is not None and bool(_COMPARISONS[self.comparison](found, self.value))


@dataclass(frozen=True, kw_only=True)
class ExportChoice:
    """What a person chooses of an export.

    Attributes
    ----------
    levels : tuple of str
        Names of levels of theory; empty: all.
    where : tuple of Condition
        All of them must hold.
    split : SplitRule
    energy : EnergyReference
        Total electronic energies, or what is left of them after one constant an element, fitted
        to each level by least squares; the data card says the constants.
    dedupe_angstrom : float or None
        Leave out what looks like another structure of its molecule at this resolution.
    with_quarantined : bool
        Also labels that a quality gate refused.
    license : str or None
        For the data card: an SPDX identifier.
    """

    levels: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    split: SplitRule = "molecule"
    energy: EnergyReference = "total"
    dedupe_angstrom: float | None = None
    with_quarantined: bool = False
    license: str | None = None


def parse_condition(text: str) -> Condition:
    """Read a condition: a field, one of = != < <= > >=, and a value.

    Raises
    ------
    InputError
        Says what is wrong with it, and which fields there are.
    """
    match = re.fullmatch(r"\s*([\w.]+)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*", text)
    if match is None:
        raise InputError(f"--where {text!r}: expected FIELD, one of = != < <= > >=, and a value")
    field, comparison, value = match.groups()
    if field.startswith(_DIAGNOSTICS):
        return Condition(field=field, comparison=comparison, value=_number(text, value))
    if field not in FIELDS:
        raise InputError(f"--where {text!r}: there is no field `{field}`: {nearest(field, FIELDS)}")
    if field in _TEXTS:
        if comparison not in ("=", "!="):
            raise InputError(f"--where {text!r}: {field} is a text: compare it with = or !=")
        return Condition(field=field, comparison=comparison, value=value)
    return Condition(field=field, comparison=comparison, value=_number(text, value))


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise InputError(f"--where {text!r}: {value!r} is not a number") from error


def molecule_splits(counts: Mapping[str, int], only_tested: Collection[str]) -> dict[str, Split]:
    """Divide molecules: about a tenth of all labels to test, a tenth to validate, whole molecules.

    Parameters
    ----------
    counts : mapping of str to int
        Labels by molecule_id. The ids are hashes, so that their order is a draw by lot that does
        not change when a campaign is gone on with.
    only_tested : collection of str
        Molecules that the campaign only tests on: they stay with testing.
    """
    splits: dict[str, Split] = dict.fromkeys(only_tested, "test")
    free = sorted(set(counts) - set(only_tested))
    wanted = _HELD_BACK_SHARE * sum(counts.values())
    held_back: tuple[Split, ...] = ("test", "validation")
    for split in held_back:
        filled = sum(counts[m] for m in counts if splits.get(m) == split)
        while filled < wanted and len(free) > 1:
            molecule = free.pop(0)
            splits[molecule] = split
            filled += counts[molecule]
    return {**splits, **dict.fromkeys(free, "train")}


def chosen_rows(
    rows: Iterable[ExportRow], choice: ExportChoice, splits: Mapping[str, Split] | None
) -> Iterator[ExportRow]:
    """Yield what is chosen of rows, in their order, with the split of their molecule.

    `splits` None leaves the campaign's.
    """
    if splits is not None:
        rows = (replace(row, split=splits[row.structure.molecule_id]) for row in rows)
    if choice.where:
        rows = (row for row in rows if all(condition.holds(row) for condition in choice.where))
    if choice.dedupe_angstrom is not None:
        rows = _without_near_duplicates(rows, choice.dedupe_angstrom)
    return iter(rows)


def _without_near_duplicates(
    rows: Iterable[ExportRow], resolution_angstrom: float
) -> Iterator[ExportRow]:
    """Drop structures whose rounded distances another one of the molecule has; its labels too."""
    for _, of_molecule in groupby(rows, lambda row: row.structure.molecule_id):
        seen: set[bytes] = set()
        for _, of_structure in groupby(of_molecule, lambda row: row.structure.structure_id):
            labels = list(of_structure)
            look = _look(labels[0].structure, resolution_angstrom)
            if look not in seen:
                seen.add(look)
                yield from labels


def _look(structure: Structure, resolution_angstrom: float) -> bytes:
    """Return rounded distances by pair of elements, sorted: blind to the order of equal atoms."""
    i, j = np.triu_indices(len(structure), k=1)
    numbers = structure.atomic_numbers
    pairs = np.sort(np.stack([numbers[i], numbers[j]]), axis=0)
    distances = interatomic_distances(structure.positions)[i, j]
    rounded = np.rint(distances / resolution_angstrom).astype(np.int64)
    order = np.lexsort((rounded, pairs[1], pairs[0]))
    return np.concatenate([pairs[:, order], rounded[None, order]]).tobytes()


def _largest_force(row: ExportRow) -> float | None:
    forces = row.label.forces
    return None if forces is None else float(np.linalg.norm(forces, axis=1).max())


_DIAGNOSTICS = "diagnostics."
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXTS: Final[Mapping[str, Callable[[ExportRow], Any]]] = {
    "molecule": lambda row: row.molecule_name,
    "formula": lambda row: hill_formula(row.structure.atomic_numbers),
    "level": lambda row: row.level_name,
    "split": lambda row: row.split,
    "purpose": lambda row: row.purpose,
    "sampler": lambda row: row.structure.origin.sampler,
    "program": lambda row: row.label.provenance.program,
}
FIELDS: Final[Mapping[str, Callable[[ExportRow], Any]]] = {
    **_TEXTS,
    "n_atoms": lambda row: len(row.structure),
    "charge": lambda row: row.structure.charge,
    "multiplicity": lambda row: row.structure.multiplicity,
    "energy_ev": lambda row: row.label.energy,
    "max_force_ev_angstrom": _largest_force,
    "cpu_seconds": lambda row: row.label.provenance.cpu_seconds,
    "attempts": lambda row: len(row.label.provenance.attempts),
}
"""What `--where` can ask for, beside `diagnostics.NAME`."""
