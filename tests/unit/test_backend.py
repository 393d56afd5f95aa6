"""The machine file: pools, roles and limits."""

from pathlib import Path

import pytest

from chemistry.errors import InputError
from workflow.backend import Backend, LocalPool, read_backend, walltime_seconds


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
