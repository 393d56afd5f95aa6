"""Five or more ligands around one atom, which distance geometry throws into a heap."""

from typing import Any

import numpy as np

from chemistry.records.structure import FloatArray

_LIGANDS = 5
_STEPS, _STEP = 600, 0.05


def spread_ligands(mol: Any, positions: FloatArray) -> FloatArray:
    """Move the ligands of crowded atoms as far from each other as can be, at their distances.

    Points on a sphere that repel each other, as in the VSEPR model (Gillespie and Nyholm,
    doi:10.1039/QR9571100339): five ligands become a trigonal bipyramid, six an octahedron.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Sanitized, with all hydrogens.
    positions : (N, 3), Å

    Returns
    -------
    (N, 3), Å
        Everything behind a ligand has turned with it; atoms in rings stay as they are.
    """
    positions = positions.copy()
    for atom in mol.GetAtoms():
        if atom.GetDegree() < _LIGANDS or atom.IsInRing():
            continue
        centre = atom.GetIdx()
        ligands = [neighbour.GetIdx() for neighbour in atom.GetNeighbors()]
        bonds = positions[ligands] - positions[centre]
        before = bonds / np.linalg.norm(bonds, axis=1, keepdims=True)
        for ligand, old, new in zip(ligands, before, _spread(before), strict=True):
            branch = _branch(mol, ligand, centre)
            from_centre = positions[branch] - positions[centre]
            positions[branch] = positions[centre] + from_centre @ _rotation(old, new).T
    return positions


def _spread(directions: FloatArray) -> FloatArray:
    """Return unit vectors, (L, 3), that have repelled each other to rest."""
    points = directions.copy()
    for _ in range(_STEPS):
        apart = points[:, None] - points[None, :]
        distances = np.linalg.norm(apart, axis=-1, keepdims=True) + 1e-6
        points += np.clip((_STEP * apart / distances**3).sum(axis=1), -0.1, 0.1)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points


def _branch(mol: Any, start: int, centre: int) -> list[int]:
    """Return the atoms that hang on the centre by one ligand."""
    found, waiting = {centre, start}, [start]
    while waiting:
        atom = mol.GetAtomWithIdx(waiting.pop())
        near = {neighbour.GetIdx() for neighbour in atom.GetNeighbors()} - found
        found |= near
        waiting += near
    return sorted(found - {centre})


def _rotation(old: FloatArray, new: FloatArray) -> FloatArray:
    """Return the rotation, (3, 3), that takes one unit vector to another the shortest way."""
    axis, cosine = np.cross(old, new), float(old @ new)
    if cosine < -1.0 + 1e-9:  # a half turn: about any axis across
        across = np.cross(old, np.eye(3)[int(np.argmin(np.abs(old)))])
        across /= np.linalg.norm(across)
        return np.asarray(2.0 * np.outer(across, across) - np.eye(3))
    skew = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1.0 + cosine))
