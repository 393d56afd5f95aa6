"""The tangent features of a committee: derivatives of energies by weights, and their products.

Linearised about its weights a network is a linear model whose features are dE/dw (Jacot, Gabriel
and Hongler, arXiv:1806.07572). There are more of them than data by orders of magnitude, but only
their products are needed. The derivative by a layer's weights is a sum over atoms of what went into
the layer times what comes back to it, so the product of two structures' features is a sum over
pairs of atoms of two dot products.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chemistry.records.structure import FloatArray, Structure
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.descriptor.batch import AtomBatch, chunks
from model.architectures.ani.descriptor.environments import Environments, environments
from model.architectures.ani.forces import by_element, differentiable_energies, evaluate_elements
from model.architectures.ani.network import StackedNetworks

_ATOMS_AT_ONCE = 2048


@dataclass(frozen=True, kw_only=True, eq=False)
class StillStructures:
    """Structures that stay where they are while weights change: descriptors are computed once.

    Attributes
    ----------
    n_structures : int
    batches : tuple of (AtomBatch, Environments)
        In order, so many atoms at a time.
    """

    n_structures: int
    batches: tuple[tuple[AtomBatch, Environments], ...]

    @classmethod
    def of(cls, committee: AniCommittee, structures: Sequence[Structure]) -> "StillStructures":
        """Describe structures as the networks of a committee want them, in their precision."""
        batches = []
        for chunk in chunks(structures, _ATOMS_AT_ONCE):
            batch = AtomBatch.of(chunk, committee.elements, committee.networks.device)
            with torch.no_grad():
                found = environments(batch, committee.shape, committee.networks.weights.dtype)
            batches.append((batch, found))
        return cls(n_structures=len(structures), batches=tuple(batches))

    def energies(self, networks: StackedNetworks) -> FloatArray:
        """Return energies without self-energies, (M, S) eV."""
        with torch.no_grad():
            parts = [evaluate_elements(networks, *pair)[0] for pair in self.batches]
        return np.asarray(torch.cat(parts, dim=1).cpu().numpy())

    def features(self, networks: StackedNetworks) -> "TangentFeatures":
        """Return the tangent features of all members."""
        parts, first = [], 0
        for batch, found in self.batches:
            with torch.no_grad():
                _, passes = evaluate_elements(networks, batch, found)
            owners = by_element(batch, batch.owner + first, dim=0)
            parts.append(
                tuple(
                    _Atoms(owner=owner, inputs=done.inputs, deltas=done.deltas)
                    for owner, done in zip(owners, passes, strict=True)
                )
            )
            first += len(batch.sizes)
        return TangentFeatures(
            n_members=networks.n_members,
            n_structures=self.n_structures,
            elements=tuple(_joined(of_element) for of_element in zip(*parts, strict=True)),
        )

    def along_features(self, networks: StackedNetworks, coefficients: FloatArray) -> Tensor:
        """Return the sum of coefficient (M, S) times feature over structures: (M, W)."""
        total, first = torch.zeros_like(networks.weights), 0
        for batch, found in self.batches:
            weights = networks.weights.detach().clone().requires_grad_()
            moving = StackedNetworks(shape=networks.shape, weights=weights)
            energies = differentiable_energies(moving, batch, found)
            own = torch.from_numpy(coefficients[:, first : first + len(batch.sizes)])
            total += torch.autograd.grad((energies * own.to(total.device)).sum(), weights)[0]
            first += len(batch.sizes)
        return total


@dataclass(frozen=True, kw_only=True, eq=False)
class _Atoms:
    """The atoms of one element, n of them.

    Attributes
    ----------
    owner : (n,) int64
        Structure of each atom.
    inputs : tuple of (M, n, inputs)
        What goes into each layer.
    deltas : tuple of (M, n, outputs)
        Derivative of the energy by what comes out of each layer but the last, before CELU.
    """

    owner: Tensor
    inputs: tuple[Tensor, ...]
    deltas: tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class TangentFeatures:
    """Factors of the tangent features of S structures, for all members."""

    n_members: int
    n_structures: int
    elements: tuple[_Atoms, ...]

    def products(self, others: "TangentFeatures") -> FloatArray:
        """Return the dot products with the features of T others, (M, S, T) eV^2."""
        found = np.zeros((self.n_members, self.n_structures, others.n_structures))
        for mine, theirs in zip(self.elements, others.elements, strict=True):
            if not (len(mine.owner) and len(theirs.owner)):
                continue
            for member in range(self.n_members):
                pairs = _pair_products(mine, theirs, member)
                rows = pairs.new_zeros(self.n_structures, pairs.shape[1])
                rows.index_add_(0, mine.owner, pairs)
                columns = pairs.new_zeros(self.n_structures, others.n_structures)
                columns.index_add_(1, theirs.owner, rows)
                found[member] += columns.cpu().numpy()
        return found


def scaled_kernels(features: TangentFeatures) -> tuple[FloatArray, FloatArray]:
    """Return of each member its kernel over its diagonal's mean, (M, S, S), and that mean, (M,)."""
    kernels = features.products(features)
    scales = np.asarray(np.einsum("mss->m", kernels) / kernels.shape[1])
    return kernels / scales[:, None, None], scales


def mean_kernel(committee: AniCommittee, structures: Sequence[Structure]) -> FloatArray:
    """Return the mean of the members' scaled kernels, (S, S)."""
    features = StillStructures.of(committee, structures).features(committee.networks)
    return np.asarray(scaled_kernels(features)[0].mean(axis=0))


def _pair_products(mine: _Atoms, theirs: _Atoms, member: int) -> Tensor:
    """Return the products of atoms' features of one member, (n, m) float64.

    A layer's weights and bias give (inputs . inputs + 1)(deltas . deltas); the last one has a delta
    of 1.
    """
    total = torch.zeros(
        len(mine.owner), len(theirs.owner), dtype=torch.float64, device=mine.owner.device
    )
    for layer, (one, other) in enumerate(zip(mine.inputs, theirs.inputs, strict=True)):
        product = one[member].double() @ other[member].double().T + 1.0
        if layer < len(mine.deltas):
            product *= mine.deltas[layer][member].double() @ theirs.deltas[layer][member].double().T
        total += product
    return total


def _joined(parts: Sequence[_Atoms]) -> _Atoms:
    return _Atoms(
        owner=torch.cat([part.owner for part in parts]),
        inputs=tuple(
            torch.cat(layer, dim=1) for layer in zip(*(p.inputs for p in parts), strict=True)
        ),
        deltas=tuple(
            torch.cat(layer, dim=1) for layer in zip(*(p.deltas for p in parts), strict=True)
        ),
    )
