"""Atomic environment vectors of a batch, and forces from derivatives of the energy by them.

Environment vectors do not depend on weights, so all members of a committee share them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.architectures.ani.descriptor import symmetry
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.neighbours import Blocks, Pairs, Triples, find_pairs
from model.architectures.ani.descriptor.symmetry import AngularFactors
from model.architectures.ani.shape import AniShape


@dataclass(frozen=True, kw_only=True, eq=False)
class Environments:
    """Environment vectors of a batch, and what each pair and triple of atoms has to do with them.

    Attributes
    ----------
    shape : AniShape
    features : (A, F)
        Of each atom: for each element the radial functions, then for each pair of elements the
        angular functions, then the columns of its structure's state where there are several.
    pairs : Pairs
        Within the radial cutoff.
    near : (Q,) int64
        Those within the angular cutoff.
    triples : Triples
        Of the pairs within the angular cutoff.
    radial_block : (P,) int64
        The block of radial functions that a pair adds to, in the list (A * n_elements, R).
    radial_slopes : (P, R)
        Of these functions by the distance of the pair.
    angular : AngularFactors
        The angular functions of the triples.
    """

    shape: AniShape
    features: Tensor
    pairs: Pairs
    near: Tensor
    triples: Triples
    radial_block: Tensor
    radial_slopes: Tensor
    angular: AngularFactors

    def forces(self, gradient: Tensor) -> Tensor:
        """Return forces (A, M, 3) from dE/dG, (M, A, F)."""
        return self.forces_by_pulls(self.pulls(gradient))

    def pulls(self, gradient: Tensor) -> Tensor:
        """Return the derivative by each pair's vector, (P, 3, M), from dE/dG, (M, A, F)."""
        members = len(gradient)
        n_radial = self.shape.n_radial_features
        n_geometric = self.shape.n_geometric_features
        radial, angular = (
            part.reshape(members, -1, block_size)
            for part, block_size in (
                (gradient[:, :, :n_radial], self.radial_slopes.shape[1]),
                (
                    gradient[:, :, n_radial:n_geometric],
                    len(self.angular.stretch) * len(self.angular.bend),
                ),
            )
        )
        by_radial = radial.index_select(1, self.radial_block).permute(1, 2, 0)  # (P, R, M)
        along = torch.bmm(self.radial_slopes[:, None, :], by_radial)  # (P, 1, M)
        pull = along * self.pairs.direction[:, :, None]  # on each pair's neighbour, (P, 3, M)
        by_angular = angular.index_select(1, self.triples.blocks.block)  # (M, B, S)
        slopes = self.triples.slopes(self.angular, by_angular)
        return pull.index_add_(0, self.near, self.triples.pulls(*slopes))

    def forces_by_pulls(self, pulls: Tensor) -> Tensor:
        """Return forces (A, M, 3) from `pulls`, (P, 3, M)."""
        n_atoms, members = len(self.features), pulls.shape[2]
        forces = pulls.new_zeros(n_atoms, 3 * members)
        forces.index_add_(0, self.pairs.centre, pulls.flatten(1))
        forces.index_add_(0, self.pairs.neighbour, pulls.flatten(1), alpha=-1)
        return forces.view(n_atoms, 3, members).transpose(1, 2)

    def strain_derivatives(self, pulls: Tensor, batch: AtomBatch) -> Tensor:
        """Return the derivative by a strain of all positions and boxes, (B, 3, 3) float64.

        Of what has the `pulls` (P, 3, 1): the sum over pairs of vector times derivative by it.
        """
        vectors = self.pairs.direction * self.pairs.distance[:, None]
        by_pair = vectors[:, :, None] * pulls.transpose(1, 2)
        total = pulls.new_zeros(len(batch.sizes), 3, 3, dtype=torch.float64)
        return total.index_add_(0, batch.owner[self.pairs.centre], by_pair.double())

    def radial_derivatives(self) -> Tensor:
        """Return derivatives of each pair's radial functions by its neighbour, (P, 3, R) 1/Å."""
        return self.pairs.direction[:, :, None] * self.radial_slopes[:, None, :]

    def angular_derivatives(self) -> Tensor:
        """Return derivatives of the angular functions that each pair within the angular cutoff has
        a part in by its neighbour, (Q, 3, n_elements S) 1/Å, by element of the other neighbour."""
        n_elements = len(self.shape.elements)
        triples, pairs = self.triples, self.triples.pairs
        # (triple, xyz of both neighbours, S)
        by_triple = torch.bmm(triples.motions().transpose(1, 2), self.angular.slopes())
        by_pair = by_triple.new_zeros(len(pairs) * n_elements, 3, by_triple.shape[2])
        for side, other, half in (
            (triples.first, triples.second, by_triple[:, :3]),
            (triples.second, triples.first, by_triple[:, 3:]),
        ):
            by_pair.index_add_(0, side * n_elements + pairs.element[other], half)
        by_element = by_pair.view(len(pairs), n_elements, *by_pair.shape[1:])
        return by_element.transpose(1, 2).flatten(2)


def environments(
    batch: AtomBatch, shape: AniShape, dtype: torch.dtype, before: Blocks | None = None
) -> Environments:
    """Compute environment vectors; where two atoms coincide, derivatives are NaN.

    Blocks of the same atoms `before` they moved are used again where the same pairs are near.
    """
    functions, n_elements = shape.symmetry_functions, len(shape.elements)
    pairs = find_pairs(batch, functions.radial_cutoff_angstrom, dtype)
    radial_values, radial_slopes = symmetry.radial(pairs.distance, functions)
    radial_block = pairs.centre * n_elements + pairs.element

    near = torch.nonzero(pairs.distance < functions.angular_cutoff_angstrom).flatten()
    close = pairs[near]
    if before is None or not before.are_of(close):
        before = Blocks.of(close, len(batch), n_elements)
    triples = Triples.of(close, before)
    angular = symmetry.angular(
        triples.pairs.distance.index_select(0, triples.first),
        triples.pairs.distance.index_select(0, triples.second),
        triples.cosine,
        functions,
    )
    radial = radial_values.new_zeros(len(batch) * n_elements, radial_values.shape[1])
    radial.index_add_(0, radial_block, radial_values)
    by_block = radial.new_zeros(
        len(batch) * shape.n_element_pairs, len(angular.stretch) * len(angular.bend)
    )
    by_block[triples.blocks.block] = triples.sums(angular)
    parts = [part.view(len(batch), -1) for part in (radial, by_block)]
    if shape.n_state_features:
        parts.append(batch.states.to(dtype)[batch.owner])
    return Environments(
        shape=shape,
        features=torch.cat(parts, dim=1),
        pairs=pairs,
        near=near,
        triples=triples,
        radial_block=radial_block,
        radial_slopes=radial_slopes,
        angular=angular,
    )
