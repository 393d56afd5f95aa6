"""Energies and forces of all members, and how a loss on them changes the weights.

The derivative of a loss on forces is a second derivative of the energy. It is written out here and
in `network.backpropagate`, which takes about half the time of letting autograd find it; the
tests check one against the other.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.jacobian import FixedEnvironments
from model.architectures.ani.network import (
    Pass,
    StackedNetworks,
    backpropagate,
    evaluate,
    split_layers,
)
from model.architectures.ani.shape import AniShape


class Surroundings(Protocol):
    """Environment vectors of a batch, that know how forces follow from dE/dG."""

    @property
    def features(self) -> Tensor:
        """Environment vectors, (A, F)."""
        ...

    def forces(self, gradient: Tensor) -> Tensor:
        """Return forces (A, M, 3) from dE/dG, (M, A, F)."""
        ...


def energies_and_forces(
    networks: StackedNetworks, batch: AtomBatch, surroundings: Surroundings
) -> tuple[Tensor, Tensor]:
    """Return energies (M, B) without self-energies, summed in float64, and forces (M, A, 3).

    In eV and eV/Å, atoms in the order of the batch; outside autograd.
    """
    energies, passes = evaluate_elements(networks, batch, surroundings)
    return energies, _forces(networks, passes, surroundings)


def energies_and_mean_forces(
    networks: StackedNetworks, batch: AtomBatch, surroundings: Surroundings
) -> tuple[Tensor, Tensor]:
    """Return what `energies_and_forces` does, with the members' mean forces alone, (1, A, 3)."""
    energies, gradient = energies_and_mean_gradient(networks, batch, surroundings)
    return energies, surroundings.forces(gradient).transpose(0, 1)


def energies_and_mean_gradient(
    networks: StackedNetworks, batch: AtomBatch, surroundings: Surroundings
) -> tuple[Tensor, Tensor]:
    """Return energies (M, B) without self-energies and the members' mean dE/dG, (1, A, F)."""
    energies, passes = evaluate_elements(networks, batch, surroundings)
    gradients = [
        done.mean_gradient(layers[0]) for done, layers in zip(passes, networks.layers, strict=True)
    ]
    return energies, networks.by_features(gradients)


