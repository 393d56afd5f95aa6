"""One loop that trains all members of a committee at once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.structure import FloatArray, Structure
from model.architectures.ani.committee import AniCommittee, all_members
from model.architectures.ani.device import require_device
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.neurochem import read_neurochem
from model.architectures.ani.settings import AniSettings, PretrainedSettings, groups_of
from model.architectures.ani.shape import SMALLER_HIDDEN_SIZES, AniShape
from model.architectures.ani.states import with_states
from model.architectures.ani.training.linear import refit_linear
from model.architectures.ani.training.minibatch import (
    EnvironmentCache,
    Minibatch,
    Targets,
    cut,
    find_basis,
)
from model.architectures.ani.training.offsets import refit_offsets
from model.architectures.ani.training.rows import check_rows, training_record
from model.architectures.ani.training.trainer import Lesson, Trainer
from model.folds import Folds, assign_folds
from model.history import MemberHistory
from model.protocol import TrainingRequest, TrainingResult
from model.self_energies import fit_self_energies, own_energies
from model.states import State, states_of, states_text

_FEW_ATOMS = 3000
"""Labels of so many are fitted once more in closed form, whose cost grows with their square."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TransferPlan:
    """What of a committee of another level of theory stays as it is.

    Attributes
    ----------
    frozen_layers : tuple of int
        Layers of each network whose weights do not move, counted from 0.
    learning_rate_factor : float or None
        Multiplies the learning rate; None takes the settings' factor of a warm start.
    baseline : AniCommittee or None
        Only the difference to it is learned: member m learns what is missing from its member m.
    """

    frozen_layers: tuple[int, ...] = ()
    learning_rate_factor: float | None = None
    baseline: AniCommittee | None = None


SAME_LEVEL = TransferPlan()
"""Nothing stays: the data are of the level that the committee knows."""


def train_committee(
    request: TrainingRequest,
    *,
    start: AniCommittee | None = None,
    plan: TransferPlan = SAME_LEVEL,
) -> TrainingResult[AniCommittee]:
    """Train a committee on labelled structures.

    Parameters
    ----------
    request : TrainingRequest
    start : AniCommittee or None
        Start from its weights, with its elements; None starts from random weights, or from the
        published ones that the settings name.
    plan : TransferPlan
        What stays as it is, where `start` is of another level of theory.

    Raises
    ------
    InputError
        No data, a label of another level, an element that is not among those asked for, or the
        device is not there.
    """
    began = time.perf_counter()
    settings, device = settings_of(request), require_device(request.device)
    if settings.pretrained is not None:
        plan = replace(plan, frozen_layers=plan.frozen_layers or settings.pretrained.frozen_layers)
        if start is None and plan.baseline is None:
            start = _published(settings.pretrained, settings.members)
            plan = replace(plan, learning_rate_factor=settings.pretrained.learning_rate_factor)
    start = None if start is None else with_states(start, request.all_states).to(device)
    rows = sorted(request.data, key=lambda row: row.structure.structure_id)
    networks = _first_networks(settings, request, start).to(device)
    elements = networks.shape.elements
    check_rows(rows, request.level, elements, networks.shape.states)
    structures = [row.structure for row in rows]
    folds = assign_folds(
        structures, members=settings.members, folds=settings.folds, seed=request.seed
    )
    whole = Targets.of(rows, plan.baseline)
    self_energies, state_energies = _own_energies(structures, whole, networks, start)
    targets = whole.shifted(own_energies(structures, elements, self_energies, state_energies))
    lesson = Lesson(
        start=networks,
        batches=cut(
            rows,
            targets,
            ~folds.validates,
            networks,
            batch_size=settings.batch_size,
            seed=request.seed,
        ),
        validation=_validation(rows, targets, folds, networks, settings),
        environments=EnvironmentCache(find_basis(structures, networks), settings.cache_memory_gb),
        settings=settings,
        max_epochs=_max_epochs(settings, start),
        learning_rate=_learning_rate(settings, start, plan),
        frozen_layers=plan.frozen_layers,
        seed=request.seed,
    )
    n_with_forces = sum(row.label.forces is not None for row in rows)
    untaught = AniCommittee(
        networks=networks,
        self_energies_ev=self_energies,
        level_id=request.level.level_id,
        level_name=request.level.name,
        record=training_record(request, rows, start),
        state_energies_ev=state_energies,
    )
    trained, histories = list[AniCommittee](), list[MemberHistory]()
    for members in _groups(request):
        networks, of_members = Trainer(lesson, members).run()
        if not torch.isfinite(networks.weights).all():
            raise InputError("training diverged: lower train.learning_rate")
        taught = replace(untaught.only(members), networks=networks)
        if n_with_forces:
            few = sum(map(len, structures)) <= _FEW_ATOMS and not plan.frozen_layers
            refit = refit_linear if few else refit_offsets
            taught = refit(taught, structures, whole.of_members(members).energies)
        trained.append(taught)
        histories += of_members
    notes = [*folds.notes, *_unlearned(networks.shape.states, structures)]
    if lesson.environments.is_full:
        notes.append(
            f"descriptors did not all fit into {settings.cache_memory_gb} GB and were computed "
            f"anew in each epoch: raise train.cache_memory_gb"
        )
    return TrainingResult(
        committee=all_members(trained),
        members=tuple(histories),
        n_structures=len(rows),
        n_with_forces=n_with_forces,
        notes=tuple(notes),
        seconds=time.perf_counter() - began,
    )


