"""Molecules beside each other: rigid fragments turned at random and moved to a chosen contact."""

from collections.abc import Sequence

import numpy as np
from ase.data.vdw_alvarez import vdw_radii
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

from chemistry.geometries.geometry import GeometryRules
from chemistry.records.structure import FloatArray, IntArray

_UNKNOWN_RADIUS_ANGSTROM = 2.0


def fragments(rules: GeometryRules) -> list[IntArray]:
    """Return the atoms of each part that bonds hold together; all where bonds do not matter."""
    if rules.bonds is None:
        return [np.arange(len(rules.atomic_numbers), dtype=np.int64)]
    part_of = parts_by_bonds(rules.bonds, len(rules.atomic_numbers))
    return [np.flatnonzero(part_of == part) for part in range(int(part_of.max()) + 1)]


def parts_by_bonds(bonds: IntArray, n_atoms: int) -> IntArray:
    """Number the parts that (B, 2) bonds hold together; of each atom the number, (N,)."""
    first, second = bonds.reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n_atoms, n_atoms))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def placed(
    parts: Sequence[tuple[IntArray, FloatArray]],
    contact: tuple[float, float],
    generator: np.random.Generator,
) -> FloatArray:
    """Put rigid molecules beside each other in random orientations.

    The first is the centre; each other one comes from a random direction, up to where its nearest
    atom is at a multiple, drawn at random, of the sum of van der Waals radii (Alvarez,
    doi:10.1039/C3DT50599E, as ASE tabulates them) from an atom of those that are there.

    Parameters
    ----------
    parts : sequence of ((n,) int64, (n, 3) float64 Å)
        Atomic numbers and positions of each molecule.
    contact : (float, float)
        Least and largest multiple.
    generator : numpy.random.Generator

    Returns
    -------
    (N, 3) float64, Å
        The molecules one after the other.
    """
    numbers, positions = parts[0]
    positions = _centred(positions)
    for new_numbers, new_positions in parts[1:]:
        turned = Rotation.from_quat(generator.standard_normal(4)).apply(_centred(new_positions))
        direction = generator.standard_normal(3)
        direction /= np.linalg.norm(direction)
        centre = positions.mean(axis=0)
        distance = _distance_of_contact(
            positions - centre,
            turned,
            generator.uniform(*contact) * (_radii(numbers)[:, None] + _radii(new_numbers)[None]),
            direction,
        )
        positions = np.concatenate([positions, turned + centre + distance * direction])
        numbers = np.concatenate([numbers, new_numbers])
    return positions


def _centred(positions: FloatArray) -> FloatArray:
    return np.asarray(positions - positions.mean(axis=0))


def _radii(atomic_numbers: IntArray) -> FloatArray:
    radii = np.asarray(vdw_radii, dtype=np.float64)[atomic_numbers]
    return np.where(np.isnan(radii), _UNKNOWN_RADIUS_ANGSTROM, radii)


def _distance_of_contact(
    fixed: FloatArray, moving: FloatArray, closest: FloatArray, direction: FloatArray
) -> float:
    """Return how far along a direction, from far away, no pair is closer than allowed, Å.

    Pair by pair this is where a line enters a sphere: |v + d u| = closest.
    """
    between = moving[None] - fixed[:, None]  # v, (n, m, 3)
    along = between @ direction
    discriminant = along**2 - (between**2).sum(axis=-1) + closest**2
    meets = discriminant >= 0.0
    return float(np.max(np.sqrt(discriminant[meets]) - along[meets], initial=0.0))
