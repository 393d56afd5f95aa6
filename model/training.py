"""One loop that trains all members of a committee at once."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor

from chemistry.errors import InputError
from chemistry.label import LabelledStructure
from chemistry.level import LevelOfTheory
from chemistry.structure import FloatArray
from model.architecture import Architecture
from model.batch import AtomBatch, check_structures
from model.committee import Committee
from model.descriptor import environments
from model.folds import Folds, assign_folds
from model.forces import differentiable_energies_and_forces
from model.jacobian import FixedEnvironments
from model.network import StackedNetworks, free_weights
from model.self_energies import element_counts, fit_self_energies
from model.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class MemberHistory:
    """How one member's training went.

    Attributes
    ----------
    best_epoch : int
        The epoch whose weights were kept, counted from 1; 0: the weights that it started from.
    epochs : int
        Epochs until it stopped.
    validation_loss : tuple of float
        On its own part of the data, after each epoch.
    """

    best_epoch: int
    epochs: int
    validation_loss: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingResult:
    """A trained committee and how it came about.

    Attributes
    ----------
    committee : Committee
    members : tuple of MemberHistory
    n_structures, n_with_forces : int
        Size of the training set.
    notes : tuple of str
        What a person should know, in sentences.
    seconds : float
        Wall time.
    """

    committee: Committee
    members: tuple[MemberHistory, ...]
    n_structures: int
    n_with_forces: int
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TransferPlan:
    """What of a committee of another level of theory stays as it is.

    Attributes
    ----------
    frozen_layers : tuple of int
        Layers of each network whose weights do not move, counted from 0.
    learning_rate_factor : float or None
        Multiplies the learning rate; None takes the settings' factor of a warm start.
    baseline : Committee or None
        Only the difference to it is learned: member m learns what is missing from its member m.
    """

    frozen_layers: tuple[int, ...] = ()
    learning_rate_factor: float | None = None
    baseline: Committee | None = None


SAME_LEVEL = TransferPlan()
"""Nothing stays: the data are of the level that the committee knows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Minibatch:
    """Structures of one step, with targets and masks.

    Attributes
    ----------
    energies : (T, B) float64, eV
        Without self-energies; T is 1, or M where members have targets of their own.
    forces : (T, A, 3)
        Zero where unknown.
    has_forces : (A,)
        1 or 0.
    n_atoms : (B,)
    learns, validates : (M, B)
        1 or 0.
    """

    atoms: AtomBatch
    energies: Tensor
    forces: Tensor
    has_forces: Tensor
    n_atoms: Tensor
    learns: Tensor
    validates: Tensor

    def surroundings(self, architecture: Architecture, dtype: torch.dtype) -> FixedEnvironments:
        """Compute the environment vectors and their derivatives."""
        return environments(self.atoms, architecture, dtype).fixed()


def train_committee(
    data: Sequence[LabelledStructure],
    settings: TrainingSettings,
    *,
    elements: Sequence[int],
    level: LevelOfTheory,
    seed: int,
    start: Committee | None = None,
    plan: TransferPlan = SAME_LEVEL,
) -> TrainingResult:
    """Train a committee on labelled structures.

    The same data (in any order), settings, seed and start give the same weights bit for bit on the
    same machine and number of torch threads, which the caller sets.

    Parameters
    ----------
    data : sequence of LabelledStructure
        All at `level`; labels without forces teach energies alone.
    settings : TrainingSettings
    elements : sequence of int
        Atomic numbers that the committee shall know, whether or not the data have them.
    level : LevelOfTheory
    seed : int
    start : Committee or None
        Go on from its weights, with its elements; None starts from random weights.
    plan : TransferPlan
        What stays as it is, where `start` is of another level of theory.

    Raises
    ------
    InputError
        No data, a label of another level, or an element that is not among `elements`.
    """
    began = time.perf_counter()
    rows = sorted(data, key=lambda row: row.structure.structure_id)
    networks = _first_networks(settings, elements, seed, start)
    _check(rows, level, networks.architecture.elements)
    structures = [row.structure for row in rows]
    folds = assign_folds(structures, members=settings.members, folds=settings.folds, seed=seed)
    targets = _targets(rows, plan.baseline)
    energies = targets.energies.mean(axis=0)
    if start is not None:
        known = start.predict(structures)
        energies = energies - [p.energy for p in known]
    self_energies = fit_self_energies(structures, energies, networks.architecture.elements)
    if start is not None:
        self_energies = self_energies + start.self_energies_ev
    batches = _minibatches(
        rows, targets, networks.architecture, self_energies, folds, settings, seed
    )
    rate = settings.learning_rate
    if start is not None:
        factor = plan.learning_rate_factor
        rate *= settings.warm_start_learning_rate_factor if factor is None else factor
    trainer = _Trainer(networks, batches, settings, rate=rate, frozen=plan.frozen_layers)
    networks, histories = trainer.run(seed)
    return TrainingResult(
        committee=Committee(
            networks=networks,
            self_energies_ev=self_energies,
            level_id=level.level_id,
            level_name=level.name,
        ),
        members=histories,
        n_structures=len(rows),
        n_with_forces=sum(row.label.forces is not None for row in rows),
        notes=folds.notes,
        seconds=time.perf_counter() - began,
    )


