"""Read from the store what the plan needs to know of a rung."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import Structure
from workflow.planning.cost import PowerLaw, RungCosts, fit_cost
from workflow.planning.exploring import exploring_samplers
from workflow.planning.keys import InheritKey, sample_tasks
from workflow.planning.records import Purpose, Sweep, Training
from workflow.planning.start import FACT, start_facts
from workflow.planning.state import MoleculeState, RungState, is_explored
from workflow.run.store.records import StageCost
from workflow.run.store.store import StoreReader
from workflow.settings.campaign import Campaign
from workflow.work.orders import LabelOrder, Order


def read_rung_state(
    store: StoreReader,
    campaign: Campaign,
    index: int,
    level: LevelOfTheory,
    *,
    under_way: Mapping[str, Order] | None = None,
    n_lost: int = 0,
) -> RungState:
    """Return the state of a rung: all from the store but what is under way and was lost."""
    trainings = tuple(store.trainings.all(index))
    version = trainings[-1].version if trainings else 0
    finished = frozenset[str]().union(
        *(store.tasks.finished(index, of) for of in (0, version, version + 1))
    )
    tally = store.candidates.tally(index)
    grown = store.molecules.grown()
    molecules = _molecules(store, campaign, grown.molecule_ids)
    costs = _costs(store, campaign, index, molecules, trainings)
    to_label = store.candidates.to_label(index)
    labels = [order for order in (under_way or {}).values() if isinstance(order, LabelOrder)]
    labelled = _by_purpose(tally, "labelled")
    return RungState(
        index=index,
        has_inherited=InheritKey(rung=index).key in finished,
        molecules=molecules,
        finished_tasks=finished,
        tasks_in_flight=frozenset(under_way or ()),
        labels_in_flight=frozenset(o.structure.structure_id for o in labels if not o.is_second),
        checks_in_flight=frozenset(o.structure.structure_id for o in labels if o.is_second),
        n_large_in_flight=sum(order.is_large for order in labels),
        waiting=_by_molecule(tally, ("waiting",)),
        candidates=store.candidates.waiting(index),
        chosen=_by_molecule(tally, ("chosen", "labelled", "failed", "quarantined")),
        chosen_by_newest=store.candidates.chosen_by(index, version),
        to_label=_structures(store, [structure_id for structure_id, _ in to_label], labels),
        to_check=tuple(store.unusable.second_opinions_due(level.level_id)),
        first_to_label=Counter(p for _, p in to_label if p in ("initial", "held_out")),
        n_training_labels=sum(n for purpose, n in labelled.items() if purpose != "held_out"),
        n_labels=labelled.total(),
        n_failures=_by_purpose(tally, "failed").total(),
        n_quarantined=_by_purpose(tally, "quarantined").total(),
        n_lost=n_lost,
        label_cpu_hours=store.tasks.label_cpu_seconds(index) / 3600.0,
        trainings=trainings,
        sweeps=sweeps(store, campaign, index, molecules, costs),
        below=_newest_below(store, index),
        may_grow=campaign.grow is not None
        and index == 0
        and not (trainings and grown.exhausted_by == version),
        costs=costs,
    )


def _newest_below(store: StoreReader, index: int) -> int | None:
    trainings = store.trainings.all(index - 1) if index else []
    return trainings[-1].version if trainings else None


def _costs(
    store: StoreReader,
    campaign: Campaign,
    index: int,
    molecules: Iterable[MoleculeState],
    trainings: Sequence[Training],
) -> RungCosts:
    """Return what tasks have cost; explorations and judgements by the last two committees."""
    stages = store.tasks.stages(index)
    of_labels = [stage for kind, stage in stages.items() if kind in ("label", "check")]
    of_others = [stage for kind, stage in stages.items() if kind not in ("label", "check")]
    training = sum(stage.cpu_seconds for kind, stage in stages.items() if kind == "train")
    recent = [store.tasks.cost_of_committee(index, t.version) for t in trainings[:-3:-1]]
    explorations = sum(found["sample"].tasks for found in recent if "sample" in found)
    exploring = sum(found["sample"].cpu_seconds for found in recent if "sample" in found)
    judged = [found["judge"].cpu_seconds for found in recent if "judge" in found]
    version = trainings[-1].version if trainings else 0
    at_start = bool(trainings) and version == 0
    tasks_of_a_sweep = _n_explored(molecules, at_start=at_start) * len(campaign.explore)
    finds = store.tasks.finds(index, version)
    return RungCosts(
        labels=sum(stage.cpu_seconds for stage in of_labels),
        n_labels=sum(stage.tasks for stage in of_labels),
        others=sum(stage.cpu_seconds for stage in of_others),
        training_a_label=training / max(sum(t.n_labels for t in trainings if t.version), 1),
        sweep=tasks_of_a_sweep * exploring / max(explorations, 1),
        exploring=sum(seconds for seconds, _ in finds.values()),
        judging=judged[0] if judged else 0.0,
        wall_of_labels=_wall_of_cpu(of_labels),
        wall_of_others=_wall_of_cpu(of_others),
        finding={
            sampler: seconds / n if n else math.inf for sampler, (seconds, n) in finds.items()
        },
    )


def _wall_of_cpu(stages: Sequence[StageCost]) -> float:
    cpu = sum(stage.cpu_seconds for stage in stages)
    return sum(stage.wall_seconds for stage in stages) / cpu if cpu else 1.0


def _n_explored(molecules: Iterable[MoleculeState], *, at_start: bool) -> int:
    return sum(is_explored(molecule, at_start=at_start) for molecule in molecules)


def _structures(
    store: StoreReader, structure_ids: Sequence[str], under_way: Iterable[LabelOrder]
) -> tuple[Structure, ...]:
    """Return structures by their ids; those that are under way are in memory already."""
    known = {order.structure.structure_id: order.structure for order in under_way}
    missing = [structure_id for structure_id in structure_ids if structure_id not in known]
    known |= {
        structure.structure_id: structure for structure in store.molecules.structures(missing)
    }
    return tuple(known[structure_id] for structure_id in structure_ids)


Tally: TypeAlias = Counter[tuple[str, Purpose, str]]


def _by_purpose(tally: Tally, status: str) -> Counter[Purpose]:
    counts: Counter[Purpose] = Counter()
    for (found, purpose, _), n in tally.items():
        if found == status:
            counts[purpose] += n
    return counts


def _by_molecule(tally: Tally, statuses: tuple[str, ...]) -> Counter[tuple[Purpose, str]]:
    counts: Counter[tuple[Purpose, str]] = Counter()
    for (status, purpose, molecule_id), n in tally.items():
        if status in statuses:
            counts[purpose, molecule_id] += n
    return counts


def cost_model(store: StoreReader, level: LevelOfTheory) -> PowerLaw:
    """Fit the cost of a label at a level to those that the store has."""
    return fit_cost(store.labels.cost_moments(level.level_id))


def _molecules(
    store: StoreReader, campaign: Campaign, grown: Collection[str]
) -> tuple[MoleculeState, ...]:
    """Return the molecules that can be worked on: not those for which no conformer was found."""
    with_starts = store.molecules.with_starts()
    begun_with = start_facts(store.diary.fact(FACT))
    known = frozenset(begun_with.known if begun_with else ())
    states = [
        MoleculeState(
            molecule_id=molecule_id,
            held_out=held_out,
            has_starts=molecule_id in with_starts,
            has_grown=molecule_id in grown,
            in_start=molecule_id in known,
        )
        for molecule_id, _, held_out in store.molecules.names()
    ]
    if all(state.has_starts for state in states):
        return tuple(states)
    finished = store.tasks.finished(0)
    return tuple(
        state
        for state in states
        if state.has_starts
        or any(
            task.key not in finished
            for task in sample_tasks(campaign, 0, "start", state.molecule_id)
        )
    )


def sweeps(
    store: StoreReader,
    campaign: Campaign,
    index: int,
    molecules: Sequence[MoleculeState],
    costs: RungCosts,
) -> tuple[Sweep, ...]:
    """Return what the explorations of a rung have found, by committee and sweep.

    On a rung that climbs each judgement of all that waits is one, too, before those of its
    committee.
    """
    judged = _judgements(store, index) if index > 0 else ()
    return tuple(
        sorted([*judged, *_explorations(store, campaign, index, molecules, costs)], key=_place)
    )


def _place(sweep: Sweep) -> tuple[int, bool, int]:
    return sweep.version, not sweep.of_waiting, sweep.number


def _explorations(
    store: StoreReader,
    campaign: Campaign,
    index: int,
    molecules: Sequence[MoleculeState],
    costs: RungCosts,
) -> tuple[Sweep, ...]:
    explored = {at_start: _n_explored(molecules, at_start=at_start) for at_start in (False, True)}
    sweeps: list[Sweep] = []
    for found in store.tasks.sweeps(index):
        before = sweeps[-1] if found.number else None
        samplers = exploring_samplers(campaign, index, costs, before)
        sweeps.append(
            Sweep(
                version=found.version,
                number=found.number,
                judged=found.judged,
                over_threshold=found.over_threshold,
                is_complete=found.tasks >= explored[found.version == 0] * len(samplers),
                is_broken=found.broken == found.tasks,
            )
        )
    return tuple(sweeps)


def _judgements(store: StoreReader, index: int) -> tuple[Sweep, ...]:
    return tuple(
        Sweep(
            version=found.version,
            number=0,
            judged=found.judged,
            over_threshold=found.over_threshold,
            is_complete=True,
            is_broken=found.is_broken,
            of_waiting=True,
        )
        for found in store.tasks.judgements(index)
    )
