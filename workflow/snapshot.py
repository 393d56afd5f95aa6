"""Read from the store what the plan needs to know of a rung."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from chemistry.level import LevelOfTheory
from workflow.campaign import Campaign
from workflow.cost import PowerLaw, fit_cost, n_electrons
from workflow.records import Sweep
from workflow.rung_state import MoleculeState, RungState
from workflow.store import Store
from workflow.task_keys import inherit_key, sample_tasks


def rung_state(
    store: Store,
    campaign: Campaign,
    index: int,
    level: LevelOfTheory,
    *,
    tasks_in_flight: Iterable[str] = (),
    labels_in_flight: Iterable[str] = (),
) -> RungState:
    """Return the state of a rung: all from the store but what is under way."""
    finished = store.finished_tasks(index)
    trainings = tuple(store.trainings(index))
    molecules = _molecules(store, campaign)
    counts = store.count_labels(index, level.level_id)
    to_label = store.to_label(index, level.level_id)
    return RungState(
        index=index,
        has_inherited=inherit_key(index) in finished,
        molecules=molecules,
        finished_tasks=finished,
        tasks_in_flight=frozenset(tasks_in_flight),
        labels_in_flight=frozenset(labels_in_flight),
        waiting=tuple(store.waiting(index)),
        chosen=store.chosen(index),
        chosen_by_newest=store.chosen_by(index, trainings[-1].version if trainings else 0),
        to_label=tuple(candidate.structure for candidate in to_label),
        first_to_label=sum(c.purpose in ("initial", "held_out") for c in to_label),
        n_training_labels=sum(n for purpose, n in counts.items() if purpose != "held_out"),
        n_labels=counts.total(),
        n_failures=store.count_failures(level.level_id),
        label_cpu_hours=store.label_cpu_seconds(level.level_id) / 3600.0,
        trainings=trainings,
        sweeps=sweeps(store, campaign, index, molecules),
    )


def cost_model(store: Store, level: LevelOfTheory) -> PowerLaw:
    """Fit the cost of a label at a level to those that the store has."""
    costs = store.label_costs(level.level_id)
    return fit_cost([n_electrons(s) for s, _ in costs], [seconds for _, seconds in costs])


def _molecules(store: Store, campaign: Campaign) -> tuple[MoleculeState, ...]:
    """Return the molecules that can be worked on: not those for which no conformer was found."""
    with_starts = store.molecules_with_starts()
    finished = store.finished_tasks(0)
    states = (
        MoleculeState(
            molecule_id=molecule.molecule_id,
            held_out=held_out,
            has_starts=molecule.molecule_id in with_starts,
        )
        for molecule, held_out in store.molecules()
    )
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
    store: Store, campaign: Campaign, index: int, molecules: Iterable[MoleculeState]
) -> tuple[Sweep, ...]:
    """Add up what the finished explorations of a rung found, by committee and sweep.

    On a rung that climbs, each judgement of all that waits is a sweep.
    """
    if index > 0:
        return _judgements(store, index)
    totals: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    finished: set[str] = set()
    for key, _, detail, _ in store.tasks("sample"):
        if detail.get("purpose") == "explore" and detail["rung"] == index:
            finished.add(key)
            totals[detail["version"], detail["sweep"]].update(
                judged=detail["judged"], over=detail["over_threshold"]
            )
    explored = [m.molecule_id for m in molecules if m.has_starts and not m.held_out]
    return tuple(
        Sweep(
            version=version,
            number=number,
            judged=found["judged"],
            over_threshold=found["over"],
            is_complete=all(
                task.key in finished
                for molecule_id in explored
                for task in sample_tasks(
                    campaign, index, "explore", molecule_id, version=version, sweep=number
                )
            ),
        )
        for (version, number), found in sorted(totals.items())
    )


def _judgements(store: Store, index: int) -> tuple[Sweep, ...]:
    return tuple(
        Sweep(
            version=detail["version"],
            number=0,
            judged=detail["judged"],
            over_threshold=detail["over_threshold"],
            is_complete=True,
        )
        for _, _, detail, _ in store.tasks("judge")
        if detail["rung"] == index
    )
