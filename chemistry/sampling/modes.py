"""Hessians by finite differences of forces, and the normal modes of a molecule."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chemistry.geometries.movements import internal_space
from chemistry.records.potential import Potential, replicas_of
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import EV_PER_DALTON_ANGSTROM2_PER_FS2, PER_FS_PER_INVERSE_CM


@dataclass(frozen=True, kw_only=True, eq=False)
class Vibrations:
    """Harmonic vibrations around one geometry; V = 3N - 6 (3N - 5 if linear, 0 for an atom).

    Attributes
    ----------
    curvatures : (V,) float64, eV/(Da Å²)
        Eigenvalues of the mass-weighted Hessian, ascending; negative for imaginary modes.
    displacements : (V, N, 3) float64, 1/sqrt(Da)
        Movement of the atoms in Å for one sqrt(Da) Å along the mass-weighted normal coordinate.
    """

    curvatures: FloatArray
    displacements: FloatArray

    @property
    def wavenumbers_per_cm(self) -> FloatArray:
        """Harmonic wavenumbers, (V,) 1/cm; imaginary ones as negative numbers."""
        squared = self.curvatures / EV_PER_DALTON_ANGSTROM2_PER_FS2
        return np.asarray(
            np.sign(squared) * np.sqrt(np.abs(squared)) / PER_FS_PER_INVERSE_CM, dtype=np.float64
        )


def hessians(
    structures: Sequence[Structure], potential: Potential, step_angstrom: float
) -> list[FloatArray]:
    """Return the Hessian of each structure, (3N, 3N) eV/Å², by central differences of forces.

    All 6N displaced geometries of all structures, which are of one molecule, are predicted in one
    call, by the members' mean alone. A Hessian for which one of them cannot be computed is NaN.
    """
    if not structures:
        return []
    size = 3 * len(structures[0])
    steps = step_angstrom * np.eye(size).reshape(size, -1, 3)
    displaced = np.array([[s.positions + steps, s.positions - steps] for s in structures])
    replicas = replicas_of(potential, structures[0])
    _, forces = replicas.predict_mean(displaced.reshape(-1, *steps.shape[1:]))
    forward, backward = forces.reshape(-1, 2, size, size).swapaxes(0, 1)
    found = (backward - forward) / (2.0 * step_angstrom)
    found = (found + found.swapaxes(1, 2)) / 2.0
    found[~np.isfinite(found).all(axis=(1, 2))] = np.nan
    return list(found)


def vibrations(hessian: FloatArray, positions: FloatArray, masses: FloatArray) -> Vibrations:
    """Diagonalise a mass-weighted Hessian in the space without translations and rotations.

    Parameters
    ----------
    hessian : (3N, 3N), eV/Å²
    positions : (N, 3), Å
    masses : (N,), Da
    """
    weights = np.repeat(np.sqrt(masses), 3)  # (3N,)
    internal = internal_space(positions, masses)  # (3N, V)
    weighted = internal.T @ (hessian / np.outer(weights, weights)) @ internal
    curvatures, vectors = np.linalg.eigh(weighted)
    displacements = ((internal @ vectors) / weights[:, None]).T.reshape(-1, len(masses), 3)
    return Vibrations(curvatures=curvatures, displacements=displacements)
