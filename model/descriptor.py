"""Atomic environment vectors (ANI symmetry functions) and their derivatives.

Neither depends on weights, so all members of a committee share them, and training computes them
once. Equations: Smith, Isayev, Roitberg, doi:10.1039/C6SC05720A, eqs. 2 to 4, with the factors of
the authors' program: 0.25 on radial functions, and 0.95 on the cosine of the angle, which keeps
the angle's derivative finite for three atoms in a line.
"""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from model.architecture import Architecture, SymmetryFunctions
from model.batch import AtomBatch

_COSINE_SCALE = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Ordered pairs of a centre and a neighbour within a cutoff, sorted by centre.

    Attributes
    ----------
    centre, neighbour : (P,) int64
        Atoms.
    element : (P,) int64
        Species index of the neighbour; within a centre, neighbours are sorted by it.
    distance : (P,)
        Å.
    direction : (P, 3)
        Unit vector from the centre to the neighbour.
    """

    centre: Tensor
    neighbour: Tensor
    element: Tensor
    distance: Tensor
    direction: Tensor

    def __len__(self) -> int:
        return len(self.centre)

    def within(self, cutoff_angstrom: float) -> "Pairs":
        """Return the pairs that are closer than a cutoff."""
        keep = torch.nonzero(self.distance < cutoff_angstrom).flatten()
        return Pairs(
            centre=self.centre[keep],
            neighbour=self.neighbour[keep],
            element=self.element[keep],
            distance=self.distance[keep],
            direction=self.direction[keep],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Environments:
    """Environment vectors G of a batch and what is needed to turn dE/dG into forces.

    Attributes
    ----------
    features : (A, F)
    radial, angular : Pairs
        Within the radial and within the angular cutoff.
    radial_slope : (P, R)
        Derivative of a pair's radial functions by its distance, 1/Å.
    angular_jacobian : (Q, n_elements * S, 3)
        Derivative of the centre's angular functions by the position of the neighbour, 1/Å: for
        each element of the other neighbour the S functions of that pair of elements.
    """

    features: Tensor
    radial: Pairs
    angular: Pairs
    radial_slope: Tensor
    angular_jacobian: Tensor

    def forces(self, gradient: Tensor, architecture: Architecture) -> Tensor:
        """Return forces (M, A, 3) from dE/dG (M, A, F); differentiable by the latter."""
        members, n_atoms, _ = gradient.shape
        n_elements = len(architecture.elements)
        n_radial = architecture.n_radial_features
        by_radial = gradient[:, :, :n_radial].reshape(members, n_atoms * n_elements, -1)
        by_radial = by_radial[:, self.radial.centre * n_elements + self.radial.element]
        scalar = (by_radial * self.radial_slope).sum(2)
        radial = scalar[:, :, None] * self.radial.direction  # (M, P, 3)

        pair_table = torch.tensor(architecture.pair_table)
        blocks = self.angular.centre[:, None] * architecture.n_element_pairs
        blocks = blocks + pair_table[self.angular.element]  # (Q, n_elements)
        by_angular = gradient[:, :, n_radial:].reshape(
            members, n_atoms * architecture.n_element_pairs, -1
        )
        by_angular = by_angular[:, blocks].flatten(2).transpose(0, 1)  # (Q, M, n_elements * S)
        angular = torch.bmm(by_angular, self.angular_jacobian).transpose(0, 1)

        forces = gradient.new_zeros(members, n_atoms, 3)
        for pairs, push in ((self.radial, radial), (self.angular, angular)):
            forces = forces.index_add(1, pairs.centre, push).index_add(1, pairs.neighbour, -push)
        return forces


def environments(
    batch: AtomBatch, architecture: Architecture, dtype: torch.dtype, *, derivatives: bool = True
) -> Environments:
    """Compute environment vectors and, unless told not to, their derivatives.

    Where two atoms coincide, the derivatives are NaN.
    """
    functions = architecture.symmetry_functions
    radial = find_pairs(batch, functions.radial_cutoff_angstrom, dtype)
    angular = radial.within(functions.angular_cutoff_angstrom)
    n_atoms, n_elements = len(batch.species), len(architecture.elements)

    values, slopes = _radial_functions(radial.distance, functions)
    radial_features = values.new_zeros(n_atoms * n_elements, functions.n_radial)
    radial_features.index_add_(0, radial.centre * n_elements + radial.element, values)

    angular_features, jacobian = _angular(angular, n_atoms, architecture, derivatives)
    return Environments(
        features=torch.cat(
            [radial_features.view(n_atoms, -1), angular_features.view(n_atoms, -1)], dim=1
        ),
        radial=radial,
        angular=angular,
        radial_slope=slopes,
        angular_jacobian=jacobian,
    )


def find_pairs(batch: AtomBatch, cutoff_angstrom: float, dtype: torch.dtype) -> Pairs:
    """Find all ordered pairs within a cutoff, in the same structure; distances in float64 first."""
    sizes = torch.tensor(batch.sizes)
    starts = torch.cumsum(sizes, 0) - sizes
    # Within each structure, sort atoms by element, so that each centre's neighbours are sorted too.
    order = torch.argsort(batch.owner * (int(batch.species.max()) + 1) + batch.species, stable=True)
    per_atom = sizes[batch.owner]
    centre = torch.repeat_interleave(torch.arange(len(batch.species)), per_atom)
    rank = torch.arange(len(centre)) - (torch.cumsum(per_atom, 0) - per_atom)[centre]
    neighbour = order[starts[batch.owner[centre]] + rank]
    vectors = batch.positions[neighbour] - batch.positions[centre]
    distance = torch.linalg.vector_norm(vectors, dim=1)
    keep = torch.nonzero((distance < cutoff_angstrom) & (centre != neighbour)).flatten()
    centre, neighbour, distance = centre[keep], neighbour[keep], distance[keep]
    return Pairs(
        centre=centre,
        neighbour=neighbour,
        element=batch.species[neighbour],
        distance=distance.to(dtype),
        direction=(vectors[keep] / distance[:, None]).to(dtype),
    )


def _cutoff(distance: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Return the cosine cutoff function (eq. 2) and its slope."""
    scaled = distance * (pi / cutoff)
    return 0.5 * torch.cos(scaled) + 0.5, torch.sin(scaled) * (-0.5 * pi / cutoff)


