"""Pairs of atoms that may be within a cutoff: all of a molecule, or those in neighbouring bins.

Looking at all pairs is fastest for molecules and grows with the square of the atoms; beyond
`MOST_ATOMS_IN_ALL_PAIRS` atoms are sorted into bins as wide as the cutoff, which grows linearly in
time and memory. Bins are found by their number in a sorted list, so that empty ones cost nothing
however far two atoms are apart.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from model.architectures.ani.descriptor.batch import AtomBatch

MOST_ATOMS_IN_ALL_PAIRS = 256
"""Of the largest structure of a batch."""

_MOST_BINS = 1 << 15
"""Along one direction; their products with the structures of a batch are numbers of 64 bits."""


def candidate_pairs(batch: AtomBatch, cutoff_angstrom: float) -> tuple[Tensor, Tensor]:
    """Return centres and neighbours (P,) of all pairs within a cutoff, and others.

    Both orders of a pair are there, each once. Of small structures they are ordered by centre,
    then by neighbour; of large ones they are not.
    """
    if max(batch.sizes) <= MOST_ATOMS_IN_ALL_PAIRS:
        return _all_pairs(batch)
    return _pairs_of_bins(batch, cutoff_angstrom)


def nearest_images(vectors: Tensor, cells: Tensor, owner: Tensor) -> Tensor:
    """Return vectors (P, 3) moved by box vectors to where they are shortest.

    Exact for those that end up shorter than half of the least width of their box: along the normal
    of a face such a vector is within half a width.

    Parameters
    ----------
    vectors : (P, 3)
    cells : (B, 3, 3)
        Rows are box vectors.
    owner : (P,) int64
        The box of each vector.
    """
    fractions = _rows_times(vectors, torch.linalg.inv(cells), owner)
    return vectors - _rows_times(torch.round(fractions), cells, owner)


def widths(cells: Tensor) -> Tensor:
    """Return distances between opposite faces of boxes (B, 3, 3), (B, 3)."""
    inverse_widths: Tensor = torch.linalg.vector_norm(torch.linalg.inv(cells), dim=1)
    return inverse_widths.reciprocal()


def _all_pairs(batch: AtomBatch) -> tuple[Tensor, Tensor]:
    device = batch.positions.device
    sizes = torch.tensor(batch.sizes, device=device)
    starts = torch.cumsum(sizes, 0) - sizes
    atoms = torch.argsort(batch.owner, stable=True)  # by structure, then by element
    per_atom = sizes[batch.owner]
    centre, rank = _counted(per_atom)
    return centre, atoms[starts[batch.owner[centre]] + rank]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Bins:
    """The bin of each atom.

    Attributes
    ----------
    index : (A, 3) int64
        Along each direction.
    counts : (A, 3) int64
        How many bins the structure of the atom has.
    is_periodic : bool
    """

    index: Tensor
    counts: Tensor
    is_periodic: bool

    @classmethod
    def of(cls, batch: AtomBatch, cutoff_angstrom: float) -> "_Bins":
        if batch.cells is None:
            index = _bounded((batch.positions - batch.positions.amin(0)) / cutoff_angstrom)
            return cls(index=index, counts=(index.amax(0) + 1).expand_as(index), is_periodic=False)
        fractions = _rows_times(batch.positions, torch.linalg.inv(batch.cells), batch.owner)
        counts = _bounded(widths(batch.cells) / cutoff_angstrom).clamp(min=1)[batch.owner]
        index = ((fractions - fractions.floor()) * counts).long()
        return cls(index=torch.minimum(index, counts - 1), counts=counts, is_periodic=True)

    def shifted(self, offset: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Return the bins at an offset, and which of them are there and counted once (A,)."""
        step = torch.tensor(offset, device=self.index.device)
        moved = self.index + step
        if not self.is_periodic:
            return moved, ((moved >= 0) & (moved < self.counts)).all(1)
        # Of two bins either is on both sides of the other, and one is its own neighbour.
        once = (step == 0) | (self.counts > 2) | ((step > 0) & (self.counts == 2))
        return torch.remainder(moved, self.counts), once.all(1)

    def numbered(self, index: Tensor, owner: Tensor) -> Tensor:
        """Return one number a bin, that no other bin of any structure has, (A,)."""
        x, y, z = index.unbind(1)
        most_x, most_y, most_z = self.counts.amax(0).tolist()
        number: Tensor = ((owner * most_x + x) * most_y + y) * most_z + z
        return number


def _pairs_of_bins(batch: AtomBatch, cutoff_angstrom: float) -> tuple[Tensor, Tensor]:
    bins = _Bins.of(batch, cutoff_angstrom)
    numbers, atoms = torch.sort(bins.numbered(bins.index, batch.owner))
    centres, neighbours = [], []
    for offset in itertools.product((-1, 0, 1), repeat=3):
        index, exists = bins.shifted(offset)
        wanted = bins.numbered(index, batch.owner)
        first = torch.searchsorted(numbers, wanted)
        inside = torch.searchsorted(numbers, wanted, right=True) - first
        centre, rank = _counted(inside * exists)
        centres.append(centre)
        neighbours.append(atoms[first[centre] + rank])
    return torch.cat(centres), torch.cat(neighbours)


def _counted(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return each index as often as it is counted, and which of its turns it is."""
    owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    first = torch.cumsum(counts, 0) - counts
    return owner, torch.arange(len(owner), device=counts.device) - first[owner]


def _bounded(bins: Tensor) -> Tensor:
    return bins.clamp(0, _MOST_BINS - 1).long()


def _rows_times(rows: Tensor, matrices: Tensor, owner: Tensor) -> Tensor:
    """Return each row (N, 3) times the matrix of its owner, (B, 3, 3)."""
    if len(matrices) == 1:
        return rows @ matrices[0]
    return (rows[:, :, None] * matrices[owner]).sum(1)
