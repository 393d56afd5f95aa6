"""Workers in jobs of a real Grid Engine of one node, which tests/clusters/gridengine.sh starts."""

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

pytestmark = [pytest.mark.gridengine, pytest.mark.slow, pytest.mark.timeout(300)]

_POOL = """
def sge(**settings):
    return SgePool(
        **{
            "walltime": "0:10:00", "cores_per_node": 2, "cores_per_task": 2,
            "parallel_environment": "smp", "memory_per_task_gb": 0.5, "address": "127.0.0.1",
            **settings,
        }
    )

short = WalltimeLimits(
    label_walltime="0:01:00", explore_walltime="0:01:00",
    judge_walltime="0:01:00", train_walltime="0:01:00",
)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment in which Grid Engine's commands find the cluster."""
    with real_cluster("gridengine.sh") as environment:
        yield environment


@pytest.fixture
def queued(cluster: dict[str, str]) -> Callable[[], list[str]]:
    # Two lines of heading where there are jobs.
    return lambda: [line.split()[0] for line in ask(cluster, "qstat").splitlines()[2:]]


@pytest.fixture
def run(
    cluster: dict[str, str], queued: Callable[[], list[str]], tmp_path: Path
) -> Iterator[Callable[[str], Driver]]:
    with drivers_on(cluster, tmp_path, _POOL, queued=queued, cancel=("qdel", "-f")) as start:
        yield start


def test_a_task_runs_in_a_job_of_grid_engine(
    run: Callable[[str], Driver], queued: Callable[[], list[str]]
) -> None:
    driver = run(
        """
def where():
    import os
    return {name: os.environ.get(name) for name in ("JOB_ID", "NSLOTS", "OMP_NUM_THREADS", "SITE")}

pool = sge(queue="main", worker_init="export SITE=loaded")
with start_workers(Backend(pools={"main": pool}, limits=short), folder / "run") as workers:
    tell(workers.submit("label", where).result())
"""
    )
    assert driver.ends(120) == 0, driver.output
    assert driver.told["JOB_ID"]
    assert driver.told["SITE"] == "loaded"
    assert driver.told["NSLOTS"] == driver.told["OMP_NUM_THREADS"] == "2"
    assert empties(queued)
    assert driver.leaves_nothing()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("queue='nowhere'", 'job requests unknown queue "nowhere"'),
        ("worker_init='echo no such module: pyscf/9 >&2; exit 3'", "no such module: pyscf/9"),
    ],
)
def test_a_pool_that_cannot_start_is_told_in_its_words(
    run: Callable[[str], Driver], queued: Callable[[], list[str]], settings: str, words: str
) -> None:
    driver = run(
        f"""
pool = sge({settings})
with start_workers(Backend(pools={{"main": pool}}, limits=short), folder / "run") as workers:
    try:
        workers.submit("label", abs, -3).result()
    except CampaignFailed as error:
        tell(str(error))
"""
    )
    assert driver.ends(120) == 0, driver.output
    assert words in driver.told
    assert empties(queued)


def test_jobs_of_a_killed_driver_are_deleted_by_the_next(
    run: Callable[[str], Driver], queued: Callable[[], list[str]]
) -> None:
    the_next_driver_ends_jobs_of_a_killed_one(run, queued, "sge()")
