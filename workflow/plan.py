"""What to do next: a pure function of what the store knows and what is under way.

The loop of one rung, in the order in which things become possible:

1. *start*: conformers of every molecule;
2. *initial* and *held_out*: structures sampled around them with the bootstrap potential, an even
   number a molecule, labelled at once (together: the first sets);
3. *train* when these labels are in, and again after every `labels_per_training` new ones;
4. *judge*: the newest committee looks again at all that waits;
5. *sweep*: every exploring sampler over every molecule with the newest committee;
6. *choose* the waiting structures on which it disagrees, and a few at random; label; go to 3;
7. *grow*: where there is a pool of molecules and the committee is certain of those it has, new
   ones of which it is not; go to 1 with them, but they have no first sets.

A rung that climbs has for candidates what the rung below labelled: it begins with the choice of
the first sets, and judging takes the place of sweeping. All of it overlaps. `synchronous` adds two
barriers: labels are chosen only when a sweep is over, all at once, and nothing else is done until
they are in.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from workflow.actions import (
    Action,
    Choosing,
    Finishing,
    Growing,
    Inheriting,
    Judging,
    Labelling,
    Sampling,
    TrainingNow,
)
from workflow.campaign import Campaign, Rung
from workflow.cost import PowerLaw
from workflow.first_sets import FirstSet, open_first_sets
from workflow.rung_state import RungState
from workflow.selection import (
    Choice,
    CostModel,
    choose_diverse,
    choose_even,
    choose_random,
    choose_uncertain,
)
from workflow.stop_rules import stop_reason
from workflow.task_keys import SampleTask, derive_seed, grow_key, judge_key, sample_tasks
from workflow.thresholds import threshold_of

# More sweeps with one committee than this find next to nothing new.
_SWEEPS_PER_VERSION = 4
# A committee chooses at most this many times `labels_per_training` before it is replaced.
_CHOICES_PER_TRAINING = 2
# Share of the initial and of the held-out set whose labels the first training does not wait for.
_STRAGGLERS = 0.2
# Candidates that are weighed against each other for each one that may be chosen, and at least.
_WEIGHED_PER_CHOICE = 15
_WEIGHED_AT_LEAST = 500


def plan(
    state: RungState,
    campaign: Campaign,
    *,
    slots: int,
    cost: CostModel,
    explore_slots: int | None = None,
) -> list[Action]:
    """Decide what to submit, mark or finish now.

    Parameters
    ----------
    state : RungState
    campaign : Campaign
    slots : int
        Labels that the workers can compute at the same time.
    cost : CostModel
        Predicted CPU seconds of a label; the longest are started first.
    explore_slots : int or None
        Explorations that run at the same time; None: as many as labels.

    Returns
    -------
    list of Action
        Empty where there is nothing to do but wait. A Choosing changes the state, so that a
        further plan follows it at once.
    """
    if state.climbs and not state.has_inherited:
        return [Inheriting()]
    labelling = _label(state, slots=slots, cost=cost)
    if campaign.synchronous:
        # Measured times differ from run to run: they must not have a say in what is chosen.
        cost = PowerLaw()
    first_sets = list(open_first_sets(state, campaign))
    are_settled = all(first_set.is_settled for first_set in first_sets)
    reason = stop_reason(state, campaign.rungs[state.index])
    if reason is not None and are_settled:
        return [*labelling, *_wind_down(state, campaign.rungs[state.index], reason)]
    explorers = slots if explore_slots is None else explore_slots
    actions = [
        *_prepare(state, campaign, first_sets, explorers=explorers),
        *_choose_first(state, campaign, first_sets),
        *labelling,
        *_train(state, campaign, are_settled=are_settled),
        *_explore(
            state, campaign, slots=slots, explorers=explorers, cost=cost, are_settled=are_settled
        ),
    ]
    if not actions and _is_idle(state):
        return _grow(state, campaign) or _last_word(state)
    return actions


def _wind_down(state: RungState, rung: Rung, reason: str) -> list[Action]:
    """Wait for labels under way, train on what is new, finish."""
    if state.n_unanswered or state.is_training():
        return []
    may_train = rung.stop.trainings is None or len(state.trainings) < rung.stop.trainings
    if state.n_new_labels > 0 and may_train:
        return [TrainingNow(version=len(state.trainings) + 1)]
    return [Finishing(reason=reason)]


def _label(state: RungState, *, slots: int, cost: CostModel) -> list[Action]:
    """Keep twice as many labels under way as there are slots, the longest first."""
    room = 2 * slots - state.n_under_way
    ready = [s for s in state.to_label if s.structure_id not in state.labels_in_flight]
    actions = [Labelling(structure=structure) for structure in ready]
    doubted = [s for s in state.to_check if s.structure_id not in state.checks_in_flight]
    actions += [Labelling(structure=structure, is_second=True) for structure in doubted]
    actions.sort(key=lambda action: (-cost(action.structure), action.structure.structure_id))
    return list(actions[: max(room, 0)])


def _sampling(state: RungState, tasks: Iterable[SampleTask], *, explorers: int) -> Iterator[Action]:
    """Ask for tasks that are open; no more at once than keep twice the workers busy."""
    room = 2 * explorers - sum(key.startswith("sample-") for key in state.tasks_in_flight)
    for task in tasks:
        if room <= 0:
            return
        if state.is_open(task.key):
            room -= 1
            yield Sampling(task=task)


def _prepare(
    state: RungState, campaign: Campaign, first_sets: Iterable[FirstSet], *, explorers: int
) -> Iterator[Action]:
    """Sample conformers, then the initial and the held-out set around them."""
    if state.climbs:
        return
    without_starts = (m.molecule_id for m in state.molecules if not m.has_starts)
    starts = (
        task
        for molecule_id in without_starts
        for task in sample_tasks(campaign, state.index, "start", molecule_id)
    )
    around = (
        task
        for first_set in first_sets
        if first_set.has_starts and not first_set.is_sampled
        for task in first_set.next_tasks
    )
    yield from _sampling(state, chain(starts, around), explorers=explorers)


def _choose_first(
    state: RungState, campaign: Campaign, first_sets: Iterable[FirstSet]
) -> Iterator[Action]:
    """Choose the initial and the held-out set of each molecule as soon as it is sampled."""
    chosen: list[Choice] = []
    for first_set in first_sets:
        if not first_set.is_sampled or not first_set.n_offers:
            continue
        seed = derive_seed(campaign, f"choose-{first_set.purpose}-{first_set.molecule_id}")
        choose = choose_diverse if state.climbs else choose_even
        offers = state.pool.offers(first_set.purpose, first_set.molecule_id)
        chosen += choose(offers, first_set.purpose, first_set.quota, seed=seed)
    if chosen:
        yield Choosing(choices=tuple(chosen))


def _train(state: RungState, campaign: Campaign, *, are_settled: bool) -> list[Action]:
    """Train when the first sets are labelled, and then whenever enough new labels have come.

    Only rounds wait for the last labels of the first sets: one may take as long as all the others.
    The error of the first training is then that on the held-out labels which are there.
    """
    if state.is_training():
        return []
    rung = campaign.rungs[state.index]
    if state.newest is None:
        share = 0.0 if campaign.synchronous else _STRAGGLERS
        due = are_settled and _first_sets_are_in(state, share) and state.n_training_labels > 0
    elif campaign.synchronous:
        due = state.n_new_labels > 0 and not state.n_unanswered
    else:
        due = state.n_new_labels >= rung.labels_per_training
    return [TrainingNow(version=len(state.trainings) + 1)] if due else []


def _first_sets_are_in(state: RungState, stragglers: float) -> bool:
    """Say whether no more than a share of the initial and of the held-out set has no label."""
    return all(
        missing <= stragglers * sum(n for (p, _), n in state.chosen.items() if p == purpose)
        for purpose, missing in state.first_to_label.items()
    )


def _explore(
    state: RungState,
    campaign: Campaign,
    *,
    slots: int,
    explorers: int,
    cost: CostModel,
    are_settled: bool,
) -> Iterator[Action]:
    """Judge, sweep and choose with the newest committee.

    Before there is one, random picks keep the workers busy: from when the last labels of the first
    sets are under way until the first training is done.
    """
    newest = state.newest
    if newest is None:
        if are_settled and state.n_training_labels > 0 and not campaign.synchronous:
            room = _room(state, campaign, slots)
            yield from _choose(state, campaign, room=room, cost=cost)
        return
    is_amid_a_round = state.is_training() or state.n_unanswered or state.n_new_labels > 0
    if campaign.synchronous and is_amid_a_round:
        return
    judging = judge_key(state.index, newest.version)
    is_stale = state.is_open(judging) and state.pool.has_unjudged(newest.version)
    if is_stale:
        yield Judging(version=newest.version)
    room = _room(state, campaign, slots)
    if state.climbs:
        # The judgement of all that waits takes the place of a sweep.
        if state.is_judged:
            yield from _choose(state, campaign, room=room, cost=cost)
        return
    begun = [s for s in state.sweeps if s.version == newest.version]
    done = [s for s in begun if s.is_complete]
    is_sweeping = not done or len(begun) > len(done)
    if is_sweeping:
        yield from _sweep(state, campaign, newest.version, number=len(done), explorers=explorers)
    is_amid = is_sweeping or state.tasks_in_flight or is_stale
    if campaign.synchronous and is_amid:
        return
    if done and campaign.grow and done[-1].uncertain_share <= campaign.grow.uncertain_share:
        yield from _grow(state, campaign)
    choices = _choose(state, campaign, room=room, cost=cost)
    yield from choices
    if not is_sweeping and room > 0 and not choices and len(done) < _SWEEPS_PER_VERSION:
        yield from _sweep(state, campaign, newest.version, number=len(done), explorers=explorers)


def _grow(state: RungState, campaign: Campaign) -> list[Action]:
    """Look for new molecules, once with each committee."""
    if campaign.grow is None or state.climbs or state.newest is None:
        return []
    version = state.newest.version
    return [Growing(version=version)] if state.is_open(grow_key(state.index, version)) else []


def _sweep(
    state: RungState, campaign: Campaign, version: int, *, number: int, explorers: int
) -> Iterator[Action]:
    explored = (m.molecule_id for m in state.molecules if m.has_starts and not m.held_out)
    tasks = (
        task
        for molecule_id in explored
        for task in sample_tasks(
            campaign, state.index, "explore", molecule_id, version=version, sweep=number
        )
    )
    yield from _sampling(state, tasks, explorers=explorers)


def _room(state: RungState, campaign: Campaign, slots: int) -> int:
    """How many structures may be chosen now, as far as workers and budgets go."""
    rung = campaign.rungs[state.index]
    since_training = sum(state.chosen_by_newest.values())
    if campaign.synchronous:
        room = rung.labels_per_training - since_training
    else:
        limit = _CHOICES_PER_TRAINING * rung.labels_per_training
        room = min(2 * slots - state.n_unanswered, limit - since_training)
    return min(room, rung.budget.labels - state.n_chosen)


def _choose(state: RungState, campaign: Campaign, *, room: int, cost: CostModel) -> list[Action]:
    """Choose the uncertain ones, and a share by lot."""
    if room <= 0:
        return []
    select = campaign.select
    seed = derive_seed(campaign, f"choose-random-{state.index}-{state.n_chosen}")
    due = _random_due(state, campaign, room)
    choices = choose_random(state.pool.drawn(due, seed=seed), due, seed=seed)
    picked = {choice.structure_id for choice in choices}
    cap = _molecule_cap(state, campaign)
    weighed = state.pool.uncertain(
        len(picked) + max(_WEIGHED_AT_LEAST, _WEIGHED_PER_CHOICE * room),
        most_of_a_molecule=cap + len(picked),
        already=state.chosen_by_newest,
    )
    choices += choose_uncertain(
        [c for c in weighed if c.structure.structure_id not in picked],
        room - len(choices),
        threshold=threshold_of(select, state.newest),
        cost=cost,
        already_chosen=state.chosen_by_newest,
        molecule_cap=cap,
    )
    return [Choosing(choices=tuple(choices))] if choices else []


def _molecule_cap(state: RungState, campaign: Campaign) -> int:
    """How many structures of one molecule a training may bring; never less than an even share."""
    per_training = campaign.rungs[state.index].labels_per_training
    explored = sum(not molecule.held_out for molecule in state.molecules)
    return max(
        round(campaign.select.molecule_share * per_training), -(-per_training // max(explored, 1))
    )


def _random_due(state: RungState, campaign: Campaign, room: int) -> int:
    """How many random picks keep their share of all that is chosen after the initial set.

    Before there is a committee nothing but lots can be drawn: then as many as the whole budget
    will have, so that the workers do not wait for the first training.
    """
    share, rung = campaign.select.random_share, campaign.rungs[state.index]
    random = sum(n for (purpose, _), n in state.chosen.items() if purpose == "random")
    active = sum(n for (purpose, _), n in state.chosen.items() if purpose == "active")
    of = random + active + room if state.newest else rung.budget.labels - rung.initial_labels
    return max(0, min(room, round(share * of) - random))


def _is_idle(state: RungState) -> bool:
    return not (state.tasks_in_flight or state.n_unanswered)


def _last_word(state: RungState) -> list[Action]:
    """Nothing to do and nothing under way: train on the last labels, or finish."""
    if state.n_new_labels > 0 and state.newest is not None:
        return [TrainingNow(version=len(state.trainings) + 1)]
    if state.newest is None:
        return [Finishing(reason="no label could be made")]
    over = state.pool.count_over()
    return [Finishing(reason=f"exploration finds nothing more to label ({over} over the cap)")]
