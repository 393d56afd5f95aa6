"""Is a geometry one of a molecule? Its bonds decide, and the stereochemistry that is specified.

How a Lewis structure would draw the bonds is not asked: a sulfoxide with a double bond and one with
two charges are the same atoms held together in the same way.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from rdkit import Chem

from chemistry.geometries.geometry import sums_of_covalent_radii
from chemistry.geometries.rdkit_bridge import geometry_rules, to_rdkit
from chemistry.geometries.stereo import count_stereo, has_stereo_of
from chemistry.records.molecule import Molecule
from chemistry.records.structure import FloatArray, IntArray, Structure, interatomic_distances

_LONGEST_BOND = 1.5
"""In sums of covalent radii: what `GeometryRules` calls broken is no bond here either."""
_MAPPINGS_TRIED = 200


class KnownMolecule:
    """A molecule, prepared for many geometries that may be its own.

    Parameters
    ----------
    molecule : Molecule

    Attributes
    ----------
    atomic_numbers : (N,) int64
    n_stereo : int
        How many atoms and bonds the molecule specifies the stereochemistry of.
    """

    def __init__(self, molecule: Molecule) -> None:
        self.molecule = molecule
        self._rules = geometry_rules(molecule)
        self.atomic_numbers = self._rules.atomic_numbers
        assert self._rules.bonds is not None, "a molecule has bonds, if only by distance"
        self._bonds = self._rules.bonds
        self._graph = graph_of(self.atomic_numbers, self._bonds)
        self._neighbourhoods = _neighbourhoods(self.atomic_numbers, self._bonds)
        self._mol = None if molecule.mol_block is None else to_rdkit(molecule)
        self.n_stereo = 0 if self._mol is None else count_stereo(self._mol)

    def has_order_of(self, other: "KnownMolecule") -> bool:
        """Say whether the atoms of two molecules of the same bonds stand in the same order."""
        return np.array_equal(self.atomic_numbers, other.atomic_numbers) and (
            _pairs(self._bonds) == _pairs(other._bonds)
        )

    def order_from(self, other: "KnownMolecule") -> IntArray:
        """Return which atom of this molecule each atom of another of the same bonds is, (N,)."""
        return np.array(self._graph.GetSubstructMatch(other._graph), dtype=np.int64)

    def has_electrons_of(self, structure: Structure) -> bool:
        """Say whether a structure has the charge and the multiplicity of this molecule."""
        ours = (self.molecule.charge, self.molecule.multiplicity)
        return ours == (structure.charge, structure.multiplicity)

    def is_geometry(self, structure: Structure) -> bool:
        """Say whether a structure, its atoms in the order of the molecule, is a geometry of it.

        Mirror images count as one molecule, as they have equal energies.
        """
        return (
            self.has_electrons_of(structure)
            and np.array_equal(structure.atomic_numbers, self.atomic_numbers)
            and self._has_its_bonds(structure.positions)
            and self._has_its_stereo(structure.positions)
        )

    def order_of(self, structure: Structure) -> IntArray | None:
        """Return an order in which the atoms of a structure make a geometry of the molecule.

        Returns
        -------
        (N,) int64 or None
            `structure.positions[order]` are in the order of the molecule; None where the structure
            is no geometry of it.
        """
        if not self.has_electrons_of(structure):
            return None
        for order in self._orders(structure):
            if self._has_its_bonds(structure.positions[order]):
                # Which of the orders does not matter: the stereochemistry is that of them all.
                return order if self._has_its_stereo(structure.positions[order]) else None
        return None

    def _orders(self, structure: Structure) -> Iterator[IntArray]:
        """Yield orders in which the bonds of the molecule may be those of a structure."""
        first, second = np.triu_indices(len(structure), k=1)
        distances = interatomic_distances(structure.positions)
        lengths = (distances / sums_of_covalent_radii(structure.atomic_numbers))[first, second]
        # Of equally many bonds the shortest pairs. A stretched bond can be longer than the distance
        # across a small ring: then every pair that may be a bond is considered.
        n_bonds = len(self._bonds)
        shortest = np.sort(np.argsort(lengths, kind="stable")[:n_bonds])
        bonds = np.stack([first[shortest], second[shortest]], axis=1).astype(np.int64)
        if _neighbourhoods(structure.atomic_numbers, bonds) == self._neighbourhoods:
            match = graph_of(structure.atomic_numbers, bonds).GetSubstructMatch(self._graph)
            if match:
                yield np.array(match, dtype=np.int64)
        near = lengths < _LONGEST_BOND
        if int(near.sum()) > n_bonds:
            bonds = np.stack([first[near], second[near]], axis=1).astype(np.int64)
            graph = graph_of(structure.atomic_numbers, bonds)
            for match in graph.GetSubstructMatches(
                self._graph, uniquify=False, maxMatches=_MAPPINGS_TRIED
            ):
                yield np.array(match, dtype=np.int64)

    def _has_its_bonds(self, positions: FloatArray) -> bool:
        return self._rules.faults(positions[None])[0] is None

    def _has_its_stereo(self, positions: FloatArray) -> bool:
        return self._mol is None or not self.n_stereo or has_stereo_of(self._mol, positions)


def graph_of(atomic_numbers: IntArray, bonds: IntArray) -> Any:
    """Return an RDKit Mol of elements, (N,), and bonds, (B, 2), without bond orders."""
    graph = Chem.RWMol()
    for number in atomic_numbers.tolist():
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        graph.AddAtom(atom)
    for first, second in bonds.tolist():
        graph.AddBond(first, second, Chem.BondType.SINGLE)
    graph.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(graph)
    return graph.GetMol()


def bonds_as_text(molecule: Molecule) -> str:
    """Return a text that is the same for the same elements, bonds, charge and multiplicity."""
    rules = geometry_rules(molecule)
    assert rules.bonds is not None, "a molecule has bonds, if only by distance"
    bonds = Chem.MolToSmiles(graph_of(rules.atomic_numbers, rules.bonds))
    return f"{bonds} {molecule.charge} {molecule.multiplicity}"


def is_same_molecule(one: Molecule, other: Molecule) -> bool:
    """Say whether two molecules are one, drawn in two ways or with atoms in two orders."""
    if one.molecule_id == other.molecule_id:
        return True
    if one.mol_block is None or bonds_as_text(one) != bonds_as_text(other):
        return False
    known, theirs = KnownMolecule(one), KnownMolecule(other)
    # Drawn differently, stereochemistry can be compared by a geometry only. Unspecified is not
    # the same as specified, although the geometry of the one is a geometry of the other.
    if other.mol_block is not None and known.n_stereo != theirs.n_stereo:
        return False
    needs_geometry = known.n_stereo > 0 or other.mol_block is None
    return not needs_geometry or any(
        known.order_of(geometry) is not None for geometry in other.geometries
    )


def in_order_of(first: Molecule, other: Molecule) -> tuple[Structure, ...]:
    """Return the geometries of a molecule with atoms in the order of another that is the same."""
    located = tuple(replace(g, molecule_id=first.molecule_id) for g in other.geometries)
    if first.mol_block is None or not located:
        return located
    known, theirs = KnownMolecule(first), KnownMolecule(other)
    if known.has_order_of(theirs):
        return located
    order = theirs.order_from(known)
    return tuple(taken_in_order(structure, order) for structure in located)


def taken_in_order(structure: Structure, order: IntArray) -> Structure:
    """Return a structure with its atoms in another order."""
    return replace(
        structure,
        atomic_numbers=structure.atomic_numbers[order],
        positions=structure.positions[order],
    )


def _neighbourhoods(atomic_numbers: IntArray, bonds: IntArray) -> list[tuple[int, ...]]:
    """Return the elements of each atom and of its neighbours, sorted: equal for equal bonds."""
    around: list[list[int]] = [[] for _ in atomic_numbers]
    for first, second in bonds.tolist():
        around[first].append(int(atomic_numbers[second]))
        around[second].append(int(atomic_numbers[first]))
    return sorted(
        (int(number), *sorted(near)) for number, near in zip(atomic_numbers, around, strict=True)
    )


def _pairs(bonds: IntArray) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in bonds.tolist()}
