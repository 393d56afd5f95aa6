"""Keys of tasks: text on disk, records in the code."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_workers import scripted_campaign

from chemistry.errors import StoreError
from workflow.campaign.commit import commit_result
from workflow.planning.keys import (
    CheckKey,
    DesignKey,
    GrowKey,
    InheritKey,
    JudgeKey,
    LabelKey,
    SamplePurpose,
    SampleTask,
    TaskKey,
    TaskKind,
    TrainKey,
    kind_of,
    parse_key,
)
from workflow.run.store.store import Store
from workflow.work.results import Cost, Judged, TaskResult

ids = st.text(alphabet="0123456789abcdef", min_size=1, max_size=20)
numbers = st.integers(0, 10**6)
tasks = st.one_of(
    st.builds(LabelKey, structure_id=ids, level_id=ids),
    st.builds(CheckKey, structure_id=ids, level_id=ids),
    st.builds(
        SampleTask,
        rung=numbers,
        purpose=st.sampled_from(get_args(SamplePurpose)),
        molecule_id=ids,
        sampler=numbers,
        version=numbers,
        sweep=numbers,
    ),
    st.builds(TrainKey, rung=numbers, version=numbers),
    st.builds(TrainKey, rung=numbers, version=numbers, members=st.tuples(numbers, numbers)),
    st.builds(JudgeKey, rung=numbers, version=numbers),
    st.builds(GrowKey, rung=numbers, version=numbers),
    st.builds(InheritKey, rung=numbers),
)


@given(tasks)
def test_a_key_names_its_task(task):
    assert parse_key(task.key) == task
    assert kind_of(task.key) == task.kind


def test_every_task_has_a_kind_of_its_own():
    kinds = [task.kind for task in get_args(TaskKey)]
    assert sorted(kinds) == sorted(get_args(TaskKind))


@pytest.mark.parametrize(
    ("task", "key"),
    [
        (LabelKey(structure_id="ab12", level_id="cd34"), "label-ab12-cd34"),
        (CheckKey(structure_id="ab12", level_id="cd34"), "check-ab12-cd34"),
        (
            SampleTask(rung=0, purpose="held_out", molecule_id="ef", sampler=1, version=2, sweep=3),
            "sample-0-held_out-2-3-ef-1",
        ),
        (TrainKey(rung=1, version=2), "train-1-2"),
        (TrainKey(rung=1, version=2, members=(5, 8)), "train-1-2-5-8"),
        (JudgeKey(rung=1, version=2), "judge-1-2"),
        (GrowKey(rung=0, version=4), "grow-0-4"),
        (InheritKey(rung=1), "inherit-1"),
        (DesignKey(rung=1), "design-1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys_on_disk_stay_as_they_are(task, key):
    assert task.key == key


NO_KEYS = ["", "label", "label-a", "label-a-b-c", "train-0-x", "sample-0-why-0-0-a-0", "relax-0-1"]


@pytest.mark.parametrize("key", NO_KEYS)
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ValueError, match=r"key of no task|invalid literal"):
        parse_key(key)


@pytest.mark.parametrize("key", [*NO_KEYS, "train-0-1", "label-a-b"])
def test_a_result_that_answers_no_task_of_ours_is_refused_in_one_sentence(tmp_path, key):
    cost = Cost(worker="here:1", started_at=0.0, finished_at=1.0, cpu_seconds=1.0)
    judged = TaskResult(answer=Judged(judgements=()), cost=cost)
    with Store.create(tmp_path / "store.sqlite", "{}") as store:
        with pytest.raises(StoreError, match=r"answers no task .* or delete the file"):
            commit_result(store, scripted_campaign(), key, judged)
        assert list(store.tasks.all()) == []
