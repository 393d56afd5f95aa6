"""Environments of atoms that do not move, with all derivatives by positions: for use over and over.

Derivatives are those of coordinates in a basis (`basis.py`), one dense block a centre by all its
neighbours; centres with equally many neighbours are multiplied at once, without padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class RowGroup:
    """Centres that have K neighbours each.

    Attributes
    ----------
    centre : (R,) int64
    neighbours : (R, K) int64
    derivatives : (R, 3 K, P)
        Of the coordinates, by the positions of the neighbours, 1/Å.
    """

    centre: Tensor
    neighbours: Tensor
    derivatives: Tensor


def row_groups(centre: Tensor, neighbour: Tensor, derivatives: Tensor) -> tuple[RowGroup, ...]:
    """Group pairs, which are in order of their centre, by how many neighbours that has.

    Parameters
    ----------
    centre, neighbour : (Q,) int64
    derivatives : (Q, 3, P)
        Of the centre's coordinates by the position of the neighbour.
    """
    centres, counts = torch.unique_consecutive(centre, return_counts=True)
    starts = torch.cumsum(counts, 0) - counts
    groups = []
    for size in torch.unique(counts).tolist():
        chosen = torch.nonzero(counts == size).flatten()
        pairs = starts[chosen, None] + torch.arange(size, device=starts.device)  # (R, K)
        groups.append(
            RowGroup(
                centre=centres[chosen],
                neighbours=neighbour[pairs],
                derivatives=derivatives[pairs].flatten(1, 2),
            )
        )
    return tuple(groups)


@dataclass(frozen=True, kw_only=True, eq=False)
class FixedEnvironments:
    """Coordinates of the environments of A atoms that do not move, and their derivatives.

    Attributes
    ----------
    features : (A, P)
    groups : sequence of RowGroup
        Every centre that has neighbours, once.
    """

    features: Tensor
    groups: Sequence[RowGroup]

    @property
    def n_bytes(self) -> int:
        """Memory of the derivatives."""
        return sum(g.derivatives.numel() * g.derivatives.element_size() for g in self.groups)

    def forces(self, gradient: Tensor) -> Tensor:
        """Return forces (A, M, 3) from dE/dx, (M, A, P)."""
        members, n_atoms, _ = gradient.shape
        forces = gradient.new_zeros(n_atoms, members, 3)
        for group in self.groups:
            rows, size = group.neighbours.shape
            by_row = gradient.index_select(1, group.centre).transpose(0, 1)
            pull = torch.bmm(by_row, group.derivatives.transpose(1, 2))
            pull = pull.view(rows, members, size, 3)
            forces.index_add_(0, group.centre, pull.sum(2))
            by_neighbour = pull.transpose(1, 2).reshape(rows * size, members, 3)
            forces.index_add_(0, group.neighbours.flatten(), by_neighbour, alpha=-1)
        return forces

    def by_gradient(self, by_forces: Tensor) -> Tensor:
        """Transpose of `forces`: from dL/dF (A, M, 3), return dL/d(dE/dx), (M, A, P)."""
        n_atoms, members, _ = by_forces.shape
        by_gradient = by_forces.new_zeros(members, n_atoms, self.features.shape[1])
        for group in self.groups:
            rows, size = group.neighbours.shape
            push = by_forces[group.centre, None] - by_forces[group.neighbours]  # (R, K, M, 3)
            push = push.transpose(1, 2).reshape(rows, members, 3 * size)
            by_row = torch.bmm(push, group.derivatives).transpose(0, 1)
            by_gradient.index_copy_(1, group.centre, by_row)
        return by_gradient
