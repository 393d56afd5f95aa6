"""Energies minus one constant an element, fitted in one pass over any number of labels."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from chemistry.records.structure import FloatArray
from workflow.run.store.records import ExportRow

_ELEMENTS = 119


@dataclass
class _NormalEquations:
    """Sums over the labels of a level: of counts times counts, and of counts times energy."""

    matrix: FloatArray = field(default_factory=lambda: np.zeros((_ELEMENTS, _ELEMENTS)))
    right: FloatArray = field(default_factory=lambda: np.zeros(_ELEMENTS))


def fit_self_energies(rows: Iterable[ExportRow]) -> dict[str, dict[int, float]]:
    """Return {level: {atomic number: eV}}: least squares, of smallest norm where undetermined."""
    sums: dict[str, _NormalEquations] = {}
    for row in rows:
        counts = np.bincount(row.structure.atomic_numbers, minlength=_ELEMENTS).astype(float)
        level = sums.setdefault(row.level_name, _NormalEquations())
        level.matrix += np.outer(counts, counts)
        level.right += counts * row.label.energy
    return {name: _solve(level) for name, level in sums.items()}


def _solve(level: _NormalEquations) -> dict[int, float]:
    present = np.flatnonzero(level.matrix.diagonal())
    matrix = level.matrix[np.ix_(present, present)]
    solution, *_ = np.linalg.lstsq(matrix, level.right[present], rcond=None)
    return {int(number): float(energy) for number, energy in zip(present, solution, strict=True)}


def minus_self_energies(
    rows: Iterable[ExportRow], self_energies: Mapping[str, Mapping[int, float]]
) -> Iterator[ExportRow]:
    """Yield rows with the self-energies of their atoms taken from the energy."""
    for row in rows:
        of_level = self_energies[row.level_name]
        constant = sum(of_level[number] for number in row.structure.atomic_numbers.tolist())
        yield replace(row, label=replace(row.label, energy=row.label.energy - constant))
