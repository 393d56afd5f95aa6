"""Networks for structures that have only some of the elements: the same energies from less work.

A structure without nitrogen has zeros in all functions of nitrogen neighbours. The weights that
these zeros are multiplied by, and the networks of absent elements, can be left out; of the 384
functions for H, C, N and O, a structure of H, C and O needs 240. Where there is one nitrogen atom,
no atom sees two of them, and this atom sees none: its network needs 208 of the 384.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from model.architectures.ani.network import Layer, StackedNetworks, split_layers
from model.architectures.ani.shape import AniShape


def restrict(networks: StackedNetworks, elements: Sequence[int]) -> StackedNetworks:
    """Return networks that know these elements (atomic numbers, some of those known) alone."""
    shape = networks.shape
    kept = [i for i, number in enumerate(shape.elements) if number in set(elements)]
    columns = features_of(shape, kept).to(networks.device)
    weights = []
    for index in kept:
        first, *others = networks.layers[index]
        weights += [first.weight[:, columns].flatten(1), first.bias.flatten(1)]
        for layer in others:
            weights += [layer.weight.flatten(1), layer.bias.flatten(1)]
    smaller = AniShape(
        elements=tuple(shape.elements[i] for i in kept),
        hidden_sizes=tuple(shape.hidden_sizes[i] for i in kept),
        symmetry_functions=shape.symmetry_functions,
        celu_alpha=shape.celu_alpha,
        states=shape.states,
    )
    return StackedNetworks(shape=smaller, weights=torch.cat(weights, dim=1))


def features_of(shape: AniShape, kept: Sequence[int]) -> Tensor:
    """Return which functions of an environment vector are of these of its elements, in order."""
    return _seen_features(shape, [2 * (index in kept) for index in range(len(shape.elements))])


@dataclass(frozen=True, kw_only=True, eq=False)
class NarrowNetworks(StackedNetworks):
    """Networks that are given only what an atom of their element may see.

    Attributes
    ----------
    columns : tuple of (n,) int64
        Of environment vectors, for each element.
    """

    columns: tuple[Tensor, ...]

    @classmethod
    def of(cls, networks: StackedNetworks, most: Sequence[int]) -> "NarrowNetworks":
        """Return the same networks for structures of at most so many atoms of each element."""
        shape = networks.shape
        seen = [
            _seen_features(shape, [count - (index == own) for index, count in enumerate(most)])
            for own in range(len(shape.elements))
        ]
        return cls(
            shape=shape,
            weights=networks.weights,
            columns=tuple(columns.to(networks.device) for columns in seen),
        )

    @cached_property
    def layers(self) -> tuple[tuple[Layer, ...], ...]:
        """As those of `StackedNetworks`, the first of each element with the columns alone."""
        return tuple(
            (replace(first, weight=first.weight[:, columns]), *others)
            for (first, *others), columns in zip(
                split_layers(self.shape, self.weights), self.columns, strict=True
            )
        )

    def inputs_of(self, features: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the columns of each element of environment vectors (n, F)."""
        return [
            own.index_select(1, columns)
            for own, columns in zip(features, self.columns, strict=True)
        ]

    def by_features(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return dE/dG (M, A, F), zero by what is not seen."""
        return torch.cat(
            [
                own.new_zeros(*own.shape[:2], self.shape.n_features).index_copy_(2, columns, own)
                for own, columns in zip(gradients, self.columns, strict=True)
            ],
            dim=1,
        )


def _seen_features(shape: AniShape, around: Sequence[int]) -> Tensor:
    """Return which functions an atom may see with so many others of each element around it.

    Two of an element are enough for all functions of it.
    """
    functions = shape.symmetry_functions
    radial = torch.tensor(around) > 0
    one, two = torch.triu_indices(len(around), len(around))
    angular = radial[one] & (torch.tensor(around)[two] > (one == two).long())
    state = torch.ones(shape.n_state_features, dtype=torch.bool)
    seen = torch.cat(
        [
            radial.repeat_interleave(functions.n_radial),
            angular.repeat_interleave(functions.n_angular),
            state,
        ]
    )
    return torch.nonzero(seen).flatten()
