"""From one level of theory to the next: transfer learning.

ANI-1ccx (Smith et al., doi:10.1038/s41467-019-10827-4) took ANI-1x networks, kept the first and
the third layer of each as they were and taught the others coupled cluster. Five ways are here:

linear     the committee below is linearised and fitted in closed form (`training.linear`)
scratch    new networks learn the few labels directly
full       the committee below learns further, all its weights
freeze     the same, but the first and the third layer of each network stay
delta      new networks learn what the committee below lacks; both together are one committee
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.level import LevelOfTheory
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.device import require_device
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.shape import AniShape
from model.architectures.ani.states import with_states
from model.architectures.ani.training.linear import climb_linear
from model.architectures.ani.training.train import TransferPlan, settings_of, train_committee
from model.protocol import TrainingRequest, TrainingResult
from model.self_energies import fit_self_energies
from model.states import states_of

PUBLISHED_FROZEN_LAYERS = (0, 2)
"""The layers that ANI-1ccx shares with ANI-1x, bit for bit, counted from 0."""


def climb(request: TrainingRequest, below: AniCommittee, way: str) -> TrainingResult[AniCommittee]:
    """Teach a committee of one level of theory the labels of another.

    What is learned are the elements of the committee below.

    Raises
    ------
    InputError
        No data, a label of another level, or an unknown element.
    """
    asked = replace(request, elements=below.elements, states=(*below.states, *request.all_states))
    below = with_states(below, asked.all_states).to(require_device(request.device))
    match way:
        case "linear":
            return climb_linear(asked, below)
        case "scratch":
            return train_committee(asked)
        case "full" | "freeze":
            settings = settings_of(request)
            is_start = below.level_id == request.level.level_id
            plan = TransferPlan(
                frozen_layers=PUBLISHED_FROZEN_LAYERS if way == "freeze" else (),
                learning_rate_factor=settings.start_learning_rate_factor
                if is_start
                else settings.transfer_learning_rate_factor,
            )
            return train_committee(asked, start=below, plan=plan)
        case "delta":
            result = train_committee(asked, plan=TransferPlan(baseline=below))
            part = below if request.members is None else below.only(request.members)
            return replace(result, committee=add_committees(part, result.committee))
    raise InputError(f"ani cannot climb by {way!r}")


def shifted(
    below: AniCommittee, data: Sequence[LabelledStructure], level: LevelOfTheory
) -> AniCommittee:
    """Return a committee whose self-energies alone are refitted to another level.

    What a potential of the level below says of the level above once the arbitrary energies of the
    atoms are out of the way: the least that a climb has to beat.
    """
    structures = [row.structure for row in data]
    below = with_states(below, states_of(structures))
    known, states = below.predict(structures), below.state_energies_ev
    missing = np.array([r.label.energy - p.energy for r, p in zip(data, known, strict=True)])
    shift, of_states = np.split(
        fit_self_energies(structures, missing, below.elements, with_states=states is not None),
        [len(below.elements)],
    )
    return replace(
        below,
        self_energies_ev=below.self_energies_ev + shift,
        state_energies_ev=None if states is None else states + of_states,
        level_id=level.level_id,
        level_name=level.name,
    )


def add_committees(below: AniCommittee, correction: AniCommittee) -> AniCommittee:
    """Return the sum of two committees as one: its networks hold both side by side.

    Member m is member m of the one plus member m of the other. Raises ValueError where elements,
    states, symmetry functions or numbers of members differ.
    """
    a, b = below.networks, correction.networks
    first, second = a.shape, b.shape
    if (
        first.elements != second.elements
        or first.states != second.states
        or first.symmetry_functions != second.symmetry_functions
        or a.n_members != b.n_members
    ):
        raise ValueError(
            "only committees of the same elements, states, features and size can be added"
        )
    states = below.state_energies_ev
    if states is not None and correction.state_energies_ev is not None:
        states = states + correction.state_energies_ev
    shape = AniShape(
        elements=first.elements,
        hidden_sizes=tuple(
            tuple(x + y for x, y in zip(p, q, strict=True))
            for p, q in zip(first.hidden_sizes, second.hidden_sizes, strict=True)
        ),
        symmetry_functions=first.symmetry_functions,
        celu_alpha=first.celu_alpha,
        states=first.states,
    )
    parts: list[Tensor] = []
    for layers_a, layers_b in zip(a.layers, b.layers, strict=True):
        last = len(layers_a) - 1
        for k, (one, other) in enumerate(zip(layers_a, layers_b, strict=True)):
            weight = _side_by_side(one.weight, other.weight, first=k == 0, last=k == last)
            bias = one.bias + other.bias if k == last else torch.cat([one.bias, other.bias], dim=2)
            parts += [weight.flatten(1), bias.flatten(1)]
    return AniCommittee(
        networks=StackedNetworks(shape=shape, weights=torch.cat(parts, dim=1)),
        self_energies_ev=below.self_energies_ev + correction.self_energies_ev,
        level_id=correction.level_id,
        level_name=correction.level_name,
        record=correction.record,
        state_energies_ev=states,
    )


def _side_by_side(one: Tensor, other: Tensor, *, first: bool, last: bool) -> Tensor:
    """Join (M, inputs, outputs) weights: the first layers share inputs, the last ones outputs."""
    if first:
        return torch.cat([one, other], dim=2)
    if last:
        return torch.cat([one, other], dim=1)
    upper = torch.cat([one, one.new_zeros(*one.shape[:2], other.shape[2])], dim=2)
    lower = torch.cat([other.new_zeros(*other.shape[:2], one.shape[2]), other], dim=2)
    return torch.cat([upper, lower], dim=1)
