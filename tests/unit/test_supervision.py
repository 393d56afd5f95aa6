"""The supervisor around a pool of workers, with real processes in the place of Parsl's."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from workflow.work.pools import supervision
from workflow.work.system.processes import birth, has_ended

# A pool with two workers, one of which is busy: it has a child of its own.
_POOL = """
import os, subprocess, sys, time
workers = [
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]),
    subprocess.Popen(
        [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '600'])"],
        start_new_session=True,
    ),
]
time.sleep(600)
"""


@pytest.fixture
def driver() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.fixture
def hold(
    driver: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., int]]:
    """Start a supervisor around a command, in a process of its own, and return its id."""
    for name, seconds in (("_LOOK", 0.02), ("_REST", 0.3), ("_ENDING", 0.1)):
        monkeypatch.setattr(supervision, f"{name}_SECONDS", seconds)
    supervisors: list[int] = []

    def start(*command: str) -> int:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                tempfile.tempdir = str(tmp_path)
                status = supervision.main(["hold", f"{driver.pid}:{birth(driver.pid)}", *command])
            except SystemExit as told:
                status = int(told.code or 0)
            finally:
                os._exit(status)
        supervisors.append(pid)
        return pid

    yield start
    for pid in supervisors:
        if not has_ended(pid):
            os.kill(pid, signal.SIGTERM)


def _pool_on(supervisor_pid: int) -> list[psutil.Process]:
    """Return the pool, its waiting worker, its busy worker and that one's child, once all run."""
    deadline = time.monotonic() + 20
    process = psutil.Process(supervisor_pid)
    while len(found := process.children(recursive=True)) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (pool,) = process.children()
    busy = next(worker for worker in pool.children() if worker.children())
    (waiting,) = (worker for worker in pool.children() if worker != busy)
    assert {pool, waiting, busy, *busy.children()} == set(found)
    time.sleep(0.2)  # the supervisor has looked
    return [pool, waiting, busy, *busy.children()]


def _end_of(pid: int) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        reaped, status = os.waitpid(pid, os.WNOHANG)
        if reaped:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    pytest.fail("the supervisor does not end")


@pytest.mark.parametrize(
    ("command", "status"), [(["true"], 0), (["false"], 1), (["sh", "-c", "exit 5"], 5)]
)
def test_it_ends_as_its_command_does(
    hold: Callable[..., int], tmp_path: Path, command: list[str], status: int
) -> None:
    assert _end_of(hold(*command)) == status
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", ["driver", "supervisor", "pool", "waiting worker"])
def test_all_processes_end_together(
    hold: Callable[..., int], driver: subprocess.Popen[bytes], tmp_path: Path, end: str
) -> None:
    supervisor_pid = hold(sys.executable, "-c", _POOL)
    processes = _pool_on(supervisor_pid)
    (folder,) = tmp_path.iterdir()
    (folder / "scratch").write_bytes(b"x")
    match end:
        case "driver":
            driver.kill()
            driver.wait()
        case "supervisor":
            os.kill(supervisor_pid, signal.SIGTERM)
        case "pool":
            processes[0].kill()
        case "waiting worker":
            processes[1].kill()
    status = _end_of(supervisor_pid)
    assert (status == 0) == (end in ("driver", "supervisor"))
    assert all(has_ended(process.pid) for process in processes)
    assert list(tmp_path.iterdir()) == []


def test_a_lost_busy_worker_ends_the_pool_only_when_all_rest(hold: Callable[..., int]) -> None:
    supervisor_pid = hold(sys.executable, "-c", _POOL)
    pool, waiting, busy, _ = _pool_on(supervisor_pid)
    busy.kill()
    assert not has_ended(pool.pid)
    assert not has_ended(waiting.pid)
    assert _end_of(supervisor_pid) == 0
    assert has_ended(pool.pid)


def test_a_killed_supervisor_takes_the_pool_along_and_what_it_leaves_goes_with_the_next(
    hold: Callable[..., int], tmp_path: Path
) -> None:
    supervisor_pid = hold(sys.executable, "-c", _POOL)
    pool, *workers = _pool_on(supervisor_pid)
    os.kill(supervisor_pid, signal.SIGKILL)
    os.waitpid(supervisor_pid, 0)
    deadline = time.monotonic() + 20
    while not has_ended(pool.pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(list(tmp_path.iterdir())) == 1
    assert _end_of(hold("true")) == 0
    assert list(tmp_path.iterdir()) == []
    # In Parsl they look for their manager, or are tied to it; here the next supervisor ends them.
    while not all(has_ended(worker.pid) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_driver_is_not_mistaken_for_another_process_with_its_id() -> None:
    assert supervision.is_alive(supervision.this_process())
    assert not supervision.is_alive(f"{os.getpid()}:1")
    assert not supervision.is_alive("garbage:None")


def test_what_a_killed_supervisor_has_left_is_ended_and_nothing_else(tmp_path):
    """Parsl's helpers, orphaned when supervisor and manager were killed in one moment."""
    gone = subprocess.Popen(["true"])
    name = f"{gone.pid}:{birth(gone.pid) or 1}"
    gone.wait()
    folders = {
        "left": f"{supervision._prefix()}{name}",
        "of_a_living_supervisor": f"{supervision._prefix()}{os.getpid()}:{birth(os.getpid())}",
        "of_another_host": f"rung-00000000-{name}",
        "of_nobody": "elsewhere",
    }
    started = {
        key: subprocess.Popen(
            ["sleep", "600"],
            env={**os.environ, supervision.SCRATCH_VARIABLE: str(tmp_path / folder)},
        )
        for key, folder in folders.items()
    }
    try:
        supervision.end_left_behind()
        assert started.pop("left").wait(timeout=10) == -signal.SIGKILL
        assert [process.poll() for process in started.values()] == [None] * 3
    finally:
        for process in started.values():
            process.kill()
            process.wait()
