"""Plan step, status and memory as the workers and the store grow.

    python benchmarks/scale.py [--structures 10000 1000000 5000000]
                               [--workers 10 1000 10000] [--steps 12] [--folder /tmp]

A discrete-event simulation with the real driver, plan, selectors and SQLite store, without Parsl
(`benchmarks/simulation.py`). A store of half labelled and half waiting structures of 2,000
molecules is written in bulk; then each number of workers takes some steps of the driver with it.
A store of five million structures takes ten minutes and 5 GB of disk, which are freed
again.
"""

import argparse
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from figures import print_figure
from simulation import Enough, SimulatedDriver, flat_errors, label_of
from streaming import chain

from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule
from model.evaluation import errors_to_json
from workflow.planning.cost import CostMoments
from workflow.run.opened import open_run
from workflow.run.store import rows
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign
from workflow.work.orders import LabelOrder, Order

T = TypeVar("T")

_LEVEL = find_level("hf/sto-3g")
_MOLECULES = 2000
_ATOMS = 6
_HEADINGS = ("structures", "workers", "plan step median ms", "plan step worst ms", "memory MB")


def molecules() -> list[Molecule]:
    """Return molecules that differ in their names alone."""
    one = chain(_ATOMS)
    fields = {"mol_block": None, "charge": 0, "multiplicity": 1, "geometries": one.geometries}
    names = [f"m{i:04d}" for i in range(_MOLECULES)]
    return [Molecule(molecule_id=name, name=name, **fields) for name in names]


def campaign() -> Campaign:
    """Return a campaign that neither trains nor ends within the simulation."""
    rung = {
        "level": _LEVEL.name,
        "initial_labels": 2 * _MOLECULES,
        "labels_per_training": 10**6,
        "budget": {"labels": 10**8},
        "stop": {"uncertain_share": None},
    }
    fields = {"name": "scale", "molecules": ["[He]"], "rungs": [rung]}
    return Campaign.model_validate({**fields, "held_out": {"structures": _MOLECULES}})


def build(path: Path, structures: int) -> None:
    """Write the store of a run: half of the structures labelled, half waiting."""
    folder = open_run(campaign(), path)
    with Store.create(folder.store, campaign().model_dump_json()) as store:
        store.molecules.add([(molecule, False) for molecule in molecules()])
        store.labels.add_level(_LEVEL)
    if not structures:
        return
    with sqlite3.connect(folder.store) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        # Indexes are made, and sums added up, when all rows are there.
        made_later = db.execute(
            "SELECT type, name, sql FROM sqlite_master"
            " WHERE sql IS NOT NULL AND type IN ('index', 'trigger')"
        ).fetchall()
        for kind, name, _ in made_later:
            db.execute(f"DROP {kind} {name}")
        _fill(db, structures)
        for _, _, sql in made_later:
            db.execute(sql)


