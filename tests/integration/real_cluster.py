"""Clusters of one node that the scripts in tests/clusters start for a test and stop after it."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from driver_process import Driver

# A queue of one's own may be looked at more often than that of others.
_LOOK_OFTEN = """
import workflow.work.pools.providers
workflow.work.pools.providers._POLLING_SECONDS = 1
"""
_SCRIPTS = Path(__file__).parents[1] / "clusters"


@contextmanager
def real_cluster(script: str) -> Iterator[dict[str, str]]:
    """Start a cluster and yield the environment in which its commands find it."""
    if os.geteuid() != 0:
        message = f"tests/clusters/{script} needs root"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir="/tmp"))
    folder.chmod(0o755)  # munged runs as another user
    subprocess.run([_SCRIPTS / script, "start", folder], check=True)
    try:
        lines = (folder / "environment").read_text().splitlines()
        yield dict(line.removeprefix("export ").split("=", 1) for line in lines)
    finally:
        subprocess.run([_SCRIPTS / script, "stop", folder], check=True)
        time.sleep(1)
        shutil.rmtree(folder, ignore_errors=True)


def ask(environment: dict[str, str], *command: str) -> str:
    """Return what a command of the cluster's says."""
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def empties(queued: Callable[[], Sequence[str]], seconds: float = 30) -> bool:
    """Return whether a queue becomes empty in time."""
    deadline = time.monotonic() + seconds
    while queued():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


@contextmanager
def drivers_on(
    environment: dict[str, str],
    folder: Path,
    preamble: str,
    *,
    queued: Callable[[], Sequence[str]],
    cancel: Sequence[str],
) -> Iterator[Callable[[str], Driver]]:
    """Yield what starts a driver of `preamble` and a body; then end all jobs and drivers."""
    drivers: list[Driver] = []

    def start(body: str) -> Driver:
        drivers.append(Driver(folder, _LOOK_OFTEN + preamble + body, environment))
        return drivers[-1]

    yield start
    for job in queued():
        ask(environment, *cancel, job)
    for driver in drivers:
        driver.close()


def the_next_driver_ends_jobs_of_a_killed_one(
    run: Callable[[str], Driver], queued: Callable[[], Sequence[str]], pool: str
) -> None:
    """Kill a driver whose job works on, and check that the next one cancels it and gets its own.

    Parsl submits another where the queue does not list a job yet that was just submitted.
    """
    body = f"""
with start_workers(Backend(pools={{"main": {pool}}}, limits=short), folder / "run") as workers:
    if (folder / "busy0").exists():
        tell(workers.submit("label", os.getpid).result())
    else:
        workers.submit("label", hang, folder, 0).result()
"""
    first = run(body)
    first.until((first.folder / "busy0").exists)
    first.process.kill()
    first.ends()
    left = set(queued())
    assert left
    second = run(body)
    assert second.ends(120) == 0, second.output
    assert not left & set(queued())
    assert empties(queued)
    assert second.leaves_nothing()
