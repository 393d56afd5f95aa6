"""Say of which molecule a geometry is, and bring its atoms into that molecule's order."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from chemistry.geometries.geometry import check_geometry
from chemistry.geometries.rdkit_bridge import atomic_numbers_of, to_rdkit
from chemistry.readers.perception import is_geometry_of, molecule_from_geometry
from chemistry.records.molecule import Molecule
from chemistry.records.structure import IntArray, Structure


class Recogniser:
    """Finds the molecule of each of many geometries, of which many are alike.

    Parameters
    ----------
    molecules : iterable of Molecule
    """

    def __init__(self, molecules: Iterable[Molecule]) -> None:
        self._by_atoms: dict[bytes, list[Molecule]] = {}
        for molecule in molecules:
            self._by_atoms.setdefault(_atoms(_atomic_numbers(molecule)), []).append(molecule)
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
        known = self._by_atoms.get(_atoms(structure.atomic_numbers), [])
        if not known or check_geometry(structure) is not None:
            return None
        for molecule in known:
            key = (structure.atomic_numbers.tobytes(), molecule.molecule_id)
            orders = self._orders.setdefault(key, [np.arange(len(structure))])
            for order in orders:
                found = _reordered(structure, order, molecule)
                if is_geometry_of(found, molecule):
                    return found, order
        return self._perceive(structure, known)

    def _perceive(
        self, structure: Structure, known: list[Molecule]
    ) -> tuple[Structure, IntArray] | None:
        """Perceive the bonds of a geometry whose atoms stand in an order that is new."""
        perceived = molecule_from_geometry(structure)
        for molecule in known:
            if molecule.molecule_id == perceived.molecule_id and molecule.mol_block is not None:
                theirs, ours = to_rdkit(perceived), to_rdkit(molecule)
                match = theirs.GetSubstructMatch(ours, useChirality=True)
                # Mirror images are one molecule, and then only the bonds can be matched.
                order = np.array(match or theirs.GetSubstructMatch(ours), dtype=np.int64)
                self._orders[structure.atomic_numbers.tobytes(), molecule.molecule_id].append(order)
                return _reordered(structure, order, molecule), order
        return None


def _reordered(structure: Structure, order: IntArray, molecule: Molecule) -> Structure:
    return replace(
        structure,
        atomic_numbers=structure.atomic_numbers[order],
        positions=structure.positions[order],
        molecule_id=molecule.molecule_id,
    )


def _atomic_numbers(molecule: Molecule) -> IntArray:
    if molecule.mol_block is None:
        return molecule.geometries[0].atomic_numbers
    return atomic_numbers_of(to_rdkit(molecule))


def _atoms(atomic_numbers: IntArray) -> bytes:
    return np.sort(atomic_numbers).tobytes()
