"""AtomBatch: many structures laid end to end, as the descriptor and the networks want them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase.data import chemical_symbols
from torch import Tensor

from chemistry.records.structure import FloatArray, Structure
from model.states import state_columns

ATOMS_AT_ONCE = 1024
"""For every member's forces: bounds memory, and keeps arrays within the processor's caches."""

ATOMS_AT_ONCE_FOR_MEANS = 2048
"""For mean forces, whose arrays are smaller."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AtomBatch:
    """The A atoms of B structures, sorted by element: each element's networks see one slice.

    Attributes
    ----------
    positions : (A, 3) float64, Å
    species : (A,) int64
        Index into the shape's elements, ascending.
    owner : (A,) int64
        Index of the structure of each atom; within a structure and element, atoms keep their order.
    place : (A,) int64
        Where the atoms of the structures, laid end to end, are found here.
    sizes : tuple of int
        Atoms of each structure.
    states : (B, 3) float64
        `model.states.state_columns` of the structures.
    element_ends : tuple of int
        End of each element's slice.
    cells : (B, 3, 3) float64, Å, or None
        Box vectors of each structure, one a row; None: not periodic. Boxes are at least twice as
        wide as the cutoff.
    """

    positions: Tensor
    species: Tensor
    owner: Tensor
    place: Tensor
    sizes: tuple[int, ...]
    states: Tensor
    element_ends: tuple[int, ...]
    cells: Tensor | None = None

    @classmethod
    def of(
        cls,
        structures: Sequence[Structure],
        elements: Sequence[int],
        device: torch.device | None = None,
    ) -> "AtomBatch":
        """Lay structures out, on the CPU unless told; they have passed `check_structures`."""
        sizes = [len(structure) for structure in structures]
        index_of = np.full(len(chemical_symbols), -1, dtype=np.int64)
        index_of[list(elements)] = np.arange(len(elements))
        species = index_of[np.concatenate([s.atomic_numbers for s in structures])]
        order = np.argsort(species, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        positions = np.concatenate([s.positions for s in structures])
        return cls(
            positions=torch.from_numpy(positions[order]).to(device),
            species=torch.from_numpy(species[order]).to(device),
            owner=torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)[order]).to(device),
            place=torch.from_numpy(place).to(device),
            sizes=tuple(sizes),
            states=torch.from_numpy(state_columns(structures)).to(device),
            element_ends=tuple(np.cumsum(np.bincount(species, minlength=len(elements))).tolist()),
        )

    def moved(self, positions: FloatArray, cells: Tensor | None = None) -> "AtomBatch":
        """Return the same at positions (A, 3) of the structures, laid end to end, and in boxes."""
        laid_out = torch.empty_like(self.positions)
        laid_out[self.place] = torch.tensor(positions).to(laid_out)
        return replace(
            self, positions=laid_out, cells=None if cells is None else cells.to(laid_out)
        )

    def __len__(self) -> int:
        return len(self.species)


def chunks(structures: Sequence[Structure], atoms_at_once: int) -> Iterator[Sequence[Structure]]:
    """Cut structures into runs of at most so many atoms, but at least one structure."""
    start, atoms = 0, 0
    for index, structure in enumerate(structures):
        if atoms and atoms + len(structure) > atoms_at_once:
            yield structures[start:index]
            start, atoms = index, 0
        atoms += len(structure)
    if start < len(structures):
        yield structures[start:]
