"""The plan on labels of milliseconds: a few of them wait while all workers have something to do."""

from test_plan import after_first_training, campaign, of_kind, planned, structure

from workflow.planning.actions import Labelling
from workflow.planning.cost import RungCosts

CHEAP = RungCosts(labels=0.4, n_labels=100)
DEAR = RungCosts(labels=400.0, n_labels=100)
TWO_TASKS = frozenset({"sample-0-explore-1-0-a-0", "train-0-2"})


def labelling(n_to_label, *, costs, tasks=frozenset()) -> int:
    state = after_first_training(
        campaign(),
        to_label=tuple(structure(i) for i in range(n_to_label)),
        tasks_in_flight=tasks,
        costs=costs,
    )
    return len(of_kind(Labelling, planned(state, campaign(), slots=2)))


def test_few_cheap_labels_wait_while_all_workers_have_something_to_do():
    assert labelling(3, costs=CHEAP, tasks=TWO_TASKS) == 0
    assert labelling(3, costs=DEAR, tasks=TWO_TASKS) == 3


def test_they_do_not_wait_for_a_worker_that_has_nothing_to_do():
    assert labelling(3, costs=CHEAP) == 3
    assert labelling(3, costs=CHEAP, tasks=frozenset({"train-0-2"})) == 3


def test_as_many_as_a_worker_takes_do_not_wait():
    assert labelling(16, costs=CHEAP, tasks=TWO_TASKS) == 16


def test_twice_as_many_as_the_workers_take_are_under_way():
    assert labelling(100, costs=CHEAP) == 64
    assert labelling(100, costs=DEAR) == 4
