"""The part of the plan that looks for structures: judge, sweep, choose, look for molecules."""

import math
from collections.abc import Iterable, Iterator, Sequence

from workflow.planning.actions import Action, Growing, Judging, Sampling
from workflow.planning.choosing import NEXT_BEST, choose, room_for_choices
from workflow.planning.cost import RungCosts
from workflow.planning.keys import GrowKey, JudgeKey, SampleTask, sample_tasks, samplers_in
from workflow.planning.pace import Pace
from workflow.planning.records import Sweep
from workflow.planning.selection import CostModel
from workflow.planning.state import RungState
from workflow.settings.campaign import Campaign

# More sweeps with one committee than this find next to nothing new, unless the last one has paid.
_SWEEPS_PER_VERSION = 4
_MOST_SWEEPS_PER_VERSION = 12


def explore(
    state: RungState,
    campaign: Campaign,
    pace: Pace,
    *,
    slots: int,
    explorers: int,
    cost: CostModel,
    are_settled: bool,
) -> Iterator[Action]:
    """Judge, sweep and choose with the newest committee.

    A rung that climbs sweeps only where the newest committee is certain of all that waits: labels
    of structures that the rung below has labelled, too, come first.

    Where nothing is left over the threshold the next training is not due for that: the samplers
    that find enough for their time explore farther, with other random numbers; then the next best
    are labelled; then all samplers explore a few times more, and where labels are cheap as long as
    that costs less than the training.

    Before there is one, random picks keep the workers busy: from when the last labels of the first
    sets are under way until the first training is done.
    """
    newest = state.newest
    if newest is None:
        if are_settled and state.n_training_labels > 0 and not campaign.synchronous:
            room = room_for_choices(state, campaign, pace, slots)
            yield from choose(state, campaign, pace, room=room, cost=cost)
        return
    is_amid_a_round = state.is_training() or state.n_unanswered or state.n_new_labels > 0
    if campaign.synchronous and is_amid_a_round:
        return
    judging = JudgeKey(rung=state.index, version=newest.version)
    is_stale = state.is_open(judging.key) and state.candidates.has_unjudged(newest.version)
    if is_stale:
        yield Judging(version=newest.version)
    # What is offered for a first set, while there are some, is not chosen for something else.
    is_early = state.is_at_start and not are_settled
    room = 0 if is_early else room_for_choices(state, campaign, pace, slots)
    begun = [s for s in state.sweeps if s.version == newest.version and not s.of_waiting]
    if state.climbs and not begun and not (state.is_judged and not state.candidates.count_over()):
        if state.is_judged:
            yield from choose(state, campaign, pace, room=room, cost=cost)
        return
    done = [s for s in begun if s.is_complete]
    is_sweeping = not done or len(begun) > len(done)
    if is_sweeping:
        yield from _sweep(state, campaign, done, version=newest.version, explorers=explorers)
    is_amid = is_sweeping or state.tasks_in_flight or is_stale
    if campaign.synchronous and is_amid:
        return
    if campaign.grow and done and _is_certain(done[-1], campaign.grow.uncertain_share):
        yield from look_for_molecules(state, campaign)
    choices = choose(state, campaign, pace, room=room, cost=cost)
    yield from choices
    if is_sweeping or room <= 0 or choices:
        return
    if not campaign.synchronous and not _pays(state, campaign, done):
        if not state.is_judged:
            return
        next_best = choose(state, campaign, pace, room=room, cost=cost, least_excess=NEXT_BEST)
        yield from next_best
        # The committee that is being trained will explore in any case.
        is_enough = len(done) >= _SWEEPS_PER_VERSION and not state.costs.are_labels_cheap
        if next_best or state.is_training() or is_enough:
            return
    if _may_sweep(state, campaign, done):
        yield from _sweep(state, campaign, done, version=newest.version, explorers=explorers)


def _pays(state: RungState, campaign: Campaign, done: list[Sweep]) -> bool:
    """Say whether another sweep is worth its cost: it may show that the rung is done, or find."""
    last, stop = done[-1], campaign.rungs[state.index].stop
    if stop.uncertain_share is not None and _is_certain(last, stop.uncertain_share):
        return len(done) < max(stop.sweeps, _SWEEPS_PER_VERSION)
    if state.is_training() or state.candidates.count_over():
        return False
    if not _may_sweep(state, campaign, done):
        return False
    return last.over_threshold > 0 and bool(_paying(campaign, state.costs, len(done)))


def _may_sweep(state: RungState, campaign: Campaign, done: list[Sweep]) -> bool:
    """Say whether a committee may explore again: while all of that costs less than to train it."""
    costs = state.costs
    if campaign.synchronous or costs.sweep <= 0.0 or len(done) < _MOST_SWEEPS_PER_VERSION:
        return len(done) < _MOST_SWEEPS_PER_VERSION
    # Where a training is dear beside exploring, it pays to find more before the next one.
    return costs.exploring + costs.sweep <= costs.training(state.n_training_labels)


def exploring_samplers(
    campaign: Campaign, rung: int, costs: RungCosts, before: Sweep | None
) -> tuple[int, ...]:
    """Return which samplers explore in the sweep after another one with the same committee.

    In the first and in one that may show that the rung is done all do, else those that pay, if any
    does. Measured times have no say in rounds.
    """
    sweep = 0 if before is None else before.number + 1
    there = samplers_in(campaign, "explore", sweep)
    share = campaign.rungs[rung].stop.uncertain_share
    if before is None or campaign.synchronous:
        return there
    if share is not None and _is_certain(before, share):
        return there
    return _paying(campaign, costs, sweep) or there


def _paying(campaign: Campaign, costs: RungCosts, sweep: int) -> tuple[int, ...]:
    there = samplers_in(campaign, "explore", sweep)
    return tuple(i for i in there if costs.finding.get(i, math.inf) <= costs.candidate)


def _is_certain(sweep: Sweep, share: float) -> bool:
    """Say whether a sweep found few uncertain structures; one that judged none says nothing."""
    return sweep.judged > 0 and sweep.uncertain_share <= share


def look_for_molecules(state: RungState, campaign: Campaign) -> list[Action]:
    """Look for new molecules, once with each committee."""
    if campaign.grow is None or state.climbs or state.newest is None:
        return []
    version = state.newest.version
    growing = GrowKey(rung=state.index, version=version)
    return [Growing(version=version)] if state.is_open(growing.key) else []


def sampling(state: RungState, tasks: Iterable[SampleTask], *, explorers: int) -> Iterator[Action]:
    """Ask for tasks that are open; no more at once than keep twice the workers busy."""
    room = 2 * explorers - state.in_flight["sample"]
    for task in tasks:
        if room <= 0:
            return
        if state.is_open(task.key):
            room -= 1
            yield Sampling(task=task)


def _sweep(
    state: RungState, campaign: Campaign, done: Sequence[Sweep], *, version: int, explorers: int
) -> Iterator[Action]:
    explored = (molecule.molecule_id for molecule in state.explored)
    before = done[-1] if done else None
    samplers = exploring_samplers(campaign, state.index, state.costs, before)
    tasks = (
        task
        for molecule_id in explored
        for task in sample_tasks(
            campaign, state.index, "explore", molecule_id, version=version, sweep=len(done)
        )
        if task.sampler in samplers
    )
    yield from sampling(state, tasks, explorers=explorers)
