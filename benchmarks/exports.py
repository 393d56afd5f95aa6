"""Write a large store in every format: seconds and peak memory, ten and a hundred thousand labels.

    .venv/bin/python benchmarks/exports.py [labels]

The store is a real one, with made-up structures of 60 molecules; each export runs in a process of
its own, so that its peak memory is its alone. Memory is flat where ten times as many labels take
about as much.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from figures import print_figure

from chemistry.geometries.rdkit_bridge import atomic_numbers_of, to_rdkit
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure, Provenance
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.molecule import Molecule
from chemistry.records.structure import FloatArray, Origin, Structure
from workflow.datasets.export.formats import EXPORTERS
from workflow.run.store.store import Store

_LABELS = 100_000
_MOLECULES = 60
_ROWS_AT_ONCE = 1000
_FLAT = 1.1
# Exports one store and says what it took. Linux starts the ru_maxrss of a process at the size of
# the one that it was forked from; VmHWM (KiB) begins anew with the program.
_EXPORT = """
import json, re, sys, time
from pathlib import Path
from workflow.datasets.export.write import write_export
from workflow.run.store.store import StoreReader
begin = time.perf_counter()
with StoreReader.open(Path(sys.argv[1])) as store:
    count = write_export(store, sys.argv[2], Path(sys.argv[3]))
peak = int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps({"count": count, "seconds": time.perf_counter() - begin, "mib": peak}))
"""


def main() -> None:
    n_labels = int(sys.argv[1]) if len(sys.argv) > 1 else _LABELS
    with tempfile.TemporaryDirectory() as scratch:
        few, many = Path(scratch, "few.sqlite"), Path(scratch, "many.sqlite")
        begin = time.perf_counter()
        make_store(few, n_labels // 10)
        make_store(many, n_labels)
        size = many.stat().st_size / 2**20
        print(f"store of {n_labels} labels: {size:.0f} MiB ({time.perf_counter() - begin:.0f} s)")
        print(
            f"{'format':10} {'s':>8} {'MiB file':>9} {'MiB peak':>9} {'a tenth':>9} {'µs/label':>9}"
        )
        for name in EXPORTERS:
            small, _ = export(few, name, Path(scratch, "few"))
            large, mib_written = export(many, name, Path(scratch, "many"))
            seconds, peak = large["seconds"], large["mib"]
            print(
                f"{name:10} {seconds:8.1f} {mib_written:9.0f} {peak:9.0f} {small['mib']:9.0f}"
                f" {1e6 * seconds / large['count']:9.0f}"
            )
            print_figure(f"export_{name}_seconds_per_{n_labels}", seconds, digits=1)
            print_figure(f"export_{name}_peak_mib", peak, digits=0)
            print_figure(f"export_{name}_peak_over_a_tenth", peak / small["mib"], at_most=_FLAT)
    elapsed, computed = help_seconds()
    print_figure("rung_help_s", elapsed, at_most=0.3)
    print_figure("rung_help_cpu_s", computed, at_most=0.3)


def help_seconds() -> tuple[float, float]:
    """Return what `rung --help` takes, at best of ten: elapsed and CPU time, which load spares."""
    command = [Path(sys.executable).with_name("rung"), "--help"]
    elapsed, computed = [], []
    for _ in range(10):
        begin, before = time.perf_counter(), os.times()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        elapsed.append(time.perf_counter() - begin)
        used = after.children_user + after.children_system
        computed.append(used - before.children_user - before.children_system)
    return min(elapsed), min(computed)


def export(store: Path, name: str, folder: Path) -> tuple[dict[str, float], float]:
    """Export in a fresh process; return what it says of itself, and the MiB written."""
    folder.mkdir(exist_ok=True)
    path = folder / f"data{EXPORTERS[name].suffix}"
    done = subprocess.run(
        [sys.executable, "-c", _EXPORT, store, name, path],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    files = [path, *path.rglob("*")]
    written = sum(file.stat().st_size for file in files if file.is_file())
    return json.loads(done.stdout), written / 2**20


def make_store(path: Path, n_labels: int) -> None:
    """Fill a store with labels of jolted molecules."""
    molecules = [molecule_from_smiles(smiles) for smiles in smiles_of(_MOLECULES)]
    level = find_level("wb97x/6-31g*")
    with Store.create(path, "{}") as store:
        store.molecules.add([(molecule, False) for molecule in molecules])
        store.labels.add_level(level)
        rows = made_up(molecules, level, n_labels)
        for first in range(0, n_labels, _ROWS_AT_ONCE):
            batch = [next(rows) for _ in range(min(_ROWS_AT_ONCE, n_labels - first))]
            store.labels.import_labels(0, [(row, "active") for row in batch], "made up")


def smiles_of(count: int) -> list[str]:
    """Return chains that carry a group, the shortest first."""
    groups = ["C", "N", "O", "C=O", "C#N", "C(=O)O", "C(=O)N", "C=C", "C#C", "F"]
    return [f"{'C' * (1 + i // len(groups))}{groups[i % len(groups)]}" for i in range(count)]


def made_up(
    molecules: list[Molecule], level: LevelOfTheory, count: int
) -> Iterator[LabelledStructure]:
    """Yield labelled structures: atoms at random places, molecule after molecule in turn."""
    generator = np.random.default_rng(1)
    numbers = [atomic_numbers_of(to_rdkit(molecule)) for molecule in molecules]
    provenance = Provenance(
        program="pyscf",
        version="2.14.0",
        host="made up",
        cpu_seconds=12.5,
        wall_seconds=12.5,
        attempts=("diis",),
        finished_at=1.8e9,
    )
    for i in range(count):
        kind = i % len(molecules)
        positions: FloatArray = generator.normal(scale=2.0, size=(len(numbers[kind]), 3))
        structure = Structure(
            atomic_numbers=numbers[kind],
            positions=positions,
            molecule_id=molecules[kind].molecule_id,
            origin=Origin(sampler="normal_modes", seed=i),
        )
        label = Label(
            structure_id=structure.structure_id,
            level_id=level.level_id,
            energy=float(-1000.0 * len(structure)),
            forces=generator.normal(size=positions.shape),
            provenance=provenance,
        )
        yield LabelledStructure(structure=structure, label=label)


if __name__ == "__main__":
    main()
