"""Atomic environment vectors of a batch, and forces from derivatives of the energy by them.

Environment vectors do not depend on weights, so all members of a committee share them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model import symmetry
from model.architecture import Architecture
from model.batch import AtomBatch
from model.jacobian import FixedEnvironments, PairJacobian
from model.neighbours import Pairs, Triples, find_pairs


@dataclass(frozen=True, kw_only=True, eq=False)
class Environments:
    """Environment vectors of a batch, and what each pair and triple of atoms has to do with them.

    Attributes
    ----------
    architecture : Architecture
    features : (A, F)
        Of each atom: for each element the radial functions, then for each pair of elements the
        angular functions.
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
    angular_block : (T,) int64
        The block of angular functions that a triple adds to, in the list (A * element pairs, S).
    angular_slopes : (T, 3, S)
        Of these functions by both distances and by the cosine of the angle.
    """

    architecture: Architecture
    features: Tensor
    pairs: Pairs
    near: Tensor
    triples: Triples
    radial_block: Tensor
    radial_slopes: Tensor
    angular_block: Tensor
    angular_slopes: Tensor

    def forces(self, gradient: Tensor) -> Tensor:
        """Return forces (A, M, 3) from dE/dG, (M, A, F)."""
        members, n_atoms, _ = gradient.shape
        n_radial = self.architecture.n_radial_features
        by_radial, by_angular = (
            part.reshape(members, -1, slopes.shape[-1]).index_select(1, block).permute(1, 2, 0)
            for part, slopes, block in (
                (gradient[:, :, :n_radial], self.radial_slopes, self.radial_block),
                (gradient[:, :, n_radial:], self.angular_slopes, self.angular_block),
            )
        )
        along = torch.bmm(self.radial_slopes[:, None, :], by_radial)  # (P, 1, M)
        pull = along * self.pairs.direction[:, :, None]  # on each pair's neighbour, (P, 3, M)
        pull[self.near] += self.triples.pulls(torch.bmm(self.angular_slopes, by_angular))
        forces = gradient.new_zeros(n_atoms, 3 * members)
        forces.index_add_(0, self.pairs.centre, pull.flatten(1))
        forces.index_add_(0, self.pairs.neighbour, pull.flatten(1), alpha=-1)
        return forces.view(n_atoms, 3, members).transpose(1, 2)

    def fixed(self) -> FixedEnvironments:
        """Return the same with derivatives by positions, for use with one set of weights after
        the other."""
        n_elements = len(self.architecture.elements)
        pairs = self.pairs
        radial = PairJacobian.of(
            pairs,
            blocks_of_element=torch.arange(n_elements)[:, None],
            n_blocks=n_elements,
            derivatives=pairs.direction[:, :, None] * self.radial_slopes[:, None, :],
        )
        triples, pairs = self.triples, self.triples.pairs
        by_triple = torch.bmm(triples.motions().transpose(1, 2), self.angular_slopes)  # (T, 6, S)
        # (pair, element of the other neighbour, xyz, S) -> (pair, xyz, all functions)
        by_pair = by_triple.new_zeros(len(pairs) * n_elements, 3, by_triple.shape[2])
        for side, other, half in (
            (triples.first, triples.second, by_triple[:, :3]),
            (triples.second, triples.first, by_triple[:, 3:]),
        ):
            by_pair.index_add_(0, side * n_elements + pairs.element[other], half)
        angular = PairJacobian.of(
            pairs,
            blocks_of_element=torch.tensor(self.architecture.pair_table),
            n_blocks=self.architecture.n_element_pairs,
            derivatives=by_pair.view(len(pairs), n_elements, *by_pair.shape[1:])
            .transpose(1, 2)
            .flatten(2),
        )
        return FixedEnvironments(features=self.features, radial=radial, angular=angular)


def environments(batch: AtomBatch, architecture: Architecture, dtype: torch.dtype) -> Environments:
    """Compute environment vectors; where two atoms coincide, derivatives are NaN."""
    functions, n_elements = architecture.symmetry_functions, len(architecture.elements)
    pairs = find_pairs(batch, functions.radial_cutoff_angstrom, dtype)
    radial_values, radial_slopes = symmetry.radial(pairs.distance, functions)
    radial_block = pairs.centre * n_elements + pairs.element

    near = torch.nonzero(pairs.distance < functions.angular_cutoff_angstrom).flatten()
    triples = Triples.of(pairs[near])
    first, second = triples.first, triples.second
    angular_values, angular_slopes = symmetry.angular(
        triples.pairs.distance.index_select(0, first),
        triples.pairs.distance.index_select(0, second),
        triples.cosine,
        functions,
    )
    element, centre = triples.pairs.element, triples.pairs.centre
    block = torch.tensor(architecture.pair_table)[element[first], element[second]]
    angular_block = centre[first] * architecture.n_element_pairs + block
    features = [
        _sum_blocks(values, blocks, len(batch), per_atom)
        for values, blocks, per_atom in (
            (radial_values, radial_block, n_elements),
            (angular_values, angular_block, architecture.n_element_pairs),
        )
    ]
    return Environments(
        architecture=architecture,
        features=torch.cat(features, dim=1),
        pairs=pairs,
        near=near,
        triples=triples,
        radial_block=radial_block,
        radial_slopes=radial_slopes,
        angular_block=angular_block,
        angular_slopes=angular_slopes,
    )


def _sum_blocks(values: Tensor, block: Tensor, n_atoms: int, blocks_per_atom: int) -> Tensor:
    """Add values (n, S) to the blocks that they belong to: features (A, blocks * S)."""
    sums = values.new_zeros(n_atoms * blocks_per_atom, values.shape[1])
    return sums.index_add_(0, block, values).view(n_atoms, -1)
