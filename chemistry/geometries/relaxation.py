"""Relaxation of many geometries of one molecule at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from chemistry.errors import InputError
from chemistry.records.potential import Replicas
from chemistry.records.structure import FloatArray

_LONGEST_STEP_ANGSTROM = 0.2
_FIRST_TIME_STEP, _LONGEST_TIME_STEP = 0.1, 1.0
_STEPS_BEFORE_FASTER = 5
_FASTER, _SLOWER = 1.1, 0.5
_FIRST_MIXING, _LESS_MIXING = 0.1, 0.99

Constraint: TypeAlias = Callable[[npt.NDArray[np.intp], FloatArray, FloatArray], FloatArray]
"""From the rows (K,) of some geometries, their positions (K, N, 3) Å and forces (K, N, 3) eV/Å to
the forces that they follow instead, (K, N, 3) eV/Å."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Relaxed:
    """Where R geometries came to rest, or to the last step.

    Attributes
    ----------
    positions : (R, N, 3) float64, Å
    energies : (R,) float64, eV
    forces : (R, N, 3) float64, eV/Å
        Those that were followed.
    steps : (R,) int64
        Taken by each.
    converged : (R,) bool
    """

    positions: FloatArray
    energies: FloatArray
    forces: FloatArray
    steps: npt.NDArray[np.int64]
    converged: npt.NDArray[np.bool_]


def relax(
    replicas: Replicas,
    positions: FloatArray,
    *,
    max_force_ev_per_angstrom: float = 0.05,
    max_steps: int = 500,
    constraint: Constraint | None = None,
) -> Relaxed:
    """Relax geometries by FIRE, each with a time step of its own.

    Bitzek et al., doi:10.1103/PhysRevLett.97.170201, with unit masses and ASE's constants: the same
    path as `ase.optimize.FIRE`. Geometries that are at rest are not computed again.

    Parameters
    ----------
    replicas : Replicas
    positions : (R, N, 3), Å
        Where to start.
    max_force_ev_per_angstrom : float
        A geometry is at rest when no atom's force is larger.
    max_steps : int
        Of each geometry.
    constraint : Constraint or None
        What makes of the forces those that geometries follow, and that are small at rest.

    Raises
    ------
    InputError
        Positions are not (R, N, 3) finite numbers, the potential does not know them, or a limit is
        not positive.
    """
    if not max_force_ev_per_angstrom > 0 or max_steps < 1:
        raise InputError("a relaxation needs a positive force limit and at least one step")
    positions = np.array(positions, dtype=np.float64)
    if positions.ndim != 3 or positions.shape[2] != 3 or not np.isfinite(positions).all():
        raise InputError("positions to relax must be finite numbers of shape (R, N, 3)")
    energies, forces = _means(replicas, np.arange(len(positions)), positions, constraint)
    steps = np.zeros(len(positions), dtype=np.int64)
    fire = _Fire(len(positions))
    velocities = np.zeros_like(positions)
    for _ in range(max_steps):
        moving = np.flatnonzero(_largest(forces) > max_force_ev_per_angstrom)
        if not len(moving):
            break
        velocities[moving], moves = fire.step(moving, velocities[moving], forces[moving])
        positions[moving] += moves
        energies[moving], forces[moving] = _means(replicas, moving, positions[moving], constraint)
        steps[moving] += 1
    return Relaxed(
        positions=positions,
        energies=energies,
        forces=forces,
        steps=steps,
        converged=_largest(forces) <= max_force_ev_per_angstrom,
    )


def _means(
    replicas: Replicas,
    rows: npt.NDArray[np.intp],
    positions: FloatArray,
    constraint: Constraint | None,
) -> tuple[FloatArray, FloatArray]:
    """Return mean energies (K,) eV and the forces to follow, (K, N, 3) eV/Å, of some geometries."""
    member_energies, forces = replicas.predict_mean(positions)
    if constraint is not None:
        forces = constraint(rows, positions, forces)
    return np.asarray(member_energies.mean(axis=1)), forces


class _Fire:
    """What FIRE has learned about each geometry: time step, mixing, steps downhill."""

    def __init__(self, count: int) -> None:
        self._time_step = np.full(count, _FIRST_TIME_STEP)
        self._mixing = np.full(count, _FIRST_MIXING)
        self._downhill_steps = np.zeros(count, dtype=np.int64)
        self._moved = np.zeros(count, dtype=np.bool_)

    def step(
        self, rows: npt.NDArray[np.intp], velocities: FloatArray, forces: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return new velocities and moves (K, N, 3) of the geometries in K rows."""
        downhill = (velocities * forces).sum((1, 2)) > 0
        mixing = self._mixing[rows][:, None, None]
        along = _norms(velocities) / _norms(forces) * forces
        velocities = np.where(
            downhill[:, None, None], (1 - mixing) * velocities + mixing * along, 0.0
        )
        self._learn(rows, downhill)
        time_step = self._time_step[rows][:, None, None]
        velocities = velocities + time_step * forces
        moves = time_step * velocities
        return velocities, moves * np.minimum(1.0, _LONGEST_STEP_ANGSTROM / _norms(moves))

    def _learn(self, rows: npt.NDArray[np.intp], downhill: npt.NDArray[np.bool_]) -> None:
        faster = rows[downhill & (self._downhill_steps[rows] > _STEPS_BEFORE_FASTER)]
        self._time_step[faster] = np.minimum(self._time_step[faster] * _FASTER, _LONGEST_TIME_STEP)
        self._mixing[faster] *= _LESS_MIXING
        self._downhill_steps[rows[downhill]] += 1
        # The first step starts from rest, which is no turn uphill.
        uphill = rows[~downhill & self._moved[rows]]
        self._time_step[uphill] *= _SLOWER
        self._mixing[uphill] = _FIRST_MIXING
        self._downhill_steps[uphill] = 0
        self._moved[rows] = True


def _norms(vectors: FloatArray) -> FloatArray:
    """Return the norm of each geometry's vector of all atoms, (R, 1, 1)."""
    return np.asarray(np.sqrt((vectors**2).sum((1, 2), keepdims=True)))


def _largest(forces: FloatArray) -> FloatArray:
    """Return the largest force on an atom of each geometry, (R,)."""
    return np.asarray(np.linalg.norm(forces, axis=2).max(axis=1, initial=0.0))
