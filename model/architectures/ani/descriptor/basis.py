"""The directions in which the environments of a data set differ, as coordinates to learn in.

Symmetry functions overlap, and those of absent elements are zero: environment vectors of real data
vary along half to two thirds of as many directions as they are long, and along these by amounts
that differ a thousandfold. Learning in coordinates along the principal directions, with the small
ones enlarged, takes fewer steps, and each is less work. What was learned is turned back into
weights for environment vectors, so that nobody else sees these coordinates.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.architectures.ani.descriptor.environments import Environments
from model.architectures.ani.descriptor.jacobian import FixedEnvironments, row_groups
from model.architectures.ani.network import StackedNetworks, split_layers
from model.architectures.ani.shape import AniShape

_LEAST_SPREAD = 3e-4
"""Of an element's largest standard deviation: directions along which its atoms differ less are
left out. With 1e-2, forces learned from 200 labels are a third worse, with 1e-4 as good."""
_MOTION_ANGSTROM = 0.05
"""By which each atom may be elsewhere: of few structures alone, derivatives would be lost."""
_EVENING = 0.3
"""Coordinates are enlarged by this power of how much less they spread than the first one. With 0,
training takes 1.5 times as many epochs; with 1, which makes them all alike, errors on new
structures are half as large again: what hardly varies among few labels is learned as well."""


class CoordinateShape(AniShape):
    """Networks whose first layers take coordinates instead of environment vectors."""

    n_coordinates: int

    @property
    def n_features(self) -> int:
        """Inputs of each network."""
        return self.n_coordinates


@dataclass(frozen=True, kw_only=True, eq=False)
class EnvironmentBasis:
    """Coordinates x = (G - mean) @ into of the environment vectors G of each element's atoms.

    Attributes
    ----------
    shape : AniShape
        Of networks that take environment vectors.
    mean : (E, F) float64
    into : (E, F, P) float64
        Zero in columns past an element's number of directions. What tells states apart is the last
        coordinates as it is: which states have been labelled says nothing of how they differ.
    back : (E, P, F) float64
        Its inverse within the directions: back @ into is the identity, or zero in those columns.
    """

    shape: AniShape
    mean: Tensor
    into: Tensor
    back: Tensor

    @classmethod
    def of(
        cls, shape: AniShape, spreads: Sequence["Spread"], device: torch.device | None = None
    ) -> "EnvironmentBasis":
        """Find the principal directions of each element's environment vectors."""
        found = [_directions(spread) for spread in spreads]
        width = max(1, *(into.shape[1] for into, _ in found))
        n_geometric, n_states = shape.n_geometric_features, shape.n_state_features
        mean = torch.zeros(len(found), shape.n_features, dtype=torch.float64)
        mean[:, :n_geometric] = torch.stack([spread.mean for spread in spreads])
        into = mean.new_zeros(len(found), shape.n_features, width + n_states)
        back = mean.new_zeros(len(found), width + n_states, shape.n_features)
        still = torch.eye(n_states, dtype=torch.float64)
        into[:, n_geometric:, width:], back[:, width:, n_geometric:] = still, still
        for index, (own_into, own_back) in enumerate(found):
            into[index, :n_geometric, : own_into.shape[1]] = own_into
            back[index, : len(own_back), :n_geometric] = own_back
        return cls(shape=shape, mean=mean.to(device), into=into.to(device), back=back.to(device))

    @classmethod
    def trivial(cls, shape: AniShape, device: torch.device | None = None) -> "EnvironmentBasis":
        """Return the basis in which coordinates are the environment vectors themselves."""
        n_elements, width = len(shape.elements), shape.n_features
        eye = torch.eye(width, dtype=torch.float64, device=device).repeat(n_elements, 1, 1)
        return cls(shape=shape, mean=eye.new_zeros(n_elements, width), into=eye, back=eye)

    @property
    def coordinate_shape(self) -> CoordinateShape:
        """The shape of networks that take coordinates."""
        return CoordinateShape(**self.shape.model_dump(), n_coordinates=self.into.shape[2])

    def networks(self, networks: StackedNetworks) -> StackedNetworks:
        """Return networks for coordinates that have the same energies within the directions."""
        shape = self.coordinate_shape
        parts: list[Tensor] = []
        for layers, mean, back in zip(networks.layers, self.mean, self.back, strict=True):
            first, *others = layers
            weight = first.weight.double()
            bias = first.bias.double() + mean @ weight[:, None]
            parts += [(back @ weight).flatten(1), bias.flatten(1)]
            parts += [part.flatten(1) for x in others for part in (x.weight, x.bias)]
        weights = torch.cat([part.to(networks.weights.dtype) for part in parts], dim=1)
        return StackedNetworks(shape=shape, weights=weights)

    def learned(self, start: StackedNetworks, trained: StackedNetworks) -> StackedNetworks:
        """Return `start` with what its `networks` have learned since.

        Along directions in which the data do not differ, weights stay as they were.
        """
        before = self.networks(start)
        weights = start.weights.clone()
        for into_layers, old, new, mean, into in zip(
            split_layers(self.shape, weights),
            before.layers,
            trained.layers,
            self.mean,
            self.into,
            strict=True,
        ):
            change = into @ (new[0].weight - old[0].weight).double()
            shift = (new[0].bias - old[0].bias).double() - mean @ change[:, None]
            into_layers[0].weight.add_(change)
            into_layers[0].bias.add_(shift)
            for layer, source in zip(into_layers[1:], new[1:], strict=True):
                layer.weight.copy_(source.weight)
                layer.bias.copy_(source.bias)
        return replace(start, weights=weights)

    def fixed(self, environments: Environments, species: Tensor) -> FixedEnvironments:
        """Return the coordinates of environments, (A,) species of whose atoms are given."""
        dtype = environments.features.dtype
        into, pairs = self.into.to(dtype), environments.pairs
        centred = (environments.features.double() - self.mean[species]).to(dtype)
        features = centred.new_zeros(len(centred), into.shape[2])
        for index, of_element in enumerate(into):
            own = torch.nonzero(species == index).flatten()
            features[own] = centred[own] @ of_element
        derivatives = centred.new_zeros(len(pairs), 3, into.shape[2])
        for index, moved, rows, found in _derivatives(environments, species):
            derivatives[moved] = found @ into[index, rows]
        groups = row_groups(pairs.centre, pairs.neighbour, derivatives)
        return FixedEnvironments(features=features, groups=groups)


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """How the environment vectors of one element's atoms spread, without what tells states apart.

    Attributes
    ----------
    mean : (D,) float64
    covariance : (D, D) float64
        Of the vectors, and of what they would differ by if their atoms moved a little.
    """

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(
        cls, shape: AniShape, environments: Iterable[tuple[Environments, Tensor]]
    ) -> tuple["Spread", ...]:
        """Return that of each element, of environments with (A,) species of their atoms."""
        n_elements, width = len(shape.elements), shape.n_geometric_features
        n_atoms = [0] * n_elements
        sums = torch.zeros(n_elements, width, dtype=torch.float64)
        squares, motions = torch.zeros(2, n_elements, width, width, dtype=torch.float64)
        for found, species in environments:
            for index in range(n_elements):
                own = found.features[species == index, :width].double()
                n_atoms[index] += len(own)
                sums[index] += own.sum(0).cpu()
                squares[index] += (own.T @ own).cpu()
            for index, _, rows, moved in _derivatives(found, species):
                flat, rows = moved.double().flatten(0, 1), rows.cpu()
                motions[index, rows[:, None], rows] += (flat.T @ flat).cpu()
        spreads = []
        for index, n in enumerate(n_atoms):
            mean = sums[index] / max(1, n)
            seen = (squares[index] + _MOTION_ANGSTROM**2 * motions[index]) / max(1, n)
            spreads.append(cls(mean=mean, covariance=seen - torch.outer(mean, mean)))
        return tuple(spreads)


