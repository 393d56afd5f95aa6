"""Labels lost or computed twice while random processes of a campaign are killed; what rung adds.

    python benchmarks/faults.py [--kills 100] [--seed 1] [--only supervisor]

Runs small real campaigns (hf/sto-3g) one after the other. Every few seconds a random process among
driver, interchange, supervisor, manager, workers and tasks gets SIGKILL, mostly after the campaign
has got on since the last one; a driver that ended is launched again. At the end the log that
workers write beside each computation is held against the stores.

A campaign that nobody disturbs shows what rung adds to the engine: of each worker's labels, the
time from the beginning of one to that of the next, less the engine's own. `--kills 0` measures that
alone.
"""

import argparse
import ctypes
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil
from figures import print_figure

from workflow.work.system.child import Limits
from workflow.work.system.isolate import run_isolated

_KINDS = ("driver", "interchange", "supervisor", "manager", "worker", "task")
_KILLS_WITHOUT_PROGRESS = 0.1
_CAMPAIGN = """
name: faults
seed: {seed}
molecules:
  - {{smiles: "O", name: water}}
  - {{smiles: "CO", name: methanol}}
  - {{smiles: "C=O", name: formaldehyde}}
rungs:
  - level: hf/sto-3g
    initial_labels: 30
    labels_per_training: 30
    budget: {{labels: 90}}
    stop: {{uncertain_share: null}}
held_out: {{structures: 20}}
initial: [{{kind: normal_modes, temperature_k: 600}}]
explore: [{{kind: normal_modes, temperature_k: 800, made_per_start: 20}}]
train: {{members: 2, folds: 2}}
"""


@dataclass(kw_only=True)
class Tally:
    """What happened over all campaigns."""

    kills: Counter[str] = field(default_factory=Counter)
    launches: int = 0
    labels: int = 0
    lost: int = 0
    twice: int = 0
    failed: int = 0
    left_behind: int = 0


def processes(driver: psutil.Process, run: Path) -> dict[str, list[psutil.Process]]:
    """Return the living processes of a run by what they are."""
    found: dict[str, list[psutil.Process]] = {"driver": [driver]}
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            if "HTEX interchange" in command and process.ppid() == driver.pid:
                found.setdefault("interchange", []).append(process)
            elif f"--logdir={run}/" in command and "workflow.work.pools.supervision" in command:
                found.setdefault("supervisor", []).append(process)
            elif f"--logdir={run}/" in command and "bash" not in command:
                found.setdefault("manager", []).append(process)
                for worker in process.children():
                    if "spawn_main" in " ".join(worker.cmdline()):
                        found.setdefault("worker", []).append(worker)
                        found.setdefault("task", []).extend(worker.children())
        except psutil.Error:
            continue
    return {kind: alive for kind, alive in found.items() if alive}


