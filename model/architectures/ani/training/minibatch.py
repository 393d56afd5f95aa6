"""Minibatches: structures of one step, with what their energies and forces should be."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chemistry.records.label import LabelledStructure
from chemistry.records.structure import FloatArray, Structure
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.descriptor.basis import EnvironmentBasis, Spread
from model.architectures.ani.descriptor.batch import ATOMS_AT_ONCE, AtomBatch, chunks
from model.architectures.ani.descriptor.environments import Environments, environments
from model.architectures.ani.descriptor.jacobian import FixedEnvironments
from model.architectures.ani.forces import (
    differentiable_energies,
    differentiable_energies_and_forces,
)
from model.architectures.ani.network import StackedNetworks


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """What each structure's energy and forces should be.

    Attributes
    ----------
    energies : (T, S) float64, eV
        T is 1, or M where members have targets of their own.
    forces : S times (T, N, 3) float64, eV/Å
        Zero where unknown.
    """

    energies: FloatArray
    forces: Sequence[FloatArray]

    @classmethod
    def of(cls, rows: Sequence[LabelledStructure], baseline: AniCommittee | None) -> "Targets":
        """Return the labels, less what the baseline's members predict."""
        energies = np.array([[row.label.energy for row in rows]])
        forces = [
            np.zeros((1, len(row.structure), 3))
            if row.label.forces is None
            else row.label.forces[None]
            for row in rows
        ]
        if baseline is None:
            return cls(energies=energies, forces=forces)
        known = baseline.predict([row.structure for row in rows])
        return cls(
            energies=energies - np.stack([p.member_energies for p in known], axis=1),
            forces=[
                f - p.member_forces * (row.label.forces is not None)
                for f, p, row in zip(forces, known, rows, strict=True)
            ],
        )

    def of_members(self, members: range) -> "Targets":
        """Return the targets of some members."""

        def own(targets: FloatArray) -> FloatArray:
            return targets[members.start : members.stop] if len(targets) > 1 else targets

        return Targets(energies=own(self.energies), forces=[own(f) for f in self.forces])

    def shifted(self, structures_energies_ev: FloatArray) -> "Targets":
        """Return the targets less an energy of each structure, (1, S) or (M, S) eV."""
        return Targets(energies=self.energies - structures_energies_ev, forces=self.forces)


@dataclass(frozen=True, kw_only=True, eq=False)
class Minibatch:
    """Structures of one step, with targets and masks.

    Attributes
    ----------
    atoms : AtomBatch
    energies : (T, B) float64, eV
        Without self-energies; T is 1, or M where members have targets of their own.
    forces : (T, A, 3)
        Zero where unknown.
    has_forces : (A,)
        1 or 0.
    n_atoms : (B,)
    learns : (M, B)
        1 or 0.
    """

    atoms: AtomBatch
    energies: Tensor
    forces: Tensor
    has_forces: Tensor
    n_atoms: Tensor
    learns: Tensor

    @classmethod
    def of(
        cls,
        rows: Sequence[LabelledStructure],
        targets: Targets,
        chosen: npt.NDArray[np.int64],
        learns: npt.NDArray[np.bool_],
        networks: StackedNetworks,
    ) -> "Minibatch":
        """Collect some of the structures where the networks are; `learns` is (M, S)."""
        device = networks.device
        atoms = AtomBatch.of([rows[i].structure for i in chosen], networks.shape.elements, device)
        has_forces = torch.tensor(
            [float(rows[i].label.forces is not None) for i in chosen], device=device
        )
        forces = torch.from_numpy(
            np.concatenate([targets.forces[i] for i in chosen], axis=1, dtype=np.float32)
        ).to(device)
        return cls(
            atoms=atoms,
            energies=torch.from_numpy(targets.energies[:, chosen]).to(device),
            forces=forces[:, torch.argsort(atoms.place)],
            has_forces=has_forces[atoms.owner],
            n_atoms=torch.tensor(atoms.sizes, dtype=torch.float32, device=device),
            learns=torch.from_numpy(learns[:, chosen]).float().to(device),
        )

    def of_members(self, members: range) -> "Minibatch":
        """Return the same for some members alone."""

        def own(targets: Tensor) -> Tensor:
            return targets[members.start : members.stop] if len(targets) > 1 else targets

        return Minibatch(
            atoms=self.atoms,
            energies=own(self.energies),
            forces=own(self.forces),
            has_forces=self.has_forces,
            n_atoms=self.n_atoms,
            learns=self.learns[members.start : members.stop],
        )

    def losses(
        self, networks: StackedNetworks, surroundings: FixedEnvironments, force_weight: float
    ) -> Tensor:
        """Return (dE)^2/N + w mean (dF)^2 of each member and structure, (M, B) eV^2.

        Differentiable by the weights of the networks.
        """
        if not self.has_forces.any():
            energies = differentiable_energies(networks, self.atoms, surroundings)
            return (energies - self.energies).float() ** 2 / self.n_atoms
        energies, forces = differentiable_energies_and_forces(networks, self.atoms, surroundings)
        by_energy = (energies - self.energies).float() ** 2 / self.n_atoms
        by_atom = ((forces - self.forces) ** 2).mean(2) * self.has_forces
        by_force = torch.zeros_like(by_energy).index_add(1, self.atoms.owner, by_atom)
        return by_energy + force_weight * by_force / self.n_atoms


def cut(
    rows: Sequence[LabelledStructure],
    targets: Targets,
    learns: npt.NDArray[np.bool_],
    networks: StackedNetworks,
    *,
    batch_size: int,
    seed: int,
) -> list[Minibatch]:
    """Cut structures into minibatches of nearly equal size, at random."""
    order = np.random.default_rng(seed).permutation(len(rows))
    parts = np.array_split(order, math.ceil(len(rows) / batch_size))
    return [Minibatch.of(rows, targets, part, learns, networks) for part in parts]


def find_basis(structures: Sequence[Structure], networks: StackedNetworks) -> EnvironmentBasis:
    """Return the coordinates to learn structures in, where the networks are."""
    shape, device = networks.shape, networks.device

    def described() -> Iterator[tuple[Environments, Tensor]]:
        for chunk in chunks(structures, ATOMS_AT_ONCE):
            batch = AtomBatch.of(chunk, shape.elements, device)
            yield environments(batch, shape, torch.float32), batch.species

    return EnvironmentBasis.of(shape, Spread.of(shape, described()), device)


class EnvironmentCache:
    """Environments of minibatches: kept up to a memory budget, computed anew past it."""

    def __init__(self, basis: EnvironmentBasis, budget_gb: float) -> None:
        self.basis = basis
        self._left = budget_gb * 1e9
        self._kept: dict[int, FixedEnvironments] = {}
        self.is_full = False

    def __getitem__(self, batch: Minibatch) -> FixedEnvironments:
        key = id(batch.atoms)
        if key in self._kept:
            return self._kept[key]
        moving = environments(batch.atoms, self.basis.shape, torch.float32)
        found = self.basis.fixed(moving, batch.atoms.species)
        if found.n_bytes <= self._left:
            self._left -= found.n_bytes
            self._kept[key] = found
        else:
            self.is_full = True
        return found
