"""The store of a run that 0.1.0 made is read whole, and what is read is written as it was."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from chemistry.records.level import find_level
from chemistry.records.record_json import molecule_from_json, molecule_to_json
from model.evaluation import errors_from_json, errors_to_json
from model.history import history_from_json, history_to_json
from workflow.planning.keys import SampleTask, derive_seed, kind_of, parse_key
from workflow.run.state import read_rung_state
from workflow.run.store.rows import detail_text
from workflow.run.store.store import Store, StoreReader
from workflow.run.stored_campaign import stored_campaign

RUN = Path(__file__).parents[1] / "data" / "runs" / "0.1.0"
LEVELS = [find_level("gfn2-xtb"), find_level("hf/sto-3g")]


@pytest.fixture
def path(tmp_path) -> Path:
    return Path(shutil.copy(RUN / "store.sqlite", tmp_path))


@pytest.fixture
def store(path):
    with StoreReader.open(path) as store:
        yield store


def count(store: StoreReader, what: str) -> int:
    return store.database.one(f"SELECT count(*) FROM {what}")[0]


def test_trainings_are_read_and_written_as_they_were(store):
    found = store.database.all("SELECT errors, history FROM trainings")
    assert len(found) == 5
    for errors, history in found:
        document = json.loads(errors)
        again = errors_to_json(errors_from_json(document))
        # What that version did not compute stays empty; all else is as it was.
        assert again.pop("by_kind") == {}
        for part in (again, *again["by_molecule"].values()):
            assert part.pop("above_lowest_mae_kcal_mol") is None
        if again["calibration"] is not None:
            assert again["calibration"].pop("intervals") is None
        assert json.dumps(again) == errors
        assert json.dumps(history_to_json(history_from_json(json.loads(history)))) == history
    assert store.trainings.rungs() == [0, 1]
    first, *_ = store.trainings.all(0)
    assert first == store.trainings.find(0, 1)
    assert first.errors.energy_mae_kcal_mol == pytest.approx(0.9848, abs=1e-4)
    assert first.errors.calibration.n_structures == first.errors.n_structures == 5
    assert len(first.errors.by_molecule) == 2
    assert len(first.history.members) == 2
    assert first.history.members[0].epochs == len(first.history.members[0].validation_loss) == 40
    assert first.history.transfer is None
    assert store.trainings.all(1)[0].history.transfer == "full"


def test_tasks_are_read_and_written_as_they_were(store):
    rows = {row["key"]: row for row in store.database.all("SELECT * FROM tasks")}
    tasks = {task.key: task for task in store.tasks.all()}
    assert tasks.keys() == rows.keys()
    assert {task.kind for task in tasks.values()} >= {"sample", "label", "train", "judge"}
    for key, row in rows.items():
        assert detail_text(tasks[key].detail) == row["detail"]
        assert tasks[key].detail.version == row["version"]
        assert parse_key(key).key == key
        assert parse_key(key).kind == kind_of(key) == tasks[key].kind == row["kind"]
        assert tasks[key].cost.cpu_seconds == row["cpu_seconds"]
    explored = [parse_key(key) for key in tasks if kind_of(key) == "sample"]
    assert all(isinstance(task, SampleTask) for task in explored)
    assert {task.purpose for task in explored} == {"start", "initial", "held_out", "explore"}
    assert store.tasks.judgements(1)
    assert sum(stage.tasks for stage in store.tasks.stages().values()) == len(tasks)


def test_seeds_of_tasks_are_those_of_0_1_0(store):
    campaign = stored_campaign(store)
    found = store.database.all("SELECT DISTINCT seed FROM structures WHERE is_start = 1")
    starts = {row["seed"] for row in found}
    tasks = [parse_key(task.key) for task in store.tasks.all("sample")]
    assert starts
    assert starts == {derive_seed(campaign, t.key) for t in tasks if t.purpose == "start"}


def test_molecules_are_written_as_they_were(store):
    for (record,) in store.database.all("SELECT record FROM molecules"):
        assert molecule_to_json(molecule_from_json(record)) == record


def test_molecules_candidates_and_labels_are_all_there(store):
    assert [m.name for m, _ in store.molecules.all()] == ["O", "CO"]
    assert [(m.name, held_out) for m, held_out in store.molecules.given()] == [
        ("O", False),
        ("CO", False),
    ]
    assert store.molecules.elements() == (1, 6, 8)
    assert store.molecules.grown().molecule_ids == frozenset()
    for molecule_id, name, _ in store.molecules.names():
        assert store.molecules.find(molecule_id).name == name
        assert store.molecules.starts(molecule_id)
    assert store.labels.level_names() == {level.level_id: level.name for level in LEVELS}
    rows = list(store.labels.export_rows(with_quarantined=True))
    assert len(rows) == count(store, "labels")
    for row in rows:
        again = store.labels.find(row.structure.structure_id, row.label.level_id)
        assert again.energy == row.label.energy
        assert np.array_equal(again.forces, row.label.forces)
        assert store.labels.history(row.structure.structure_id)
        assert store.candidates.history(row.structure.structure_id)
    for rung, level in enumerate(LEVELS):
        assert store.candidates.tally(rung).total() == count(
            store, f"candidates WHERE rung = {rung}"
        )
        n_held_out = len(store.labels.labelled(rung, level.level_id, held_out=True))
        assert n_held_out == store.labels.count(rung)["held_out"] > 0
        assert store.labels.cost_moments(level.level_id).n > 0
        assert store.tasks.label_cpu_seconds(rung) > 0
        state = read_rung_state(store, stored_campaign(store), rung, level)
        assert state.n_labels == store.labels.count(rung).total()
        assert len(state.trainings) == len(store.trainings.all(rung))
    assert len(store.unusable.all()) == store.unusable.count().total()


def test_launches_and_diary_are_read(store):
    assert store.diary.fact("schema_version") == "2"
    assert store.diary.fact("finished")
    assert not store.diary.has_open_launch()
    assert len(store.diary.launches()) == count(store, "launches")
    assert [kind for _, kind, _ in store.diary.events()].count("rung finished") == 2


def test_it_is_written_by_this_version_too(path):
    with Store.open(path) as store:
        training = store.trainings.all(0)[-1]
        before = len(store.trainings.all(0))
        cost = next(store.tasks.all("train")).cost
        store.trainings.commit("train-0-3", 0, training, cost)
        assert len(store.trainings.all(0)) == before
