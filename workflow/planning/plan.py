"""What to do next: a pure function of what the store knows and what is under way.

The loop of one rung, in the order in which things become possible:

1. *start*: conformers of every molecule;
2. *initial* and *held_out*: structures sampled around them with the bootstrap potential, an even
   number a molecule, labelled at once (together: the first sets);
3. *train* when these labels are in, and again whenever so many new ones have come that it pays
   (`pace.py`), never because there is nothing else to do;
4. *judge*: the newest committee looks again at all that waits;
5. *sweep*: every exploring sampler over every molecule with the newest committee;
6. *choose* the waiting structures on which it disagrees, and a few at random; label; go to 3;
7. *grow*: where there is a pool of molecules and the committee is certain of those it has, new
   ones of which it is not; go to 1 with them, but they have no first sets.

A first rung with a `start` has a committee from the first step on, version 0: it does 1 and 2 with
the molecules that the committee knows, makes no initial set of these, and begins with 5. It holds
version 0 against the held-out labels before it trains. Where its budget is nothing it only samples.

A rung that climbs has for candidates what the rung below labelled: it begins with the choice of the
first sets, which the committee below makes where labels are energies alone, and sweeps only where
judging finds nothing among them that the newest committee is uncertain of. All of it overlaps.
`synchronous` adds two barriers: labels are chosen only when a sweep is over, all at once, and
nothing else is done until they are in.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from workflow.planning.actions import (
    Action,
    EvaluatingStart,
    Finishing,
    Inheriting,
    Labelling,
    TrainingNow,
)
from workflow.planning.choosing import choose_first
from workflow.planning.cost import PowerLaw
from workflow.planning.designing import design, to_design
from workflow.planning.exploring import explore, look_for_molecules, sampling
from workflow.planning.first_sets import FirstSet, open_first_sets
from workflow.planning.keys import EvaluateKey, sample_tasks
from workflow.planning.pace import Pace, pace_of
from workflow.planning.selection import CostModel
from workflow.planning.state import RungState
from workflow.planning.stop_rules import budget_spent, stop_reason
from workflow.planning.together import labels_ahead, labels_at_once
from workflow.settings.campaign import Campaign
from workflow.settings.rung import Rung

# Share of the initial and of the held-out set whose labels the first training does not wait for.
_STRAGGLERS = 0.2
# Share of a committee's labels that is not learned if it comes when the committee is good enough.
_TOO_FEW = 0.05


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
    explorers = slots if explore_slots is None else explore_slots
    if not campaign.rungs[state.index].budget.labels:
        return _sample_for_the_rung_above(state, campaign, first_sets, explorers=explorers)
    are_settled = all(first_set.is_settled for first_set in first_sets)
    reason = stop_reason(state, campaign.rungs[state.index])
    if reason is not None and are_settled:
        return [*labelling, *_wind_down(state, campaign.rungs[state.index], reason)]
    pace = pace_of(state, campaign, slots=slots)
    quotas = to_design(state, campaign, first_sets)
    at_once = [s for s in first_sets if s.purpose != "initial" or s.molecule_id not in quotas]
    actions = [
        *_prepare(state, campaign, first_sets, explorers=explorers),
        *design(state, quotas),
        *choose_first(state, campaign, at_once),
        *labelling,
        *_train(state, campaign, pace, are_settled=are_settled),
        *explore(
            state,
            campaign,
            pace,
            slots=slots,
            explorers=explorers,
            cost=cost,
            are_settled=are_settled,
        ),
    ]
    if not actions and _is_idle(state):
        return look_for_molecules(state, campaign) or _last_word(state)
    return actions


def _sample_for_the_rung_above(
    state: RungState, campaign: Campaign, first_sets: list[FirstSet], *, explorers: int
) -> list[Action]:
    """Sample with what the run began with, label nothing, finish: the rung above chooses."""
    actions = list(_prepare(state, campaign, first_sets, explorers=explorers))
    if actions or not _is_idle(state):
        return actions
    return [Finishing(reason="what it begins with is of its level: no labels are made")]


def leaves_workers_to_the_next_rung(state: RungState, campaign: Campaign) -> bool:
    """Say whether nothing is left of a rung but trainings.

    Then the next one may begin: its first candidates are the labels of this one, which are all
    there. Other reasons to stop than a spent budget may be gone with the last committee.
    """
    return (
        not campaign.synchronous
        and campaign.grow is None
        and state.is_training()
        and not state.n_unanswered
        and budget_spent(state, campaign.rungs[state.index]) is not None
        and all(first_set.is_settled for first_set in open_first_sets(state, campaign))
    )


def _wind_down(state: RungState, rung: Rung, reason: str) -> list[Action]:
    """Wait for labels under way, train on what is new if that is worth it, finish."""
    if state.n_unanswered or state.is_training():
        return []
    may_train = rung.stop.trainings is None or state.n_trainings < rung.stop.trainings
    if state.n_new_labels > 0 and may_train and not _is_good_enough(state, rung):
        return [TrainingNow(version=state.next_version)]
    return [Finishing(reason=reason)]


def _is_good_enough(state: RungState, rung: Rung) -> bool:
    """Say whether what came after the committee that ended the rung is too little to learn.

    A few labels that cost less than learning them, where not the budget ends it.
    """
    if state.newest is None or budget_spent(state, rung) is not None:
        return False
    few = state.n_new_labels <= _TOO_FEW * state.newest.n_labels
    costs = state.costs
    cheap = state.n_new_labels * (costs.label or 0.0) < costs.training(state.n_training_labels)
    return few and cheap


def _label(state: RungState, *, slots: int, cost: CostModel) -> list[Action]:
    """Keep twice as many labels under way as workers take at once, the longest first.

    While all workers have something to do, too few for one of them wait for more.
    """
    at_once = labels_at_once(state.costs.label)
    room = labels_ahead(state.costs.label, slots) - state.n_under_way
    ready = [s for s in state.to_label if s.structure_id not in state.labels_in_flight]
    actions = [Labelling(structure=structure) for structure in ready]
    doubted = [s for s in state.to_check if s.structure_id not in state.checks_in_flight]
    actions += [Labelling(structure=structure, is_second=True) for structure in doubted]
    if len(actions) < at_once and len(state.tasks_in_flight) >= slots:
        return []
    actions.sort(key=lambda action: (-cost(action.structure), action.structure.structure_id))
    return list(actions[: max(room, 0)])


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
    yield from sampling(state, chain(starts, around), explorers=explorers)


def _train(state: RungState, campaign: Campaign, pace: Pace, *, are_settled: bool) -> list[Action]:
    """Train when the first sets are labelled, and then whenever enough new labels have come.

    Only rounds wait for the last labels of the first sets: one may take as long as all the others.
    The error of the first training is then that on the held-out labels which are there.
    """
    if state.is_training():
        return []
    is_in = are_settled and _first_sets_are_in(state, 0.0 if campaign.synchronous else _STRAGGLERS)
    if state.has_begun_training:
        due = True
    elif state.is_at_start and not is_in:
        due = False
    elif state.has_start_to_evaluate:
        key = EvaluateKey(rung=state.index, version=0).key
        return [EvaluatingStart()] if state.is_open(key) else []
    elif state.newest is None:
        due = is_in and state.n_training_labels > 0
    elif campaign.synchronous:
        due = state.n_new_labels > 0 and not state.n_unanswered
    else:
        due = state.n_new_labels >= pace.labels
    return [TrainingNow(version=state.next_version)] if due else []


def _first_sets_are_in(state: RungState, stragglers: float) -> bool:
    """Say whether no more than a share of the initial and of the held-out set has no label."""
    return all(
        missing <= stragglers * sum(n for (p, _), n in state.chosen.items() if p == purpose)
        for purpose, missing in state.first_to_label.items()
    )


def _is_idle(state: RungState) -> bool:
    return not (state.tasks_in_flight or state.n_unanswered)


def _last_word(state: RungState) -> list[Action]:
    """Nothing left to find or to label, nothing under way: train on the last labels, or finish."""
    if state.n_new_labels > 0 and state.newest is not None:
        return [TrainingNow(version=state.next_version)]
    if state.newest is None:
        return [Finishing(reason="no label could be made")]
    over = state.candidates.count_over()
    return [Finishing(reason=f"exploration finds nothing more to label ({over} over the cap)")]
