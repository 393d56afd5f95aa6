"""Networks for structures that have only some of the elements: the same energies from less work.

A structure without nitrogen has zeros in all functions of nitrogen neighbours. The weights that
these zeros are multiplied by, and the networks of absent elements, can be left out; of the 384
functions for H, C, N and O, a structure of H, C and O needs 240.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from model.architectures.ani.network import StackedNetworks
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
    functions = shape.symmetry_functions
    pairs = [shape.pair_table[a][b] for row, a in enumerate(kept) for b in kept[row:]]
    blocks = [
        *((index * functions.n_radial, functions.n_radial) for index in kept),
        *(
            (shape.n_radial_features + pair * functions.n_angular, functions.n_angular)
            for pair in pairs
        ),
    ]
    blocks.append((shape.n_geometric_features, shape.n_state_features))
    return torch.cat([torch.arange(start, start + size) for start, size in blocks])
