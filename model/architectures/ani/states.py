"""A committee learns to tell more states apart: what it says of those that it knows stays."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import StackedNetworks
from model.states import State


def with_states(committee: AniCommittee, states: Collection[State]) -> AniCommittee:
    """Return a committee that takes these states, too.

    With the second state weights for the columns of states are added, all zero: until it is
    trained the committee gives every state the energy of the one that it has learned.
    """
    known = tuple(sorted({*committee.states, *states}))
    if known == committee.states:
        return committee
    networks = committee.networks
    shape = networks.shape.model_copy(update={"states": known})
    weights, energies = networks.weights, committee.state_energies_ev
    n_new = shape.n_state_features - networks.shape.n_state_features
    if n_new:
        weights = torch.cat([_widened(networks, e, n_new) for e in range(len(shape.elements))], 1)
        energies = np.zeros((networks.n_members, n_new))
    return replace(
        committee,
        networks=StackedNetworks(shape=shape, weights=weights),
        state_energies_ev=energies,
    )


def _widened(networks: StackedNetworks, element: int, n_new: int) -> Tensor:
    """Return an element's weights, (M, W), with rows of zeros behind its first layer's inputs."""
    first, *others = networks.layers[element]
    members, _, outputs = first.weight.shape
    zeros = first.weight.new_zeros(members, n_new, outputs)
    parts = [torch.cat([first.weight, zeros], dim=1).flatten(1), first.bias.flatten(1)]
    for layer in others:
        parts += [layer.weight.flatten(1), layer.bias.flatten(1)]
    return torch.cat(parts, dim=1)
