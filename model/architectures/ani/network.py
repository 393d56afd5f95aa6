"""StackedNetworks: the atomic networks of all members, one matrix product for all of them.

The weights of a member are one row of a single matrix; each layer is a view of it. So an optimizer
step, a moving average or a choice of members touches one tensor.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log, prod

import torch
from torch import Tensor

from model.architectures.ani.shape import AniShape


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One linear layer of all members.

    Attributes
    ----------
    weight : (M, inputs, outputs)
    bias : (M, 1, outputs)
    """

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class StackedNetworks:
    """Weights of M members; energies in eV.

    Attributes
    ----------
    shape : AniShape
    weights : (M, W)
        For each element, for each layer: weight (inputs x outputs), then bias.
    """

    shape: AniShape
    weights: Tensor

    @classmethod
    def random(
        cls, shape: AniShape, seeds: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> "StackedNetworks":
        """Draw weights for one member a seed.

        Uniform in ±1 / sqrt(inputs), biases zero: the first energies are small beside those to be
        learned, and small networks at the start generalise better from few labels.
        """
        rows = []
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            parts = []
            for inputs, outputs in (s for sizes in layer_sizes(shape) for s in sizes):
                draw = torch.rand(inputs * outputs, generator=generator, dtype=torch.float64)
                parts += [(2 * draw - 1) / inputs**0.5, torch.zeros(outputs)]
            rows.append(torch.cat(parts))
        return cls(shape=shape, weights=torch.stack(rows).to(dtype))

    @property
    def n_members(self) -> int:
        """Number of members M."""
        return len(self.weights)

    @cached_property
    def layers(self) -> tuple[tuple[Layer, ...], ...]:
        """Views of the weights, by element and layer."""
        return split_layers(self.shape, self.weights)

    def inputs_of(self, features: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return what the network of each element is given of environment vectors (n, F)."""
        return features

    def by_features(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return dE/dG (M, A, F) of all atoms from that by the inputs of each element's network."""
        return torch.cat(list(gradients), dim=1)

    @property
    def device(self) -> torch.device:
        """Where they compute."""
        return self.weights.device

    def only(self, members: range) -> "StackedNetworks":
        """Return the networks of some members."""
        return replace(self, weights=self.weights[members.start : members.stop].clone())

    def to(self, target: torch.dtype | torch.device) -> "StackedNetworks":
        """Return the same networks in another precision, or on another device."""
        return replace(self, weights=self.weights.to(target))


def stacked(parts: Sequence[StackedNetworks]) -> StackedNetworks:
    """Return the members of all parts, which are of one shape, in order."""
    return replace(parts[0], weights=torch.cat([part.weights for part in parts]))


def layer_sizes(shape: AniShape) -> list[list[tuple[int, int]]]:
    """Return (inputs, outputs) of each layer of each element's network."""
    result = []
    for hidden in shape.hidden_sizes:
        widths = [shape.n_features, *hidden, 1]
        result.append(list(itertools.pairwise(widths)))
    return result


def free_weights(
    shape: AniShape, frozen_layers: Sequence[int], device: torch.device | None = None
) -> Tensor:
    """Return (W,) a mask of a member's weights: 0 in the frozen layers of all elements, else 1.

    What tells states apart moves in any case: a committee that is carried over may be new to them.
    """
    parts = []
    for sizes in layer_sizes(shape):
        for index, (inputs, outputs) in enumerate(sizes):
            moves = float(index not in frozen_layers)
            part = torch.full((inputs * outputs + outputs,), moves, device=device)
            if index == 0:
                part[(inputs - shape.n_state_features) * outputs : inputs * outputs] = 1.0
            parts.append(part)
    return torch.cat(parts)


def split_layers(shape: AniShape, weights: Tensor) -> tuple[tuple[Layer, ...], ...]:
    """View (M, W) weights as layers, by element."""
    members, start, elements = len(weights), 0, []
    for sizes in layer_sizes(shape):
        layers = []
        for size in sizes:
            middle, end = start + prod(size), start + prod(size) + size[1]
            layers.append(
                Layer(
                    weight=weights[:, start:middle].view(members, *size),
                    bias=weights[:, middle:end].view(members, 1, size[1]),
                )
            )
            start = end
        elements.append(tuple(layers))
    return tuple(elements)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """One evaluation of the networks of one element on n atoms, and what its derivatives need.

    Attributes
    ----------
    energies : (M, n)
    inputs : tuple of (M, n, inputs)
        What went into each layer.
    slopes : tuple of (M, n, outputs)
        Slope of CELU after each hidden layer.
    deltas : tuple of (M, n, outputs)
        Derivative of the energy by what came out of each hidden layer, before CELU.
    """

    energies: Tensor
    inputs: tuple[Tensor, ...]
    slopes: tuple[Tensor, ...]
    deltas: tuple[Tensor, ...]

    def gradient(self, first: Layer) -> Tensor:
        """Return the derivative of each energy by the features of its atom, (M, n, F)."""
        return torch.bmm(self.deltas[0], first.weight.transpose(1, 2))

    def mean_gradient(self, first: Layer) -> Tensor:
        """Return the mean of `gradient` over the members, (1, n, F)."""
        members, n_atoms, n_features = self.inputs[0].shape
        total = self.energies.new_zeros(n_atoms, n_features)
        for delta, weight in zip(self.deltas[0], first.weight, strict=True):
            total.addmm_(delta, weight.T)
        return (total / members)[None]

    def weighted_gradient(self, first: Layer, weights: Tensor) -> Tensor:
        """Return the sum of `gradient` over the members by the weights (M, n), (1, n, F)."""
        _, n_atoms, n_features = self.inputs[0].shape
        total = self.energies.new_zeros(n_atoms, n_features)
        for delta, weight, share in zip(self.deltas[0], first.weight, weights, strict=True):
            total.addmm_(delta * share[:, None], weight.T)
        return total[None]


def evaluate(layers: Sequence[Layer], features: Tensor, celu_alpha: float) -> Pass:
    """Evaluate the networks of one element on features (n, F)."""
    signal = features.expand(len(layers[0].weight), -1, -1)
    inputs, slopes = [signal], []
    for layer in layers[:-1]:
        raw = torch.baddbmm(layer.bias, signal, layer.weight)
        # exp(min(x, 0) / alpha) is the slope of CELU on both sides of zero, and CELU itself is
        # max(x, 0) + alpha (slope - 1).
        # Powers of two are about 2.5 times as fast as those of e.
        slope = raw.clamp(max=0).mul_(1 / (celu_alpha * log(2))).exp2_()
        signal = raw.clamp_(min=0).add_(slope, alpha=celu_alpha).sub_(celu_alpha)
        inputs.append(signal)
        slopes.append(slope)
    last = layers[-1]
    energies = torch.baddbmm(last.bias, signal, last.weight).squeeze(2)
    arriving = last.weight.transpose(1, 2)  # (M, 1, last hidden)
    deltas = [arriving * slopes[-1]]
    for layer, slope in zip(reversed(layers[1:-1]), reversed(slopes[:-1]), strict=True):
        deltas.append(torch.bmm(deltas[-1], layer.weight.transpose(1, 2)).mul_(slope))
    return Pass(
        energies=energies,
        inputs=tuple(inputs),
        slopes=tuple(slopes),
        deltas=tuple(reversed(deltas)),
    )


def backpropagate(
    layers: Sequence[Layer],
    done: Pass,
    by_energies: Tensor,
    by_gradient: Tensor | None,
    celu_alpha: float,
    into: Sequence[Layer],
) -> None:
    """Turn the derivatives of a loss by energies and gradient into those by the weights.

    This is the backward pass through `evaluate`, whose second half is itself a backward pass; so
    derivatives first run forwards through it (`tangent`), then backwards through its first half.

    Parameters
    ----------
    layers : sequence of Layer
    done : Pass
    by_energies : (M, n)
    by_gradient : (M, n, F) or None
        None where the loss is one of energies alone.
    celu_alpha : float
    into : sequence of Layer
        Where the derivatives are written.
    """
    curvatures = _through_gradient(layers, done, by_gradient, celu_alpha, into)
    arriving = by_energies.unsqueeze(2)  # (M, n, 1)
    for k in reversed(range(len(layers))):
        if k < len(layers) - 1:
            arriving = arriving.mul_(done.slopes[k])
            if curvatures:
                arriving = arriving.add_(curvatures[k])
        into[k].weight.baddbmm_(done.inputs[k].transpose(1, 2), arriving)
        torch.sum(arriving, 1, keepdim=True, out=into[k].bias)
        if k > 0:
            arriving = torch.bmm(arriving, layers[k].weight.transpose(1, 2))


def _through_gradient(
    layers: Sequence[Layer],
    done: Pass,
    by_gradient: Tensor | None,
    celu_alpha: float,
    into: Sequence[Layer],
) -> list[Tensor]:
    """Write what the gradient of the energies adds to the derivatives by the weights.

    Returns
    -------
    list of (M, n, outputs)
        The derivatives by what goes into CELU after each hidden layer; empty without `by_gradient`.
    """
    if by_gradient is None:
        for layer in into:
            layer.weight.zero_()
        return []
    curvatures, tangent = [], by_gradient
    for k in range(len(layers) - 1):
        torch.bmm(tangent.transpose(1, 2), done.deltas[k], out=into[k].weight)
        tangent = torch.bmm(tangent, layers[k].weight)
        # CELU'' = CELU' / alpha below zero, where the slope is less than one, and 0 above.
        bent = torch.lt(done.slopes[k], 1.0, out=torch.empty_like(tangent))
        curvatures.append(bent.mul_(tangent).mul_(done.deltas[k]).div_(celu_alpha))
        tangent = tangent.mul_(done.slopes[k])
    torch.sum(tangent.transpose(1, 2), 2, keepdim=True, out=into[-1].weight)
    return curvatures
