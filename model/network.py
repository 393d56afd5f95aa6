"""StackedNetworks: the atomic networks of all members, one matrix product for all of them.

The weights of a member are one row of a single matrix; each layer is a view of it. So an optimizer
step, a moving average or a choice of members touches one tensor.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from model.architecture import Architecture


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
    architecture : Architecture
    weights : (M, W)
        For each element, for each layer: weight (inputs x outputs), then bias.
    """

    architecture: Architecture
    weights: Tensor

    @classmethod
    def random(
        cls, architecture: Architecture, seeds: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> "StackedNetworks":
        """Draw weights for one member a seed.

        Uniform in ±sqrt(3 / inputs), which keeps the scale of activations from layer to layer
        (CELU with a small alpha passes about half of its input); biases are zero.
        """
        rows = []
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            parts = []
            for inputs, outputs in (s for sizes in layer_sizes(architecture) for s in sizes):
                draw = torch.rand(inputs * outputs, generator=generator, dtype=torch.float64)
                parts += [(2 * draw - 1) * (3 / inputs) ** 0.5, torch.zeros(outputs)]
            rows.append(torch.cat(parts))
        return cls(architecture=architecture, weights=torch.stack(rows).to(dtype))

    @property
    def n_members(self) -> int:
        """Number of members M."""
        return len(self.weights)

    @cached_property
    def layers(self) -> tuple[tuple[Layer, ...], ...]:
        """Views of the weights, by element and layer."""
        return split_layers(self.architecture, self.weights)

    def to(self, dtype: torch.dtype) -> "StackedNetworks":
        """Return the same networks in another precision."""
        return replace(self, weights=self.weights.to(dtype))


def layer_sizes(architecture: Architecture) -> list[list[tuple[int, int]]]:
    """Return (inputs, outputs) of each layer of each element's network."""
    result = []
    for hidden in architecture.hidden_sizes:
        widths = [architecture.n_features, *hidden, 1]
        result.append(list(itertools.pairwise(widths)))
    return result


def split_layers(architecture: Architecture, weights: Tensor) -> tuple[tuple[Layer, ...], ...]:
    """View (M, W) weights as layers, by element."""
    members, start, elements = len(weights), 0, []
    for sizes in layer_sizes(architecture):
        layers = []
        for shape in sizes:
            middle, end = start + prod(shape), start + prod(shape) + shape[1]
            layers.append(
                Layer(
                    weight=weights[:, start:middle].view(members, *shape),
                    bias=weights[:, middle:end].view(members, 1, shape[1]),
                )
            )
            start = end
        elements.append(tuple(layers))
    return tuple(elements)


def atomic_energies(
    layers: Sequence[Layer], features: Tensor, celu_alpha: float
) -> tuple[Tensor, Tensor]:
    """Return energies (M, n) of n atoms of one element, and their gradient by features (M, n, F).

    Both are differentiable by the weights.
    """
    alpha, signal, slopes = celu_alpha, features.expand(len(layers[0].weight), -1, -1), []
    for layer in layers[:-1]:
        raw = torch.baddbmm(layer.bias, signal, layer.weight)
        # exp(min(x, 0) / alpha) is the slope of CELU on both sides of zero.
        slope = torch.exp(raw.clamp(max=0) / alpha)
        signal = raw.clamp(min=0) + alpha * (slope - 1)
        slopes.append(slope)
    energies = torch.baddbmm(layers[-1].bias, signal, layers[-1].weight)
    gradient = layers[-1].weight.transpose(1, 2)  # (M, 1, last hidden)
    for layer, slope in zip(reversed(layers[:-1]), reversed(slopes), strict=True):
        gradient = torch.bmm(gradient * slope, layer.weight.transpose(1, 2))
    return energies.squeeze(2), gradient
