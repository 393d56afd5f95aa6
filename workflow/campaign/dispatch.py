"""From an action of the plan to an order that a worker can carry out."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from chemistry.engines import default_engine
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import Structure, kind_made_by
from chemistry.sampling import AnySampler
from workflow.campaign.training import training_orders
from workflow.planning.actions import (
    Designing,
    EvaluatingStart,
    Growing,
    Judging,
    Labelling,
    Sampling,
    TrainingNow,
)
from workflow.planning.inherited import lowest_conformers
from workflow.planning.keys import (
    CheckKey,
    DesignKey,
    EvaluateKey,
    GrowKey,
    JudgeKey,
    LabelKey,
    SampleTask,
    derive_seed,
)
from workflow.planning.records import Candidate
from workflow.planning.start import FACT, start_facts
from workflow.planning.thresholds import threshold_of
from workflow.run.folder import RunFolder
from workflow.run.store.store import StoreReader
from workflow.settings.backend import Role
from workflow.settings.campaign import Campaign
from workflow.work.orders import (
    DesignOrder,
    EvaluateOrder,
    GrowOrder,
    JudgeOrder,
    LabelOrder,
    MoleculeDesign,
    Order,
    PotentialSource,
    SampleOrder,
    SavedCommittee,
)
from workflow.work.training_set import write_labelled

Submission: TypeAlias = (
    Sampling | Labelling | TrainingNow | EvaluatingStart | Judging | Designing | Growing
)

# An exploration starts from at most so many conformers and labelled structures.
_MAX_STARTS = 8
# Of more than these candidates the most uncertain are judged again: the order must not grow.
_MOST_JUDGED = 20_000
# A design weighs so many structures of a molecule: its time grows with their square.
_MOST_OF_A_DESIGN = 200


def make_orders(
    action: Submission,
    store: StoreReader,
    campaign: Campaign,
    folder: RunFolder,
    rung: int,
    level: LevelOfTheory,
    *,
    training_device: str,
) -> list[tuple[Role, str, Order]]:
    """Return of each task who does it, its key, and the order itself."""
    if isinstance(action, TrainingNow):
        orders = training_orders(
            action.version, store, campaign, folder, rung, level, device=training_device
        )
        return [("train", key, order) for key, order in orders.items()]
    return [_order(action, store, campaign, folder, rung, level)]


def _order(
    action: Sampling | Labelling | EvaluatingStart | Judging | Designing | Growing,
    store: StoreReader,
    campaign: Campaign,
    folder: RunFolder,
    rung: int,
    level: LevelOfTheory,
) -> tuple[Role, str, Order]:
    match action:
        case Sampling():
            return "explore", action.task.key, _sample(action.task, store, campaign, folder)
        case Labelling():
            name = CheckKey if action.is_second else LabelKey
            task = name(structure_id=action.structure.structure_id, level_id=level.level_id)
            return (
                "label",
                task.key,
                LabelOrder(
                    structure=action.structure,
                    level=level,
                    engine=campaign.rungs[rung].engine or default_engine(level),
                    is_second=action.is_second,
                ),
            )
        case EvaluatingStart():
            key = EvaluateKey(rung=rung, version=0).key
            return "train", key, _evaluate(store, campaign, folder, level)
        case Judging():
            waiting = store.candidates.waiting(rung).to_judge(_MOST_JUDGED, action.version)
            order = JudgeOrder(
                structures=tuple(c.structure for c in waiting),
                committee=_committee(campaign, folder, rung, action.version),
            )
            return "judge", JudgeKey(rung=rung, version=action.version).key, order
        case Designing():
            key = DesignKey(rung=rung).key
            return "judge", key, _design(action, store, campaign, folder, rung)
        case Growing():
            key = GrowKey(rung=rung, version=action.version).key
            return "explore", key, _grow(action.version, key, store, campaign, folder, rung)


def _design(
    action: Designing, store: StoreReader, campaign: Campaign, folder: RunFolder, rung: int
) -> DesignOrder:
    waiting = store.candidates.waiting(rung)
    most = min(_MOST_OF_A_DESIGN, _MOST_JUDGED // len(action.quotas))
    return DesignOrder(
        molecules=tuple(
            molecule_design(
                waiting.offers("initial", molecule_id),
                quota,
                most=max(most, 2 * quota),
                seed=derive_seed(campaign, f"design-{rung}-{molecule_id}"),
            )
            for molecule_id, quota in action.quotas.items()
        ),
        committee=_committee(campaign, folder, rung - 1, action.version),
    )


def molecule_design(
    offers: Sequence[Candidate], quota: int, *, most: int, seed: int
) -> MoleculeDesign:
    """Return what a molecule's first set is chosen from, the conformers that it has first.

    Without a relaxed one the lowest structure is known: energies are taken relative to it.
    """
    known = lowest_conformers(offers, quota)
    if not known:
        known = [min(offers, key=lambda c: np.inf if c.energy_ev is None else c.energy_ev)]
    taken = {candidate.structure.structure_id for candidate in known}
    others = [c for c in offers if c.structure.structure_id not in taken]
    picks = np.random.default_rng(seed).permutation(len(others))[: most - len(known)]
    return MoleculeDesign(
        structures=tuple(c.structure for c in (*known, *(others[i] for i in sorted(picks)))),
        n_known=len(known),
        n=quota - len(known),
    )


def _sample(
    task: SampleTask, store: StoreReader, campaign: Campaign, folder: RunFolder
) -> SampleOrder:
    molecule = store.molecules.find(task.molecule_id)
    sampler = _sampler(task, campaign)
    seed = derive_seed(campaign, task.key)
    potential: PotentialSource = campaign.bootstrap
    threshold, otherwise = None, None
    begun_with = start_facts(store.diary.fact(FACT))
    if task.purpose != "explore" and begun_with and task.molecule_id in begun_with.known:
        potential, otherwise = _committee(campaign, folder, task.rung, 0), campaign.bootstrap
    if task.purpose == "explore":
        potential = _committee(campaign, folder, task.rung, task.version)
        threshold = threshold_of(campaign.select, store.trainings.find(task.rung, task.version)).on(
            kind_made_by(sampler.kind)
        )
    return SampleOrder(
        molecule=molecule,
        starts=_starts(task, store, seed, repeats_itself=sampler.repeats_itself),
        sampler=sampler,
        potential=potential,
        threshold=threshold,
        seed=seed,
        otherwise=otherwise,
    )


def _sampler(task: SampleTask, campaign: Campaign) -> AnySampler:
    if task.purpose == "start":
        return campaign.conformers
    samplers = campaign.explore if task.purpose == "explore" else campaign.initial
    return samplers[task.sampler]


def _starts(
    task: SampleTask, store: StoreReader, seed: int, *, repeats_itself: bool
) -> tuple[Structure, ...]:
    """Return conformers, at most so many; which ones is drawn by the task's seed.

    None for a held-out set of what would be trained on as well, since it is the same for any seed.
    """
    if task.purpose == "held_out" and repeats_itself:
        only_tested_on = {key for key, _, held_out in store.molecules.names() if held_out}
        if task.molecule_id not in only_tested_on:
            return ()
    starts = [] if task.purpose == "start" else store.molecules.starts(task.molecule_id)
    picks = np.random.default_rng(seed).permutation(len(starts))[:_MAX_STARTS]
    return tuple(starts[i] for i in sorted(picks))


def _evaluate(
    store: StoreReader, campaign: Campaign, folder: RunFolder, level: LevelOfTheory
) -> EvaluateOrder:
    committee = _committee(campaign, folder, 0, 0)
    held_out = committee.checkpoint.with_suffix(".held-out-set.jsonl")
    write_labelled(held_out, store.labels.labelled(0, level.level_id, held_out=True))
    return EvaluateOrder(held_out=held_out, committee=committee)


def _grow(
    version: int, key: str, store: StoreReader, campaign: Campaign, folder: RunFolder, rung: int
) -> GrowOrder:
    assert campaign.grow is not None, "the plan grows only what is to grow"
    return GrowOrder(
        growth=campaign.grow,
        elements=campaign.grow.atomic_numbers or store.molecules.elements(),
        known=frozenset(molecule_id for molecule_id, _, _ in store.molecules.names()),
        committee=_committee(campaign, folder, rung, version),
        threshold=threshold_of(campaign.select, store.trainings.find(rung, version)),
        seed=derive_seed(campaign, key),
        states=store.molecules.states(),
    )


def _committee(campaign: Campaign, folder: RunFolder, rung: int, version: int) -> SavedCommittee:
    return SavedCommittee(
        checkpoint=folder.checkpoint(rung, version), architecture=campaign.train.architecture
    )
