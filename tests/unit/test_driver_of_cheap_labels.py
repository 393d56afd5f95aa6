"""The driver hands out cheap labels together, and knows them apart when a worker is lost."""

from concurrent.futures import Future

import pytest
from scripted_workers import ScriptedWorkers
from test_driver import campaign, final_state, run

from chemistry.errors import PoisonTask
from workflow.run.store.store import StoreReader


class Counting(ScriptedWorkers):
    """Remembers which labels were handed out together."""

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self.together: list[frozenset[str]] = []

    def submit(self, role, function, run_folder, orders, *limits, expected_seconds=0.0):
        if role == "label":
            self.together.append(frozenset(orders))
        return super().submit(role, function, run_folder, orders, *limits)


class Losing(Counting):
    """Loses its worker with whatever the first label is in that went together with others."""

    poison = ""

    def submit(self, role, function, run_folder, orders, *limits, expected_seconds=0.0):
        if role == "label" and len(orders) > 1 and not self.poison:
            self.poison = min(orders)
        if self.poison and self.poison in orders:
            self.together.append(frozenset(orders))
            future: Future[None] = Future()
            future.set_exception(PoisonTask("lost its worker again and again"))
            return future
        return super().submit(role, function, run_folder, orders, *limits)


@pytest.mark.parametrize("synchronous", [False, True])
def test_cheap_labels_go_together_and_the_budget_is_spent_exactly(tmp_path, synchronous):
    rung = {"budget": {"labels": 80}, "labels_per_training": 30}
    the_campaign = campaign(synchronous=synchronous, rung=rung)
    workers, _ = run(the_campaign, tmp_path / "run", Counting, label_seconds=0.002)
    assert max(map(len, workers.together)) > 4
    assert len(workers.labelled) == len(set(workers.labelled)) == 84
    state = final_state(the_campaign, tmp_path / "run")
    assert (state.n_training_labels, state.n_labels) == (80, 84)


def test_dear_labels_go_alone(tmp_path):
    workers, _ = run(campaign(), tmp_path / "run", Counting, label_seconds=1.0)
    assert {len(labels) for labels in workers.together} == {1}


def test_of_labels_that_were_lost_together_only_the_one_that_is_lost_again_is_poison(tmp_path):
    the_campaign, path = campaign(rung={"budget": {"labels": 80}}), tmp_path / "run"
    workers, _ = run(the_campaign, path, Losing, label_seconds=0.002)
    [lost, *again] = [labels for labels in workers.together if workers.poison in labels]
    assert len(lost) > 1
    assert again == [{workers.poison}]
    for innocent in lost - {workers.poison}:
        assert [labels for labels in workers.together if innocent in labels] == [lost, {innocent}]
    with StoreReader.open(path / "store.sqlite") as store:
        [failure] = store.unusable.failures()
    assert failure.kind == "poison"
    assert failure.structure_id in workers.poison
    assert final_state(the_campaign, path).n_labels == 83
