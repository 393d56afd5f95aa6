"""Where time goes, what is waited for and how long it takes: accounts and sentences."""

import io
import threading
import time
from dataclasses import replace

import pytest
from rich.console import Console
from scripted_workers import scripted_campaign
from test_pace import CHEAP, DEAR, campaign, state

from workflow.planning.to_go import to_go
from workflow.report.screen import summary_screen
from workflow.report.status_json import summary_json
from workflow.report.summary import summarize
from workflow.report.time_spent import time_spent, to_go_text, under_way_text
from workflow.report.waits import shown_wait
from workflow.run.folder import RunFolder
from workflow.run.opened import open_run
from workflow.run.store.records import StageCost
from workflow.run.store.store import Store
from workflow.run.under_way import UnderWay, tasks_under_way
from workflow.work.results import result_spool


def test_shares_are_of_the_cpu_time_and_idle_workers_have_none():
    stages = {
        "label": StageCost(tasks=4, cpu_seconds=90.0, wall_seconds=95.0),
        "train": StageCost(tasks=1, cpu_seconds=10.0, wall_seconds=12.0),
        "inherit": StageCost(tasks=1, cpu_seconds=0.0, wall_seconds=0.0),
    }
    rows = time_spent(stages, {"training": 30.0, "exploring": 0.4})
    assert [(row.name, row.cpu_share, row.worker_seconds) for row in rows] == [
        ("labels", 0.9, 95.0),
        ("training", 0.1, 12.0),
        ("idle: training", None, 30.0),
    ]
    assert time_spent({}, {}) == []


def test_what_is_under_way_is_counted_by_kind_with_the_longest():
    tasks = [UnderWay(kind="train", seconds=130.0), UnderWay(kind="label", seconds=9.0)]
    tasks.append(UnderWay(kind="label", seconds=2.0))
    said = under_way_text(tasks)
    assert said == "under way: 1 x training (for 2 min 10 s), 2 x labels (for 9 s)"
    assert under_way_text([]) == "nothing is under way"


def test_what_is_left_of_a_rung_is_its_budget_at_learned_costs():
    hours = replace(state((100, None), costs=DEAR), chosen={("active", "a"): 100})
    left = to_go(hours, campaign(budget=110), slots=2)
    assert (left.labels, left.trainings) == (10, 1)
    assert left.label_cpu_seconds == pytest.approx(10 * 3600.0)
    assert left.wall_seconds == pytest.approx(5 * 3600.0 + 110 * 0.2)
    cheap = replace(state((100, None), costs=CHEAP), chosen={("active", "a"): 100})
    steps = to_go(cheap, campaign(budget=2000), slots=2)
    assert steps.labels == 1900
    assert steps.trainings == 3  # 272, 740, 2000
    assert steps.other_cpu_seconds == pytest.approx(0.2 * (272 + 740 + 2000) + 2 * 6.0, rel=0.01)
    done = replace(cheap, chosen={("active", "a"): 2000}, n_training_labels=2000)
    assert to_go(done, campaign(budget=2000), slots=2).labels == 0
    assert to_go(state(), campaign(), slots=2) is None
    assert to_go_text(left, 2) == (
        "to go at most 10 labels and 1 training, about 5 h 00 min on 2 workers"
    )
    untrained = to_go(state(costs=replace(DEAR, training_a_label=0.0)), campaign(), slots=2)
    assert to_go_text(untrained, 2).endswith(" for the labels on 2 workers")


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    found = open_run(scripted_campaign(), tmp_path / "run")
    with Store.create(found.store, scripted_campaign().model_dump_json()) as store:
        store.diary.begin_launch(2)
    return found


def test_a_task_that_a_worker_computes_is_under_way_and_nothing_else(folder):
    (folder.spool / "label-dead-beef.claim").touch()  # of a worker that was killed
    is_computing, may_end = threading.Event(), threading.Event()

    def compute():
        is_computing.set()
        may_end.wait(60)
        raise InterruptedError

    def work():
        with pytest.raises(InterruptedError):
            result_spool(folder.path).compute_once("train-0-1", compute)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert is_computing.wait(60)
        [found] = tasks_under_way(folder)
        assert found.kind == "train"
        assert 0.0 <= found.seconds < 60.0
        assert "1 x training" in shown(folder)
        [document] = summary_json(summarize(folder))["under_way"]
        assert document["kind"] == "train"
    finally:
        may_end.set()
        worker.join()
    assert tasks_under_way(folder) == ()


def shown(folder: RunFolder) -> str:
    console = Console(width=150, force_terminal=False)
    with console.capture() as capture:
        console.print(summary_screen(summarize(folder), folder))
    return capture.get()


def test_idle_time_adds_up_over_launches(folder):
    with Store.open(folder.store) as store:
        store.diary.add_idle({"training": 30.0})
        store.diary.add_idle({"training": 10.0, "last labels": 5.0})
        store.diary.add_idle({})
        assert store.diary.idle() == {"training": 40.0, "last labels": 5.0}
    assert "idle: training" in shown(folder)
    assert summary_json(summarize(folder))["idle_worker_seconds"]["training"] == 40.0


@pytest.mark.parametrize(("seconds", "is_said"), [(0.0, False), (0.4, True)])
def test_a_long_wait_says_what_for_and_a_short_one_nothing(monkeypatch, seconds, is_said):
    monkeypatch.setattr("workflow.report.waits.SILENT_SECONDS", 0.1)
    said = io.StringIO()
    console = Console(file=said, force_terminal=False)
    with shown_wait(console, "writing the report"):
        time.sleep(seconds)
    assert ("writing the report" in said.getvalue()) is is_said
