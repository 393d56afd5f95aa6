"""One bond or one angle changed, everything on either side of it moved rigidly."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from chemistry.geometries.geometry import GeometryRules
from chemistry.geometries.placement import parts_by_bonds
from chemistry.records.structure import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Hinge:
    """A bond outside rings, and the atoms beyond it.

    Attributes
    ----------
    near, far : int
        The bonded atoms.
    beyond : (n,) int64
        Atoms that move with `far`, itself among them.
    arms : tuple of int
        Other atoms that are bonded to `near`: each makes an angle with the bond.
    """

    near: int
    far: int
    beyond: IntArray
    arms: tuple[int, ...]

    def stretched(self, positions: FloatArray, factors: FloatArray) -> FloatArray:
        """Return geometries (R, N, 3) Å with the bond so many times (R,) as long."""
        made = np.repeat(positions[None], len(factors), axis=0)
        bond = positions[self.far] - positions[self.near]
        made[:, self.beyond] += ((factors - 1.0)[:, None] * bond)[:, None]
        return made

    def bent(self, positions: FloatArray, arm: int, factors: FloatArray) -> FloatArray:
        """Return geometries (R, N, 3) Å with the angle to an arm so many times (R,) as wide."""
        made = np.repeat(positions[None], len(factors), axis=0)
        origin = positions[self.near]
        one, other = positions[arm] - origin, positions[self.far] - origin
        axis = np.cross(one, other)
        if np.linalg.norm(axis) < 1e-6 * np.linalg.norm(one) * np.linalg.norm(other):
            # A straight angle bends in any plane.
            axis = np.cross(one, np.eye(3)[np.argmin(np.abs(one))])
        angle = np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other)
        turns = angle * (factors - 1.0)[:, None] * axis / np.linalg.norm(axis)  # (R, 3)
        for row, turn in enumerate(turns):
            moved = Rotation.from_rotvec(turn).apply(positions[self.beyond] - origin)
            made[row, self.beyond] = moved + origin
        return made


def hinges(rules: GeometryRules) -> list[Hinge]:
    """Return each bond outside rings, the smaller side to be moved; none without bonds."""
    if rules.bonds is None:
        return []
    bonds, found = rules.bonds.reshape(-1, 2), []
    for row, (i, j) in enumerate(bonds.tolist()):
        others = np.delete(bonds, row, axis=0)
        part_of = parts_by_bonds(others, len(rules.atomic_numbers))
        if part_of[i] == part_of[j]:  # a ring holds both ends
            continue
        near, far = (
            (i, j) if (part_of == part_of[i]).sum() >= (part_of == part_of[j]).sum() else (j, i)
        )
        arms = others[(others == near).any(axis=1)]
        found.append(
            Hinge(
                near=near,
                far=far,
                beyond=np.flatnonzero(part_of == part_of[far]),
                arms=tuple(arms[arms != near].tolist()),
            )
        )
    return found
