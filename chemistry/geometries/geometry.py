"""Is a geometry sane, and is it new? Pure functions of distances, for many geometries at once.

A structure is refused before anything is computed for it: where atoms lie on top of each other no
number means anything, and where a bond broke or formed it is another molecule, which must not be
labelled in the name of the first. All limits are multiples of the sum of two covalent radii
(Cordero et al., doi:10.1039/B801115J, as ASE tabulates them).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from ase.data import chemical_symbols, covalent_radii

from chemistry.records.structure import FloatArray, IntArray, Structure

FaultReason: TypeAlias = Literal["not finite", "clash", "bond broken", "bond formed"]

_CLASH = 0.6
"""Closer than this no two atoms belong: N2, one of the shortest bonds, is at 0.77 when at rest."""
_BROKEN = 1.5
"""A bond longer than this is broken: 2.3 Å for C-C, 1.6 Å for C-H."""
_FORMED = 1.15
"""Atoms that are not bonded become so below this: 1.75 Å for C-C (1.85 Å is the distance of the
bridgeheads of bicyclo[1.1.1]pentane, which are not bonded), 1.1 Å for O-H."""
_BONDED = 1.3
"""Where bonds are not known, atoms of the first geometry closer than this count as bonded."""


@dataclass(frozen=True, kw_only=True)
class GeometryFault:
    """What is wrong with a geometry.

    Attributes
    ----------
    reason : FaultReason
        For counting.
    message : str
        For people: "atoms 1 (C) and 5 (H) are 0.12 Å apart".
    """

    reason: FaultReason
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class GeometryRules:
    """Which distances the atoms of one molecule may have.

    Attributes
    ----------
    atomic_numbers : (N,) int64
    bonds : (B, 2) int64 or None
        Pairs of atom indices that are bonded, and no others; None where bonds do not matter, and
        then only clashes are faults.
    """

    atomic_numbers: IntArray
    bonds: IntArray | None = None

    @cached_property
    def _pairs(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Indices of both atoms of each pair, twice (P,)."""
        return np.triu_indices(len(self.atomic_numbers), k=1)

    @cached_property
    def _bonded(self) -> npt.NDArray[np.bool_]:
        """Which pairs are bonds, (P,)."""
        n_atoms = len(self.atomic_numbers)
        bonded = np.zeros((n_atoms, n_atoms), dtype=np.bool_)
        if self.bonds is not None and len(self.bonds):
            bonded[self.bonds[:, 0], self.bonds[:, 1]] = True
        return np.asarray((bonded | bonded.T)[self._pairs])

    @cached_property
    def _limits(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest squared distance of each pair, twice (P,) Å²."""
        scale = sums_of_covalent_radii(self.atomic_numbers)[self._pairs]
        low = np.full(len(scale), _CLASH)
        high = np.full(len(scale), np.inf)
        if self.bonds is not None:
            low[~self._bonded] = _FORMED
            high[self._bonded] = _BROKEN
        return (low * scale) ** 2, (high * scale) ** 2

    def faults(self, positions: FloatArray) -> list[GeometryFault | None]:
        """Return what is wrong with each of R geometries, (R, N, 3) Å; None where nothing is."""
        first, second = self._pairs
        low, high = self._limits
        with np.errstate(invalid="ignore", over="ignore"):
            squared = ((positions[:, first] - positions[:, second]) ** 2).sum(axis=-1)  # (R, P)
            sane = (low <= squared) & (squared <= high)  # False for NaN too
        good = sane.all(axis=1) & np.isfinite(positions).all(axis=(1, 2))
        return [
            None if good[row] else self._describe(positions[row], squared[row], sane[row])
            for row in range(len(positions))
        ]

    def _describe(
        self, positions: FloatArray, squared: FloatArray, sane: npt.NDArray[np.bool_]
    ) -> GeometryFault:
        bad_atoms = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        if len(bad_atoms):
            return GeometryFault(
                reason="not finite",
                message=f"the position of atom {self._name(bad_atoms[0])} is not a finite number",
            )
        first, second = self._pairs
        low, high = self._limits
        # The worst pair: the one that is farthest beyond its limit.
        excess = np.maximum(low / np.maximum(squared, 1e-12), squared / high)
        worst = int(np.argmax(np.where(sane, 0.0, excess)))
        names = f"{self._name(first[worst])} and {self._name(second[worst])}"
        distance = float(np.sqrt(squared[worst]))
        message = f"atoms {names} are {distance:.2f} Å apart"
        scale = float(sums_of_covalent_radii(self.atomic_numbers)[first[worst], second[worst]])
        if distance < _CLASH * scale:
            return GeometryFault(reason="clash", message=message)
        if self._bonded[worst]:
            return GeometryFault(reason="bond broken", message=f"{message}, but bonded")
        return GeometryFault(reason="bond formed", message=f"{message}, but not bonded")

    def _name(self, atom: Any) -> str:
        return f"{int(atom) + 1} ({chemical_symbols[self.atomic_numbers[atom]]})"


def check_geometry(
    structure: Structure, rules: GeometryRules | None = None
) -> GeometryFault | None:
    """Return what is wrong with a structure, or None.

    Without rules only clashes and numbers that are not finite are faults: all that can be said of
    a structure whose bonds are not known.
    """
    rules = rules or GeometryRules(atomic_numbers=structure.atomic_numbers)
    return rules.faults(structure.positions[None])[0]


def sums_of_covalent_radii(atomic_numbers: IntArray) -> FloatArray:
    """Return the sum of covalent radii of each pair of atoms, (N, N) Å."""
    radii = np.asarray(covalent_radii, dtype=np.float64)[atomic_numbers]
    return np.asarray(radii[:, None] + radii[None, :])


def bonds_by_distance(structure: Structure) -> IntArray:
    """Return the (B, 2) pairs of atoms closer than 1.3 times the sum of their covalent radii."""
    first, second = np.triu_indices(len(structure), k=1)
    distances = np.linalg.norm(structure.positions[first] - structure.positions[second], axis=-1)
    near = distances < _BONDED * sums_of_covalent_radii(structure.atomic_numbers)[first, second]
    return np.stack([first[near], second[near]], axis=1).astype(np.int64)


def distance_fingerprints(positions: FloatArray, atom_classes: IntArray) -> FloatArray:
    """Describe geometries of one molecule so that equal ones have equal rows.

    Parameters
    ----------
    positions : (R, N, 3), Å
    atom_classes : (N,)
        Atoms of one class may be exchanged (the hydrogens of a methyl group); all different to
        tell every atom from every other.

    Returns
    -------
    (R, P) float64, Å
        All N (N - 1) / 2 distances, sorted within each pair of classes. Unchanged by translation,
        rotation, reflection and (but for rare coincidences) only by exchange within classes.
    """
    first, second = np.triu_indices(positions.shape[1], k=1)
    distances = np.linalg.norm(positions[:, first] - positions[:, second], axis=-1)
    one, other = atom_classes[first], atom_classes[second]
    pair_classes = np.stack([np.minimum(one, other), np.maximum(one, other)])  # (2, P)
    # Sort each row by class of the pair first and by distance second.
    order = np.lexsort(
        (distances, *(np.broadcast_to(row, distances.shape) for row in pair_classes)), axis=-1
    )
    return np.take_along_axis(distances, order, axis=1)


def distinct_rows(fingerprints: FloatArray, tolerance_angstrom: float) -> list[int]:
    """Return the rows that are kept when each must differ from all rows kept before it.

    Two rows of `distance_fingerprints` differ by the root of their mean squared difference, the
    distance RMSD; rows within the tolerance of a kept row are near duplicates.
    """
    kept: list[int] = []
    for row, fingerprint in enumerate(fingerprints):
        if not kept or _distance_rmsd(fingerprints[kept], fingerprint).min() > tolerance_angstrom:
            kept.append(row)
    return kept


def farthest_rows(fingerprints: FloatArray, count: int, known: FloatArray) -> list[int]:
    """Choose rows one by one, each as far as can be from those chosen and from `known` (MaxMin).

    Parameters
    ----------
    fingerprints : (R, P), Å
    count : int
        How many to choose; all R where there are fewer.
    known : (K, P), Å
        At least one row.
    """
    nearest = np.min([_distance_rmsd(fingerprints, row) for row in known], axis=0)  # (R,)
    chosen: list[int] = []
    while len(chosen) < min(count, len(fingerprints)):
        best = int(np.argmax(nearest))
        chosen.append(best)
        nearest = np.minimum(nearest, _distance_rmsd(fingerprints, fingerprints[best]))
        nearest[chosen] = -1.0
    return chosen


def _distance_rmsd(rows: FloatArray, row: FloatArray) -> FloatArray:
    """Return the distance RMSD of each of R rows from one row, (R,) Å; 0 for a single atom."""
    if row.size == 0:
        return np.zeros(len(rows))
    return np.asarray(np.sqrt(((rows - row) ** 2).mean(axis=1)))
