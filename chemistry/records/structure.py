"""Structure: a molecule's atoms at one point of its potential energy surface."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from ase.data import atomic_masses, chemical_symbols

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

StructureKind: TypeAlias = Literal["anchor", "hot"]
"""What a structure is of what a potential is used for: an anchor is at rest, on a relaxed path, or
at room temperature; everything else is hot."""
KIND_TITLES: dict[StructureKind, str] = {
    "anchor": "anchors (at rest, relaxed torsions, 300 K)",
    "hot": "hot",
}
"""What people call them."""

_DISTANCE_RESOLUTION_ANGSTROM = 1e-4


def kind_made_by(sampler: str) -> StructureKind:
    """Return what a sampler of this name makes: anchors where it begins with `anchor_`."""
    return "anchor" if sampler.startswith("anchor_") else "hot"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a structure comes from; never part of its identity.

    Attributes
    ----------
    sampler : str
        Name of the sampler that made it ("input" for a geometry that a person gave).
    parent_id : str or None
        structure_id of the structure that the sampler started from.
    seed : int or None
        Seed of the sampler's random numbers.
    """

    sampler: str = "input"
    parent_id: str | None = None
    seed: int | None = None

    @property
    def block(self) -> str:
        """All that one sampler made from one parent with one seed: one trajectory.

        Data sets are split by block, never by frame: two frames of one trajectory are too alike
        for one to test a potential that was trained on the other.
        """
        return f"{self.sampler}/{self.parent_id or '-'}/{'-' if self.seed is None else self.seed}"

    @property
    def kind(self) -> StructureKind:
        """Anchors come from samplers whose names say so."""
        return kind_made_by(self.sampler)


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """Atoms, where they are, and how many electrons they share.

    Attributes
    ----------
    atomic_numbers : (N,) int64
    positions : (N, 3) float64, Å
    charge : int, e
    multiplicity : int
        2S + 1.
    molecule_id : str
        The molecule that it is a geometry of; empty if unknown.
    origin : Origin
    """

    atomic_numbers: IntArray
    positions: FloatArray
    charge: int = 0
    multiplicity: int = 1
    molecule_id: str = ""
    origin: Origin = field(default_factory=Origin)

    def __post_init__(self) -> None:
        numbers = np.array(self.atomic_numbers, dtype=np.int64)
        positions = np.array(self.positions, dtype=np.float64)
        if numbers.ndim != 1 or positions.shape != (len(numbers), 3):
            raise ValueError(
                f"a structure needs (N,) atomic numbers and (N, 3) positions, "
                f"not {numbers.shape} and {positions.shape}"
            )
        for name, array in (("atomic_numbers", numbers), ("positions", positions)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.atomic_numbers)

    @property
    def heavy_atoms(self) -> int:
        """How many atoms are not hydrogen."""
        return int((self.atomic_numbers > 1).sum())

    @property
    def masses(self) -> FloatArray:
        """Standard atomic masses, (N,) Da."""
        return np.asarray(atomic_masses[self.atomic_numbers], dtype=np.float64)

    @cached_property
    def structure_id(self) -> str:
        """Identity under translation, rotation and reflection, 20 hexadecimal digits.

        A hash of atomic numbers (in order), charge, multiplicity and all interatomic distances
        rounded to 1e-4 Å. Distances need no canonical frame, which a symmetric molecule does not
        have. Mirror images share an id on purpose: their energies are equal, one label serves both.
        """
        upper = np.triu_indices(len(self), k=1)
        distances = interatomic_distances(self.positions)[upper]
        rounded = np.rint(distances / _DISTANCE_RESOLUTION_ANGSTROM).astype("<i8")
        digest = hashlib.sha256()
        digest.update(f"{self.charge}/{self.multiplicity}/{len(self)}/".encode())
        digest.update(self.atomic_numbers.astype("<i8").tobytes())
        digest.update(rounded.tobytes())
        return digest.hexdigest()[:20]

    def moved_to(self, positions: FloatArray, origin: Origin) -> "Structure":
        """Return the same molecule at other positions ((N, 3) Å)."""
        return replace(self, positions=positions, origin=origin)


def interatomic_distances(positions: FloatArray) -> FloatArray:
    """Return the (N, N) matrix of distances in Å between (N, 3) positions."""
    difference = positions[:, None, :] - positions[None, :, :]
    return np.asarray(np.sqrt((difference**2).sum(axis=-1)), dtype=np.float64)


def hill_formula(atomic_numbers: IntArray) -> str:
    """Return the formula of some atoms in Hill's order, "C2H6O".

    Carbon and hydrogen come first where there is carbon; without it all go by the alphabet, "ClH"
    (Hill, doi:10.1021/ja02046a005; ASE puts hydrogen first in either case).
    """
    return _hill_formula(tuple(atomic_numbers.tolist()))


@lru_cache(maxsize=1024)
def _hill_formula(atomic_numbers: tuple[int, ...]) -> str:
    counts = Counter(chemical_symbols[number] for number in atomic_numbers)
    first = [s for s in ("C", "H") if s in counts] if "C" in counts else []
    order = first + sorted(s for s in counts if s not in first)
    return "".join(s + (str(counts[s]) if counts[s] > 1 else "") for s in order)
