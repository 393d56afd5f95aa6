"""Say of which molecule a geometry is, and bring its atoms into that molecule's order."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from chemistry.geometries.geometry import check_geometry
from chemistry.readers.matching import KnownMolecule, taken_in_order
from chemistry.records.molecule import Molecule
from chemistry.records.structure import IntArray, Structure


class Recogniser:
    """Finds the molecule of each of many geometries, of which many are alike.

    Parameters
    ----------
    molecules : iterable of Molecule
    """

    def __init__(self, molecules: Iterable[Molecule]) -> None:
        self._by_atoms: dict[bytes, list[KnownMolecule]] = {}
        for known in map(KnownMolecule, molecules):
            self._by_atoms.setdefault(_atoms(known.atomic_numbers), []).append(known)
        for alike in self._by_atoms.values():
            # A geometry of a stereoisomer is one of the molecule without stereochemistry, too.
            alike.sort(key=lambda known: -known.n_stereo)
        # Orders that fitted before, by the atomic numbers that they were for.
        self._orders: dict[tuple[bytes, str], list[IntArray]] = {}

    def recognise(self, structure: Structure) -> tuple[Structure, IntArray] | None:
        """Return a geometry as one of its molecule, and in which order its atoms were taken.

        Returns
        -------
        (Structure, (N,) int64) or None
            `structure.positions[order]` are the positions of the first; None for a molecule that
            is not among those known, or a geometry that is of none.
        """
        candidates = self._by_atoms.get(_atoms(structure.atomic_numbers), [])
        if not candidates or check_geometry(structure) is not None:
            return None
        for known in candidates:
            order = self._order(structure, known)
            if order is not None:
                found = taken_in_order(structure, order)
                return replace(found, molecule_id=known.molecule.molecule_id), order
        return None

    def _order(self, structure: Structure, known: KnownMolecule) -> IntArray | None:
        key = (structure.atomic_numbers.tobytes(), known.molecule.molecule_id)
        orders = self._orders.setdefault(key, [np.arange(len(structure))])
        for order in orders:
            if known.is_geometry(taken_in_order(structure, order)):
                return order
        new = known.order_of(structure)
        if new is not None:
            orders.append(new)
        return new


def _atoms(atomic_numbers: IntArray) -> bytes:
    return np.sort(atomic_numbers).tobytes()
