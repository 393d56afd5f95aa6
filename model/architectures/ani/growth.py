"""A committee from elsewhere for a campaign: with other members, further elements and states.

Further elements give further functions to each environment vector. A structure without them has
zeros there, so that old energies stay as they were, whatever the new weights are; these are drawn
as those of new networks are, so that members disagree on structures with a new element.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.restriction import features_of
from model.architectures.ani.shape import AniShape
from model.architectures.ani.states import with_states
from model.protocol import Fit


def fitted(committee: AniCommittee, fit: Fit) -> AniCommittee:
    """Cut a committee to the first members, or give it more; give it further elements, states."""
    committee = with_states(committee, fit.states)
    rows = torch.arange(fit.members) % committee.n_members
    networks = replace(committee.networks, weights=committee.networks.weights[rows].clone())
    new = tuple(sorted(set(fit.elements) - set(committee.elements)))
    if new:
        networks = with_elements(networks, new, seed=fit.seed)
    of_states = committee.state_energies_ev
    return AniCommittee(
        networks=networks,
        self_energies_ev=np.append(committee.self_energies_ev, np.zeros(len(new))),
        level_id=fit.level.level_id,
        level_name=fit.level.name,
        record={**committee.record, **fit.record},
        state_energies_ev=None if of_states is None else of_states[rows.numpy()],
    )


def with_elements(networks: StackedNetworks, new: Sequence[int], *, seed: int) -> StackedNetworks:
    """Return networks that know these further elements (atomic numbers), too."""
    old = networks.shape
    published = AniShape.published(new)
    shape = AniShape(
        elements=(*old.elements, *published.elements),
        hidden_sizes=(*old.hidden_sizes, *published.hidden_sizes),
        symmetry_functions=old.symmetry_functions,
        celu_alpha=old.celu_alpha,
        states=old.states,
    )
    seeds = np.random.SeedSequence([seed]).spawn(networks.n_members)
    drawn = StackedNetworks.random(
        shape, [int(s.generate_state(1)[0]) for s in seeds], networks.weights.dtype
    )
    known = features_of(shape, range(len(old.elements)))
    for mine, theirs in zip(drawn.layers, networks.layers, strict=False):
        first, *others = zip(mine, theirs, strict=True)
        first[0].weight[:, known] = first[1].weight
        first[0].bias.copy_(first[1].bias)
        for layer, source in others:
            layer.weight.copy_(source.weight)
            layer.bias.copy_(source.bias)
    return drawn
