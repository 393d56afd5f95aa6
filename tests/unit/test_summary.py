"""What `rung status` says: accounts of labels, workers and launches, killed ones included."""

from pathlib import Path

import pytest
from error_examples import CALIBRATION, errors
from rich.console import Console
from scripted_workers import Listener, ScriptedWorkers, scripted_campaign

from chemistry.readers.molecules import molecule_from_smiles
from model.evaluation import KindErrors
from workflow.campaign.driver import Driver
from workflow.planning.records import Training
from workflow.report.screen import summary_screen
from workflow.report.status_json import summary_json
from workflow.report.summary import summarize
from workflow.report.time_spent import duration
from workflow.run.folder import RunFolder
from workflow.run.opened import open_run
from workflow.run.store.store import Store
from workflow.settings.backend import Backend
from workflow.work.results import Cost


def cost(start: float, end: float, cpu: float = 0.0) -> Cost:
    return Cost(worker="here:1", started_at=start, finished_at=end, cpu_seconds=cpu)


def new_run(path: Path) -> RunFolder:
    folder = open_run(scripted_campaign(), path)
    with Store.create(folder.store, scripted_campaign().model_dump_json()):
        pass
    return folder


def put_launches(folder: RunFolder, *launches) -> None:
    with Store.open(folder.store) as store, store.database.write() as db:
        db.executemany("INSERT INTO launches VALUES (?, ?, ?)", launches)


def put_tasks(folder: RunFolder, *costs: Cost) -> None:
    with Store.open(folder.store) as store:
        for i, one in enumerate(costs):
            training = Training(version=i, checkpoint="", n_labels=1)
            store.trainings.commit(f"train-0-{i}", 0, training, one)


def shown(folder: RunFolder) -> str:
    console = Console(width=110, force_terminal=False)
    with console.capture() as capture:
        console.print(summary_screen(summarize(folder), folder))
    return capture.get()


# Busy share


def busy_share(folder: RunFolder, tasks, launches) -> float | None:
    """Return the share for tasks given as (kind, cost)."""
    put_launches(folder, *launches)
    with Store.open(folder.store) as store, store.database.write() as db:
        for i, (kind, one) in enumerate(tasks):
            times = (one.started_at, one.finished_at, one.cpu_seconds)
            row = (f"{kind}-{i}", 0, kind, 0, "{}", one.worker, *times)
            db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    return summarize(folder).busy_share


@pytest.mark.parametrize(
    ("ends", "slots", "share"), [((10, 5, 5), 2, 1.0), ((10, 5), 2, 0.75), ((10,), 4, 0.25)]
)
def test_workers_are_busy_as_long_as_they_have_tasks(tmp_path, ends, slots, share):
    tasks = [("label", cost(0, end)) for end in ends]
    assert busy_share(new_run(tmp_path), tasks, [(0.0, 10.0, slots)]) == share


@pytest.mark.parametrize(
    "launches",
    [
        [(0.0, 40.0, 2)],
        # A whole launch after the last label adds nothing either.
        [(0.0, 15.0, 2), (20.0, 40.0, 8)],
    ],
)
def test_nothing_after_the_last_label_counts(tmp_path, launches):
    tasks = [("label", cost(0, 10)), ("train", cost(8, 30)), ("sample", cost(20, 30))]
    assert busy_share(new_run(tmp_path), tasks, launches) == pytest.approx(0.6)


def test_idle_time_between_launches_does_not_count(tmp_path):
    tasks = [("label", cost(0, 10)), ("label", cost(1000, 1010))]
    launches = [(0.0, 10.0, 1), (1000.0, 1010.0, 1)]
    assert busy_share(new_run(tmp_path), tasks, launches) == 1.0


@pytest.mark.parametrize("tasks", [[], [("sample", cost(0, 1))]])
def test_without_labels_there_is_no_busy_share(tmp_path, tasks):
    assert busy_share(new_run(tmp_path), tasks, [(0.0, 1.0, 1)]) is None


# Spans of launches


@pytest.mark.parametrize(
    ("launches", "ends", "wall_seconds"),
    [
        ([(0.0, 50.0, 1)], [10.0], 50.0),
        ([(0.0, None, 1)], [10.0, 30.0], 30.0),  # killed, or still running
        ([(0.0, None, 1)], [], 0.0),
        ([(0.0, None, 1), (100.0, 150.0, 1)], [10.0, 30.0, 120.0], 80.0),
        ([(0.0, None, 1), (100.0, None, 1)], [30.0, 101.0], 31.0),
        # What a killed launch had finished is taken in by the next one, but ended before it.
        ([(0.0, None, 1), (100.0, 110.0, 1)], [30.0, 99.0], 109.0),
        ([], [], 0.0),
    ],
)
def test_a_killed_launch_ended_with_its_last_task(tmp_path, launches, ends, wall_seconds):
    folder = new_run(tmp_path)
    put_launches(folder, *launches)
    put_tasks(folder, *(cost(0.0, end) for end in ends))
    assert summarize(folder).wall_seconds == wall_seconds


# The whole


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory) -> RunFolder:
    folder = new_run(tmp_path_factory.mktemp("runs") / "x")
    workers = ScriptedWorkers(folder.path, failing=lambda i: int(i, 16) % 6 == 0)
    with Store.open(folder.store) as store:
        store.molecules.add([(molecule_from_smiles("O", name="water"), False)])
        Driver(store, scripted_campaign(), Backend(), folder, workers, Listener()).run()
    put_launches(folder, (1000.0, 1100.0, 2))
    return folder