def _groups(request: TrainingRequest) -> tuple[range, ...]:
    if request.members is not None:
        return (request.members,)
    return groups_of(request.settings.members, request.device)


def _unlearned(states: Sequence[State], structures: Sequence[Structure]) -> list[str]:
    """Say which states have no label yet: what is predicted of them follows from the others."""
    missing = sorted(set(states) - set(states_of(structures)))
    if not missing:
        return []
    return [f"no label has {states_text(missing)}: of it nothing was learned"]


def settings_of(request: TrainingRequest) -> AniSettings:
    """Return the settings of a request; raises InputError for those of another architecture."""
    if not isinstance(request.settings, AniSettings):
        raise InputError(f"settings of architecture {request.settings.architecture} do not fit ani")
    return request.settings


def _own_energies(
    structures: Sequence[Structure],
    targets: Targets,
    networks: StackedNetworks,
    start: AniCommittee | None,
) -> tuple[FloatArray, FloatArray | None]:
    """Fit energies of elements, (E,), and of states, (M, 3), to what the start leaves open."""
    elements, several = networks.shape.elements, networks.shape.n_state_features > 0
    missing = targets.energies.mean(axis=0)
    if start is not None:
        missing = missing - [prediction.energy for prediction in start.predict(structures)]
    found = fit_self_energies(structures, missing, elements, with_states=several)
    of_elements, of_states = np.split(found, [len(elements)])
    if start is not None:
        of_elements = start.self_energies_ev + of_elements
        if start.state_energies_ev is not None:
            return of_elements, start.state_energies_ev + of_states
    return of_elements, np.tile(of_states, (networks.n_members, 1)) if several else None


def _max_epochs(settings: AniSettings, start: AniCommittee | None) -> int:
    """Return fewer epochs where a committee learns further."""
    if start is None:
        return settings.max_epochs
    return min(settings.max_epochs, settings.warm_start_max_epochs)


def _learning_rate(settings: AniSettings, start: AniCommittee | None, plan: TransferPlan) -> float:
    if start is None:
        return settings.learning_rate
    factor = plan.learning_rate_factor
    if factor is None:
        factor = settings.warm_start_learning_rate_factor
    return settings.learning_rate * factor


def _validation(
    rows: Sequence[LabelledStructure],
    targets: Targets,
    folds: Folds,
    networks: StackedNetworks,
    settings: AniSettings,
) -> list[Minibatch | None]:
    """Return each member's own part of the data, where it decides when to stop."""
    if settings.patience_epochs is None:
        return [None] * settings.members
    parts: list[Minibatch | None] = []
    for member, own in enumerate(folds.validates):
        chosen = np.flatnonzero(own)
        batch = (
            Minibatch.of(rows, targets, chosen, ~folds.validates, networks) if len(chosen) else None
        )
        parts.append(batch and batch.of_members(range(member, member + 1)))
    return parts


def _published(settings: PretrainedSettings, members: int) -> AniCommittee:
    """Return the first members of a published ensemble."""
    committee = read_neurochem(settings.path)
    if committee.n_members < members:
        raise InputError(
            f"{settings.path} has {committee.n_members} members: set train.members to as many"
        )
    return committee.first(members)


def _first_networks(
    settings: AniSettings, request: TrainingRequest, start: AniCommittee | None
) -> StackedNetworks:
    """Return the networks that training starts from, one member after the other seeded."""
    if start is not None:
        missing = sorted(set(request.elements) - set(start.elements))
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
    own = {_atomic_number(symbol): sizes for symbol, sizes in settings.hidden_layers.items()}
    shape = AniShape.published(
        request.elements,
        dict.fromkeys(request.elements, SMALLER_HIDDEN_SIZES) | own,
        request.all_states,
    )
    seeds = np.random.SeedSequence([request.seed]).spawn(settings.members)
    return StackedNetworks.random(shape, [int(s.generate_state(1)[0]) for s in seeds])


def _atomic_number(symbol: str) -> int:
    if symbol not in atomic_numbers:
        raise InputError(f"hidden_layers: {symbol!r} is not the symbol of an element")
    return int(atomic_numbers[symbol])
