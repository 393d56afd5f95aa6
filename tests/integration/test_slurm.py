"""Workers in jobs of a real Slurm of one node; `tests/clusters/slurm.sh` starts it on loopback."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver_process import Driver
from real_cluster import (
    ask,
    drivers_on,
    empties,
    real_cluster,
    the_next_driver_ends_jobs_of_a_killed_one,
)

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(300)]

_POOL = """
def slurm(**settings):
    return SlurmPool(
        **{
            "walltime": "0:10:00", "cores_per_node": 1, "memory_per_task_gb": 0.5,
            "address": "127.0.0.1", **settings,
        }
    )

roles = ("label", "explore", "judge", "train")
short = WalltimeLimits(
    label_walltime="0:01:00", explore_walltime="0:01:00",
    judge_walltime="0:01:00", train_walltime="0:01:00",
)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment in which Slurm's commands find the cluster."""
    with real_cluster("slurm.sh") as environment:
        yield environment


@pytest.fixture
def queued(cluster: dict[str, str]) -> Callable[[], list[str]]:
    return lambda: ask(cluster, "squeue", "--noheader", "--format=%i").split()


@pytest.fixture
def run(
    cluster: dict[str, str], queued: Callable[[], list[str]], tmp_path: Path
) -> Iterator[Callable[[str], Driver]]:
    with drivers_on(cluster, tmp_path, _POOL, queued=queued, cancel=("scancel",)) as start:
        yield start


def test_a_role_runs_on_slurm_and_another_here(
    run: Callable[[str], Driver], queued: Callable[[], list[str]]
) -> None:
    driver = run(
        """
def where():
    import os
    names = ("SLURM_JOB_ID", "OMP_NUM_THREADS", "MODULE", "SLURM_JOB_CPUS_PER_NODE")
    return {name: os.environ.get(name) for name in names}

backend = Backend(
    pools={
        "cluster": slurm(cores_per_node=2, cores_per_task=2, worker_init="export MODULE=loaded"),
        "here": LocalPool(workers=1),
    },
    roles=Roles(label="cluster", explore="here", train="here"),
    limits=short,
)
with start_workers(backend, folder / "run") as workers:
    tell([workers.submit(role, where).result() for role in ("label", "train")])
"""
    )
    assert driver.ends(120) == 0, driver.output
    label, train = driver.told
    assert label["SLURM_JOB_ID"]
    assert label["MODULE"] == "loaded"
    assert label["OMP_NUM_THREADS"] == label["SLURM_JOB_CPUS_PER_NODE"] == "2"
    assert train == {
        "SLURM_JOB_ID": None,
        "OMP_NUM_THREADS": "1",
        "MODULE": None,
        "SLURM_JOB_CPUS_PER_NODE": None,
    }
    assert empties(queued)
    assert driver.leaves_nothing()


def test_jobs_of_a_killed_driver_are_cancelled_by_the_next(
    run: Callable[[str], Driver], queued: Callable[[], list[str]]
) -> None:
    the_next_driver_ends_jobs_of_a_killed_one(run, queued, "slurm()")


def test_no_task_starts_that_could_not_end_within_its_job(
    run: Callable[[str], Driver], queued: Callable[[], list[str]]
) -> None:
    # Of each job's minute ten seconds are left to start tasks of at most twenty.
    driver = run(
        """
def task(folder, number):
    import os, time
    time.sleep(4)
    with (folder / "tries").open("a") as file:
        file.write(f"{number} {os.environ['SLURM_JOB_ID']}\\n")

limits = WalltimeLimits(**{f"{role}_walltime": "0:00:20" for role in roles})
backend = Backend(pools={"main": slurm(walltime="0:01:00")}, limits=limits)
with start_workers(backend, folder / "run") as workers:
    for future in [workers.submit("label", task, folder, number) for number in range(4)]:
        future.result()
"""
    )
    assert driver.ends(200) == 0, driver.output
    tries = [line.split() for line in (driver.folder / "tries").read_text().splitlines()]
    assert sorted(number for number, _ in tries) == ["0", "1", "2", "3"], "none was cut off"
    assert len({job for _, job in tries}) >= 2
    assert empties(queued)
    assert driver.leaves_nothing()


def test_a_worker_init_that_fails_is_told_with_its_words(
    run: Callable[[str], Driver], queued: Callable[[], list[str]]
) -> None:
    driver = run(
        """
pool = slurm(worker_init="echo 'module: no such module pyscf/9' >&2; exit 3")
with start_workers(Backend(pools={"main": pool}, limits=short), folder / "run") as workers:
    try:
        workers.submit("label", abs, -3).result()
    except CampaignFailed as error:
        tell(str(error))
"""
    )
    assert driver.ends(120) == 0, driver.output
    assert "module: no such module pyscf/9" in driver.told
    assert empties(queued)


def test_a_job_that_slurm_refuses_is_told_with_its_words(
    run: Callable[[str], Driver], queued: Callable[[], list[str]]
) -> None:
    driver = run(
        """
pool = slurm(partition="nowhere")
with start_workers(Backend(pools={"main": pool}, limits=short), folder / "run") as workers:
    try:
        workers.submit("label", abs, -3).result()
    except CampaignFailed as error:
        tell(str(error))
"""
    )
    assert driver.ends(120) == 0, driver.output
    assert "Invalid partition name specified" in driver.told
    assert queued() == []
