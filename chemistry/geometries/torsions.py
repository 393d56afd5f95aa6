"""Bonds that turn, and geometries at given torsion angles."""

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers, rdMolTransforms

from chemistry.geometries.rdkit_bridge import conformer_of, to_rdkit
from chemistry.records.molecule import Molecule
from chemistry.records.structure import FloatArray, IntArray

_STIFFNESS_KCAL_MOL_DEGREE2 = 100.0
_SINGLE_BONDS = Chem.MolFromSmarts("[!$(*#*)]-!@[!$(*#*)]")


def rotatable_torsions(molecule: Molecule) -> IntArray:
    """Return one torsion, four atoms, for each single bond outside rings whose ends have others.

    Rotors of hydrogens (methyl, hydroxyl) count. (T, 4) int64; none for a molecule without bonds.
    """
    if molecule.mol_block is None:
        return np.zeros((0, 4), dtype=np.int64)
    mol = to_rdkit(molecule)
    found = []
    for j, k in mol.GetSubstructMatches(_SINGLE_BONDS):
        before = [a.GetIdx() for a in mol.GetAtomWithIdx(j).GetNeighbors() if a.GetIdx() != k]
        after = [a.GetIdx() for a in mol.GetAtomWithIdx(k).GetNeighbors() if a.GetIdx() != j]
        if before and after:
            found.append((before[0], j, k, after[0]))
    return np.array(found, dtype=np.int64).reshape(-1, 4)


def turned(
    molecule: Molecule,
    positions: FloatArray,
    torsion: IntArray,
    angles_degree: FloatArray,
    *,
    relaxation_steps: int,
) -> FloatArray:
    """Turn one end of a molecule about a bond, and relax the rest with MMFF94 at each angle.

    Where MMFF94 does not cover the molecule nothing is relaxed.

    Parameters
    ----------
    molecule : Molecule
    positions : (N, 3) float64, Å
    torsion : (4,) int64
        As `rotatable_torsions` gives it.
    angles_degree : (R,) float64
    relaxation_steps : int

    Returns
    -------
    (R, N, 3) float64, Å
    """
    mol = to_rdkit(molecule)
    mol.AddConformer(conformer_of(positions))
    i, j, k, m = (int(atom) for atom in torsion)
    with rdBase.BlockLogs():  # of what MMFF94 does not cover there are no properties
        properties = (
            rdForceFieldHelpers.MMFFGetMoleculeProperties(mol) if relaxation_steps else None
        )
    geometries = []
    for angle in angles_degree.tolist():
        turning = Chem.Mol(mol)
        conformer = turning.GetConformer()
        rdMolTransforms.SetDihedralDeg(conformer, i, j, k, m, angle)
        if properties is not None:
            with rdBase.BlockLogs():
                field = rdForceFieldHelpers.MMFFGetMoleculeForceField(turning, properties)
                field.Initialize()
                field.MMFFAddTorsionConstraint(
                    i, j, k, m, False, angle, angle, _STIFFNESS_KCAL_MOL_DEGREE2
                )
                field.Minimize(maxIts=relaxation_steps)
        geometries.append(conformer.GetPositions())
    return np.array(geometries, dtype=np.float64).reshape(-1, *positions.shape)
