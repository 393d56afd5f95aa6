"""Workers busy until the last label, streaming against classical rounds, on the same tasks.

    python benchmarks/streaming.py [--workers 16] [--labels 600] [--sigma 1.0] [--seeds 3]

A discrete-event simulation with the real driver, plan and store (`benchmarks/simulation.py`): label
times are lognormal and belong to the structure, so that both ways would take as long for the same
structure. Half of the logarithm's variance goes with the size of the molecule, which the cost model
learns; the other half nobody can know.
"""

import argparse
import math
import tempfile
from pathlib import Path

import numpy as np
from figures import print_figure
from scipy.special import ndtri
from simulation import Duration, SimulatedDriver, Trace

from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure
from workflow.planning.cost import n_electrons
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign
from workflow.work.orders import LabelOrder, Order, SampleOrder, TrainOrder

_MEDIAN_LABEL_SECONDS = 100.0
_EXPLORATION_SECONDS = 20.0
_TRAINING_SECONDS = 300.0
_JUDGING_SECONDS = 5.0
_EXPONENT = 3.0


def chain(n_atoms: int) -> Molecule:
    """Return a molecule of helium atoms far apart: no bonds to break."""
    positions = np.zeros((n_atoms, 3))
    positions[:, 0] = 3.0 * np.arange(n_atoms)
    geometry = Structure(atomic_numbers=np.full(n_atoms, 2), positions=positions)
    name = f"He{n_atoms}"
    return Molecule(
        molecule_id=name,
        name=name,
        mol_block=None,
        charge=0,
        multiplicity=1,
        geometries=(geometry,),
    )


def molecules(count: int, spread: float) -> list[Molecule]:
    """Return molecules whose label costs are lognormal with a standard deviation `spread`."""
    normal = ndtri((np.arange(count) + 0.5) / count)
    sizes = {round(8 * math.exp(spread * z / _EXPONENT)) for z in normal}
    return [chain(n_atoms) for n_atoms in sorted(sizes)]


def duration_of(spread: float) -> Duration:
    """Return how long tasks take; `spread` is the part of a label's that nobody can know."""

    def duration(order: Order, _chance: np.random.Generator) -> float:
        if isinstance(order, LabelOrder):
            size = (n_electrons(order.structure) / 16) ** _EXPONENT
            own = np.random.default_rng(int(order.structure.structure_id, 16))
            return float(_MEDIAN_LABEL_SECONDS * size * own.lognormal(0.0, spread))
        if isinstance(order, TrainOrder):
            return _TRAINING_SECONDS
        return _EXPLORATION_SECONDS if isinstance(order, SampleOrder) else _JUDGING_SECONDS

    return duration


def simulate(labels: int, workers: int, sigma: float, seed: int, *, synchronous: bool) -> Trace:
    """Run one campaign and return its trace."""
    part = sigma / math.sqrt(2)
    known = molecules(12, part)
    campaign = Campaign.model_validate(
        {
            "name": "simulated",
            "seed": seed,
            "molecules": ["[He]"],
            "rungs": [
                {
                    "level": "hf/sto-3g",
                    "initial_labels": labels // 10,
                    "labels_per_training": labels // 10,
                    "budget": {"labels": labels},
                    "stop": {"uncertain_share": None},
                }
            ],
            "held_out": {"structures": labels // 10},
            "synchronous": synchronous,
        }
    )
    with tempfile.TemporaryDirectory(prefix="rung-streaming-") as folder:
        path = Path(folder) / "run"
        path.mkdir()
        with Store.create(path / "store.sqlite", campaign.model_dump_json()) as store:
            # Simulated time: nothing is worth a wait for the disk.
            store.database.connection.execute("PRAGMA synchronous = OFF")
            store.molecules.add([(molecule, False) for molecule in known])
            driver = SimulatedDriver(store, campaign, path, workers, duration_of(part))
            driver.run()
    return driver.trace


def main() -> None:
    """Simulate both ways and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--labels", type=int, default=600)
    parser.add_argument("--sigma", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print("seed  way        busy until the last label  hours until the last label  trainings")
    shares: dict[bool, list[float]] = {False: [], True: []}
    hours: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(1, arguments.seeds + 1):
        for synchronous in (False, True):
            trace = simulate(
                arguments.labels, arguments.workers, arguments.sigma, seed, synchronous=synchronous
            )
            share = trace.busy_share(arguments.workers)
            shares[synchronous].append(share)
            hours[synchronous].append(trace.last_label / 3600)
            way = "rounds" if synchronous else "streaming"
            trainings = sum(role == "train" for role, _, _ in trace.tasks)
            hour = trace.last_label / 3600
            print(f"{seed:4d}  {way:9s}  {share:25.1%}  {hour:26.2f}  {trainings:9d}", flush=True)
    print()
    ratios = [
        rounds / streaming for rounds, streaming in zip(hours[True], hours[False], strict=True)
    ]
    for name, found in (
        ("busy streaming", shares[False]),
        ("busy in rounds", shares[True]),
        ("times as long in rounds", ratios),
    ):
        print(f"{name:24s} {min(found):.3f} to {max(found):.3f}, median {np.median(found):.3f}")
    busy = float(np.median(shares[False]))
    print_figure("busy_until_the_last_label_streaming", busy, digits=3, at_least=0.95)
    busy_in_rounds = float(np.median(shares[True]))
    print_figure("busy_until_the_last_label_rounds", busy_in_rounds, digits=3)
    print_figure("rounds_take_times_as_long", float(np.median(ratios)))


if __name__ == "__main__":
    main()
