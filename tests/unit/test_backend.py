"""The machine file: pools, roles and limits."""

import math
from pathlib import Path

import pytest

from chemistry.errors import InputError
from workflow.settings.backend import Backend, read_backend
from workflow.settings.pools.local import LocalPool
from workflow.settings.pools.slurm import SlurmPool
from workflow.settings.walltime import walltime_seconds

_SLURM = """
pools:
  main: {kind: slurm, walltime: "4:00:00", jobs: 3, nodes_per_job: 2, cores_per_node: 16, cores_per_task: 2, memory_per_node_gb: 30, memory_per_task_gb: 5, partition: cpu}
limits: {train_walltime: "3:00:00"}
"""  # noqa: E501


def _read(tmp_path: Path, text: str) -> Backend:
    file = tmp_path / "backend.yaml"
    file.write_text(text)
    return read_backend(file)


def test_without_a_file_one_local_pool_does_everything() -> None:
    backend = read_backend(None)
    pools = {backend.pool_name(role) for role in ("label", "explore", "judge", "train")}
    assert pools == {"main"}
    assert backend.pool("label").slots >= 1


def test_roles_choose_their_pools_and_judge_follows_explore(tmp_path: Path) -> None:
    backend = _read(
        tmp_path,
        """
        pools:
          small: {kind: local, workers: 2, memory_per_task_gb: 2}
          large: {kind: local, workers: 1, cores_per_task: 2}
        roles: {label: small, explore: large, train: large}
        limits: {label_walltime: "0:00:30"}
        """,
    )
    assert backend.pool_name("judge") == "large"
    assert backend.pool("label") == LocalPool(workers=2, memory_per_task_gb=2)
    assert backend.limits.seconds("label") == 30
    assert backend.limits.seconds("train") > 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("roles: {label: mian}", "roles.label is no pool (`mian`): did you mean `main`?"),
        (
            "pools: {a: {kind: local}, b: {kind: local}}",
            "roles.label is missing: name one of the pools a, b",
        ),
        ("limits: {label_walltime: 1:30:00}", 'quote it, "1:30:00"'),
        ('limits: {label_walltime: "90 min"}', "limits.label_walltime: a walltime is written"),
        ('limits: {label_walltime: "0:00:00"}', "leaves no time"),
        ("pools: {main: {kind: locla}}", "did you mean `local`?"),
        ("pools: {main: {kind: local, memory_per_task_mb: 1}}", "`memory_per_task_gb`?"),
        ("pools: {}", "pools"),
        ("pools: {../up: {kind: local}}", "pools.../up should be text that matches"),
        (
            "pools: {main: {kind: slrm}}",
            "pools.main.kind is unknown (`slrm`): did you mean `slurm`?",
        ),
        (_SLURM.replace("partition", "partitoin"), "did you mean `partition`?"),
        (_SLURM.replace('"4:00:00"', "4:00:00"), 'quote it, "4:00:00"'),
        (_SLURM.replace("cores_per_node: 16, ", ""), "pools.main.cores_per_node is missing"),
        (_SLURM.replace("16", "1"), "cores_per_task must not exceed cores_per_node"),
        (_SLURM.replace("30", "3"), "memory_per_task_gb must not exceed memory_per_node_gb"),
        (
            _SLURM.replace("train_walltime", "judge_walltime"),
            "limits.train_walltime does not fit into the walltime of pool `main` (4:00:00)",
        ),
    ],
)
def test_a_wrong_machine_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text)
    assert message in str(caught.value)
    assert "backend.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0:00:01", 1), ("1:30:00", 5400), ("100:00:00", 3.6e5), ("2-1:0:0", None)],
)
def test_walltimes_are_hours_minutes_seconds(text: str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(ValueError, match="walltime"):
            walltime_seconds(text)
    else:
        assert walltime_seconds(text) == seconds


def test_auto_workers_leave_room_for_the_memory_of_each_task() -> None:
    assert LocalPool(workers="auto", memory_per_task_gb=1e6).slots == 1
    assert LocalPool(workers=7).slots == 7


def test_a_slurm_pool_counts_its_workers_and_stops_starting_tasks_in_time(tmp_path: Path) -> None:
    backend = _read(tmp_path, _SLURM)
    pool = backend.pool("label")
    assert isinstance(pool, SlurmPool)
    assert pool.workers_per_node == 6  # eight by cores, six by memory
    assert pool.slots == backend.slots == 6 * 2 * 3
    # The longest task, a training of three hours, must end within the four hours of a job.
    assert 0.9 * 3600 < backend.last_start_seconds("main") < 3600
    assert read_backend(None).last_start_seconds("main") == math.inf


def test_a_larger_pool_is_used_only_where_it_has_its_role(tmp_path: Path) -> None:
    pools = "pools: {main: {kind: local, workers: 2}, big: {kind: local, workers: 1}}\n"
    others = "explore: main, train: main"
    without = _read(tmp_path, f"{pools}roles: {{label: main, {others}}}")
    assert without.slots == 2
    assert without.roles_of("big") == []
    backend = _read(tmp_path, f"{pools}roles: {{label: main, large_label: big, {others}}}")
    assert backend.slots == 2, "what is often not needed is not counted on"
    assert backend.roles_of("big") == ["large_label"]
    with pytest.raises(InputError, match=r"roles\.large_label is no pool \(`bigg`\)"):
        _read(tmp_path, f"{pools}roles: {{label: main, large_label: bigg, {others}}}")
