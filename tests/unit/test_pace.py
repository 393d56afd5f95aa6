"""When another training pays: shares of CPU time and time to an error, simulated; and the rules."""

import math
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from error_examples import errors
from rung_states import EMPTY

from workflow.planning.cost import RungCosts
from workflow.planning.pace import Pace, pace_of
from workflow.planning.records import Training
from workflow.planning.state import MoleculeState, RungState
from workflow.planning.to_go import to_go
from workflow.settings.campaign import Campaign

TRAINING_A_LABEL = 0.2
SWEEP = 24.0
JUDGING = 1.0
FIRST_SAMPLES = 60.0


def campaign(*, initial=40, budget=10**6, per_training="auto", synchronous=False, **stop):
    rung = {
        "level": "hf/sto-3g",
        "initial_labels": initial,
        "labels_per_training": per_training,
        "budget": {"labels": budget},
        "stop": {"uncertain_share": None, **stop},
    }
    return Campaign.model_validate(
        {"name": "x", "molecules": ["O"], "rungs": [rung], "synchronous": synchronous}
    )


def state(
    *trainings: tuple[int, float | None], n_labels: int | None = None, costs=None
) -> RungState:
    """Return a rung after trainings, (labels, force error), with labels and costs as given."""
    found = tuple(
        Training(
            version=i + 1,
            checkpoint="",
            n_labels=n,
            errors=None
            if error is None
            else errors(force_mae_kcal_mol_angstrom=error, energy_mae_kcal_mol=error),
        )
        for i, (n, error) in enumerate(trainings)
    )
    learned = found[-1].n_labels if found else 0
    return replace(
        EMPTY,
        molecules=(MoleculeState(molecule_id="a", held_out=False, has_starts=True),),
        waiting=Counter(),
        n_training_labels=learned if n_labels is None else n_labels,
        trainings=found,
        costs=costs or RungCosts(),
    )


@dataclass
class Spent:
    """What a simulated rung has spent until its labels, or its error, were enough."""

    labels: float
    others: float
    trainings: list[int]

    @property
    def share(self) -> float:
        return self.others / (self.labels + self.others)

    @property
    def seconds(self) -> float:
        return self.labels + self.others


def error_of(n_labels: int, *, exponent: float) -> float:
    return 30.0 * n_labels**-exponent


def simulate(
    the_campaign: Campaign,
    label_seconds: float,
    *,
    held_out: int = 40,
    until_labels: int = 10**6,
    until_error: float = 0.0,
    exponent: float = 0.7,
    workers: int = 2,
) -> Spent:
    """Label, train and sweep, one after the other, as a pace has it; costs are learned."""
    rung = the_campaign.rungs[0]
    n, number = rung.initial_labels, rung.labels_per_training
    made = n + held_out
    others = FIRST_SAMPLES + n * TRAINING_A_LABEL + SWEEP
    trained = [(n, error_of(n, exponent=exponent))]
    while n < until_labels and trained[-1][1] > until_error:
        if number != "auto":
            n, made = n + number, made + number
            others += n * TRAINING_A_LABEL + JUDGING + SWEEP
            trained.append((n, error_of(n, exponent=exponent)))
            continue
        costs = RungCosts(
            labels=made * label_seconds,
            n_labels=made,
            others=others,
            training_a_label=TRAINING_A_LABEL,
            sweep=SWEEP,
            judging=JUDGING,
        )
        now = state(*trained, n_labels=n, costs=costs)
        missing = pace_of(now, the_campaign, slots=workers).labels - now.n_new_labels
        if missing > 0:
            n, made = n + missing, made + missing
            continue
        others += n * TRAINING_A_LABEL + JUDGING + SWEEP
        trained.append((n, error_of(n, exponent=exponent)))
    return Spent(labels=made * label_seconds, others=others, trainings=[n for n, _ in trained])


@pytest.mark.parametrize("workers", [1, 8, 64])
@pytest.mark.parametrize("label_seconds", [10.0, 60.0, 3600.0])
def test_where_a_label_takes_ten_seconds_a_tenth_is_spent_outside_labels_at_most(
    label_seconds, workers
):
    spent = simulate(campaign(), label_seconds, until_labels=800, workers=workers)
    assert spent.share <= 0.10
    assert len(spent.trainings) >= 5, "committees that never change choose no better than lots"


@pytest.mark.parametrize("label_seconds", [0.005, 0.03, 0.3])
@pytest.mark.parametrize("bound", [3.0, 1.0, 0.3])
@pytest.mark.parametrize("exponent", [0.5, 0.8])
def test_cheap_labels_reach_an_error_about_as_soon_as_the_best_number_would(
    label_seconds, bound, exponent
):
    """The best number is known afterwards alone, and is another for each error."""
    ends = {"until_error": bound, "exponent": exponent}
    best = min(
        simulate(campaign(per_training=number), label_seconds, **ends).seconds
        for number in (10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120)
    )
    found = simulate(campaign(force_mae_kcal_mol_angstrom=bound), label_seconds, **ends)
    assert found.seconds <= 1.5 * best


