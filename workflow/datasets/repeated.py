"""Structures that are labelled more than once: in one file, or in a file and in the run."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from workflow.datasets.comparison import Tolerance
from workflow.datasets.layouts.base import FileLabel
from workflow.planning.records import Purpose
from workflow.run.store.store import StoreReader

Row: TypeAlias = tuple[FileLabel, tuple[LabelledStructure, Purpose]]


class FirstOfEach:
    """The first label of each structure of a file; later ones must say the same.

    Parameters
    ----------
    tolerance : Tolerance
        How far energies of one structure may be apart.
    """

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance_ev = tolerance.energy_ev
        self._energies_ev: dict[str, float] = {}

    def look_at(self, row: Row) -> None:
        """Look at one more label.

        Raises
        ------
        InputError
            Its energy is not that of an earlier label of the same structure.
        """
        label, (known, _) = row
        first = self._energies_ev.setdefault(known.label.structure_id, label.energy)
        if abs(label.energy - first) > self._tolerance_ev:
            raise InputError(
                f"{label.where}: its structure stands there before with {first:.6f} eV, here with "
                f"{label.energy:.6f} eV: remove the label that is wrong"
            )

    def taken_once(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows whose structures were not returned before."""
        return [
            row
            for row in rows
            if self._energies_ev.pop(row[1][0].label.structure_id, None) is not None
        ]


def known_otherwise(store: StoreReader, rows: Sequence[Row], tolerance: Tolerance) -> Iterator[str]:
    """Yield where a file says another energy than the run has of the same structure."""
    for label, (known, _) in rows:
        ours = store.labels.find(known.label.structure_id, known.label.level_id)
        if ours is not None and abs(ours.energy - label.energy) > tolerance.energy_ev:
            yield f"{label.where} has {label.energy:.6f} eV, the run {ours.energy:.6f} eV"
