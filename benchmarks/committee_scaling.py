"""How time and memory of a committee's `predict` grow with structures, members and atoms.

    python benchmarks/committee_scaling.py [--rounds 5] [--plot FILE.svg]

With one thread and with two; `--plot` draws it with matplotlib.
"""

import argparse
import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from committee import committee, conformers, seconds
from figures import print_figure
from rdkit import Chem
from rdkit.Chem.rdDistGeom import EmbedMolecule

from chemistry.records.structure import Structure
from model.architectures.ani.committee import AniCommittee


@dataclass(frozen=True, kw_only=True)
class Point:
    """Cost of `predict` at one size: seconds on one and two threads, and memory on top."""

    size: int
    seconds: float
    seconds_on_two: float
    memory_mb: float


def scaling(rounds: int) -> dict[str, list[Point]]:
    """Cost of `predict` as structures, members and atoms grow on their own."""
    molecules, eight = conformers(256), committee(8)

    def point(size: int, ours: AniCommittee, structures: Sequence[Structure]) -> Point:
        work = partial(ours.predict, structures)
        memory_mb = added_memory_mb(work)
        wall = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            wall.append(min(seconds(work, time.perf_counter, 1) for _ in range(rounds)))
        torch.set_num_threads(1)
        return Point(
            size=size, seconds=wall[0], seconds_on_two=wall[1], memory_mb=max(memory_mb, 0.1)
        )

    return {
        "structures": [point(n, eight, molecules[:n]) for n in (4, 16, 64, 256)],
        "members": [point(m, committee(m), molecules[:64]) for m in (2, 4, 8, 16)],
        "atoms": [point(len(s), eight, [s] * 32) for s in map(alkane, (2, 4, 8, 16))],
    }


def alkane(carbons: int) -> Structure:
    chain = Chem.AddHs(Chem.MolFromSmiles("C" * carbons))
    EmbedMolecule(chain, randomSeed=1)
    numbers = np.array([atom.GetAtomicNum() for atom in chain.GetAtoms()])
    positions = np.array(chain.GetConformer().GetPositions())
    return Structure(atomic_numbers=numbers, positions=positions)


def added_memory_mb(work: Callable[[], object]) -> float:
    """Return how far the process's memory rises above where it was (Linux)."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed must not hide what is needed
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before = _status_mb("VmRSS")
    work()
    return _status_mb("VmHWM") - before


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def exponent(points: Sequence[Point], cost: str) -> float:
    """Return the slope of log cost against log size."""
    sizes, costs = [p.size for p in points], [getattr(p, cost) for p in points]
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def print_scaling(curves: dict[str, list[Point]]) -> None:
    print(f"\n{'predict':>10} {'size':>5} {'1 thread':>11} {'2 threads':>11} {'memory':>9}")
    for name, points in curves.items():
        for p in points:
            print(
                f"{name:>10} {p.size:5} {1e3 * p.seconds:9.1f}ms {1e3 * p.seconds_on_two:9.1f}ms "
                f"{p.memory_mb:7.1f}MB"
            )


def plot(curves: dict[str, list[Point]], path: Path) -> None:
    """Draw time and memory against size, all logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    for axes, cost, unit in zip(
        figure.subplots(1, 2), ("seconds", "memory_mb"), ("s", "MB"), strict=True
    ):
        for name, points in curves.items():
            label = f"{name} (exponent {exponent(points, cost):.2f})"
            axes.loglog([p.size for p in points], [getattr(p, cost) for p in points], "o-")
            axes.lines[-1].set_label(label)
        axes.set_xlabel("structures, members or atoms")
        axes.set_ylabel(unit)
        axes.legend(fontsize=8)
    figure.savefig(path)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plot", type=Path, help="write the scaling as an SVG file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    curves = scaling(arguments.rounds)
    print_scaling(curves)
    if arguments.plot:
        plot(curves, arguments.plot)
    for name, points in curves.items():
        print_figure(f"time_exponent_{name}", exponent(points, "seconds"))
        print_figure(f"memory_exponent_{name}", exponent(points, "memory_mb"))


if __name__ == "__main__":
    main()
