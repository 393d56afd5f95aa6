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
from model.jacobian import PairJacobian

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
    """Environment vectors of a batch and their derivatives by positions.

    Attributes
    ----------
    features : (A, F)
    radial, angular : PairJacobian
    """

    features: Tensor
    radial: PairJacobian
    angular: PairJacobian


def environments(batch: AtomBatch, architecture: Architecture, dtype: torch.dtype) -> Environments:
    """Compute environment vectors and their derivatives.

    Where two atoms coincide, the derivatives are NaN.
    """
    functions = architecture.symmetry_functions
    near = find_pairs(batch, functions.radial_cutoff_angstrom, dtype)
    nearer = near.within(functions.angular_cutoff_angstrom)
    radial_features, radial = _radial(near, len(batch), architecture)
    angular_features, angular = _angular(nearer, len(batch), architecture)
    return Environments(
        features=torch.cat([radial_features, angular_features], dim=1),
        radial=radial,
        angular=angular,
    )


def find_pairs(batch: AtomBatch, cutoff_angstrom: float, dtype: torch.dtype) -> Pairs:
    """Find all ordered pairs within a cutoff, in the same structure; distances in float64 first."""
    sizes = torch.tensor(batch.sizes)
    starts = torch.cumsum(sizes, 0) - sizes
    atoms = torch.argsort(batch.owner, stable=True)  # by structure, then by element
    per_atom = sizes[batch.owner[atoms]]
    centre = torch.repeat_interleave(atoms, per_atom)
    first = torch.repeat_interleave(torch.cumsum(per_atom, 0) - per_atom, per_atom)
    rank = torch.arange(len(centre)) - first
    neighbour = atoms[starts[batch.owner[centre]] + rank]
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


def _radial(pairs: Pairs, n_atoms: int, architecture: Architecture) -> tuple[Tensor, PairJacobian]:
    """Return radial features (A, ...) and their Jacobian (eq. 3)."""
    functions = architecture.symmetry_functions
    eta, n_elements = functions.radial_eta_per_angstrom2, len(architecture.elements)
    cutoff, cutoff_slope = _cutoff(pairs.distance, functions.radial_cutoff_angstrom)
    offset = pairs.distance[:, None] - pairs.distance.new_tensor(functions.radial_shifts_angstrom)
    gaussian = 0.25 * torch.exp(-eta * offset**2)
    features = gaussian.new_zeros(n_atoms * n_elements, functions.n_radial)
    rows = pairs.centre * n_elements + pairs.element
    features.index_add_(0, rows, gaussian * cutoff[:, None])
    slope = gaussian * (cutoff_slope[:, None] - 2 * eta * offset * cutoff[:, None])
    return features.view(n_atoms, -1), PairJacobian.of(
        centre=pairs.centre,
        neighbour=pairs.neighbour,
        element=pairs.element,
        blocks_of_element=torch.arange(n_elements)[:, None],
        n_blocks=n_elements,
        derivatives=pairs.direction[:, :, None] * slope[:, None, :],
    )


def _triples(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Return all (first, second) indices of two pairs with the same centre, first < second."""
    _, counts = torch.unique_consecutive(pairs.centre, return_counts=True)
    ends = torch.repeat_interleave(torch.cumsum(counts, 0), counts)
    later = ends - torch.arange(len(pairs)) - 1
    first = torch.repeat_interleave(torch.arange(len(pairs)), later)
    rank = torch.arange(len(first)) - (torch.cumsum(later, 0) - later)[first]
    return first, first + 1 + rank


def _angular(pairs: Pairs, n_atoms: int, architecture: Architecture) -> tuple[Tensor, PairJacobian]:
    """Return angular features (A, ...) and their Jacobian (eq. 4)."""
    functions = architecture.symmetry_functions
    n_elements, n_blocks = len(architecture.elements), architecture.n_element_pairs
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

    features = distance.new_zeros(n_atoms * n_blocks, functions.n_angular)
    features.index_add_(0, pairs.centre[first] * n_blocks + block, outer(stretch * weight, bend))
    jacobian = distance.new_zeros(len(pairs) * n_elements, 3, functions.n_angular)
    by_mean = -eta * offset * stretch * weight  # half of it belongs to each distance
    by_cosine = outer(stretch * weight, bend_slope)
    for one, other in ((first, second), (second, first)):
        slope = (cutoff_slope[one] * cutoff[other])[:, None] * stretch
        by_distance = outer(by_mean + slope, bend)
        turn = direction[other] - cosine[:, None] * direction[one]
        turn = turn / distance[one, None]  # derivative of the cosine by the neighbour, (T, 3)
        blocks = (
            direction[one, :, None] * by_distance[:, None, :]
            + turn[:, :, None] * by_cosine[:, None, :]
        )
        jacobian.index_add_(0, one * n_elements + pairs.element[other], blocks)
    # (pair, element of the other neighbour, xyz, S) -> (pair, xyz, all functions)
    derivatives_by_pair = jacobian.view(len(pairs), n_elements, 3, functions.n_angular)
    derivatives_by_pair = derivatives_by_pair.transpose(1, 2).flatten(2)
    return features.view(n_atoms, -1), PairJacobian.of(
        centre=pairs.centre,
        neighbour=pairs.neighbour,
        element=pairs.element,
        blocks_of_element=torch.tensor(architecture.pair_table),
        n_blocks=n_blocks,
        derivatives=derivatives_by_pair,
    )


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
