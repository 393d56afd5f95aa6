"""Movements of the atoms that change the shape of a molecule, and not only its place."""

import numpy as np

from chemistry.records.structure import FloatArray

_LINEAR = 0.01
"""A rotation whose mass-weighted size is below this share of the largest one turns the molecule
about its own axis: it is linear within what a geometry optimiser leaves of a bend."""


def internal_space(positions: FloatArray, masses: FloatArray) -> FloatArray:
    """Return an orthonormal basis, (3N, V), of mass-weighted movements that are vibrations.

    Parameters
    ----------
    positions : (N, 3), Å
    masses : (N,), Da
        Equal ones give the movements in Cartesian coordinates.
    """
    roots = np.sqrt(masses)[:, None, None]  # (N, 1, 1)
    centred = positions - masses @ positions / masses.sum()
    axes = np.eye(3)
    translations = roots * axes  # (N, 3, 3): atom, component, axis
    rotations = roots * np.cross(axes[None], centred[:, None]).swapaxes(1, 2)
    size = 3 * len(masses)
    turned, lengths, _ = np.linalg.svd(rotations.reshape(size, 3), full_matrices=False)
    turned = turned[:, lengths > max(_LINEAR * lengths[0], 1e-8)]
    # Rotations about the centre of mass are orthogonal to translations.
    external = np.hstack([translations.reshape(size, 3) / np.sqrt(masses.sum()), turned])
    complete, _ = np.linalg.qr(external, mode="complete")
    return np.asarray(complete[:, external.shape[1] :], dtype=np.float64)
