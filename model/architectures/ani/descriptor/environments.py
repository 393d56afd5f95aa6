"""Atomic environment vectors of a batch, and forces from derivatives of the energy by them.

Environment vectors do not depend on weights, so all members of a committee share them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.architectures.ani.descriptor import symmetry
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.jacobian import FixedEnvironments, PairJacobian
from model.architectures.ani.descriptor.neighbours import Pairs, Triples, find_pairs
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
        members, n_atoms, _ = gradient.shape
        n_radial = self.shape.n_radial_features
        n_geometric = n_radial + self.shape.n_angular_features
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
        by_angular = angular.index_select(1, self.triples.block)  # (M, B, S)
        slopes = self.triples.slopes(self.angular, by_angular)
        pull.index_add_(0, self.near, self.triples.pulls(*slopes))
        forces = gradient.new_zeros(n_atoms, 3 * members)
        forces.index_add_(0, self.pairs.centre, pull.flatten(1))
        forces.index_add_(0, self.pairs.neighbour, pull.flatten(1), alpha=-1)
        return forces.view(n_atoms, 3, members).transpose(1, 2)

    def fixed(self) -> FixedEnvironments:
        """Return the same with derivatives by positions, for use with one set of weights after
        the other."""
        n_elements = len(self.shape.elements)
        pairs = self.pairs
        radial = PairJacobian.of(
            pairs,
            blocks_of_element=torch.arange(n_elements, device=self.features.device)[:, None],
            n_blocks=n_elements,
            derivatives=pairs.direction[:, :, None] * self.radial_slopes[:, None, :],
        )
        triples, pairs = self.triples, self.triples.pairs
        # (triple, xyz of both neighbours, S)
        by_triple = torch.bmm(triples.motions().transpose(1, 2), self.angular.slopes())
        # (pair, element of the other neighbour, xyz, S) -> (pair, xyz, all functions)
        by_pair = by_triple.new_zeros(len(pairs) * n_elements, 3, by_triple.shape[2])
        for side, other, half in (
            (triples.first, triples.second, by_triple[:, :3]),
            (triples.second, triples.first, by_triple[:, 3:]),
        ):
            by_pair.index_add_(0, side * n_elements + pairs.element[other], half)
        angular = PairJacobian.of(
            pairs,
            blocks_of_element=torch.tensor(self.shape.pair_table, device=self.features.device),
            n_blocks=self.shape.n_element_pairs,
            derivatives=by_pair.view(len(pairs), n_elements, *by_pair.shape[1:])
            .transpose(1, 2)
            .flatten(2),
        )
        return FixedEnvironments(features=self.features, radial=radial, angular=angular)


def environments(batch: AtomBatch, shape: AniShape, dtype: torch.dtype) -> Environments:
    """Compute environment vectors; where two atoms coincide, derivatives are NaN."""
    functions, n_elements = shape.symmetry_functions, len(shape.elements)
    pairs = find_pairs(batch, functions.radial_cutoff_angstrom, dtype)
    radial_values, radial_slopes = symmetry.radial(pairs.distance, functions)
    radial_block = pairs.centre * n_elements + pairs.element

    near = torch.nonzero(pairs.distance < functions.angular_cutoff_angstrom).flatten()
    triples = Triples.of(pairs[near], len(batch), n_elements)
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
    by_block[triples.block] = triples.sums(angular)
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
