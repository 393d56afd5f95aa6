"""Forces and Hessians of a level that gives energies alone, by central differences of them.

A molecule of N atoms has V = 3N - 6 internal movements (3N - 5 if linear): turning and shifting it
changes no energy, so only these are taken. Forces cost 2 V energies, a Hessian V² + V + 1.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from chemistry.geometries.movements import internal_space
from chemistry.records.structure import FloatArray, Structure

FORCE_STEP_ANGSTROM = 0.003
HESSIAN_STEP_ANGSTROM = 0.003
"""Large against the noise of energies, small against anharmonicity: the wavenumbers of water at
CCSD(T)/cc-pVDZ are within 0.5 1/cm of those with a third of the step; with 0.01 Å the bend is off
by 6, with 0.02 Å by 27."""


def forces_by_differences(
    energy_ev: Callable[[Structure], float],
    structure: Structure,
    *,
    step_angstrom: float = FORCE_STEP_ANGSTROM,
) -> FloatArray:
    """Return (N, 3) eV/Å from 2 V energies."""
    internal = _directions(structure)  # (3N, V)
    slopes = [
        (
            energy_ev(_moved(structure, step_angstrom * direction))
            - energy_ev(_moved(structure, -step_angstrom * direction))
        )
        / (2.0 * step_angstrom)
        for direction in internal.T
    ]
    return np.asarray(-(internal @ np.array(slopes)).reshape(-1, 3))


def hessian_by_differences(
    energy_ev: Callable[[Structure], float],
    structure: Structure,
    *,
    step_angstrom: float = HESSIAN_STEP_ANGSTROM,
) -> FloatArray:
    """Return (3N, 3N) eV/Å² at a stationary point, from V² + V + 1 energies.

    Movements that turn or shift the molecule have no curvature in it, as it is at rest.
    """
    internal = _directions(structure)  # (3N, V)
    n_directions = internal.shape[1]
    here = energy_ev(structure)

    def both_ways(displacement: FloatArray) -> float:
        """Return the sum of the energies at both ends, above twice that in the middle."""
        step = step_angstrom * displacement
        ends = energy_ev(_moved(structure, step)) + energy_ev(_moved(structure, -step))
        return ends - 2.0 * here

    alone = [both_ways(direction) for direction in internal.T]
    curvatures = np.diag(alone)
    for i, j in combinations(range(n_directions), 2):
        together = both_ways(internal[:, i] + internal[:, j])
        curvatures[i, j] = curvatures[j, i] = (together - alone[i] - alone[j]) / 2.0
    return np.asarray(internal @ (curvatures / step_angstrom**2) @ internal.T)


def _directions(structure: Structure) -> FloatArray:
    """Return an orthonormal basis of the internal movements, (3N, V), of Cartesian coordinates."""
    return internal_space(structure.positions, np.ones(len(structure)))


def _moved(structure: Structure, displacement: FloatArray) -> Structure:
    return structure.moved_to(structure.positions + displacement.reshape(-1, 3), structure.origin)