def _derivatives(
    environments: Environments, species: Tensor
) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """Yield the pairs of a centre of one element and a neighbour of another, and what they move.

    Yields
    ------
    element of the centre, pairs (q,), functions (f,) of the centre that the neighbour moves, and
    their derivatives by its position, (q, 3, f).
    """
    shape, pairs, near = environments.shape, environments.pairs, environments.near
    radial, close = environments.radial_derivatives(), environments.angular_derivatives()
    angular = radial.new_zeros(len(pairs), 3, close.shape[2])
    angular[near] = close
    centre = species[pairs.centre]
    size, device = shape.symmetry_functions.n_angular, species.device
    for element in range(len(shape.elements)):
        first = torch.arange(shape.symmetry_functions.n_radial, device=device)
        blocks = torch.tensor(shape.pair_table[element], device=device)[:, None] * size
        after = blocks + torch.arange(size, device=device)
        rows = torch.cat([element * len(first) + first, shape.n_radial_features + after.flatten()])
        for index in range(len(shape.elements)):
            moved = torch.nonzero((centre == index) & (pairs.element == element)).flatten()
            yield index, moved, rows, torch.cat([radial[moved], angular[moved]], dim=2)


def _directions(spread: Spread) -> tuple[Tensor, Tensor]:
    """Return `into` and `back` of one element."""
    variances, vectors = torch.linalg.eigh(spread.covariance)
    sizes = variances.clamp(min=0).sqrt().flip(0)
    kept = int((sizes > _LEAST_SPREAD * sizes[0]).sum())
    enlarged = (sizes[0] / sizes[:kept]) ** _EVENING
    directions = vectors.flip(1)[:, :kept]
    return directions * enlarged, (directions / enlarged).T