def test_trainings_get_rarer_as_labels_get_cheaper():
    counts = [
        len(simulate(campaign(), seconds, until_labels=600).trainings)
        for seconds in (3600.0, 30.0, 3.0, 0.03)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 2 * counts[-1]
    assert counts[-1] <= 4


# The rules


CHEAP = RungCosts(labels=2.0, n_labels=80, others=60.0, training_a_label=0.2, sweep=6.0)
DEAR = RungCosts(labels=80 * 3600.0, n_labels=80, others=60.0, training_a_label=0.2, sweep=6.0)


def test_a_number_in_the_campaign_file_is_that_number():
    for costs in (CHEAP, DEAR):
        now = state((100, None), costs=costs)
        assert pace_of(now, campaign(per_training=30), slots=9) == Pace(labels=30, most=60)
        rounds = campaign(per_training=30, synchronous=True)
        assert pace_of(now, rounds, slots=9) == Pace(labels=30, most=30)


def test_labels_grow_by_a_tenth_at_least_and_by_e_at_most():
    assert pace_of(state((100, None), costs=DEAR), campaign(), slots=2).labels == 10
    grown = 100 + pace_of(state((100, None), costs=CHEAP), campaign(), slots=2).labels
    assert grown == math.ceil(100 * math.e)


def test_rounds_know_nothing_of_measured_times():
    paces = {
        pace_of(state((100, None), costs=costs), campaign(synchronous=True), slots=slots)
        for costs in (CHEAP, DEAR, RungCosts())
        for slots in (1, 64)
    }
    assert paces == {Pace(labels=50, most=50)}


def test_before_the_first_training_the_first_set_says_how_many_there_are():
    assert pace_of(state(), campaign(initial=10), slots=2).labels == 18


def test_what_the_budget_leaves_is_learned_in_one_if_it_is_little():
    for budget, wanted in ((110, 10), (115, 15), (116, 10), (900, 10)):
        now = state((100, None), costs=DEAR)
        assert pace_of(now, campaign(budget=budget), slots=2).labels == wanted


def test_workers_are_kept_busy_while_the_next_committee_is_trained():
    pace = pace_of(state((100, None), costs=DEAR), campaign(), slots=64)
    assert pace.most == pace.labels + 128


def test_a_bound_on_the_error_says_how_many_labels_are_worth_making():
    near = state((50, 4.0), (100, 2.0), costs=CHEAP)  # error ~ 1 / labels
    bound = {"force_mae_kcal_mol_angstrom": 1.0}
    # 100 more, and a margin
    assert pace_of(near, campaign(**bound), slots=2).labels == pytest.approx(150, abs=2)
    assert pace_of(near, campaign(force_mae_kcal_mol_angstrom=0.01), slots=2).labels == 300
    # With dear labels the committee is not asked later than it would be without a bound.
    dear = replace(near, costs=DEAR)
    assert pace_of(dear, campaign(**bound), slots=2).labels == 10
    # Where more labels do not help, there is no number to aim at.
    flat = state((50, 2.0), (100, 2.0), costs=CHEAP)
    assert pace_of(flat, campaign(**bound), slots=2) == pace_of(flat, campaign(), slots=2)


def at_start(*, n_labels: int = 0, error: float | None = None) -> RungState:
    """Return a rung whose committee is what its run began with, of so many labels of the level."""
    begun_with = replace(state((n_labels, error), costs=DEAR).trainings[0], version=0)
    return replace(state(costs=DEAR), n_training_labels=n_labels, trainings=(begun_with,))


def test_what_a_run_began_with_is_first_trained_with_as_many_labels_as_random_weights_are():
    assert pace_of(at_start(), campaign(initial=24), slots=2).labels == 24
    assert pace_of(at_start(), campaign(initial=24, synchronous=True), slots=2).labels == 24
    assert pace_of(at_start(), begun_campaign(initial=0), slots=2).labels == 40
    assert pace_of(at_start(), campaign(initial=24, budget=30), slots=2).labels == 30
    assert pace_of(at_start(), begun_campaign(initial=0, budget=12), slots=2).labels == 12
    # Labels of an earlier run came with it.
    assert pace_of(at_start(n_labels=1000), campaign(initial=24), slots=2).labels == 100


def test_the_error_of_what_a_run_began_with_says_nothing_of_its_labels():
    now = at_start(error=2.0)
    bounded = campaign(initial=24, force_mae_kcal_mol_angstrom=1.0)
    assert pace_of(now, bounded, slots=2).labels == 24


@pytest.mark.parametrize("initial", [0, 24])
def test_what_is_to_go_after_a_start_is_forecast(initial):
    left = to_go(at_start(), begun_campaign(initial=initial, budget=200), slots=2)
    assert left is not None
    assert left.labels == 200
    assert 1 < left.trainings <= 8


def begun_campaign(*, initial: int, budget: int = 10**6) -> Campaign:
    made = campaign(budget=budget, initial=2).model_dump(mode="json")
    made["rungs"][0]["initial_labels"] = initial
    return Campaign.model_validate({**made, "start": "here"})


def test_an_error_that_nobody_knows_bounds_nothing():
    unknown = state((50, None), (100, None), costs=CHEAP)
    bounded = campaign(force_mae_kcal_mol_angstrom=1.0)
    assert pace_of(unknown, bounded, slots=2) == pace_of(unknown, campaign(), slots=2)