def _check(
    rows: Sequence[LabelledStructure], level: LevelOfTheory, elements: Sequence[int]
) -> None:
    if not rows:
        raise InputError("there is nothing to train on: label some structures first")
    for row in rows:
        if row.label.level_id != level.level_id:
            raise InputError(
                f"the label of structure {row.label.structure_id} is of level "
                f"{row.label.level_id}, not of {level.name} ({level.level_id})"
            )
        forces = row.label.forces
        if not math.isfinite(row.label.energy) or (
            forces is not None and not np.isfinite(forces).all()
        ):
            raise InputError(f"the label of structure {row.label.structure_id} is not finite")
    check_structures([row.structure for row in rows], elements)


def _first_networks(
    settings: TrainingSettings, elements: Sequence[int], seed: int, start: Committee | None
) -> StackedNetworks:
    """Return the networks that training starts from, one member after the other seeded."""
    if start is not None:
        missing = sorted(set(elements) - set(start.elements))
        if missing:
            raise InputError(
                f"the committee to start from does not know "
                f"{', '.join(chemical_symbols[z] for z in missing)}: start from random weights"
            )
        if start.n_members != settings.members:
            raise InputError(
                f"the committee to start from has {start.n_members} members, and the settings "
                f"ask for {settings.members}"
            )
        return start.networks
    architecture = Architecture.published(
        tuple(elements),
        {_atomic_number(symbol): sizes for symbol, sizes in settings.hidden_layers.items()},
    )
    seeds = np.random.SeedSequence([seed]).spawn(settings.members)
    return StackedNetworks.random(architecture, [int(s.generate_state(1)[0]) for s in seeds])


def _atomic_number(symbol: str) -> int:
    if symbol not in atomic_numbers:
        raise InputError(f"hidden_layers: {symbol!r} is not the symbol of an element")
    return int(atomic_numbers[symbol])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Targets:
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


def _targets(rows: Sequence[LabelledStructure], baseline: Committee | None) -> _Targets:
    """Return the labels, less what the baseline's members predict."""
    energies = np.array([[row.label.energy for row in rows]])
    forces = [
        np.zeros((1, len(row.structure), 3)) if row.label.forces is None else row.label.forces[None]
        for row in rows
    ]
    if baseline is None:
        return _Targets(energies=energies, forces=forces)
    known = baseline.predict([row.structure for row in rows])
    return _Targets(
        energies=energies - np.stack([p.member_energies for p in known], axis=1),
        forces=[
            f - p.member_forces * (row.label.forces is not None)
            for f, p, row in zip(forces, known, rows, strict=True)
        ],
    )


def _minibatches(
    rows: Sequence[LabelledStructure],
    targets: _Targets,
    architecture: Architecture,
    self_energies: FloatArray,
    folds: Folds,
    settings: TrainingSettings,
    seed: int,
) -> list[_Minibatch]:
    """Cut the data into minibatches of nearly equal size, at random."""
    order = np.random.default_rng(seed).permutation(len(rows))
    n_batches = math.ceil(len(rows) / settings.batch_size)
    shifts = element_counts([r.structure for r in rows], architecture.elements) @ self_energies
    batches = []
    for chosen in np.array_split(order, n_batches):
        chosen_rows = [rows[i] for i in chosen]
        forces = np.concatenate([targets.forces[k] for k in chosen], axis=1)
        atoms = AtomBatch.of([r.structure for r in chosen_rows], architecture.elements)
        has_forces = torch.tensor([float(r.label.forces is not None) for r in chosen_rows])
        energies = targets.energies[:, chosen] - shifts[chosen]
        validates = torch.from_numpy(folds.validates[:, chosen]).float()
        batches.append(
            _Minibatch(
                atoms=atoms,
                energies=torch.from_numpy(energies),
                forces=torch.from_numpy(forces).float()[:, torch.argsort(atoms.place)],
                has_forces=has_forces[atoms.owner],
                n_atoms=torch.tensor(atoms.sizes, dtype=torch.float32),
                learns=1 - validates,
                validates=validates,
            )
        )
    return batches


