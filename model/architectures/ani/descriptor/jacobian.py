"""Derivatives of environment vectors by positions, in blocks that small matrix products like.

A centre's functions that a neighbour moves are those of the neighbour's element: its radial
functions, and the angular ones of its element paired with each element. So one row is a centre with
an element, and holds the derivatives by all its neighbours of that element; rows with equally many
neighbours are multiplied at once, without padding. Against one dense block a centre this is a
third of the memory and of the work.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.architectures.ani.descriptor.neighbours import Pairs


@dataclass(frozen=True, kw_only=True, eq=False)
class RowGroup:
    """Rows that have K neighbours each.

    Attributes
    ----------
    centre : (R,) int64
    neighbours : (R, K) int64
    feature_blocks : (R * n) int64
        For each row, the n blocks of functions that it moves, in the batch's (A * blocks, S) list.
    derivatives : (R, 3 K, n S)
        Of those functions, by the positions of the neighbours, 1/Å.
    """

    centre: Tensor
    neighbours: Tensor
    feature_blocks: Tensor
    derivatives: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class PairJacobian:
    """Derivatives of one part (radial or angular) of environment vectors by positions.

    Attributes
    ----------
    groups : tuple of RowGroup
    n_blocks : int
        Blocks of functions that a centre has.
    block_size : int
        S, functions in a block.
    """

    groups: tuple[RowGroup, ...]
    n_blocks: int
    block_size: int

    @classmethod
    def of(
        cls, pairs: Pairs, *, blocks_of_element: Tensor, n_blocks: int, derivatives: Tensor
    ) -> "PairJacobian":
        """Group pairs by how many neighbours of the same element their centre has.

        Parameters
        ----------
        pairs : Pairs
        blocks_of_element : (n_elements, n) int64
            The blocks of a centre's functions that a neighbour of each element moves.
        n_blocks : int
        derivatives : (P, 3, n S)
        """
        n_elements, n = blocks_of_element.shape
        rows, counts = torch.unique_consecutive(
            pairs.centre * n_elements + pairs.element, return_counts=True
        )
        starts = torch.cumsum(counts, 0) - counts
        groups = []
        for size in torch.unique(counts).tolist():
            chosen = torch.nonzero(counts == size).flatten()
            members = starts[chosen, None] + torch.arange(
                size, device=starts.device
            )  # (R, K) pairs
            centre = torch.div(rows[chosen], n_elements, rounding_mode="floor")
            blocks = blocks_of_element[rows[chosen] % n_elements]
            groups.append(
                RowGroup(
                    centre=centre,
                    neighbours=pairs.neighbour[members],
                    feature_blocks=(centre[:, None] * n_blocks + blocks).flatten(),
                    derivatives=derivatives[members].flatten(1, 2),
                )
            )
        return cls(groups=tuple(groups), n_blocks=n_blocks, block_size=derivatives.shape[2] // n)

    @property
    def n_features(self) -> int:
        """Functions of a centre."""
        return self.n_blocks * self.block_size

    @property
    def n_bytes(self) -> int:
        """Memory of the derivatives."""
        return sum(g.derivatives.numel() * g.derivatives.element_size() for g in self.groups)

    def add_forces(self, gradient: Tensor, forces: Tensor) -> None:
        """Add minus dE/dR to forces (A, M, 3), given dE/dG of this part, (M, A, features)."""
        members = len(gradient)
        gradient = gradient.reshape(members, -1, self.block_size)
        for group in self.groups:
            rows, size = group.neighbours.shape
            by_row = gradient.index_select(1, group.feature_blocks).view(members, rows, -1)
            pull = torch.bmm(by_row.transpose(0, 1), group.derivatives.transpose(1, 2))
            pull = pull.view(rows, members, size, 3)
            forces.index_add_(0, group.centre, pull.sum(2))
            by_neighbour = pull.transpose(1, 2).reshape(rows * size, members, 3)
            forces.index_add_(0, group.neighbours.flatten(), by_neighbour, alpha=-1)

    def by_gradient(self, by_forces: Tensor) -> Tensor:
        """Transpose of `add_forces`: from dL/dF (A, M, 3), return dL/d(dE/dG), (M, A, features)."""
        n_atoms, members, _ = by_forces.shape
        by_gradient = by_forces.new_zeros(members, n_atoms * self.n_blocks, self.block_size)
        for group in self.groups:
            rows, size = group.neighbours.shape
            push = by_forces[group.centre, None] - by_forces[group.neighbours]  # (R, K, M, 3)
            push = push.transpose(1, 2).reshape(rows, members, 3 * size)
            by_row = torch.bmm(push, group.derivatives).transpose(0, 1)
            blocks = by_row.reshape(members, -1, self.block_size)
            by_gradient.index_add_(1, group.feature_blocks, blocks)
        return by_gradient.view(members, n_atoms, -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class FixedEnvironments:
    """Environment vectors of atoms that do not move, with all derivatives: for use over and over.

    Attributes
    ----------
    features : (A, F)
    radial, angular : PairJacobian
    """

    features: Tensor
    radial: PairJacobian
    angular: PairJacobian

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return self.radial.n_bytes + self.angular.n_bytes

    def forces(self, gradient: Tensor) -> Tensor:
        """Return forces (A, M, 3) from dE/dG, (M, A, F)."""
        members, n_atoms, _ = gradient.shape
        forces = gradient.new_zeros(n_atoms, members, 3)
        n_radial, n_geometric = self.radial.n_features, self._n_geometric
        self.radial.add_forces(gradient[:, :, :n_radial], forces)
        self.angular.add_forces(gradient[:, :, n_radial:n_geometric], forces)
        return forces

    def by_gradient(self, by_forces: Tensor) -> Tensor:
        """Transpose of `forces`: from dL/dF (A, M, 3), return dL/d(dE/dG), (M, A, F)."""
        parts = [self.radial.by_gradient(by_forces), self.angular.by_gradient(by_forces)]
        n_still = self.features.shape[1] - self._n_geometric
        if n_still:  # what tells states apart does not move with the atoms
            parts.append(parts[0].new_zeros(*parts[0].shape[:2], n_still))
        return torch.cat(parts, dim=2)

    @property
    def _n_geometric(self) -> int:
        return self.radial.n_features + self.angular.n_features
