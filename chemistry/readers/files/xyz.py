"""Molecules of XYZ and extended XYZ files, whose bonds are perceived from the distances."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem

from chemistry.errors import InputError
from chemistry.geometries.geometry import bonds_by_distance, check_geometry, sums_of_covalent_radii
from chemistry.geometries.rdkit_bridge import require_electrons_fit
from chemistry.readers.files.xyz_frames import XYZFrame, read_frames
from chemistry.readers.given import Given
from chemistry.readers.ground_states import has_open_inner_shell, settled_multiplicity
from chemistry.readers.matching import KnownMolecule, graph_of, taken_in_order
from chemistry.readers.perception import (
    lewis_structure,
    lewis_structures,
    molecule_from_geometry,
    radicals,
)
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure, interatomic_distances
from chemistry.units import ANGSTROM_PER_BOHR

_BEYOND_ANY_SCAN = 20.0  # sums of covalent radii
_OTHER_UNITS = {"bohr": ANGSTROM_PER_BOHR, "pm": 0.01}
"""Å in units of length that positions may be in by mistake; nm make atoms clash."""
_LONGEST_NEIGHBOUR = 1.25
"""In sums of covalent radii: H2 and F2, whose bonds are the longest in these terms, have 1.2."""
_CLASH = 0.6
_NOBLE_GASES = frozenset({2, 10, 18, 36, 54, 86})


def read_xyz(path: Path, text: str, given: Given, bad: list[InputError]) -> list[Molecule]:
    """Return the molecules of the frames, each once with all geometries that are its own.

    A frame that cannot be used goes to `bad`, with its line.
    """
    molecules: list[Molecule] = []
    # Where molecules of the same atoms and electrons stand: only these can be the same.
    alike: dict[tuple[bytes, int, int], list[tuple[int, KnownMolecule]]] = {}
    frames = read_frames(path, text, bad)
    for frame in frames:
        try:
            charge, multiplicity = given.or_stated(
                {**frame.info, **frame.of_atoms},
                frame.source,
                place="in the comment",
                comment=frame.comment,
            )
            structure = _structure_of(frame, charge, multiplicity)
            known = alike.setdefault(_key(structure), [])
            if any(_is_taken(structure, one, molecules, place) for place, one in known):
                continue
            if not known:
                _require_angstrom(structure, frame, frames)
            if not any(_fell_apart(structure, molecules[place]) for place, _ in known):
                _require_stated(structure, charge, multiplicity, frame.source)
        except InputError as error:
            bad.append(error)
            continue
        name = frame.info.get("name")
        molecule = molecule_from_geometry(structure, name=name, source=frame.source)
        known.append((len(molecules), KnownMolecule(molecule)))
        molecules.append(molecule)
    return molecules


def _key(structure: Structure) -> tuple[bytes, int, int]:
    numbers = np.sort(structure.atomic_numbers).tobytes()
    return numbers, structure.charge, structure.multiplicity


def _is_taken(
    structure: Structure, known: KnownMolecule, molecules: list[Molecule], place: int
) -> bool:
    """Add a structure to the geometries of a molecule if it is one of them."""
    if not known.is_geometry(structure):
        order = known.order_of(structure)
        if order is None:
            return False
        structure = taken_in_order(structure, order)
    located = replace(structure, molecule_id=known.molecule.molecule_id)
    geometries = (*molecules[place].geometries, located)
    molecules[place] = replace(molecules[place], geometries=geometries)
    return True


def _fell_apart(structure: Structure, molecule: Molecule) -> bool:
    """Say whether a structure is in more pieces than a molecule of the same atoms."""
    whole, now = (
        len(Chem.GetMolFrags(graph_of(at.atomic_numbers, bonds_by_distance(at))))
        for at in (molecule.geometries[0], structure)
    )
    return now > whole


def _structure_of(frame: XYZFrame, charge: int | None, multiplicity: int | None) -> Structure:
    structure = Structure(
        atomic_numbers=frame.atomic_numbers,
        positions=frame.positions,
        charge=0 if charge is None else charge,
        multiplicity=1 if multiplicity is None else multiplicity,
    )
    require_electrons_fit(
        structure.atomic_numbers, structure.charge, structure.multiplicity, frame.source
    )
    fault = check_geometry(structure)
    if fault:
        raise InputError(f"{frame.source}: {fault.message}: is the geometry in Å?")
    return structure


def _require_stated(
    structure: Structure, charge: int | None, multiplicity: int | None, source: str
) -> None:
    """Refuse to take atoms for a neutral singlet whose bonds are not those of one.

    Parameters
    ----------
    structure : Structure
    charge, multiplicity : int or None
        As stated; None where the structure has 0 or 1 for want of it.
    source : str
    """
    drawn = lewis_structures(structure)
    if multiplicity is None:
        found = {settled_multiplicity(mol, structure.charge) for mol in drawn}
        fits = structure.multiplicity in found or (not drawn and _may_be_a_singlet(structure))
    else:
        fits = not drawn or any(radicals(mol) < multiplicity for mol in drawn)
    is_closed = any(not radicals(mol) for mol in drawn)
    if charge is None and not is_closed and not (fits and drawn):
        for other in (2, -2):
            ion = lewis_structure(replace(structure, charge=other), allow_charges=True)
            if ion is not None and not radicals(ion) and _is_a_plain_ion(ion):
                raise InputError(
                    f"{source}: the bonds fit a charge of {other:+d} and not of 0, and the file "
                    "states none: say charge=…"
                )
    if not fits and multiplicity is None:
        raise InputError(
            f"{source}: the bonds do not settle the multiplicity, and the file states none: say "
            "multiplicity=… in the comment, or --multiplicity"
        )


def _is_a_plain_ion(mol: Any) -> bool:
    """Say whether a molecule is in one piece, its atoms with one charge at most."""
    charges = [abs(atom.GetFormalCharge()) for atom in mol.GetAtoms()]
    return max(charges) <= 1 and len(Chem.GetMolFrags(mol)) == 1


def _may_be_a_singlet(structure: Structure) -> bool:
    """Say whether atoms that no Lewis structure is found for can be taken for a closed shell.

    So they are where an atom has more bonds than its valence allows, as in SF6 and ClF3: what is
    left open by too few bonds is unpaired electrons.
    """
    numbers, bonds = structure.atomic_numbers, bonds_by_distance(structure)
    if len(numbers) == 1:
        return settled_multiplicity(graph_of(numbers, bonds), structure.charge) == 1
    if any(has_open_inner_shell(number) for number in numbers.tolist()):
        return False
    n_bonds = np.bincount(bonds.ravel(), minlength=len(numbers))
    table = Chem.GetPeriodicTable()
    valences = np.array([table.GetDefaultValence(number) for number in numbers.tolist()])
    return bool((n_bonds > valences).any())


def _require_angstrom(structure: Structure, frame: XYZFrame, frames: Sequence[XYZFrame]) -> None:
    """Refuse atoms that are apart but would be bonded if their positions were in another unit.

    Atoms are let be apart where the file has them bonded, too: in frames of a dissociation.
    """
    unit = None if frame.states_unit else _unit_that_gives_bonds(structure)
    if unit is None:
        return
    numbers = np.sort(structure.atomic_numbers)
    for other in frames:
        if np.array_equal(np.sort(other.atomic_numbers), numbers):
            at = Structure(atomic_numbers=other.atomic_numbers, positions=other.positions)
            if len(bonds_by_distance(at)):
                return
    raise InputError(
        f"{frame.source}: no atom is bonded to another, but all would be if the positions were in "
        f"{unit}: convert them to Å, or say units={unit} or units=angstrom in the comment"
    )


def _unit_that_gives_bonds(structure: Structure) -> str | None:
    """Return the unit of length in which every atom has a neighbour at the distance of a bond.

    Of two atoms nobody can tell a bond that breaks from one in bohr: only what lies far beyond any
    scan of a bond is doubted.
    """
    found = set(structure.atomic_numbers.tolist())
    if len(structure) < 2 or found <= _NOBLE_GASES or (structure.charge > 0 and found <= {1, 2}):
        return None  # atoms that keep apart; H2+ and HeH+, whose bonds are uncommonly long
    lengths = interatomic_distances(structure.positions)
    lengths /= sums_of_covalent_radii(structure.atomic_numbers)
    np.fill_diagonal(lengths, np.inf)
    nearest = lengths.min(axis=1)
    if len(structure) == 2 and nearest.min() < _BEYOND_ANY_SCAN:
        return None
    for unit, angstrom in _OTHER_UNITS.items():
        shortest, longest = nearest.min() * angstrom, nearest.max() * angstrom
        if shortest > _CLASH and longest < _LONGEST_NEIGHBOUR:
            return unit
    return None
