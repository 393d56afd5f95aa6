"""What is left of a rung, and how long it takes: from learned costs, at most."""

from dataclasses import dataclass

from workflow.planning.pace import pace_of
from workflow.planning.state import RungState
from workflow.settings.campaign import Campaign


@dataclass(frozen=True, kw_only=True)
class ToGo:
    """What is left of a rung if no stop rule ends it before its budget.

    Attributes
    ----------
    labels : int
        The held-out ones included.
    trainings : int
    label_cpu_seconds, other_cpu_seconds : float
    wall_seconds : float
        With workers that are never idle but during the last training.
    """

    labels: int
    trainings: int
    label_cpu_seconds: float
    other_cpu_seconds: float
    wall_seconds: float


def to_go(state: RungState, campaign: Campaign, *, slots: int) -> ToGo | None:
    """Forecast what is left of a rung that has begun; None before there are labels to learn from.

    The labels grow from training to training by the share by which they do now.
    """
    each = state.costs.label
    if each is None:
        return None
    budget = campaign.rungs[state.index].budget.labels
    to_choose = max(0, budget - state.n_chosen)
    labels = to_choose + state.n_unanswered
    learned = state.newest.n_labels if state.newest else 0
    final = max(min(budget, state.n_training_labels + labels), state.n_training_labels)
    sizes = []
    if final > learned:
        pace = pace_of(state, campaign, slots=slots)
        next_one = learned + pace.labels if learned else campaign.rungs[state.index].initial_labels
        growth = 1.0 + pace.labels / max(learned, next_one - pace.labels, 1)
        while next_one < final:
            sizes.append(next_one)
            next_one = max(round(next_one * growth), next_one + 1)
        sizes.append(final)
    others = sum(state.costs.committee(n) for n in sizes[:-1])
    last = state.costs.training(sizes[-1]) if sizes else 0.0
    return ToGo(
        labels=labels,
        trainings=len(sizes),
        label_cpu_seconds=labels * each,
        other_cpu_seconds=others + last,
        wall_seconds=(labels * each + others) / slots + last,
    )
