"""The part of the plan that looks for structures: judge, sweep, choose, look for molecules."""

from collections.abc import Iterable, Iterator

from workflow.planning.actions import Action, Growing, Judging, Sampling
from workflow.planning.choosing import choose, room_for_choices
from workflow.planning.keys import GrowKey, JudgeKey, SampleTask, sample_tasks
from workflow.planning.records import Sweep
from workflow.planning.selection import CostModel
from workflow.planning.state import RungState
from workflow.settings.campaign import Campaign

# More sweeps with one committee than this find next to nothing new.
_SWEEPS_PER_VERSION = 4


def explore(
    state: RungState,
    campaign: Campaign,
    *,
    slots: int,
    explorers: int,
    cost: CostModel,
    are_settled: bool,
) -> Iterator[Action]:
    """Judge, sweep and choose with the newest committee.

    A rung that climbs sweeps only where the newest committee is certain of all that waits: labels
    of structures that the rung below has labelled, too, come first.

    Before there is one, random picks keep the workers busy: from when the last labels of the first
    sets are under way until the first training is done.
    """
    newest = state.newest
    if newest is None:
        if are_settled and state.n_training_labels > 0 and not campaign.synchronous:
            room = room_for_choices(state, campaign, slots)
            yield from choose(state, campaign, room=room, cost=cost)
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
    room = 0 if is_early else room_for_choices(state, campaign, slots)
    begun = [s for s in state.sweeps if s.version == newest.version and not s.of_waiting]
    if state.climbs and not begun and not (state.is_judged and not state.candidates.count_over()):
        if state.is_judged:
            yield from choose(state, campaign, room=room, cost=cost)
        return
    done = [s for s in begun if s.is_complete]
    is_sweeping = not done or len(begun) > len(done)
    if is_sweeping:
        yield from _sweep(state, campaign, newest.version, number=len(done), explorers=explorers)
    is_amid = is_sweeping or state.tasks_in_flight or is_stale
    if campaign.synchronous and is_amid:
        return
    if campaign.grow and done and _is_certain(done[-1], campaign.grow.uncertain_share):
        yield from look_for_molecules(state, campaign)
    choices = choose(state, campaign, room=room, cost=cost)
    yield from choices
    if not is_sweeping and room > 0 and not choices and len(done) < _SWEEPS_PER_VERSION:
        yield from _sweep(state, campaign, newest.version, number=len(done), explorers=explorers)


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
    state: RungState, campaign: Campaign, version: int, *, number: int, explorers: int
) -> Iterator[Action]:
    explored = (molecule.molecule_id for molecule in state.explored)
    tasks = (
        task
        for molecule_id in explored
        for task in sample_tasks(
            campaign, state.index, "explore", molecule_id, version=version, sweep=number
        )
    )
    yield from sampling(state, tasks, explorers=explorers)
