"""One loop that trains all members of a committee at once."""

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import FloatArray, Structure
from model.architectures.ani.architecture import Architecture
from model.architectures.ani.committee import Committee
from model.architectures.ani.descriptor.batch import check_structures
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.neurochem import read_neurochem
from model.architectures.ani.training.minibatch import Minibatch, Targets, cut
from model.architectures.ani.training.offsets import refit_offsets
from model.architectures.ani.training.trainer import Trainer
from model.folds import Folds, assign_folds
from model.history import MemberHistory
from model.self_energies import element_counts, fit_self_energies
from model.settings import PretrainedSettings, TrainingSettings


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
        Go on from its weights, with its elements; None starts from random weights, or from the
        published ones that the settings name.
    plan : TransferPlan
        What stays as it is, where `start` is of another level of theory.

    Raises
    ------
    InputError
        No data, a label of another level, or an element that is not among `elements`.
    """
    began = time.perf_counter()
    if settings.pretrained is not None:
        plan = replace(plan, frozen_layers=plan.frozen_layers or settings.pretrained.frozen_layers)
        if start is None and plan.baseline is None:
            start = _published(settings.pretrained, settings.members)
            plan = replace(plan, learning_rate_factor=settings.pretrained.learning_rate_factor)
    rows = sorted(data, key=lambda row: row.structure.structure_id)
    networks = _first_networks(settings, elements, seed, start)
    _check(rows, level, networks.architecture.elements)
    structures = [row.structure for row in rows]
    folds = assign_folds(structures, members=settings.members, folds=settings.folds, seed=seed)
    whole = Targets.of(rows, plan.baseline)
    self_energies = _self_energies(structures, whole, networks.architecture.elements, start)
    counts = element_counts(structures, networks.architecture.elements)
    targets = whole.shifted(counts @ self_energies)
    trainer = Trainer(
        networks,
        cut(
            rows,
            targets,
            ~folds.validates,
            networks.architecture.elements,
            batch_size=settings.batch_size,
            seed=seed,
        ),
        _validation(rows, targets, folds, networks.architecture.elements),
        settings,
        max_epochs=_max_epochs(settings, start),
        learning_rate=_learning_rate(settings, start, plan),
        frozen_layers=plan.frozen_layers,
    )
    networks, histories = trainer.run(seed)
    if not torch.isfinite(networks.weights).all():
        raise InputError("training diverged: lower train.learning_rate")
    notes = list(folds.notes)
    if trainer.environments.is_full:
        notes.append(
            f"descriptors did not all fit into {settings.cache_memory_gb} GB and were computed "
            f"anew in each epoch: raise train.cache_memory_gb"
        )
    committee = Committee(
        networks=networks,
        self_energies_ev=self_energies,
        level_id=level.level_id,
        level_name=level.name,
        record={
            "seed": seed,
            "settings": settings.model_dump(mode="json"),
            "data_hash": _hash(rows),
            "n_structures": len(rows),
            "started_from_data_hash": start and start.record.get("data_hash"),
        },
    )
    n_with_forces = sum(row.label.forces is not None for row in rows)
    if n_with_forces:
        committee = refit_offsets(committee, structures, whole.energies)
    return TrainingResult(
        committee=committee,
        members=histories,
        n_structures=len(rows),
        n_with_forces=n_with_forces,
        notes=tuple(notes),
        seconds=time.perf_counter() - began,
    )


def _hash(rows: Sequence[LabelledStructure]) -> str:
    """Return a hash of what was learned: which structures at which level."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.structure.structure_id}/{row.label.level_id}/".encode())
    return digest.hexdigest()[:20]


def _self_energies(
    structures: Sequence[Structure],
    targets: Targets,
    elements: Sequence[int],
    start: Committee | None,
) -> FloatArray:
    """Fit self-energies to what the networks to start from leave open."""
    energies = targets.energies.mean(axis=0)
    if start is None:
        return fit_self_energies(structures, energies, elements)
    missing = energies - [prediction.energy for prediction in start.predict(structures)]
    return start.self_energies_ev + fit_self_energies(structures, missing, elements)


def _max_epochs(settings: TrainingSettings, start: Committee | None) -> int:
    """Return fewer epochs where a committee goes on learning."""
    if start is None:
        return settings.max_epochs
    return min(settings.max_epochs, settings.warm_start_max_epochs)


def _learning_rate(
    settings: TrainingSettings, start: Committee | None, plan: TransferPlan
) -> float:
    if start is None:
        return settings.learning_rate
    factor = plan.learning_rate_factor
    if factor is None:
        factor = settings.warm_start_learning_rate_factor
    return settings.learning_rate * factor


def _validation(
    rows: Sequence[LabelledStructure], targets: Targets, folds: Folds, elements: Sequence[int]
) -> list[Minibatch | None]:
    """Return each member's own part of the data."""
    parts: list[Minibatch | None] = []
    for member, own in enumerate(folds.validates):
        chosen = np.flatnonzero(own)
        batch = (
            Minibatch.of(rows, targets, chosen, ~folds.validates, elements) if len(chosen) else None
        )
        parts.append(batch and batch.of_member(member))
    return parts


def _published(settings: PretrainedSettings, members: int) -> Committee:
    """Return the first members of a published ensemble."""
    committee = read_neurochem(settings.path)
    if committee.n_members < members:
        raise InputError(
            f"{settings.path} has {committee.n_members} members: set train.members to as many"
        )
    return committee.first(members)


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
