"""Relaxations with a torsion held, and on to the saddle points between: many at once."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chemistry.geometries.placement import parts_by_bonds
from chemistry.geometries.relaxation import Relaxed, relax
from chemistry.records.potential import Replicas
from chemistry.records.structure import FloatArray, IntArray

_RESTORING_EV_PER_ANGSTROM2 = 20.0
"""About as stiff as a bond, so that FIRE needs no shorter steps for it."""
_STRAIGHT = 1e-8
"""Square, Å⁴, of the area between two bonds of a torsion below which they are in a line."""
_HELD_WITHIN_DEGREE = 0.5


def relax_held(
    replicas: Replicas,
    positions: FloatArray,
    torsions: IntArray,
    angles_degree: FloatArray,
    *,
    max_force_ev_per_angstrom: float,
    max_steps: int,
) -> Relaxed:
    """Relax geometries, each with one torsion held.

    Parameters
    ----------
    replicas : Replicas
    positions : (R, N, 3), Å
        Best with the torsion near its angle.
    torsions : (R, 4)
        Four atoms of each.
    angles_degree : (R,)
        Where it is held.
    max_force_ev_per_angstrom, max_steps
        As `relax` has them.

    Returns
    -------
    Relaxed
        What has not the angle is not converged.
    """
    found = relax(
        replicas,
        positions,
        max_force_ev_per_angstrom=max_force_ev_per_angstrom,
        max_steps=max_steps,
        constraint=HeldTorsions(torsions=torsions, angles_degree=angles_degree),
    )
    off = degrees_off(torsion_angles_degree(found.positions, torsions), angles_degree)
    has_angle = torsion_gradients(found.positions, torsions).any(axis=(1, 2))
    held = has_angle & (np.abs(off) <= _HELD_WITHIN_DEGREE)
    return replace(found, converged=found.converged & held)


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldTorsions:
    """A `chemistry.geometries.relaxation.Constraint`: everything gives way but one torsion.

    Forces lose their part along the gradient of the torsion angle, and the angle is led to where
    it shall be along the same gradient: at rest only the force that the torsion holds is left.
    Where three of the four atoms are in a line there is no angle, and nothing is held.

    Attributes
    ----------
    torsions : (R, 4) int64
        Of each geometry.
    angles_degree : (R,) float64
        Where each is held.
    """

    torsions: IntArray
    angles_degree: FloatArray

    def __call__(
        self, rows: npt.NDArray[np.intp], positions: FloatArray, forces: FloatArray
    ) -> FloatArray:
        """Return what rows of geometries follow; see `Constraint`."""
        torsions = self.torsions[rows]
        gradients = torsion_gradients(positions, torsions)
        size = (gradients**2).sum(axis=(1, 2))  # (K,)
        size[size == 0.0] = 1.0
        four = np.take_along_axis(forces, torsions[:, :, None], axis=1)
        along = (four * gradients).sum(axis=(1, 2))
        angles = torsion_angles_degree(positions, torsions)
        off = np.deg2rad(degrees_off(angles, self.angles_degree[rows]))
        less = (along + _RESTORING_EV_PER_ANGSTROM2 * off) / size
        followed = forces.copy()
        np.put_along_axis(
            followed, torsions[:, :, None], four - less[:, None, None] * gradients, axis=1
        )
        return followed


@dataclass(frozen=True, kw_only=True, eq=False)
class OverBarriers:
    """A `chemistry.geometries.relaxation.Constraint`: up along a torsion, down in all else.

    The force along a rigid turn about the bond, less what turns the whole molecule, is inverted.
    Forces vanish where those that are followed do: what comes to rest is a saddle point of first
    order as long as the turn is what the lowest mode is like (the idea of Henkelman and Jónsson,
    doi:10.1063/1.480097, with the turn in the place of the mode that they look for).

    Attributes
    ----------
    torsions : (R, 4) int64
        Of each geometry; the bond is between the second and the third.
    beyond : (R, N) bool
        Atoms on the third one's side of the bond.
    """

    torsions: IntArray
    beyond: npt.NDArray[np.bool_]

    def __call__(
        self, rows: npt.NDArray[np.intp], positions: FloatArray, forces: FloatArray
    ) -> FloatArray:
        """Return what rows of geometries follow; see `Constraint`."""
        every = np.arange(len(rows))
        centre = positions[every, self.torsions[rows, 2]]
        axis = centre - positions[every, self.torsions[rows, 1]]
        turn = np.cross(axis[:, None], positions - centre[:, None]) * self.beyond[rows][..., None]
        turn = _without_rigid_motion(positions, turn)
        turn /= np.linalg.norm(turn, axis=(1, 2), keepdims=True)
        along = (forces * turn).sum(axis=(1, 2), keepdims=True)
        return np.asarray(forces - 2.0 * along * turn)


def beyond_bond(bonds: IntArray, n_atoms: int, near: int, far: int) -> npt.NDArray[np.bool_]:
    """Return which atoms hang on `far` when its bond to `near`, outside rings, is cut, (N,)."""
    is_cut = (np.sort(bonds, axis=1) == sorted((near, far))).all(axis=1)
    part_of = parts_by_bonds(bonds[~is_cut], n_atoms)
    return np.asarray(part_of == part_of[far])


def torsion_angles_degree(positions: FloatArray, torsions: IntArray) -> FloatArray:
    """Return the torsion angle of each geometry, (R,) degree in (-180, 180], by the IUPAC's sign.

    Parameters
    ----------
    positions : (R, N, 3), Å
    torsions : (R, 4)
        Four atoms of each.
    """
    one, bond, other = _along(positions, torsions)
    first, second = np.cross(one, bond), np.cross(bond, other)
    sine = np.linalg.norm(bond, axis=1) * (one * second).sum(axis=1)
    return np.asarray(np.rad2deg(np.arctan2(sine, (first * second).sum(axis=1))))


def torsion_gradients(positions: FloatArray, torsions: IntArray) -> FloatArray:
    """Return the derivatives of each torsion angle by its four atoms, (R, 4, 3) rad/Å.

    Blondel and Karplus, doi:10.1002/(SICI)1096-987X(19960715)17:9<1132::AID-JCC5>3.0.CO;2-T,
    eq. 27. Zero where three of the atoms are in a line.
    """
    one, bond, other = _along(positions, torsions)
    first, second = np.cross(one, bond), np.cross(bond, other)
    squared = (bond**2).sum(axis=1, keepdims=True)
    areas = [(normal**2).sum(axis=1, keepdims=True) for normal in (first, second)]
    is_straight = np.minimum(*areas) < _STRAIGHT
    areas = [np.where(is_straight, 1.0, area) for area in areas]
    begin = -np.sqrt(squared) / areas[0] * first
    end = np.sqrt(squared) / areas[1] * second
    back = (one * bond).sum(axis=1, keepdims=True) / squared
    ahead = (other * bond).sum(axis=1, keepdims=True) / squared
    gradients = np.stack(
        [begin, -(1.0 + back) * begin + ahead * end, back * begin - (1.0 + ahead) * end, end],
        axis=1,
    )
    return np.where(is_straight[:, None], 0.0, gradients)


def degrees_off(angles_degree: FloatArray, wanted_degree: FloatArray) -> FloatArray:
    """Return how far angles are from those wanted, in [-180, 180) degree."""
    return np.asarray((angles_degree - wanted_degree + 180.0) % 360.0 - 180.0)


def _along(positions: FloatArray, torsions: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the three bonds along each torsion, each (R, 3) Å."""
    four = np.take_along_axis(positions, torsions[:, :, None], axis=1)
    one, bond, other = np.diff(four, axis=1).swapaxes(0, 1)
    return one, bond, other


def _without_rigid_motion(positions: FloatArray, moves: FloatArray) -> FloatArray:
    """Take off moves (R, N, 3) what shifts or turns a whole geometry (R, N, 3)."""
    count, n_atoms, _ = positions.shape
    centred = positions - positions.mean(axis=1, keepdims=True)
    axes = np.eye(3)
    shifts = np.broadcast_to(axes, (count, n_atoms, 3, 3))  # geometry, atom, component, axis
    turns = np.cross(axes[None, None], centred[:, :, None]).swapaxes(2, 3)
    rigid = np.concatenate([shifts, turns], axis=3).reshape(count, 3 * n_atoms, 6)
    basis, _ = np.linalg.qr(rigid)
    flat = moves.reshape(count, 3 * n_atoms, 1)
    return np.asarray((flat - basis @ (basis.swapaxes(1, 2) @ flat)).reshape(moves.shape))
