"""The directions in which the environments of a data set differ, as coordinates to learn in.

Symmetry functions overlap, and those of absent elements are zero: environment vectors of real data
vary along a third to a half of as many directions as they are long, and along these by amounts
that differ a thousandfold. Learning in coordinates along the principal directions, with the small
ones enlarged, takes fewer steps, and each is less work. What was learned is turned back into
weights for environment vectors, so that nobody else sees these coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.architectures.ani.descriptor.environments import Environments
from model.architectures.ani.descriptor.jacobian import FixedEnvironments, row_groups
from model.architectures.ani.network import StackedNetworks, split_layers
from model.architectures.ani.shape import AniShape

_LEAST_SPREAD = 1e-3
"""Of an element's largest standard deviation: directions along which its atoms differ less are
left out. With 1e-2, forces learned from 200 labels are a third worse, with 3e-4 the same."""
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
        Zero in columns past an element's number of directions.
    back : (E, P, F) float64
        Its inverse within the directions: back @ into is the identity, or zero in those columns.
    """

    shape: AniShape
    mean: Tensor
    into: Tensor
    back: Tensor

    @classmethod
    def of(cls, shape: AniShape, features: Sequence[Tensor]) -> "EnvironmentBasis":
        """Find the principal directions of environment vectors, (n, F) of each element."""
        found = [_directions(of_element.double()) for of_element in features]
        width = max(1, *(into.shape[1] for _, into, _ in found))
        mean = torch.stack([mean for mean, _, _ in found])
        into = mean.new_zeros(len(found), shape.n_features, width)
        back = mean.new_zeros(len(found), width, shape.n_features)
        for index, (_, own_into, own_back) in enumerate(found):
            into[index, :, : own_into.shape[1]] = own_into
            back[index, : len(own_back)] = own_back
        return cls(shape=shape, mean=mean, into=into, back=back)

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
        into, mean = self.into.to(dtype), self.mean
        centred = (environments.features.double() - mean[species]).to(dtype)
        features = centred.new_zeros(len(centred), into.shape[2])
        pairs, near = environments.pairs, environments.near
        radial, angular = environments.radial_derivatives(), environments.angular_derivatives()
        derivatives = centred.new_zeros(len(pairs), 3, into.shape[2])
        near_centre, near_element = species[pairs.centre[near]], pairs.element[near]
        for index, of_element in enumerate(into):
            own = torch.nonzero(species == index).flatten()
            features[own] = centred[own] @ of_element
            for element in range(len(into)):
                moved = torch.nonzero(
                    (species[pairs.centre] == index) & (pairs.element == element)
                ).flatten()
                derivatives[moved] = radial[moved] @ of_element[self._radial_rows(element)]
                close = torch.nonzero((near_centre == index) & (near_element == element)).flatten()
                derivatives[near[close]] += angular[close] @ of_element[self._angular_rows(element)]
        groups = row_groups(pairs.centre, pairs.neighbour, derivatives)
        return FixedEnvironments(features=features, groups=groups)

    def _radial_rows(self, element: int) -> slice:
        """Return which functions of an environment vector a neighbour of an element moves."""
        size = self.shape.symmetry_functions.n_radial
        return slice(element * size, (element + 1) * size)

    def _angular_rows(self, element: int) -> Tensor:
        """Return the angular functions that it moves, by the element of the other neighbour."""
        size = self.shape.symmetry_functions.n_angular
        first = torch.tensor(self.shape.pair_table[element], device=self.into.device) * size
        rows = first[:, None] + torch.arange(size, device=self.into.device)
        return self.shape.n_radial_features + rows.flatten()


def _directions(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean (F,) of environment vectors (n, F), and `into` and `back` of one element."""
    width = features.shape[1]
    if not len(features):
        return features.new_zeros(width), features.new_zeros(width, 0), features.new_zeros(0, width)
    mean = features.mean(0)
    centred = features - mean
    variances, vectors = torch.linalg.eigh(centred.T @ centred / len(features))
    spreads = variances.clamp(min=0).sqrt().flip(0)
    kept = int((spreads > _LEAST_SPREAD * spreads[0]).sum())
    enlarged = (spreads[0] / spreads[:kept]) ** _EVENING
    directions = vectors.flip(1)[:, :kept]
    return mean, directions * enlarged, (directions / enlarged).T