def run_campaign(
    folder: Path, seed: int, kills: int, chance: random.Random, only: str | None, tally: Tally
) -> None:
    """Run one campaign to its end, killing at most `kills` processes on the way."""
    (folder / "campaign.yaml").write_text(_CAMPAIGN.format(seed=seed))
    run = folder / "run"
    command = [str(Path(sys.executable).parent / "rung"), "launch", "campaign.yaml"]
    log, size, status = run / "logs" / "tasks.log", 0, None
    while status != 0:
        tally.launches += 1
        with (folder / "output.txt").open("ab") as output:
            driver = subprocess.Popen(
                [*command, "--run-folder", str(run)],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            while kills > 0 and driver.poll() is None:
                time.sleep(chance.uniform(1.0, 6.0))
                alive = processes(psutil.Process(driver.pid), run)
                kinds = [kind for kind in sorted(alive) if only in (None, kind)]
                seen = _size(log)
                if seen == size and chance.random() > _KILLS_WITHOUT_PROGRESS:
                    continue  # else all kills would hit what has only begun to start
                if driver.poll() is None and kinds:
                    kind = chance.choice(kinds)
                    victim = chance.choice(alive[kind])
                    if victim.is_running():
                        victim.kill()
                        tally.kills[kind] += 1
                        kills -= 1
                        size = seen
            status = driver.wait()
    time.sleep(3)
    tally.left_behind += left_in(folder)
    count(run, tally)


def left_in(folder: Path) -> int:
    """Count the processes, of whatever kind, that still work in a folder or below."""
    n = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            n += Path(process.cwd()).is_relative_to(folder)
    return n


def undisturbed(folder: Path, seed: int) -> tuple[float, float]:
    """Run a campaign; return seconds until its first label, and those added to each (median)."""
    (folder / "campaign.yaml").write_text(_CAMPAIGN.format(seed=seed))
    command = [str(Path(sys.executable).parent / "rung"), "launch", "campaign.yaml"]
    began = time.time()
    subprocess.run(
        [*command, "--run-folder", "run"], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )
    with sqlite3.connect(folder / "run" / "store.sqlite") as store:
        labels = store.execute(
            "SELECT worker, started_at, finished_at, provenance ->> 'wall_seconds' FROM labels"
            " JOIN tasks ON key = 'label-' || structure_id || '-' || level_id"
            " ORDER BY worker, started_at"
        ).fetchall()
    added = [
        following[1] - label[1] - label[3]
        for label, following in pairwise(labels)
        if label[0] == following[0]
    ]
    return min(label[2] for label in labels) - began, statistics.median(added)


def seconds_over_limit(limit: float = 1.0) -> float:
    """Return how much longer than its limit a call hangs in compiled code, the worst of five."""
    worst = 0.0
    for _ in range(5):
        began = time.perf_counter()
        run_isolated(_hang, limits=Limits(wall_seconds=limit, memory_gb=1.0))
        worst = max(worst, time.perf_counter() - began - limit)
    return worst


def _hang() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ctypes.PyDLL(None).pause()  # holds Python's lock: nothing of Python's runs any more


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def count(run: Path, tally: Tally) -> None:
    """Hold the log of computations against the store."""
    finished: Counter[str] = Counter()
    for line in (run / "logs" / "tasks.log").read_text().splitlines():
        _, key, event, *_ = line.split()
        tally.failed += event == "failed"
        if key.startswith("label-") and event in ("finished", "failed"):
            finished[key] += 1
    with sqlite3.connect(run / "store.sqlite") as store:
        known = {
            f"label-{structure_id}-{level_id}"
            for table in ("labels", "failures")
            for structure_id, level_id in store.execute(
                f"SELECT structure_id, level_id FROM {table}"
            )
        }
    tally.labels += len(finished)
    tally.lost += len(set(finished) - known)
    tally.twice += sum(n > 1 for n in finished.values())


def main() -> None:
    """Kill, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=_KINDS, help="kill nothing else")
    arguments = parser.parse_args()
    chance, tally, seed = random.Random(arguments.seed), Tally(), arguments.seed
    while (left := arguments.kills - tally.kills.total()) > 0:
        with tempfile.TemporaryDirectory(prefix="rung-faults-") as folder:
            run_campaign(Path(folder), seed, min(left, 25), chance, arguments.only, tally)
        seed += 1
        print(f"{tally.kills.total():4d} kills {tally}", flush=True)
    print(f"\nkilled        {dict(tally.kills)}")
    print(f"launches      {tally.launches}")
    print(f"labels        {tally.labels}")
    with tempfile.TemporaryDirectory(prefix="rung-faults-") as folder:
        first_label, overhead = undisturbed(Path(folder), arguments.seed)
    if arguments.kills:
        print_figure("kills", tally.kills.total(), digits=0)
        print_figure("labels_lost", tally.lost, digits=0, at_most=0)
        print_figure("labels_computed_twice", tally.twice, digits=0, at_most=0)
        print_figure("tasks_failed", tally.failed, digits=0)
        print_figure("processes_left_behind", tally.left_behind, digits=0, at_most=0)
    print_figure("label_overhead_ms", 1e3 * overhead, digits=0, at_most=50)
    print_figure("first_label_seconds", first_label, digits=1, at_most=8)
    print_figure("over_limit_seconds", seconds_over_limit(), at_most=0.5)


if __name__ == "__main__":
    main()
