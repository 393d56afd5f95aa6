"""Is a flat mol block a drawing or the geometry of a flat molecule? Its distances tell.

Drawings have bonds of one length, whatever they bind, and leave out hydrogens.
"""

from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import bonds_of
from chemistry.records.structure import FloatArray

_FLAT_ANGSTROM = 1e-3
_SAME_LENGTH = 0.005
"""Relative: a drawing is rounded to four digits."""
_DIFFERENT_LENGTH = 0.05
_STRETCHED = 0.3
"""Bonds of a geometry may differ so much from their usual lengths, relatively."""
_STRETCHED_ALIKE = 0.15
"""The same where all bonds are of one length: CO2 drawn with 1.5 Å is off by a quarter."""


def is_drawing(mol: Any, source: str) -> bool:
    """Say whether the coordinates of a mol block are those of a drawing.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Sanitized, with a conformer.
    source : str
        File and line, for messages.

    Raises
    ------
    InputError
        It is called three-dimensional but is flat with bonds of one length.
    """
    positions = np.asarray(mol.GetConformer().GetPositions(), dtype=np.float64)
    if len(positions) < 2:
        return False
    if np.ptp(positions[:, 2]) > _FLAT_ANGSTROM:
        return False
    dimensions = mol.GetProp("_MolFileInfo")[20:22] if mol.HasProp("_MolFileInfo") else ""
    # With some hydrogens but not all it is a radical that is not said: the geometry is refused.
    has_hydrogens = any(atom.GetAtomicNum() == 1 for atom in mol.GetAtoms())
    has_atoms = has_hydrogens or not any(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    is_geometry = has_atoms and _has_lengths_of_bonds(mol, positions, dimensions == "2D")
    if dimensions != "3D":
        return not is_geometry
    if has_atoms and not is_geometry and _has_one_length(_lengths(mol, positions)):
        raise InputError(
            f"{source}: called 3D, but flat with bonds of one length, as a drawing: write 2D into "
            "its second line, or give a geometry"
        )
    return False


def _has_lengths_of_bonds(mol: Any, positions: FloatArray, called_drawing: bool) -> bool:
    found, usual = _lengths(mol, positions), _usual_lengths(mol)
    if not len(found):
        return False
    stretch = np.abs(found / usual - 1.0).max()
    if not _has_one_length(found):
        return bool(stretch < _STRETCHED)
    all_alike = np.ptp(usual) / usual.mean() < _DIFFERENT_LENGTH
    return bool(all_alike and stretch < _STRETCHED_ALIKE and not called_drawing)


def _has_one_length(lengths: FloatArray) -> bool:
    return len(lengths) > 0 and bool(np.ptp(lengths) / lengths.mean() < _SAME_LENGTH)


def _lengths(mol: Any, positions: FloatArray) -> FloatArray:
    """Return the lengths of the bonds, (B,) Å."""
    first, second = bonds_of(mol).T
    return np.asarray(np.linalg.norm(positions[first] - positions[second], axis=1))


def _usual_lengths(mol: Any) -> FloatArray:
    """Return the lengths that RDKit's distance geometry has for the bonds, (B,) Å."""
    bounds = rdDistGeom.GetMoleculeBoundsMatrix(Chem.Mol(mol))
    first, second = np.sort(bonds_of(mol), axis=1).T
    return np.asarray((bounds[first, second] + bounds[second, first]) / 2.0)
