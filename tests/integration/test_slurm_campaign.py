"""The real command on a real Slurm of one node: init, check, and a campaign over two partitions."""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
import yaml
from real_cluster import ask, empties, real_cluster
from rung_command import RUNG, SMALL, put_campaign, stop

from workflow.run.store.store import StoreReader

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(400)]

_TASK_WALLTIME = "0:03:00"


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    with real_cluster("slurm.sh") as environment:
        yield environment


def _rung(
    folder: Path, cluster: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [RUNG, *arguments],
        cwd=folder,
        env=os.environ | cluster,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _pool(**settings: object) -> dict[str, object]:
    return {
        "kind": "slurm",
        "walltime": "0:20:00",
        "cores_per_node": 1,
        "memory_per_task_gb": 3,
        "address": "127.0.0.1",
        **settings,
    }


def _put_backend(folder: Path, **pools: dict[str, object]) -> None:
    roles = {"label": "quantum", "explore": "learning", "train": "learning"}
    limits = {f"{role}_walltime": _TASK_WALLTIME for role in ("label", "explore", "judge", "train")}
    backend = {"pools": pools, "limits": limits, **({"roles": roles} if len(pools) > 1 else {})}
    (folder / "backend.yaml").write_text(json.dumps(backend))


def test_init_fills_in_the_partitions_and_check_tells_what_is_there(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    made = _rung(tmp_path, cluster, "init", "new", "--backend", "slurm")
    assert made.returncode == 0, made.stderr
    file = tmp_path / "new" / "backend.yaml"
    assert "# sinfo names learn: at most 0.5 h, 1 nodes of 4 cores and 15 GB" in file.read_text()
    pool = yaml.safe_load(file.read_text())["pools"]["main"]
    assert (pool["partition"], pool["walltime"], pool["cores_per_node"]) == ("main", "1:00:00", 4)
    put_campaign(tmp_path / "new")
    checked = _rung(
        tmp_path, cluster, "check", "new/campaign.yaml", "--backend", "new/backend.yaml"
    )
    assert checked.returncode == 0, checked.stderr
    said = " ".join(checked.stdout.split())
    ours = f"rung {version('rung')}"
    for words in ("pool main (label, explore, judge, train):", "tblite", ours, "all is"):
        assert words in said, said
    assert [path.name for path in (tmp_path / "new").iterdir() if path.name[0] == "."] == []
    assert empties(lambda: ask(cluster, "squeue", "--noheader").split())


def test_check_tells_what_slurm_says_of_a_pool_that_does_not_start(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    put_campaign(tmp_path)
    check = ("check", "campaign.yaml", "--backend", "backend.yaml", "--minutes", "0.2")
    _put_backend(tmp_path, main=_pool(partition="nowhere"))
    refused = _rung(tmp_path, cluster, *check)
    assert refused.returncode == 1
    assert "Invalid partition name specified" in refused.stderr
    _put_backend(tmp_path, main=_pool())
    ask(cluster, "scontrol", "update", "nodename=localhost", "state=drain", "reason=test")
    try:
        waited = _rung(tmp_path, cluster, *check)
    finally:
        ask(cluster, "scontrol", "update", "nodename=localhost", "state=resume")
    assert waited.returncode == 1
    assert "no worker of pool `main` answered within 12 s (job " in waited.stderr
    assert "PENDING" in waited.stderr
    assert empties(lambda: ask(cluster, "squeue", "--noheader").split())


def test_a_campaign_over_two_partitions_loses_no_label_with_its_jobs(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    rungs = [{**SMALL["rungs"][0], "level": "hf/sto-3g"}]
    # A label that a gate refuses is not lost: not as hot as 1500 K, where forces are too large,
    # and without the gate on instability, for water in STO-3G has unrestricted solutions.
    explore = [{**SMALL["explore"][0], "temperature_k": 600}]
    gates = {**SMALL["gates"], "instability_kcal_mol": None}
    put_campaign(tmp_path, {**SMALL, "rungs": rungs, "explore": explore, "gates": gates})
    _put_backend(
        tmp_path,
        quantum=_pool(partition="main", jobs=2),
        learning=_pool(partition="learn", worker_init="export POOL=learning"),
    )
    run = tmp_path / "small"
    log = run / "logs" / "tasks.log"
    launch = subprocess.Popen(
        [RUNG, "launch", "campaign.yaml", "--backend", "backend.yaml"],
        cwd=tmp_path,
        env=os.environ | cluster,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        caught = _stop_amid_labels(launch, log, jobs=2)
        cancelled, timed_out = caught
        ask(cluster, "scancel", cancelled)
        ask(cluster, "scontrol", "update", f"jobid={timed_out}", "EndTime=now+1")
        _until(launch, lambda: _state(cluster, timed_out) == "TIMEOUT")
        assert _state(cluster, cancelled) == "CANCELLED"
        _, said = launch.communicate(timeout=240)
        assert launch.returncode == 0, said
    finally:
        stop(launch)
    with StoreReader.open(run / "store.sqlite") as store:
        assert sum(1 for _ in store.labels.export_rows()) == 18 + 4
    events = Counter(tuple(line.split()[1:3]) for line in log.read_text().splitlines())
    for key in caught.values():
        assert (events[key, "started"], events[key, "finished"]) == (2, 1), key
    finished = {key: n for (key, event), n in events.items() if event == "finished"}
    assert set(finished.values()) == {1}, "none was computed twice"
    assert not any(event == "failed" for _, event in events)
    for partition in ("main", "learn"):
        scripts = [path.read_text() for path in run.rglob("submit_scripts/parsl.*")]
        assert any(f"--partition={partition}\n" in script for script in scripts)
    assert empties(lambda: ask(cluster, "squeue", "--noheader").split())


def _state(cluster: dict[str, str], job: str) -> str:
    return ask(cluster, "scontrol", "show", "job", job).split("JobState=")[1].split()[0]


def _until(launch: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert launch.poll() is None, launch.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _stop_amid_labels(launch: "subprocess.Popen[str]", log: Path, *, jobs: int) -> dict[str, str]:
    """Halt one label in each of so many jobs, so that it is under way still when its job ends."""
    caught: dict[str, str] = {}

    def halt() -> bool:
        for key, worker in _under_way(log).items():
            with suppress(psutil.NoSuchProcess):
                job = worker.environ()["SLURM_JOB_ID"]
                tasks = worker.children()
                if job in caught or not tasks:
                    continue
                tasks[0].suspend()
                time.sleep(0.2)  # what had been computed just before is told within this time
                if key in _under_way(log):
                    caught[job] = key
        return len(caught) == jobs

    _until(launch, halt)
    return caught


def _under_way(log: Path) -> dict[str, psutil.Process]:
    """Return the labels that have begun and not ended, each with its worker."""
    found: dict[str, psutil.Process] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        _, key, event, pid, _ = line.split()
        found.pop(key, None)
        if event == "started" and key.startswith("label-"):
            with suppress(psutil.NoSuchProcess):
                found[key] = psutil.Process(int(pid))
    return found