def test_a_summary_counts_what_was_done(finished_run):
    summary = summarize(finished_run)
    (rung,) = summary.rungs
    assert summary.name == "x"
    assert [molecule.name for molecule in summary.molecules] == ["water"]
    assert summary.finished == "label budget spent (16)"
    assert rung.labels.total() + rung.failures.total() == 20
    assert rung.failures.keys() == {"convergence"}
    assert rung.to_label == 0
    assert summary.stages["label"].tasks == 20
    assert summary.stages["label"].cpu_seconds == 20.0
    # Two groups of members, then the committee of both.
    assert summary.stages["train"].tasks == 3 * len(rung.trainings) >= 6
    first = rung.first_sweep(1)
    assert (first.version, first.number, first.is_complete) == (1, 0, True)
    assert rung.first_sweep(99) is None
    assert 0.0 < summary.busy_share <= 1.0


def test_the_screen_says_it(finished_run):
    text = shown(finished_run)
    summary = summarize(finished_run)
    (rung,) = summary.rungs
    made = rung.labels.total()
    assert "finished: label budget spent (16)" in text
    assert f"hf/sto-3g  labels made: {made} (" in text
    assert f"failed: {20 - made} ({20 - made} convergence)" in text
    assert f"{rung.labels['held_out']} held-out" in text
    for training in rung.trainings:
        assert f"{training.errors.energy_mae_kcal_mol:.2f}" in text
    assert str(finished_run.path / rung.trainings[-1].checkpoint) in text.replace("\n", "")
    assert f"busy until the last label: {summary.busy_share:.0%}" in text


def test_a_run_without_any_result_has_a_summary_too(tmp_path):
    folder = new_run(tmp_path)
    text = shown(folder)
    assert "not finished" in text
    assert "labels made: 0;" in text
    assert "busy until the last label: -" in text


def test_errors_that_were_not_computed_are_dashes(tmp_path):
    folder = new_run(tmp_path)
    found = errors(
        energy_mae_kcal_mol=0.5,
        force_mae_kcal_mol_angstrom=None,
        force_rmse_kcal_mol_angstrom=None,
    )
    with Store.open(folder.store) as store:
        for version, these in ((1, found), (2, None)):
            training = Training(version=version, checkpoint="m", n_labels=7, errors=these)
            store.trainings.commit(f"train-0-{version}", 0, training, cost(0, 1))
    lines = [line.split() for line in shown(folder).splitlines()]
    assert ["1", "7", "0.50", "1.25", "-", "-", "-", "-", "0.230", "-"] in lines
    assert ["2", "7", "-", "-", "-", "-", "-", "-", "0.230", "-"] in lines
    assert "Error by disagreement" not in shown(folder)


def test_calibration_is_shown_by_training_and_by_disagreement(tmp_path):
    folder = new_run(tmp_path)
    found = errors(calibration_factor=2.5, calibration=CALIBRATION)
    with Store.open(folder.store) as store:
        training = Training(version=1, checkpoint="m", n_labels=7, errors=found)
        store.trainings.commit("train-0-1", 0, training, cost(0, 1))
    text = shown(folder)
    lines = [line.split() for line in text.splitlines()]
    assert ["1", "7", "1.00", "1.25", "2.00", "2.50", "-", "2.50", "0.200", "-"] in lines
    assert ["6", "0.100", "0.150", "1.50"] in lines
    assert ["6", "0.200", "0.550", "2.75"] in lines
    assert "rank correlation 0.41" in text


def test_errors_of_anchors_are_shown_where_they_were_held_out(tmp_path):
    folder = new_run(tmp_path)
    of_kind = {name: value for name, value in vars(errors()).items() if not name.startswith("by_")}
    anchor = KindErrors(**{**of_kind, "n_structures": 5, "above_lowest_mae_kcal_mol": 0.31})
    hot = KindErrors(**{**of_kind, "n_structures": 7, "above_lowest_mae_kcal_mol": 0.77})
    with Store.open(folder.store) as store:
        for version, by_kind in ((1, {"hot": hot}), (2, {"hot": hot, "anchor": anchor})):
            training = Training(
                version=version, checkpoint="m", n_labels=7, errors=errors(by_kind=by_kind)
            )
            store.trainings.commit(f"train-0-{version}", 0, training, cost(0, 1))
            assert ("by kind of structure" in shown(folder)) == ("anchor" in by_kind)
    rows = [line.split()[-7:] for line in shown(folder).splitlines()]
    assert ["5", "1.00", "1.25", "2.00", "2.50", "0.31", "-"] in rows
    assert ["7", "1.00", "1.25", "2.00", "2.50", "0.77", "-"] in rows
    [rung] = summary_json(summarize(folder))["rungs"]
    assert rung["trainings"][1]["errors"]["by_kind"]["anchor"]["n_structures"] == 5


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (99.4, "99 s"), (100, "1 min 40 s"), (5999, "99 min 59 s"), (7800, "2 h 10 min")],
)
def test_durations_are_said_as_people_do(seconds, said):
    assert duration(seconds) == said
