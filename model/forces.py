"""Energies and forces of all members, and how a loss on them changes the weights.

The derivative of a loss on forces is a second derivative of the energy. It is written out here and
in `model.network.backpropagate`, which takes about half the time of letting autograd find it; the
tests check one against the other.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.architecture import Architecture
from model.batch import AtomBatch
from model.descriptor import Environments
from model.network import StackedNetworks, backpropagate, evaluate, split_layers


def energies_and_forces(
    networks: StackedNetworks, batch: AtomBatch, surroundings: Environments
) -> tuple[Tensor, Tensor]:
    """Return energies (M, B) without self-energies, summed in float64, and forces (M, A, 3).

    In eV and eV/Å, atoms in the order of the batch; differentiable by `networks.weights`.
    """
    energies, forces = _EnergiesAndForces.apply(  # type: ignore[no-untyped-call]
        networks.weights, networks.architecture, batch, surroundings
    )
    return energies, forces


class _EnergiesAndForces(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weights: Tensor,
        architecture: Architecture,
        batch: AtomBatch,
        surroundings: Environments,
    ) -> tuple[Tensor, Tensor]:
        networks = StackedNetworks(architecture=architecture, weights=weights)
        features = _by_element(batch, surroundings.features, dim=0)
        passes = [
            evaluate(layers, own, architecture.celu_alpha)
            for layers, own in zip(networks.layers, features, strict=True)
        ]
        atomic = torch.cat([done.energies for done in passes], dim=1)
        energies = torch.zeros(len(atomic), len(batch.sizes), dtype=torch.float64)
        energies.index_add_(1, batch.owner, atomic.double())
        forces = atomic.new_zeros(len(batch), len(atomic), 3)
        n_radial = architecture.n_radial_features
        for part, jacobian in (
            (slice(None, n_radial), surroundings.radial),
            (slice(n_radial, None), surroundings.angular),
        ):
            gradient = torch.cat([done.gradient[:, :, part] for done in passes], dim=1)
            jacobian.add_forces(gradient.view(len(atomic), -1, jacobian.block_size), forces)
        ctx.save_for_backward(weights)
        ctx.context = architecture, batch, surroundings, passes
        return energies, forces.transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_energies: Tensor, by_forces: Tensor) -> tuple[Tensor | None, ...]:
        architecture, batch, surroundings, passes = ctx.context
        [weights] = ctx.saved_tensors
        members = len(weights)
        by_atom_forces = by_forces.transpose(0, 1).contiguous()
        parts = []
        for jacobian in (surroundings.radial, surroundings.angular):
            by_gradient = weights.new_zeros(
                members, len(batch) * jacobian.n_blocks, jacobian.block_size
            )
            jacobian.add_by_gradient(by_atom_forces, by_gradient)
            parts.append(by_gradient.view(members, len(batch), -1))
        by_gradients = _by_element(batch, torch.cat(parts, dim=2), dim=1)
        by_atomic = _by_element(batch, by_energies[:, batch.owner].to(weights.dtype), dim=1)
        by_weights = torch.empty_like(weights)
        for layers, into, done, by_energy, by_gradient in zip(
            split_layers(architecture, weights),
            split_layers(architecture, by_weights),
            passes,
            by_atomic,
            by_gradients,
            strict=True,
        ):
            found = backpropagate(layers, done, by_energy, by_gradient, architecture.celu_alpha)
            for target, source in zip(into, found, strict=True):
                target.weight.copy_(source.weight)
                target.bias.copy_(source.bias)
        return by_weights, None, None, None


def _by_element(batch: AtomBatch, values: Tensor, dim: int) -> Sequence[Tensor]:
    """Cut a tensor that has one entry an atom into the slices of each element."""
    return torch.tensor_split(values, batch.element_ends[:-1], dim=dim)
