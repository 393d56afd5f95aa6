"""The first set of a rung that climbs by energies alone: the committee below says what it needs."""

from collections.abc import Iterable, Mapping

from chemistry.records.level import find_level
from workflow.planning.actions import Action, Designing
from workflow.planning.first_sets import FirstSet
from workflow.planning.keys import DesignKey
from workflow.planning.state import RungState
from workflow.settings.campaign import Campaign


def to_design(
    state: RungState, campaign: Campaign, first_sets: Iterable[FirstSet]
) -> Mapping[str, int]:
    """Return the molecules whose first set is the committee's to choose, and its size.

    Of those that there is more of than is wanted. Empty where the level gives forces, which say
    much of any structure; where the rung below has no committee yet; and once it has chosen.
    """
    if state.below is None or DesignKey(rung=state.index).key in state.finished_tasks:
        return {}
    quotas = {
        first_set.molecule_id: first_set.quota
        for first_set in first_sets
        if first_set.purpose == "initial" and first_set.n_offers > first_set.quota
    }
    has_forces = quotas and find_level(campaign.rungs[state.index].level).gives_forces
    return {} if has_forces else quotas


def design(state: RungState, quotas: Mapping[str, int]) -> list[Action]:
    """Ask for the design, once."""
    is_open = state.is_open(DesignKey(rung=state.index).key)
    if state.below is None or not quotas or not is_open:
        return []
    return [Designing(version=state.below, quotas=quotas)]