def _radial_functions(distance: Tensor, functions: SymmetryFunctions) -> tuple[Tensor, Tensor]:
    """Return the radial functions of pairs (eq. 3) and their slopes, both (P, R)."""
    eta = functions.radial_eta_per_angstrom2
    cutoff, cutoff_slope = _cutoff(distance, functions.radial_cutoff_angstrom)
    offset = distance[:, None] - distance.new_tensor(functions.radial_shifts_angstrom)
    gaussian = 0.25 * torch.exp(-eta * offset**2)
    slope = gaussian * (cutoff_slope[:, None] - 2 * eta * offset * cutoff[:, None])
    return gaussian * cutoff[:, None], slope


def _triples(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Return all (first, second) indices of two pairs with the same centre, first < second."""
    counts = torch.bincount(pairs.centre) if len(pairs) else pairs.centre
    ends = torch.cumsum(counts, 0)[pairs.centre] if len(pairs) else pairs.centre
    later = ends - torch.arange(len(pairs)) - 1
    first = torch.repeat_interleave(torch.arange(len(pairs)), later)
    rank = torch.arange(len(first)) - (torch.cumsum(later, 0) - later)[first]
    return first, first + 1 + rank


def _angular(
    pairs: Pairs, n_atoms: int, architecture: Architecture, derivatives: bool
) -> tuple[Tensor, Tensor]:
    """Return angular features (A * element pairs, S) and the Jacobian of `Environments`."""
    functions = architecture.symmetry_functions
    n_elements, n_angular = len(architecture.elements), functions.n_angular
    first, second = _triples(pairs)
    block = torch.tensor(architecture.pair_table)[pairs.element[first], pairs.element[second]]

    distance, direction = pairs.distance, pairs.direction
    cutoff, cutoff_slope = _cutoff(distance, functions.angular_cutoff_angstrom)
    cosine = (direction[first] * direction[second]).sum(1)
    bend, bend_slope = _bend_functions(cosine, functions)
    eta = functions.angular_eta_per_angstrom2
    mean = 0.5 * (distance[first] + distance[second])
    offset = mean[:, None] - distance.new_tensor(functions.angular_shifts_angstrom)
    stretch = torch.exp(-eta * offset**2)
    weight = (cutoff[first] * cutoff[second])[:, None]

    def outer(a: Tensor, b: Tensor) -> Tensor:
        return (a[:, :, None] * b[:, None, :]).flatten(1)  # (T, shifts * sections)

    features = distance.new_zeros(n_atoms * architecture.n_element_pairs, n_angular)
    centre = pairs.centre[first]
    features.index_add_(
        0, centre * architecture.n_element_pairs + block, outer(stretch * weight, bend)
    )
    jacobian = distance.new_zeros(len(pairs) * n_elements if derivatives else 0, n_angular, 3)
    if derivatives:
        by_mean = -eta * offset * stretch * weight  # half of it belongs to each distance
        by_cosine = outer(stretch * weight, bend_slope)
        for one, other in ((first, second), (second, first)):
            slope = (cutoff_slope[one] * cutoff[other])[:, None] * stretch
            by_distance = outer(by_mean + slope, bend)
            turn = direction[other] - cosine[:, None] * direction[one]
            turn = turn / distance[one, None]  # derivative of the cosine by the neighbour, (T, 3)
            blocks = (
                by_distance[:, :, None] * direction[one, None, :]
                + by_cosine[:, :, None] * turn[:, None, :]
            )
            jacobian.index_add_(0, one * n_elements + pairs.element[other], blocks)
    return features, jacobian.view(-1, n_elements * n_angular, 3)


def _bend_functions(cosine: Tensor, functions: SymmetryFunctions) -> tuple[Tensor, Tensor]:
    """Return 2 ((1 + cos(theta - theta_s)) / 2)^zeta and its slope by the cosine, both (T, n).

    cos(theta - theta_s) is expanded, so that no arc cosine is needed.
    """
    sections = cosine.new_tensor(functions.angular_sections_radian)
    scaled = (_COSINE_SCALE * cosine)[:, None]
    sine = torch.sqrt(1 - scaled**2)
    half = 0.5 + 0.5 * (scaled * torch.cos(sections) + sine * torch.sin(sections))
    power = half ** (functions.angular_zeta - 1)
    inner = torch.cos(sections) - scaled / sine * torch.sin(sections)
    return 2 * power * half, functions.angular_zeta * _COSINE_SCALE * power * inner
