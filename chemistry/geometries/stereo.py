"""The stereochemistry that a geometry has, and whether it is that of a molecule."""

from typing import Any, Final

import numpy as np
from rdkit import Chem

from chemistry.geometries.rdkit_bridge import conformer_of, mirrored
from chemistry.records.structure import FloatArray

_FLAT_ANGSTROM3 = 0.05
_CLOCKWISE: Final = Chem.ChiralType.CHI_TETRAHEDRAL_CW
_COUNTERCLOCKWISE: Final = Chem.ChiralType.CHI_TETRAHEDRAL_CCW


def count_stereo(mol: Any) -> int:
    """Count the atoms and bonds of an RDKit Mol whose stereochemistry is specified."""
    atoms = sum(atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED for atom in mol.GetAtoms())
    bonds = sum(bond.GetStereo() > Chem.BondStereo.STEREOANY for bond in mol.GetBonds())
    return int(atoms + bonds)


def has_stereo_of(mol: Any, positions: FloatArray) -> bool:
    """Say whether positions have the stereochemistry that a molecule specifies, or its mirror's.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        With all hydrogens.
    positions : (N, 3), Å
        In the order of its atoms.
    """
    if not count_stereo(mol):
        return True
    found = _without_equal_hydrogens(_with_stereo_of(mol, positions))
    wanted = _without_equal_hydrogens(mol)
    return any(
        found.HasSubstructMatch(hand, useChirality=True) for hand in (wanted, mirrored(wanted))
    )


def _with_stereo_of(mol: Any, positions: FloatArray) -> Any:
    """Return an RDKit Mol with the stereochemistry that positions, (N, 3) Å, give it."""
    located = Chem.Mol(mol)
    located.AddConformer(conformer_of(positions))
    Chem.AssignStereochemistryFrom3D(located)
    # RDKit leaves out atoms whose fourth neighbour is a lone pair: phosphanes, aziridines.
    for atom in located.GetAtoms():
        if atom.GetDegree() == 3 and atom.GetChiralTag() == Chem.ChiralType.CHI_UNSPECIFIED:
            near = [neighbour.GetIdx() for neighbour in atom.GetNeighbors()]
            volume = float(np.linalg.det(positions[near] - positions[atom.GetIdx()]))
            if abs(volume) > _FLAT_ANGSTROM3:
                atom.SetChiralTag(_COUNTERCLOCKWISE if volume > 0 else _CLOCKWISE)
    return located


def _without_equal_hydrogens(mol: Any) -> Any:
    """Return an RDKit Mol without hydrogens that an atom has several of.

    They can be exchanged in thousands of ways, all of which would be tried, and are no part of
    stereochemistry.
    """
    bare = Chem.RWMol(mol)
    equal: list[int] = []
    for atom in mol.GetAtoms():
        hydrogens = [n.GetIdx() for n in atom.GetNeighbors() if n.GetAtomicNum() == 1]
        equal += hydrogens if len(hydrogens) > 1 else []
    for index in sorted(equal, reverse=True):
        bare.RemoveAtom(index)
    return bare.GetMol()
