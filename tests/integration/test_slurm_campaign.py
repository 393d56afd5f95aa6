"""The real command on a real Slurm of one node: init, check, and a campaign over two partitions."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from real_cluster import ask, empties, real_cluster
from rung_command import RUNG, put_campaign

from workflow.store import Store

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(400)]

_MINUTE = "0:01:00"


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
    limits = {f"{role}_walltime": _MINUTE for role in ("label", "explore", "judge", "train")}
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
    for words in ("pool main (label, explore, judge, train):", "tblite", "rung 0.1.0", "all is"):
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


def test_a_campaign_labels_in_one_partition_and_learns_in_another(
    tmp_path: Path, cluster: dict[str, str]
) -> None:
    put_campaign(tmp_path)
    _put_backend(
        tmp_path,
        quantum=_pool(partition="main"),
        learning=_pool(partition="learn", worker_init="export POOL=learning"),
    )
    done = _rung(tmp_path, cluster, "launch", "campaign.yaml", "--backend", "backend.yaml")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "small"
    with Store.open(run / "store.sqlite", read_only=True) as store:
        assert sum(1 for _ in store.export_rows()) == 18 + 4
    scripts = {
        partition: [
            path
            for path in run.rglob("submit_scripts/parsl.*")
            if f"--partition={partition}\n" in path.read_text()
        ]
        for partition in ("main", "learn")
    }
    assert all(scripts.values())
    tasks = (run / "logs" / "tasks.log").read_text()
    assert tasks.count(" started ") == tasks.count(" finished ")
    assert empties(lambda: ask(cluster, "squeue", "--noheader").split())
