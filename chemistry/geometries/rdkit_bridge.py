"""Between RDKit's molecules and ours: bonds, equivalent atoms, identity, electrons."""

import hashlib
from typing import Any

import numpy as np
from rdkit import Chem, rdBase

from chemistry.errors import InputError
from chemistry.geometries.geometry import GeometryRules, bonds_by_distance
from chemistry.records.molecule import Molecule
from chemistry.records.structure import FloatArray, IntArray, hill_formula


def to_rdkit(molecule: Molecule) -> Any:
    """Return the molecule as an RDKit Mol with all hydrogens and no conformer of use.

    Raises ValueError for a molecule without bonds.
    """
    if molecule.mol_block is None:
        raise ValueError(f"molecule {molecule.name} has no bonds")
    with rdBase.BlockLogs():
        mol = Chem.MolFromMolBlock(molecule.mol_block, removeHs=False)
    if mol is None:
        raise ValueError(f"molecule {molecule.name} has a mol block that RDKit does not read")
    mol.RemoveAllConformers()
    return mol


def from_rdkit(
    mol: Any,
    *,
    name: str | None,
    charge: int,
    multiplicity: int,
    source: str,
) -> Molecule:
    """Build a Molecule without geometries from a sanitized RDKit Mol with all hydrogens.

    Isotopes and atom maps are dropped: they do not change a potential energy surface.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Its conformers are ignored.
    name : str or None
        None takes the formula.
    charge : int, e
        Need not be the sum of formal charges.
    multiplicity : int
    source : str

    Raises
    ------
    InputError
        For atoms that are not elements, and where charge and multiplicity do not fit.
    """
    mol = Chem.Mol(mol, True)  # a copy without conformers
    for atom in mol.GetAtoms():
        atom.SetIsotope(0)
        atom.SetAtomMapNum(0)
    numbers = atomic_numbers_of(mol)
    require_electrons_fit(numbers, charge, multiplicity, source)
    with rdBase.BlockLogs():
        mol_block = Chem.MolToV3KMolBlock(mol)
        # Read back first, so that the id is of what is kept, wherever it came from.
        kept = Chem.MolFromMolBlock(mol_block, removeHs=False)
    return Molecule(
        molecule_id=identify(kept, charge, multiplicity),
        name=name or hill_formula(numbers),
        mol_block=mol_block,
        charge=charge,
        multiplicity=multiplicity,
        source=source,
    )


def sanitize(mol: Any, where: str) -> None:
    """Let RDKit perceive rings, valences and aromaticity; InputError where it cannot."""
    try:
        Chem.SanitizeMol(mol)
    except (Chem.MolSanitizeException, ValueError) as error:
        raise InputError(f"{where} is not a possible molecule: {error}") from error


def require_electrons_fit(
    atomic_numbers: IntArray, charge: int, multiplicity: int, source: str
) -> None:
    """Raise InputError where so many electrons cannot have this multiplicity."""
    electrons = require_an_electron(atomic_numbers, charge, source)
    lowest = electrons % 2 + 1
    if multiplicity < 1 or (multiplicity - lowest) % 2 or multiplicity > electrons + 1:
        fitting = ", ".join(str(m) for m in range(lowest, min(electrons + 1, lowest + 4) + 1, 2))
        raise InputError(
            f"{source}: multiplicity {multiplicity} does not fit the number of electrons, "
            f"{electrons} (charge {charge:+d}); {fitting} would: correct charge or multiplicity"
        )


def require_an_electron(atomic_numbers: IntArray, charge: int, source: str) -> int:
    """Return how many electrons there are; InputError for none, and for what is no element."""
    if not len(atomic_numbers) or (atomic_numbers == 0).any():
        raise InputError(f"{source}: a molecule must consist of elements, without wildcards")
    electrons = int(atomic_numbers.sum()) - charge
    if electrons < 1:
        raise InputError(f"{source}: charge {charge:+d} leaves no electron")
    return electrons


def identify(mol: Any, charge: int, multiplicity: int) -> str:
    """Return the molecule_id of an RDKit Mol with all hydrogens.

    Mirror images have equal energies and share structure ids, so they are one molecule here.
    """
    smiles = min(Chem.MolToSmiles(mol), Chem.MolToSmiles(mirrored(mol)))
    return hash_id(f"{smiles} {charge} {multiplicity}")


def mirrored(mol: Any) -> Any:
    """Return the mirror image of an RDKit Mol."""
    mirror = Chem.Mol(mol)
    for atom in mirror.GetAtoms():
        atom.InvertChirality()
    return mirror


def geometry_rules(molecule: Molecule) -> GeometryRules:
    """Return the distances that are allowed in a molecule.

    Its bonds are those of the mol block, or without one those of the first geometry by distance.
    """
    if molecule.mol_block is None:
        first = molecule.geometries[0]
        return GeometryRules(atomic_numbers=first.atomic_numbers, bonds=bonds_by_distance(first))
    mol = to_rdkit(molecule)
    return GeometryRules(atomic_numbers=atomic_numbers_of(mol), bonds=bonds_of(mol))


def atom_classes(molecule: Molecule) -> IntArray:
    """Return a number for each atom, (N,): equal for atoms that the bonds do not tell apart.

    Without bonds every atom is a class of its own.
    """
    if molecule.mol_block is None:
        return np.arange(len(molecule.geometries[0]), dtype=np.int64)
    ranks = Chem.CanonicalRankAtoms(to_rdkit(molecule), breakTies=False, includeChirality=False)
    return np.array(list(ranks), dtype=np.int64)


def conformer_of(positions: FloatArray) -> Any:
    """Return positions, (N, 3) Å, as an RDKit Conformer."""
    conformer = Chem.Conformer(len(positions))
    conformer.SetPositions(np.array(positions, dtype=np.float64))
    conformer.Set3D(True)
    return conformer


def atomic_numbers_of(mol: Any) -> IntArray:
    """Return the atomic numbers of an RDKit Mol, (N,)."""
    return np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.int64)


def elements(molecule: Molecule) -> frozenset[int]:
    """Return the atomic numbers that occur in a molecule."""
    if molecule.mol_block is None:
        return frozenset(molecule.geometries[0].atomic_numbers.tolist())
    return frozenset(atomic_numbers_of(to_rdkit(molecule)).tolist())


def heavy_atoms(molecule: Molecule) -> int:
    """Return how many atoms of a molecule are not hydrogen."""
    if molecule.mol_block is None:
        return molecule.geometries[0].heavy_atoms
    return int((atomic_numbers_of(to_rdkit(molecule)) > 1).sum())


def bonds_of(mol: Any) -> IntArray:
    """Return the bonds of an RDKit Mol as pairs of atom indices, (B, 2)."""
    pairs = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def hash_id(text: str) -> str:
    """Return the 20 hexadecimal digits that stand for a text in a molecule_id."""
    return hashlib.sha256(text.encode()).hexdigest()[:20]