def energies_and_weighted_forces(
    networks: StackedNetworks,
    batch: AtomBatch,
    surroundings: Surroundings,
    weigh: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Return what `energies_and_mean_forces` does with another sum over members than the mean.

    `weigh` turns energies (M, B) into the weight of each member's forces, (M, B): the derivative of
    a function of the energies gives the forces of that function, at the price of the mean's.
    """
    energies, passes = evaluate_elements(networks, batch, surroundings)
    weights = weigh(energies).to(networks.weights.dtype)[:, batch.owner]  # (M, A)
    gradients = [
        done.weighted_gradient(layers[0], of_element)
        for done, layers, of_element in zip(
            passes, networks.layers, by_element(batch, weights, dim=1), strict=True
        )
    ]
    return energies, surroundings.forces(networks.by_features(gradients)).transpose(0, 1)


def differentiable_energies_and_forces(
    networks: StackedNetworks, batch: AtomBatch, surroundings: FixedEnvironments
) -> tuple[Tensor, Tensor]:
    """Return what `energies_and_forces` does, differentiable by `networks.weights`."""
    energies, forces = _EnergiesAndForces.apply(  # type: ignore[no-untyped-call]
        networks.weights, networks.shape, batch, surroundings
    )
    return energies, forces


def differentiable_energies(
    networks: StackedNetworks, batch: AtomBatch, surroundings: Surroundings
) -> Tensor:
    """Return the energies of `energies_and_forces`, differentiable by `networks.weights`."""
    energies: Tensor = _Energies.apply(  # type: ignore[no-untyped-call]
        networks.weights, networks.shape, batch, surroundings
    )
    return energies


def evaluate_elements(
    networks: StackedNetworks, batch: AtomBatch, surroundings: Surroundings
) -> tuple[Tensor, list[Pass]]:
    """Return energies (M, B) as `energies_and_forces` does, and each element's pass."""
    alpha = networks.shape.celu_alpha
    inputs = networks.inputs_of(by_element(batch, surroundings.features, dim=0))
    passes = [
        evaluate(layers, given, alpha)
        for layers, given in zip(networks.layers, inputs, strict=True)
    ]
    atomic = torch.cat([done.energies for done in passes], dim=1)
    energies = atomic.new_zeros(len(atomic), len(batch.sizes), dtype=torch.float64)
    energies.index_add_(1, batch.owner, atomic.double())
    return energies, passes


def _forces(
    networks: StackedNetworks, passes: Sequence[Pass], surroundings: Surroundings
) -> Tensor:
    gradients = [
        done.gradient(layers[0]) for done, layers in zip(passes, networks.layers, strict=True)
    ]
    return surroundings.forces(networks.by_features(gradients)).transpose(0, 1)


class _EnergiesAndForces(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weights: Tensor,
        shape: AniShape,
        batch: AtomBatch,
        surroundings: FixedEnvironments,
    ) -> tuple[Tensor, Tensor]:
        networks = StackedNetworks(shape=shape, weights=weights)
        energies, passes = evaluate_elements(networks, batch, surroundings)
        forces = _forces(networks, passes, surroundings)
        ctx.save_for_backward(weights)
        ctx.context = shape, batch, surroundings, passes
        return energies, forces

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_energies: Tensor, by_forces: Tensor) -> tuple[Tensor | None, ...]:
        shape, batch, surroundings, passes = ctx.context
        [weights] = ctx.saved_tensors
        by_gradient = surroundings.by_gradient(by_forces.transpose(0, 1).contiguous())
        by_slopes = by_element(batch, by_gradient, dim=1)
        by_weights = _by_weights(weights, shape, batch, passes, by_energies, by_slopes)
        return by_weights, None, None, None


class _Energies(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weights: Tensor,
        shape: AniShape,
        batch: AtomBatch,
        surroundings: Surroundings,
    ) -> Tensor:
        networks = StackedNetworks(shape=shape, weights=weights)
        energies, passes = evaluate_elements(networks, batch, surroundings)
        ctx.save_for_backward(weights)
        ctx.context = shape, batch, passes
        return energies

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_energies: Tensor) -> tuple[Tensor | None, ...]:
        shape, batch, passes = ctx.context
        [weights] = ctx.saved_tensors
        by_slopes = [None] * len(passes)
        by_weights = _by_weights(weights, shape, batch, passes, by_energies, by_slopes)
        return by_weights, None, None, None


def _by_weights(
    weights: Tensor,
    shape: AniShape,
    batch: AtomBatch,
    passes: Sequence[Pass],
    by_energies: Tensor,
    by_slopes: Sequence[Tensor | None],
) -> Tensor:
    """Return the derivative of a loss by the weights, (M, W).

    Of the loss are given the derivatives by the energies, (M, B), and for each element those by the
    gradients of the energies, (M, n, F) or None.
    """
    by_atomic = by_energies[:, batch.owner].to(weights.dtype)
    by_weights = torch.empty_like(weights)
    for layers, into, done, by_energy, by_slope in zip(
        split_layers(shape, weights),
        split_layers(shape, by_weights),
        passes,
        by_element(batch, by_atomic, dim=1),
        by_slopes,
        strict=True,
    ):
        backpropagate(layers, done, by_energy, by_slope, shape.celu_alpha, into)
    return by_weights


def by_element(batch: AtomBatch, values: Tensor, dim: int) -> Sequence[Tensor]:
    """Cut a tensor that has one entry an atom into the slices of each element."""
    return torch.tensor_split(values, batch.element_ends[:-1], dim=dim)
