"""Where the CPU time of a campaign goes, from labels of milliseconds to labels of hours.

    python benchmarks/pace.py [--labels 400] [--seconds 0.03 1 10 100 3600] [--workers 2 8 64]

A discrete-event simulation with the real driver, plan and store (`benchmarks/simulation.py`): four
molecules of one size, a training takes a fifth of a second for each label that it learns, an
exploration of one molecule by one sampler two seconds, a judgement one.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from figures import print_figure
from simulation import Duration, SimulatedDriver, Trace
from streaming import chain

from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign
from workflow.work.orders import LabelOrder, Order, SampleOrder, TrainOrder
from workflow.work.training_set import read_labelled

_TRAINING_SECONDS_A_LABEL = 0.2
_JOINING_SECONDS = 0.1
_EXPLORATION_SECONDS = 2.0
_JUDGING_SECONDS = 1.0
_DEAR_SECONDS = 10.0


def duration_of(label_seconds: float) -> Duration:
    """Return how long tasks take; labels of one size differ by a third."""

    def duration(order: Order, _chance: np.random.Generator) -> float:
        if isinstance(order, LabelOrder):
            own = np.random.default_rng(int(order.structure.structure_id, 16))
            return float(label_seconds * own.lognormal(0.0, 0.3))
        if isinstance(order, TrainOrder):
            return _training_seconds(order)
        return _EXPLORATION_SECONDS if isinstance(order, SampleOrder) else _JUDGING_SECONDS

    return duration


def _training_seconds(order: TrainOrder) -> float:
    """Return what some members take, or all; to put trained ones together is next to nothing."""
    if order.parts:
        return _JOINING_SECONDS
    share = 1.0 if order.members is None else len(order.members) / order.settings.members
    return share * _TRAINING_SECONDS_A_LABEL * len(read_labelled(order.training_set))


def simulate(labels: int, label_seconds: float, workers: int) -> Trace:
    """Run one campaign and return its trace."""
    campaign = Campaign.model_validate(
        {
            "name": "simulated",
            "molecules": ["[He]"],
            "rungs": [
                {
                    "level": "hf/sto-3g",
                    "budget": {"labels": labels},
                    "stop": {"uncertain_share": None},
                }
            ],
            "gates": {"second_share": 0},
        }
    )
    with tempfile.TemporaryDirectory(prefix="rung-pace-") as folder:
        path = Path(folder) / "run"
        path.mkdir()
        with Store.create(path / "store.sqlite", campaign.model_dump_json()) as store:
            # Simulated time: nothing is worth a wait for the disk.
            store.database.connection.execute("PRAGMA synchronous = OFF")
            store.molecules.add([(chain(n), False) for n in (6, 7, 8, 9)])
            driver = SimulatedDriver(store, campaign, path, workers, duration_of(label_seconds))
            driver.run()
    return driver.trace


def main() -> None:
    """Simulate all combinations and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=400)
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.03, 1, 10, 100, 3600])
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 8, 64])
    arguments = parser.parse_args()
    print("label s  workers  trainings  outside labels  busy until the last label  hours in all")
    worst = 0.0
    for seconds in arguments.seconds:
        for workers in arguments.workers:
            trace = simulate(arguments.labels, seconds, workers)
            spent = {
                is_label: sum(e - s for role, s, e in trace.tasks if (role == "label") == is_label)
                for is_label in (True, False)
            }
            share = spent[False] / (spent[True] + spent[False])
            if seconds >= _DEAR_SECONDS:
                worst = max(worst, share)
            trainings = sum(role == "train" for role, _, _ in trace.tasks)
            hours = max(end for _, _, end in trace.tasks) / 3600
            print(
                f"{seconds:7g}  {workers:7d}  {trainings:9d}  {share:14.1%}  "
                f"{trace.busy_share(workers):25.1%}  {hours:12.2f}",
                flush=True,
            )
    if worst:
        print_figure("cpu_outside_labels_of_10_s_and_more", worst, digits=3, at_most=0.10)


if __name__ == "__main__":
    main()