def _losses(
    networks: StackedNetworks,
    batch: _Minibatch,
    surroundings: FixedEnvironments,
    force_weight: float,
) -> Tensor:
    """Return (dE)^2/N + w mean (dF)^2 of each member and structure, (M, B), eV^2."""
    energies, forces = differentiable_energies_and_forces(networks, batch.atoms, surroundings)
    by_energy = (energies - batch.energies).float() ** 2 / batch.n_atoms
    by_atom = ((forces - batch.forces) ** 2).mean(2) * batch.has_forces
    by_force = torch.zeros_like(by_energy).index_add(1, batch.atoms.owner, by_atom) / batch.n_atoms
    return by_energy + force_weight * by_force


class _Trainer:
    """The loop: state of optimizer, moving averages and each member's best weights."""

    def __init__(
        self,
        networks: StackedNetworks,
        batches: Sequence[_Minibatch],
        settings: TrainingSettings,
        *,
        rate: float,
        frozen: Sequence[int],
    ) -> None:
        self.architecture = networks.architecture
        self.settings = settings
        self.batches = batches
        self.first_rate = rate
        self.moves = free_weights(networks.architecture, frozen)
        self.rows = [row.clone().requires_grad_() for row in networks.weights]
        # One parameter group a member, so that each has its own learning rate.
        self.optimizer = torch.optim.Adam(
            [{"params": [row]} for row in self.rows], lr=self.first_rate, fused=True
        )
        self.average = networks.weights.clone()
        self.best = networks.weights.clone()
        self.steps = 0
        self.learned = torch.stack([b.learns.sum(1) for b in batches]).sum(0)
        self.validated = torch.stack([b.validates.sum(1) for b in batches]).sum(0)
        surroundings = [b.surroundings(self.architecture, torch.float32) for b in batches]
        self.surroundings = surroundings

    def run(self, seed: int) -> tuple[StackedNetworks, tuple[MemberHistory, ...]]:
        """Train until every member has stopped; return each at its best."""
        members = len(self.rows)
        generator = torch.Generator().manual_seed(seed)
        losses: list[list[float]] = [[] for _ in range(members)]
        best_loss = self._validate(self.average)
        best_epoch, running = [0] * members, [True] * members
        for epoch in range(1, self.settings.max_epochs + 1):
            self._set_rates(epoch)
            for index in torch.randperm(len(self.batches), generator=generator).tolist():
                self._step(index)
            for member, loss in enumerate(self._validate(self.average).tolist()):
                if not running[member]:
                    continue
                losses[member].append(loss)
                if not math.isfinite(float(best_loss[member])) or loss < best_loss[member]:
                    best_loss[member] = loss
                    best_epoch[member] = epoch
                    self.best[member] = self.average[member]
                elif epoch - best_epoch[member] >= self.settings.patience_epochs:
                    running[member] = False
            if not any(running):
                break
        networks = StackedNetworks(architecture=self.architecture, weights=self.best)
        return networks, tuple(
            MemberHistory(
                best_epoch=best_epoch[m], epochs=len(losses[m]), validation_loss=tuple(losses[m])
            )
            for m in range(members)
        )

    def _set_rates(self, epoch: int) -> None:
        share = (epoch - 1) / self.settings.max_epochs
        rate = self.first_rate * (0.5 * (1 + math.cos(math.pi * share)) * 0.99 + 0.01)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _step(self, index: int) -> None:
        batch = self.batches[index]
        weights = torch.stack(self.rows)
        networks = StackedNetworks(architecture=self.architecture, weights=weights)
        losses = _losses(networks, batch, self.surroundings[index], self.settings.force_weight)
        # Members do not see each other: the sum's gradient is each member's own.
        share = batch.learns / batch.learns.sum(1, keepdim=True).clamp(min=1)
        self.optimizer.zero_grad()
        torch.autograd.backward((losses * share).sum())
        for row in self.rows:
            assert row.grad is not None, "every member takes part in the loss"
            row.grad *= self.moves
            torch.nn.utils.clip_grad_norm_([row], self.settings.max_gradient_norm)
        self.optimizer.step()
        self.steps += 1
        decay = min(self.settings.weight_average_decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for average, row in zip(self.average, self.rows, strict=True):
                average.lerp_(row, 1 - decay)

    def _validate(self, weights: Tensor) -> Tensor:
        networks = StackedNetworks(architecture=self.architecture, weights=weights)
        total = torch.zeros(len(weights))
        with torch.no_grad():
            for batch, surroundings in zip(self.batches, self.surroundings, strict=True):
                losses = _losses(networks, batch, surroundings, self.settings.force_weight)
                total += (losses * batch.validates).sum(1)
        # A member without a validation part is judged on nothing, and so trains to the end.
        return torch.where(self.validated > 0, total / self.validated, torch.nan)
