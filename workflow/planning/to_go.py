"""What is left of a rung, and how long it takes: from learned costs, at most."""

from collections.abc import Iterator
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
    knows_trainings : bool
        Whether one has ended; before, seconds are those of labels alone.
    """

    labels: int
    trainings: int
    label_cpu_seconds: float
    other_cpu_seconds: float
    wall_seconds: float
    knows_trainings: bool


def to_go(state: RungState, campaign: Campaign, *, slots: int) -> ToGo | None:
    """Forecast what is left of a rung that has begun; None before its first label."""
    costs = state.costs
    each = costs.label
    if each is None:
        return None
    budget = campaign.rungs[state.index].budget.labels
    labels = max(0, budget - state.n_chosen) + state.n_unanswered
    final = max(min(budget, state.n_training_labels + labels), state.n_training_labels)
    sizes = list(_trainings_to(final, state, campaign, slots=slots))
    others = sum(costs.committee(size) for size in sizes[:-1])
    last = costs.training(sizes[-1]) if sizes else 0.0
    return ToGo(
        labels=labels,
        trainings=len(sizes),
        label_cpu_seconds=labels * each,
        other_cpu_seconds=others + last,
        wall_seconds=(labels * each * costs.wall_of_labels + others * costs.wall_of_others) / slots
        + last * costs.wall_of_others,
        knows_trainings=costs.training_a_label > 0.0,
    )


def _trainings_to(final: int, state: RungState, campaign: Campaign, *, slots: int) -> Iterator[int]:
    """Yield the labels of each training until all are learned, growing as they do now."""
    rung = campaign.rungs[state.index]
    labels = pace_of(state, campaign, slots=slots).labels
    learned = state.newest.n_labels if state.newest else 0
    if final <= learned:
        return
    size = learned + labels if state.newest else rung.initial_labels
    growth = labels / (learned or size)
    while size < final:
        yield size
        size += labels if rung.labels_per_training != "auto" else max(1, round(growth * size))
    yield final
