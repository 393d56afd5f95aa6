"""Read from the store what the plan needs to know of a rung."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import Structure
from workflow.planning.cost import PowerLaw, fit_cost
from workflow.planning.keys import InheritKey, sample_tasks
from workflow.planning.records import Purpose, Sweep
from workflow.planning.start import FACT, start_facts
from workflow.planning.state import MoleculeState, RungState, is_explored
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
    finished = store.tasks.finished(index) | store.tasks.finished(index, version)
    tally = store.candidates.tally(index)
    grown = store.molecules.grown()
    molecules = _molecules(store, campaign, grown.molecule_ids)
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
        sweeps=sweeps(store, campaign, index, molecules),
        may_grow=campaign.grow is not None
        and index == 0
        and not (version and grown.exhausted_by == version),
    )


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
    store: StoreReader, campaign: Campaign, index: int, molecules: Sequence[MoleculeState]
) -> tuple[Sweep, ...]:
    """Return what the explorations of a rung have found, by committee and sweep.

    On a rung that climbs each judgement of all that waits is one, too, before those of its
    committee.
    """
    judged = _judgements(store, index) if index > 0 else ()
    return tuple(sorted([*judged, *_explorations(store, campaign, index, molecules)], key=_place))


def _place(sweep: Sweep) -> tuple[int, bool, int]:
    return sweep.version, not sweep.of_waiting, sweep.number


def _explorations(
    store: StoreReader, campaign: Campaign, index: int, molecules: Sequence[MoleculeState]
) -> tuple[Sweep, ...]:
    explored = [
        sum(is_explored(m, at_start=at_start) for m in molecules) for at_start in (False, True)
    ]
    return tuple(
        Sweep(
            version=found.version,
            number=found.number,
            judged=found.judged,
            over_threshold=found.over_threshold,
            is_complete=found.tasks >= explored[found.version == 0] * len(campaign.explore),
            is_broken=found.broken == found.tasks,
        )
        for found in store.tasks.sweeps(index)
    )


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