def _fill(db: sqlite3.Connection, structures: int) -> None:
    names = [molecule.molecule_id for molecule in molecules()]
    template = rows.structure_row(chain(_ATOMS).geometries[0], is_start=False)
    label = rows.label_row(label_of(chain(_ATOMS).geometries[0], _LEVEL.level_id, 10.0))
    ids = [f"{i * (16**12 // structures):012x}{i:08x}" for i in range(structures)]
    excess = np.random.default_rng(1).uniform(0.2, 3.0, size=structures)

    def structure_rows() -> Iterator[tuple[object, ...]]:
        for i, structure_id in enumerate(ids):
            is_start = int(i < _MOLECULES)
            yield (structure_id, names[i % _MOLECULES], *template[2:9], is_start)

    def candidate_rows() -> Iterator[tuple[object, ...]]:
        for i, structure_id in enumerate(ids):
            purpose = ("initial", "held_out", "active")[min(i // _MOLECULES, 2)]
            status = "waiting" if i % 2 and i >= 3 * _MOLECULES else "labelled"
            x = float(excess[i])
            told = (0.23 * x, 1.0, -1.0, x, 1, "simulated", 0 if status == "labelled" else None)
            yield (0, structure_id, names[i % _MOLECULES], purpose, status, *told)

    marks = ", ".join("?" * len(template))
    db.executemany(f"INSERT INTO structures VALUES ({marks})", structure_rows())
    db.executemany(
        "INSERT INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", candidate_rows()
    )
    db.execute(
        "INSERT INTO labels SELECT structure_id, ?, ?, ?, ?, ?, ?, ?, ?, '[]', NULL, NULL"
        " FROM candidates WHERE status = 'labelled' ORDER BY structure_id",
        label[1:],
    )
    db.execute(
        "INSERT INTO tasks SELECT 'label-' || structure_id, 0, 'label', 0, '{}', 'host:1', 0.0,"
        " 10.0, 10.0 FROM candidates WHERE status = 'labelled' ORDER BY structure_id"
    )
    db.execute(
        "INSERT INTO tallies SELECT rung, status, purpose, molecule_id, count(*)"
        " FROM candidates GROUP BY 1, 2, 3, 4"
    )
    db.execute("INSERT INTO stages SELECT 0, 'label', count(*), 10.0, 10.0 FROM tasks")
    trained = db.execute(
        "SELECT sum(n) FROM tallies WHERE status = 'labelled' AND purpose != 'held_out'"
    ).fetchone()[0]
    errors = json.dumps(errors_to_json(flat_errors(1.0)))
    db.execute("INSERT INTO trainings VALUES (0, 1, 'models/x', ?, ?, '{}')", (trained, errors))
    m = CostMoments().plus(2 * _ATOMS, 10.0)
    db.execute(
        "INSERT INTO label_costs VALUES (?, ?, ?, ?, ?, ?)",
        (_LEVEL.level_id, m.n, m.x, m.y, m.xx, m.xy),
    )


def steps(path: Path, workers: int, count: int) -> tuple[list[float], float]:
    """Take steps of the driver; return the seconds of each, and the most memory used in MB."""

    def duration(order: Order, chance: np.random.Generator) -> float:
        return float(chance.lognormal(4.0, 1.0)) if isinstance(order, LabelOrder) else 5.0

    with Store.open(path / "store.sqlite") as store:
        driver = SimulatedDriver(store, campaign(), path, workers, duration, max_steps=count)
        try:
            driver.run()
        except Enough:
            memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            return driver.trace.step_seconds, memory_mb
    raise AssertionError("the campaign ended before its time")


def alone(function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a process of its own, so that its memory is its alone."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def status_seconds(path: Path) -> tuple[float, float]:
    """Return what `rung status` takes, and the processor's part of it: each the best of five."""
    command = [str(Path(sys.executable).with_name("rung")), "status", str(path)]
    wall, cpu = [], []
    for _ in range(5):
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - began)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(wall), min(cpu)


def opening_seconds(path: Path) -> tuple[float, float]:
    """Return what opening a store for writing takes: usually, and after a launch was cut off."""

    def opening() -> float:
        began = time.perf_counter()
        with Store.open(path / "store.sqlite"):
            return time.perf_counter() - began

    with Store.open(path / "store.sqlite") as store:
        launch = store.diary.begin_launch(1)
    after_a_cut = opening()
    with Store.open(path / "store.sqlite") as store:
        store.diary.end_launch(launch)
    return opening(), after_a_cut


def main() -> None:
    """Measure every store with every number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--structures", type=int, nargs="+", default=[10_000, 1_000_000, 5_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 1000, 10_000])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    needed = 1200 * max(arguments.structures)
    if shutil.disk_usage(arguments.folder).free < 2 * needed:
        sys.exit(
            f"{arguments.folder} has not {2 * needed / 1e9:.0f} GB free: name another --folder"
        )
    at_the_end: dict[str, float] = {}
    for structures in sorted(arguments.structures):
        with tempfile.TemporaryDirectory(prefix="rung-scale-", dir=arguments.folder) as folder:
            path = Path(folder) / "run"
            began = time.perf_counter()
            alone(build, path, structures)
            size = (path / "store.sqlite").stat().st_size / 1e9
            print(f"\n{structures} structures: {size:.2f} GB, made in ", end="")
            print(f"{time.perf_counter() - began:.0f} s", flush=True)
            took, cpu = status_seconds(path)
            print(f"rung status: {took:.2f} s, of which {cpu:.2f} s of a processor")
            opens, reads = opening_seconds(path)
            print(f"opens for writing in {opens:.2f} s, in {reads:.2f} s after a cut-off launch")
            print("  ".join(f"{heading:>20}" for heading in _HEADINGS))
            for workers in arguments.workers:
                found, memory_mb = alone(steps, path, workers, arguments.steps)
                cells = (structures, workers, 1e3 * np.median(found), 1e3 * max(found), memory_mb)
                print("  ".join(f"{cell:20.0f}" for cell in cells), flush=True)
                at_the_end[f"plan_step_ms_of_{workers}_workers"] = float(1e3 * np.median(found))
                at_the_end["memory_mb"] = memory_mb
    print()
    print_figure(f"status_seconds_of_{structures}_structures", took, at_most=1.0)
    print_figure(f"status_cpu_seconds_of_{structures}_structures", cpu)
    print_figure(f"opening_seconds_of_{structures}_structures", opens)
    print_figure(f"opening_seconds_after_a_cut_of_{structures}_structures", reads)
    for name, value in at_the_end.items():
        print_figure(f"{name}_with_{structures}_structures", value, digits=0)


if __name__ == "__main__":
    main()
