"""Perceive the bonds of a molecule of which only a geometry is known."""

from dataclasses import replace
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from chemistry.geometries.geometry import check_geometry
from chemistry.geometries.rdkit_bridge import (
    conformer_of,
    from_rdkit,
    geometry_rules,
    hash_id,
)
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure, hill_formula

_BOND_ORDER_ITERATIONS = 100_000
"""Bond orders of a large or charged molecule can take for ever to search: then it has none."""


def molecule_from_geometry(
    structure: Structure, *, name: str | None = None, source: str = ""
) -> Molecule:
    """Make a molecule of a sane geometry: with bonds where some are found that fit the electrons.

    Parameters
    ----------
    structure : Structure
        Charge and multiplicity are taken from it.
    name : str or None
        None takes the formula.
    source : str
        Where it was read, for messages.
    """
    name = name or hill_formula(structure.atomic_numbers)
    for mol in lewis_structures(structure):
        molecule = from_rdkit(
            mol,
            name=name,
            charge=structure.charge,
            multiplicity=structure.multiplicity,
            source=source,
        )
        located = replace(structure, molecule_id=molecule.molecule_id)
        if check_geometry(located, geometry_rules(molecule)) is None:
            return replace(molecule, geometries=(located,))
    return _without_bonds(structure, name, source)


def lewis_structures(structure: Structure) -> list[Any]:
    """Return RDKit Mols that have the charge of a structure and may have its multiplicity.

    Radicals that explain the multiplicity come first; triplet O2 is drawn as O=O all the same.
    """
    # Charges or radicals: RDKit puts one or the other where valences are left open.
    perceived = (lewis_structure(structure, allow_charges=allow) for allow in (True, False))
    fitting = [mol for mol in perceived if mol is not None and _fits(mol, structure)]
    return sorted(fitting, key=lambda mol: abs(radicals(mol) + 1 - structure.multiplicity))


def lewis_structure(structure: Structure, *, allow_charges: bool) -> Any | None:
    """Return an RDKit Mol with bonds perceived from the distances, None where that fails.

    What valences leave open are formal charges that add up to the charge of the structure, or
    radical electrons.
    """
    mol = Chem.RWMol()
    for number in structure.atomic_numbers:
        atom = Chem.Atom(int(number))
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    mol.AddConformer(conformer_of(structure.positions))
    with rdBase.BlockLogs():
        try:
            rdDetermineBonds.DetermineBonds(
                mol,
                charge=structure.charge,
                allowChargedFragments=allow_charges,
                maxIterations=_BOND_ORDER_ITERATIONS,
            )
            Chem.SanitizeMol(mol)
            Chem.AssignStereochemistryFrom3D(mol)
        except (ValueError, RuntimeError):  # no valence fits, or the search was given up
            return None
    return mol


def radicals(mol: Any) -> int:
    """Return the number of radical electrons of an RDKit Mol."""
    return sum(int(atom.GetNumRadicalElectrons()) for atom in mol.GetAtoms())


def _fits(mol: Any, structure: Structure) -> bool:
    same_parity = (radicals(mol) + 1 - structure.multiplicity) % 2 == 0
    return same_parity and int(Chem.GetFormalCharge(mol)) == structure.charge


def _without_bonds(structure: Structure, name: str, source: str) -> Molecule:
    molecule_id = hash_id(structure.structure_id)
    return Molecule(
        molecule_id=molecule_id,
        name=name,
        mol_block=None,
        charge=structure.charge,
        multiplicity=structure.multiplicity,
        geometries=(replace(structure, molecule_id=molecule_id),),
        source=source,
    )
