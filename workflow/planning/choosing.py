"""The part of the plan that chooses what is labelled, within budgets and what workers can take."""

from collections.abc import Iterable, Iterator

from workflow.planning.actions import Action, Choosing
from workflow.planning.first_sets import FirstSet
from workflow.planning.inherited import choose_inherited
from workflow.planning.keys import derive_seed
from workflow.planning.pace import Pace
from workflow.planning.selection import Choice, CostModel, choose_even, choose_random
from workflow.planning.selectors import SELECTORS
from workflow.planning.selectors.base import Batch
from workflow.planning.state import RungState
from workflow.planning.thresholds import threshold_of
from workflow.planning.together import labels_ahead
from workflow.settings.campaign import Campaign

NEXT_BEST = 0.5
"""Times the threshold. It is the error that nine tenths of held-out structures do not exceed: half
of it is about what the middle one has, so that what lies above teaches as much as most."""


def choose_first(
    state: RungState, campaign: Campaign, first_sets: Iterable[FirstSet]
) -> Iterator[Action]:
    """Choose the initial and the held-out set of each molecule as soon as it is sampled."""
    chosen: list[Choice] = []
    for first_set in first_sets:
        if not first_set.is_sampled or not first_set.n_offers:
            continue
        seed = derive_seed(campaign, f"choose-{first_set.purpose}-{first_set.molecule_id}")
        chooser = choose_inherited if state.climbs else choose_even
        offers = state.candidates.offers(first_set.purpose, first_set.molecule_id)
        chosen += chooser(offers, first_set.purpose, first_set.quota, seed=seed)
    if chosen:
        yield Choosing(choices=tuple(chosen))


def room_for_choices(state: RungState, campaign: Campaign, pace: Pace, slots: int) -> int:
    """How many structures may be chosen now, as far as workers and budgets go."""
    room = pace.most - sum(state.chosen_by_newest.values())
    if not campaign.synchronous:
        room = min(labels_ahead(state.costs.label, slots) - state.n_unanswered, room)
    return min(room, campaign.rungs[state.index].budget.labels - state.n_chosen)


def choose(
    state: RungState,
    campaign: Campaign,
    pace: Pace,
    *,
    room: int,
    cost: CostModel,
    least_excess: float = 1.0,
) -> list[Action]:
    """Choose what the selector picks, and a share at random."""
    if room <= 0:
        return []
    select = campaign.select
    seed = derive_seed(campaign, f"choose-random-{state.index}-{state.n_chosen}")
    due = _random_due(state, campaign, room)
    choices = choose_random(state.candidates.drawn(due, seed=seed), due, seed=seed)
    if state.newest is not None:
        batch = Batch(
            n=room - len(choices),
            passed_over=frozenset(choice.structure_id for choice in choices),
            threshold=threshold_of(select, state.newest),
            cost=cost,
            already_chosen=state.chosen_by_newest,
            molecule_cap=_molecule_cap(state, campaign, pace),
            seed=derive_seed(campaign, f"choose-{state.index}-{state.n_chosen}"),
            least_excess=least_excess,
        )
        choices += SELECTORS.find(select.by)(state.candidates, batch)
    return [Choosing(choices=tuple(choices))] if choices else []


def _molecule_cap(state: RungState, campaign: Campaign, pace: Pace) -> int:
    """How many structures of one molecule a training may bring; never less than an even share."""
    explored = sum(not molecule.held_out for molecule in state.molecules)
    return max(
        round(campaign.select.molecule_share * pace.labels), -(-pace.labels // max(explored, 1))
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
