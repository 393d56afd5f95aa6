"""The same weights as a torchani model: an independent implementation to agree with."""

import torch
from torchani.aev import AEVComputer
from torchani.arch import ANI
from torchani.nn import ANINetworks, AtomicNetwork, Ensemble
from torchani.sae import SelfEnergy

from model.architectures.ani.committee import AniCommittee

SYMBOLS = ("H", "C", "N", "O")


def torchani_model(committee: AniCommittee, dtype: torch.dtype = torch.float32) -> ANI:
    """A torchani ensemble with the committee's weights; energies in eV without self-energies.

    The committee must have the elements H, C, N, O and the symmetry functions of ANI-1x.
    """
    members = []
    for member in range(committee.n_members):
        networks = {}
        for symbol, layers, hidden in zip(
            SYMBOLS, committee.networks.layers, committee.shape.hidden_sizes, strict=True
        ):
            network = AtomicNetwork(
                (committee.shape.n_features, *hidden, 1), activation="celu", bias=True
            )
            linears = [*network.layers, network.final_layer]
            with torch.no_grad():
                for linear, layer in zip(linears, layers, strict=True):
                    linear.weight.copy_(layer.weight[member].T)
                    linear.bias.copy_(layer.bias[member, 0])
            networks[symbol] = network
        members.append(ANINetworks(networks))
    return ANI(
        SYMBOLS,
        AEVComputer.like_1x(num_species=4),
        Ensemble(members),
        SelfEnergy(SYMBOLS, [0.0] * 4),
        periodic_table_index=True,
    ).to(dtype)
