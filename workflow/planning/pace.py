"""How many new labels make another training worth its cost: a pure function of what is known.

With labels that are dear, training and exploring may take a share of the CPU time: as soon as what
was spent outside labels, another committee included, is within the share, the committee is trained
again. With cheap labels that would never be: then it is trained when its labels have grown by a
factor. Each training costs in proportion to its labels; if nobody knows with how many of them an
error will be reached, the trainings until then cost least in all, on average over the logarithm of
that number, when the factor is e: G / ln G times the last training for a factor G. Where errors of
earlier trainings say how many labels a stop rule takes, that number is aimed at. A committee that
the run began with has none of its labels: it is first trained with as many as random weights are.
"""

import math
from dataclasses import dataclass

from model.forecast import Forecast
from workflow.planning.cost import SHARE
from workflow.planning.state import RungState
from workflow.planning.stop_rules import error_bounds
from workflow.settings.campaign import Campaign
from workflow.settings.rung import Rung

_LEAST_GROWTH = 0.1
_MOST_GROWTH = math.e - 1.0
_GROWTH_IN_ROUNDS = 0.5
# Towards a bound on the error the labels may grow by more, for it is known what for.
_MOST_GROWTH_TO_A_BOUND = 3.0
# The error falls more slowly than between the trainings before: with 1.3 every other rung needed
# one training more, of all labels again.
_MARGIN = 1.5
# Of a first training where the campaign asks for no initial labels.
_USUAL_FIRST = 40
# Of error ~ labels^-b, before two trainings say it.
_USUAL_EXPONENT = 0.7
# What the budget leaves beyond the next training is learned with it, if it is so little.
_REST = 0.5


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a rung goes from one training to the next.

    Attributes
    ----------
    labels : int
        New labels after which the committee is trained again.
    most : int
        Labels that one committee chooses at most: workers are busy while the next one is trained.
    """

    labels: int
    most: int


def pace_of(state: RungState, campaign: Campaign, *, slots: int) -> Pace:
    """Weigh the cost of another training against that of labels.

    Parameters
    ----------
    state : RungState
    campaign : Campaign
        Whose rung may name the number itself.
    slots : int
        Labels that the workers can compute at the same time.
    """
    rung = campaign.rungs[state.index]
    first = _first(rung) if state.is_at_start else 0
    if rung.labels_per_training != "auto":
        labels = rung.labels_per_training
        return Pace(labels=labels, most=labels if campaign.synchronous else 2 * labels)
    if campaign.synchronous:
        # Measured times differ from run to run: they must not have a say in what is chosen.
        labels = max(_grown(state, rung, _GROWTH_IN_ROUNDS), first)
        labels = _within_budget(labels, state, rung)
        return Pace(labels=labels, most=labels)
    labels = max(_towards_a_bound(_worth(state, rung), state, rung), first)
    labels = _within_budget(labels, state, rung)
    return Pace(labels=labels, most=labels + max(labels, 2 * slots))


def _learned(state: RungState, rung: Rung) -> int:
    """Return the labels of the newest committee, or those that the first one will have."""
    return state.newest.n_labels if state.newest else rung.initial_labels


def _first(rung: Rung) -> int:
    """Return how many labels a committee from elsewhere is taught first, as random weights are."""
    return rung.initial_labels or _USUAL_FIRST


def _grown(state: RungState, rung: Rung, growth: float) -> int:
    return max(1, math.ceil(growth * _learned(state, rung)))


def _worth(state: RungState, rung: Rung) -> int:
    """Return the new labels with which time outside labels is within its share."""
    least, most = (_grown(state, rung, growth) for growth in (_LEAST_GROWTH, _MOST_GROWTH))
    costs = state.costs
    if costs.label is None or state.newest is None:
        return most
    others = costs.others + costs.committee(state.n_training_labels)
    to_come = others / SHARE - costs.labels
    return min(max(state.n_new_labels + math.ceil(to_come / max(costs.label, 1e-6)), least), most)


def _towards_a_bound(labels: int, state: RungState, rung: Rung) -> int:
    """Return no more labels than a bound on the error takes, or as many where labels are cheap."""
    wanted = [
        more
        for bound, errors in error_bounds(state.trainings, rung.stop)
        if (more := _more_labels(errors, bound)) is not None
    ]
    if not wanted:
        return labels
    least, most = _grown(state, rung, _LEAST_GROWTH), _grown(state, rung, _MOST_GROWTH)
    aim = max(math.ceil(_MARGIN * min(wanted)), least)
    if labels < most:
        return min(labels, aim)
    return min(aim, _grown(state, rung, _MOST_GROWTH_TO_A_BOUND))


def _more_labels(errors: tuple[tuple[int, float], ...], bound: float) -> int | None:
    """Return how many more labels an error takes; None where nothing says it."""
    if not errors:
        return None
    known = Forecast.of(errors) if len(errors) > 1 else None
    n_labels, error = errors[-1]
    if known is None and error > 0.0:
        known = Forecast(n_labels=n_labels, error_kcal_mol=error, exponent=_USUAL_EXPONENT)
    return None if known is None else known.more_labels(bound)


def _within_budget(labels: int, state: RungState, rung: Rung) -> int:
    """Return all labels that the budget leaves, if the next training would leave few of them."""
    left = rung.budget.labels - _learned(state, rung)
    return left if 0 < left <= (1.0 + _REST) * labels else labels
