"""Who is near whom: pairs and triples of atoms within a cutoff, for many structures at once."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from model.batch import AtomBatch


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Ordered pairs of a centre and a neighbour, by centre, then by element of the neighbour.

    Attributes
    ----------
    centre, neighbour : (P,) int64
        Atoms of the batch.
    element : (P,) int64
        Species index of the neighbour.
    distance : (P,)
        Å.
    direction : (P, 3)
        Unit vector from the centre to the neighbour.
    """

    centre: Tensor
    neighbour: Tensor
    element: Tensor
    distance: Tensor
    direction: Tensor

    def __len__(self) -> int:
        return len(self.centre)

    def __getitem__(self, keep: Tensor) -> "Pairs":
        """Return some of the pairs."""
        return Pairs(
            centre=self.centre[keep],
            neighbour=self.neighbour[keep],
            element=self.element[keep],
            distance=self.distance[keep],
            direction=self.direction[keep],
        )


def find_pairs(batch: AtomBatch, cutoff_angstrom: float, dtype: torch.dtype) -> Pairs:
    """Find all pairs within a cutoff and in the same structure; distances in float64 first.

    All pairs of a structure are looked at, which is fastest for molecules.
    """
    sizes = torch.tensor(batch.sizes)
    starts = torch.cumsum(sizes, 0) - sizes
    atoms = torch.argsort(batch.owner, stable=True)  # by structure, then by element
    per_atom = sizes[batch.owner[atoms]]
    centre = torch.repeat_interleave(atoms, per_atom)
    first = torch.repeat_interleave(torch.cumsum(per_atom, 0) - per_atom, per_atom)
    rank = torch.arange(len(centre)) - first
    neighbour = atoms[starts[batch.owner[centre]] + rank]
    vectors = batch.positions[neighbour] - batch.positions[centre]
    distance = torch.linalg.vector_norm(vectors, dim=1)
    keep = torch.nonzero((distance < cutoff_angstrom) & (centre != neighbour)).flatten()
    distance = distance[keep]
    return Pairs(
        centre=centre[keep],
        neighbour=neighbour[keep],
        element=batch.species[neighbour[keep]],
        distance=distance.to(dtype),
        direction=(vectors[keep] / distance[:, None]).to(dtype),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Triples:
    """A centre and two of its neighbours, by the pairs that it consists of.

    Attributes
    ----------
    pairs : Pairs
    first, second : (T,) int64
        Pairs with the same centre, first < second.
    cosine : (T,)
        Of the angle between them.
    """

    pairs: Pairs
    first: Tensor
    second: Tensor
    cosine: Tensor

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def of(cls, pairs: Pairs) -> "Triples":
        """Find all triples."""
        _, counts = torch.unique_consecutive(pairs.centre, return_counts=True)
        ends = torch.repeat_interleave(torch.cumsum(counts, 0), counts)
        later = ends - torch.arange(len(pairs)) - 1
        first = torch.repeat_interleave(torch.arange(len(pairs)), later)
        rank = torch.arange(len(first)) - (torch.cumsum(later, 0) - later)[first]
        second = first + 1 + rank
        # index_select is several times faster than indexing by a tensor.
        one, two = (pairs.direction.index_select(0, side) for side in (first, second))
        cosine = torch.linalg.vecdot(one, two)
        return cls(pairs=pairs, first=first, second=second, cosine=cosine)

    def pulls(self, slopes: Tensor) -> Tensor:
        """Return derivatives by the position of each pair's neighbour, (P, 3, M).

        Parameters
        ----------
        slopes : (T, 3, M)
            Derivatives by the distances of first and second pair and by the cosine.
        """
        pairs = self.pairs
        sides = torch.cat([self.first, self.second])
        order = torch.argsort(sides)
        side = torch.div(order, len(self), rounding_mode="floor")
        triple = order - side * len(self)
        starts = torch.cumsum(torch.bincount(sides, minlength=len(pairs)), 0)
        starts = torch.cat([starts.new_zeros(1), starts])
        rows = slopes.reshape(-1, slopes.shape[2])

        def sums(row: Tensor, weights: Tensor | None) -> Tensor:
            """Add up rows of slopes, over the triples that each pair is part of, (P, M)."""
            return embedding_bag(
                row, rows, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
            )

        angle = 3 * triple + 2
        partners = torch.cat([self.second, self.first]).index_select(0, order)
        partner = pairs.direction.index_select(0, partners).T.contiguous()
        across = torch.stack([sums(angle, partner[axis]) for axis in range(3)], 1)
        back = sums(angle, self.cosine.index_select(0, triple))
        # d cos / d R = (partner's direction - cos * own direction) / distance
        turn = (across - back[:, None] * pairs.direction[:, :, None]) / pairs.distance[
            :, None, None
        ]
        return turn + sums(3 * triple + side, None)[:, None] * pairs.direction[:, :, None]

    def motions(self) -> Tensor:
        """Return derivatives of both distances and the cosine by both neighbours, (T, 3, 6)."""
        one, two = self.pairs.direction[self.first], self.pairs.direction[self.second]
        cosine, distance = self.cosine[:, None], self.pairs.distance[:, None]
        motions = one.new_zeros(len(self), 3, 6)
        motions[:, 0, :3] = one
        motions[:, 1, 3:] = two
        motions[:, 2, :3] = (two - cosine * one) / distance[self.first]
        motions[:, 2, 3:] = (one - cosine * two) / distance[self.second]
        return motions
