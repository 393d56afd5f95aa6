"""Who is near whom: pairs and triples of atoms within a cutoff, for many structures at once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.candidates import (
    MOST_ATOMS_IN_ALL_PAIRS,
    candidate_pairs,
    nearest_images,
)
from model.architectures.ani.descriptor.symmetry import AngularFactors

_FEW_TRIPLES = 8192
"""Up to so many, times members, sums over them are faster without small matrix products."""


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
    """Find all pairs within a cutoff and in the same structure; distances in float64 first."""
    centre, neighbour = candidate_pairs(batch, cutoff_angstrom)
    vectors = batch.positions[neighbour] - batch.positions[centre]
    if batch.cells is not None:
        vectors = nearest_images(vectors, batch.cells, batch.owner[centre])
    distance = torch.linalg.vector_norm(vectors, dim=1)
    keep = torch.nonzero((distance < cutoff_angstrom) & (centre != neighbour)).flatten()
    if max(batch.sizes) > MOST_ATOMS_IN_ALL_PAIRS:
        # Atoms of a batch are sorted by element, so this sorts neighbours by element, too.
        keep = keep[torch.argsort(centre[keep] * len(batch) + neighbour[keep])]
    distance = distance[keep]
    return Pairs(
        centre=centre[keep],
        neighbour=neighbour[keep],
        element=batch.species[neighbour[keep]],
        distance=distance.to(dtype),
        direction=(vectors[keep] / distance[:, None]).to(dtype),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """Which pairs form triples, and which triples add to the same functions.

    Triples of one centre and one pair of elements are a block. Blocks of equally many triples
    follow each other, so that small matrix products can treat them at once, without padding.

    Attributes
    ----------
    centre, neighbour : (P,) int64
        Atoms of the pairs.
    first, second : (T,) int64
        Pairs with the same centre, first < second.
    block : (B,) int64
        centre * element pairs + element pair, of each block that has triples.
    owner : (T,) int64
        Which of these blocks a triple is in.
    groups : tuple of (int, int)
        (blocks, triples in each), in order.
    """

    centre: Tensor
    neighbour: Tensor
    first: Tensor
    second: Tensor
    block: Tensor
    owner: Tensor
    groups: tuple[tuple[int, int], ...]

    def are_of(self, pairs: Pairs) -> bool:
        """Whether these are the pairs that the blocks are of, wherever their atoms are."""
        return torch.equal(self.centre, pairs.centre) and torch.equal(
            self.neighbour, pairs.neighbour
        )

    @classmethod
    def of(cls, pairs: Pairs, n_atoms: int, n_elements: int) -> "Blocks":
        """Find all triples; element pairs are counted along the upper triangle, row by row."""
        device = pairs.centre.device
        counts = torch.bincount(
            pairs.centre * n_elements + pairs.element, minlength=n_atoms * n_elements
        )
        starts = (torch.cumsum(counts, 0) - counts).view(n_atoms, n_elements)
        counts = counts.view(n_atoms, n_elements)
        one, two = torch.triu_indices(n_elements, n_elements, device=device)
        n_one, n_two, alike = counts[:, one], counts[:, two], one == two
        half = torch.div(n_one * (n_one - 1), 2, rounding_mode="floor")
        sizes, block = torch.sort(torch.where(alike, half, n_one * n_two).flatten(), stable=True)
        empty = int((sizes == 0).sum())
        sizes, block = sizes[empty:], block[empty:]
        group_sizes, group_lengths = torch.unique_consecutive(sizes, return_counts=True)

        owner = torch.repeat_interleave(torch.arange(len(block), device=device), sizes)
        first, second = _choices(
            torch.arange(len(owner), device=device)
            - (torch.cumsum(sizes, 0) - sizes).index_select(0, owner),
            n_two.flatten()[block].index_select(0, owner),
            alike.repeat(n_atoms)[block].index_select(0, owner),
        )
        first += starts[:, one].flatten()[block].index_select(0, owner)
        second += starts[:, two].flatten()[block].index_select(0, owner)
        return cls(
            centre=pairs.centre,
            neighbour=pairs.neighbour,
            first=first,
            second=second,
            block=block,
            owner=owner,
            groups=tuple(zip(group_lengths.tolist(), group_sizes.tolist(), strict=True)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Triples:
    """A centre and two of its neighbours, by the pairs that it consists of.

    Attributes
    ----------
    pairs : Pairs
    blocks : Blocks
        Of these pairs.
    cosine : (T,)
        Of the angle between both pairs.
    """

    pairs: Pairs
    blocks: Blocks
    cosine: Tensor

    @classmethod
    def of(cls, pairs: Pairs, blocks: Blocks) -> "Triples":
        """Return the triples of pairs."""
        # index_select is several times faster than indexing by a tensor.
        u, v = (pairs.direction.index_select(0, side) for side in (blocks.first, blocks.second))
        return cls(pairs=pairs, blocks=blocks, cosine=torch.linalg.vecdot(u, v))

    def __len__(self) -> int:
        return len(self.cosine)

    @property
    def first(self) -> Tensor:
        """Pairs (T,) of the first neighbour."""
        return self.blocks.first

    @property
    def second(self) -> Tensor:
        """Pairs (T,) of the second neighbour, with the same centre."""
        return self.blocks.second

    def sums(self, factors: AngularFactors) -> Tensor:
        """Add the angular functions of the triples of each block, (B, S)."""
        if len(self) <= _FEW_TRIPLES:
            products = (factors.stretch[:, None] * factors.bend).flatten(0, 1).T.contiguous()
            total = products.new_zeros(len(self.blocks.block), products.shape[1])
            return total.index_add_(0, self.blocks.owner, products)
        parts = [
            torch.bmm(stretch.transpose(0, 1), bend.permute(1, 2, 0)).flatten(1)
            for stretch, bend in zip(
                self._by_group(factors.stretch), self._by_group(factors.bend), strict=True
            )
        ]
        return torch.cat(parts)

    def slopes(self, factors: AngularFactors, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return dE/d(distance of first), of second, and dE/d(cosine), each (M, T).

        Parameters
        ----------
        factors : AngularFactors
        gradient : (M, B, S)
            dE/d(functions of each block).
        """
        few = len(gradient) * len(self) <= _FEW_TRIPLES
        weigh = self._weighed if few else self._weighed_by_group
        by_stretch, by_bend = weigh(gradient, factors)
        return (
            (by_stretch * factors.by_first).sum(1),
            (by_stretch * factors.by_second).sum(1),
            (by_bend * factors.stretch).sum(1),
        )

    def _weighed(self, gradient: Tensor, factors: AngularFactors) -> tuple[Tensor, Tensor]:
        """Return dE/d(stretch), and dE/d(bend) times the bend's slope by it, each (M, Z, T)."""
        columns = gradient.transpose(1, 2).flatten(0, 1)
        rows = columns.index_select(1, self.blocks.owner)
        rows = rows.view(len(gradient), len(factors.stretch), len(factors.bend), len(self))
        return (rows * factors.bend).sum(2), (rows * factors.by_cosine).sum(2)

    def _weighed_by_group(self, gradient: Tensor, factors: AngularFactors) -> tuple[Tensor, Tensor]:
        """Return what `_weighed` does, by small matrix products."""
        members, n_blocks, _ = gradient.shape
        n_stretch, n_bend = len(factors.stretch), len(factors.bend)
        by_stretch, by_bend = gradient.new_empty(2, members * n_stretch, len(self))
        rows = gradient.view(members, n_blocks, n_stretch, n_bend).transpose(0, 1)
        rows = rows.reshape(n_blocks, members * n_stretch, n_bend)
        groups = torch.split(rows, [length for length, _ in self.blocks.groups])
        for into, source in ((by_stretch, factors.bend), (by_bend, factors.by_cosine)):
            for part, values, group in zip(
                self._by_group(into), self._by_group(source), groups, strict=True
            ):
                part.copy_(torch.bmm(group, values.transpose(0, 1)).transpose(0, 1))
        shape = (members, n_stretch, len(self))
        return by_stretch.view(shape), by_bend.view(shape)

    def pulls(self, by_first: Tensor, by_second: Tensor, by_cosine: Tensor) -> Tensor:
        """Return derivatives by the position of each pair's neighbour, (P, 3, M), from `slopes`.

        d cos / d R = (partner's direction - cos * own direction) / distance, and the directions
        and distances are taken out of the sums over triples where they are those of the pair.
        """
        pairs, members = self.pairs, len(by_first)
        direction = pairs.direction.T.contiguous()
        sums = by_first.new_zeros(len(pairs), 5 * members)
        rows = by_first.new_empty(5, members, len(self))
        torch.mul(by_cosine, self.cosine, out=rows[1])
        for side, partner, along in (
            (self.first, self.second, by_first),
            (self.second, self.first, by_second),
        ):
            rows[0] = along
            torch.mul(direction.index_select(1, partner)[:, None], by_cosine, out=rows[2:])
            sums.index_add_(0, side, rows.flatten(0, 1).T.contiguous())
        sums = sums.view(len(pairs), 5, members)
        distance = pairs.distance[:, None]
        own = sums[:, 0] - sums[:, 1] / distance
        return torch.addcmul(
            sums[:, 2:] / distance[:, None], own[:, None], pairs.direction[:, :, None]
        )

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

    def _by_group(self, values: Tensor) -> list[Tensor]:
        """View (n, T) values as (n, blocks, triples in each), one view a group."""
        groups = self.blocks.groups
        parts = torch.split(values, [length * size for length, size in groups], dim=1)
        return [
            part.view(len(values), length, size)
            for part, (length, size) in zip(parts, groups, strict=True)
        ]


def _choices(rank: Tensor, width: Tensor, alike: Tensor) -> tuple[Tensor, Tensor]:
    """Return which neighbour of either element the triple of each rank in its block has.

    Of two elements all combinations, row by row of `width`; where they are `alike`, each choice of
    two once: (0, 1), (0, 2), (1, 2), (0, 3), ...
    """
    most = int(width.max()) if len(width) else 0
    counted = torch.arange(most, device=rank.device)
    larger = torch.repeat_interleave(counted, counted)
    # Ranks past the table are those of two elements, for which it is not asked.
    row = larger[rank.clamp(max=len(larger) - 1)] if len(larger) else rank
    smaller = rank - torch.div(row * (row - 1), 2, rounding_mode="floor")
    across = torch.div(rank, width, rounding_mode="floor")
    return torch.where(alike, smaller, across), torch.where(alike, row, rank - across * width)
