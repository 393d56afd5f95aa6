"""The orbital Hessian of a mean field: can a rotation of its orbitals lower the energy?

Of a closed shell rotations that unpair electrons are meant (the triplet, or external, Hessian), of
an open shell all rotations within each spin (the internal one). Both are A + B of Seeger and Pople,
doi:10.1063/1.434318, in hartree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
from pyscf import ao2mo, lib
from pyscf.ao2mo import _ao2mo

from chemistry.records.structure import FloatArray

_FRONTIER = 4
_BLOCK = 240
"""Auxiliary functions that are transformed at a time."""
_EIGENVALUE_TOLERANCE_HARTREE = 1e-4
_START_DIRECTIONS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Modes:
    """Rotations between occupied and empty orbitals, softest first.

    Attributes
    ----------
    curvatures : (M,) float64, hartree
        Second derivative of the energy; negative where the solution is unstable.
    rotations : tuple of M tuples of (O, V) arrays
        Normalised, one array for each spin; of a closed shell one for the first spin alone.
    """

    curvatures: FloatArray
    rotations: tuple[tuple[FloatArray, ...], ...]


def frontier_modes(mf: Any) -> Modes:
    """Return the modes in the four highest occupied and four lowest empty orbitals of each spin.

    Of Hartree-Fock the softest is an upper bound of the softest of all orbitals, and at most 0.1
    above it in the molecules tried; it costs 1 to 3 % of the SCF. Of a density functional, whose
    kernel is left out, the modes are directions to try and the curvatures mean nothing.
    """
    windows = [_window(c, n) for c, n in _spins(mf)]
    energies = np.asarray(mf.mo_energy).reshape(len(windows), -1)
    gaps = [
        energies[s][w.empty][None, :] - energies[s][w.occupied][:, None]
        for s, w in enumerate(windows)
    ]
    pairs = _frontier_integrals(mf, [w.orbitals for w in windows])
    closed = len(windows) == 1
    blocks = [[np.zeros((a.size, b.size)) for b in gaps] for a in gaps]
    for s, gap in enumerate(gaps):
        for r, other in enumerate(gaps):
            o, p = gap.shape[0], other.shape[0]
            integrals = pairs[s][r]
            block = np.zeros((*gap.shape, *other.shape))
            if s == r:
                block -= np.einsum("ijab->iajb", integrals[:o, :o, o:, o:])
                block -= np.einsum("ibja->iajb", integrals[:o, o:, :o, o:])
            if not closed:
                block += 2.0 * integrals[:o, o:, :p, p:]
            blocks[s][r] = block.reshape(gap.size, other.size)
            if s == r:
                blocks[s][r] += np.diag(gap.ravel())
    curvatures, vectors = np.linalg.eigh(np.block(blocks))
    rotations = []
    for vector in vectors.T:
        parts = np.split(vector, np.cumsum([gap.size for gap in gaps])[:-1])
        rotations.append(
            tuple(
                _embedded(part.reshape(gap.shape), window, n)
                for part, gap, window, (_, n) in zip(parts, gaps, windows, _spins(mf), strict=True)
            )
        )
    return Modes(curvatures=curvatures, rotations=tuple(rotations))


def softest_mode(mf: Any) -> Modes:
    """Return the one softest mode of all orbitals, kernel of the functional and all, if any.

    It costs about as much as the SCF.

    Directions of every symmetry are among those that the search starts from. One that starts from
    orbital energies alone, as PySCF's, finds no mode that breaks a symmetry of a linear molecule
    along an axis.
    """
    product, diagonal, shapes = _hessian(mf)
    if diagonal.size == 0:
        return Modes(curvatures=np.zeros(0), rotations=())
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=diagonal.size) / np.maximum(diagonal, 0.1)]
    for k in np.argsort(diagonal)[:_START_DIRECTIONS]:
        starts.append(np.eye(1, diagonal.size, int(k)).ravel())
    value, vector = lib.davidson(
        product,
        starts,
        lambda residual, value, _: residual / _away_from_zero(diagonal - value),
        tol=_EIGENVALUE_TOLERANCE_HARTREE,
        max_cycle=40,
        nroots=1,
        verbose=0,
    )
    parts = np.split(np.asarray(vector), np.cumsum([o * v for o, v in shapes])[:-1])
    rotation = tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
    return Modes(curvatures=np.array([float(value)]), rotations=(rotation,))


def rotated_density(mf: Any, rotation: tuple[FloatArray, ...], angle: float = 1.0) -> FloatArray:
    """Return the density, (2, n, n), after a rotation of the orbitals of each spin.

    Of a closed shell those of the first spin are rotated, which makes it an open one.
    """
    densities = []
    spins = _spins(mf)
    for s in range(2):
        coefficients, occupied = spins[min(s, len(spins) - 1)]
        orbitals = coefficients[:, occupied]
        if s < len(rotation):
            k = angle * rotation[s]
            o = len(k)
            generator = np.block(
                [[np.zeros((o, o)), k], [-k.T, np.zeros((k.shape[1], k.shape[1]))]]
            )
            # Columns of the exponential that belong to occupied orbitals.
            turned = scipy.linalg.expm(-generator)[:, :o]
            orbitals = np.hstack([orbitals, coefficients[:, ~occupied]]) @ turned
        densities.append(orbitals @ orbitals.T)
    return np.array(densities)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Window:
    """Frontier orbitals of one spin: their indices, and their coefficients side by side."""

    occupied: npt.NDArray[np.intp]
    empty: npt.NDArray[np.intp]
    orbitals: FloatArray


def _spins(mf: Any) -> list[tuple[FloatArray, Any]]:
    """Return coefficients and which orbitals are occupied, of the one or the two spins."""
    occupations = np.atleast_2d(mf.mo_occ)
    coefficients = np.asarray(mf.mo_coeff).reshape(len(occupations), -1, occupations.shape[1])
    return list(zip(coefficients, occupations > 0, strict=True))


def _window(coefficients: FloatArray, is_occupied: Any) -> _Window:
    occupied = np.flatnonzero(is_occupied)[-_FRONTIER:]
    empty = np.flatnonzero(~is_occupied)[:_FRONTIER]
    orbitals = np.asfortranarray(coefficients[:, np.concatenate([occupied, empty])])
    return _Window(occupied=occupied, empty=empty, orbitals=orbitals)


def _embedded(part: FloatArray, window: _Window, is_occupied: Any) -> FloatArray:
    """Return a rotation of frontier orbitals as one of all orbitals."""
    n_occupied = int(np.count_nonzero(is_occupied))
    full = np.zeros((n_occupied, len(is_occupied) - n_occupied))
    full[n_occupied - len(window.occupied) :, : len(window.empty)] = part
    return full


def _frontier_integrals(mf: Any, orbitals: list[FloatArray]) -> list[list[FloatArray]]:
    """Return (pq|rs) of each pair of spins, p and q of the first."""
    sizes = [c.shape[1] for c in orbitals]
    if getattr(mf, "with_df", None):
        fitted = [
            np.concatenate(
                [
                    _ao2mo.nr_e2(block, c, (0, n, 0, n), aosym="s2", mosym="s1").reshape(-1, n, n)
                    for block in mf.with_df.loop(_BLOCK)
                ]
            )
            for c, n in zip(orbitals, sizes, strict=True)
        ]
        return [[np.tensordot(a, b, axes=(0, 0)) for b in fitted] for a in fitted]
    source = mf.mol if mf._eri is None else mf._eri
    return [
        [
            ao2mo.general(source, (a, a, b, b), compact=False).reshape(n, n, m, m)
            for b, m in zip(orbitals, sizes, strict=True)
        ]
        for a, n in zip(orbitals, sizes, strict=True)
    ]


def _hessian(
    mf: Any,
) -> tuple[Callable[[FloatArray], FloatArray], FloatArray, list[tuple[int, int]]]:
    """Return the product of the Hessian with a vector, its approximate diagonal, and shapes."""
    spins = _spins(mf)
    energies = np.asarray(mf.mo_energy).reshape(len(spins), -1)
    gaps = [
        e[~occupied][None, :] - e[occupied][:, None]
        for e, (_, occupied) in zip(energies, spins, strict=True)
    ]
    closed = len(spins) == 1
    response = mf.gen_response(singlet=False, hermi=1) if closed else mf.gen_response(hermi=1)
    ends = np.cumsum([gap.size for gap in gaps])[:-1]

    def product(vector: FloatArray) -> FloatArray:
        parts = [p.reshape(g.shape) for p, g in zip(np.split(vector, ends), gaps, strict=True)]
        changes = []
        for part, (c, occupied) in zip(parts, spins, strict=True):
            change = c[:, occupied] @ part @ c[:, ~occupied].T
            changes.append((2.0 if closed else 1.0) * (change + change.T))
        potential = np.asarray(response(changes[0] if closed else np.array(changes)))
        potentials = potential.reshape(len(spins), *changes[0].shape)
        return np.concatenate(
            [
                (gap * part + c[:, occupied].T @ v @ c[:, ~occupied]).ravel()
                for gap, part, v, (c, occupied) in zip(gaps, parts, potentials, spins, strict=True)
            ]
        )

    return product, np.concatenate([gap.ravel() for gap in gaps]), [gap.shape for gap in gaps]


def _away_from_zero(values: FloatArray) -> FloatArray:
    return np.where(np.abs(values) < 1e-8, 1e-8, values)
