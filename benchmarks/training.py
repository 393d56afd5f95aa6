"""CPU seconds of training to the same error: rung, rung before, and torchani by its own recipe.

    python benchmarks/training.py [--labels 200 1000] [--seeds 3] [--before WORKTREE] [--data DIR]

One molecule of ten atoms, and four of nine to twelve, sampled by rung's own samplers and labelled
by GFN2-xTB; structures that other seeds of the samplers gave are held out. rung trains committees
of eight with a campaign's default settings for several numbers of epochs: a curve of energy and
force errors against CPU seconds. torchani gets the same labels, members and folds as in
`learning_curve.py`, and twelve times the CPU seconds of rung's default; `--before` names a checkout
of an earlier version (`git worktree add DIR b37fba7`), which trains by its own defaults. Each
figure is their CPU seconds over those at which rung's curve has come down to both of their
errors; 0 where it does not. One thread; meant for an idle machine. Needs torchani: pip install
rung[oracle].
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log
from pathlib import Path

import numpy as np
import torch
from committee import as_torchani, committee
from figures import print_figure
from label_efficiency import data_of
from learning_curve import ELEMENTS, Tensors, initialize, their_errors, train_theirs

from chemistry.records.label import LabelledStructure
from model.architectures.ani.settings import AniSettings
from model.folds import assign_folds
from model.self_energies import fit_self_energies
from workflow.work.training_set import write_labelled

MOLECULES = {"one": ("OCCO",), "four": ("OCCO", "CNC=O", "CCC=O", "NCCO")}
SEEDS_TO_LEARN, SEEDS_HELD_OUT, N_HELD_OUT = (7, 8, 9, 10), (11,), 300
MEMBERS = 8
EPOCHS = (6, 12, 25, 50, 100, 200)
TIMES_BEFORE, TIMES_THEIRS = 3.0, 12.0
HERE = Path(__file__).parents[1]

TRAIN = """
import json, sys, time
from pathlib import Path
import torch
try:
    from chemistry.records.level import find_level
except ImportError:
    from chemistry.level import find_level
from model import train_committee
try:
    from model.architectures.ani.settings import AniSettings as Settings
except ImportError:
    from model import TrainingSettings as Settings
from model.evaluation import held_out_errors
try:
    from workflow.work.training_set import read_labelled
except ImportError:
    from workflow.training_set import read_labelled
learned, held_out, epochs, members, seed = sys.argv[1:]
torch.set_num_threads(1)
data, test = read_labelled(Path(learned)), read_labelled(Path(held_out))
elements = sorted({z for row in data for z in row.structure.atomic_numbers.tolist()})
own = {} if epochs == "default" else {"max_epochs": int(epochs)}
settings = Settings(members=int(members), **own)
level = find_level("gfn2-xtb")
began = time.process_time()
result = train_committee(data, settings, elements=elements, level=level, seed=int(seed))
seconds = time.process_time() - began
errors = held_out_errors(result.committee, test)
print(json.dumps([seconds, errors.energy_mae_kcal_mol, errors.force_mae_kcal_mol_angstrom]))
"""
"""Run by either version in a process of its own."""


def rows_of(names: Sequence[str], seeds: Sequence[int], folder: Path) -> list[LabelledStructure]:
    """Return the labels of molecules, each structure once, in a certain order."""
    rows = [row for name in names for seed in seeds for row in data_of(name, folder, seed)]
    by_id = {row.structure.structure_id: row for row in rows}
    return [by_id[structure_id] for structure_id in sorted(by_id)]


def split(
    names: Sequence[str], n_labels: int, seed: int, folder: Path
) -> tuple[list[LabelledStructure], list[LabelledStructure]]:
    """Return labels to learn, drawn by the seed, and held-out ones, which are always the same."""
    pool = rows_of(names, SEEDS_TO_LEARN, folder)
    known = {row.structure.structure_id for row in pool}
    others = [
        row
        for row in rows_of(names, SEEDS_HELD_OUT, folder)
        if row.structure.structure_id not in known
    ]
    learned = np.random.default_rng(seed).permutation(len(pool))[:n_labels]
    held_out = np.random.default_rng(0).permutation(len(others))[:N_HELD_OUT]
    return [pool[i] for i in learned], [others[i] for i in held_out]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """CPU seconds of a training, and its mean absolute errors, kcal/mol and kcal/mol/Å."""

    seconds: float
    energy: float
    force: float

    def show(self, who: str) -> None:
        """Print it as a line of a table."""
        print(f"  {who:20} {self.seconds:8.1f} {self.energy:8.3f} {self.force:8.3f}", flush=True)


def train(root: Path, learned: Path, held_out: Path, epochs: str, seed: int) -> Trained:
    """Train by the code of a checkout, in a process of its own."""
    arguments = [str(learned), str(held_out), epochs, str(MEMBERS), str(seed)]
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, energy, force = json.loads(done.stdout)
    return Trained(seconds=seconds, energy=energy, force=force)


def seconds_to(curve: Sequence[Trained], goal: Trained) -> float:
    """Return at how many CPU seconds a curve has come down to both errors; inf where it has not.

    Between its points errors fall as powers of the time; before the first one nothing is known,
    and that one counts.
    """
    found = []
    for error in (lambda t: t.energy, lambda t: t.force):
        for before, after in itertools.pairwise([curve[0], *curve]):
            if error(after) <= error(goal):
                share = 1.0
                if error(before) > error(goal):
                    share = log(error(before) / error(goal)) / log(error(before) / error(after))
                found.append(before.seconds * (after.seconds / before.seconds) ** share)
                break
        else:
            return inf
    return max(found)


def theirs(
    data: list[LabelledStructure], test: list[LabelledStructure], seconds: float, seed: int
) -> Trained:
    """Train a torchani ensemble whose members share so many CPU seconds."""
    structures = [row.structure for row in data]
    energies = np.array([row.label.energy for row in data])
    self_energies = fit_self_energies(structures, energies, ELEMENTS)
    tensors, held_out = (Tensors.of(part, self_energies) for part in (data, test))
    folds = assign_folds(structures, members=MEMBERS, folds=AniSettings().folds, seed=seed)
    start, members = committee(MEMBERS), []
    for member, validates in enumerate(torch.from_numpy(folds.validates)):
        model = as_torchani(start, [member])
        initialize(model, seed=1000 * seed + member)
        own = tensors[~validates], tensors[validates]
        members += train_theirs(model, *own, [seconds / MEMBERS], seed=member)
    energy, force = their_errors(members, held_out)
    return Trained(seconds=seconds, energy=energy, force=force)


def ratios(
    molecules: str, n_labels: int, seed: int, arguments: argparse.Namespace
) -> dict[str, float]:
    """Return how many times fewer CPU seconds rung takes than the others, by their names."""
    data, test = split(MOLECULES[molecules], n_labels, seed, arguments.data)
    print(f"{molecules} of {n_labels} labels, seed {seed}: CPU seconds, energy and force MAE")
    learned, held_out = (arguments.data / f"{part}.jsonl" for part in ("learned", "held-out"))
    write_labelled(learned, data)
    write_labelled(held_out, test)
    curve = {}
    for epochs in EPOCHS:
        curve[epochs] = train(HERE, learned, held_out, str(epochs), seed)
        curve[epochs].show(f"rung, {epochs} epochs")
    others = {}
    if arguments.before is not None:
        others["before"] = train(arguments.before.resolve(), learned, held_out, "default", seed)
    if not arguments.without_torchani:
        budget = TIMES_THEIRS * curve[AniSettings().max_epochs].seconds
        others["torchani"] = theirs(data, test, budget, seed)
    found = {}
    for name, other in others.items():
        other.show(name)
        found[name] = other.seconds / seconds_to(list(curve.values()), other)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--molecules", choices=MOLECULES, nargs="+", default=list(MOLECULES))
    parser.add_argument("--before", type=Path, help="checkout of an earlier version")
    parser.add_argument("--without-torchani", action="store_true")
    parser.add_argument("--data", type=Path, default=Path("runs/training-labels"))
    arguments = parser.parse_args()
    arguments.data = arguments.data.resolve()
    arguments.data.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    goals = {"before": TIMES_BEFORE, "torchani": TIMES_THEIRS}
    for n_labels in arguments.labels:
        for molecules in arguments.molecules:
            found = [
                ratios(molecules, n_labels, seed, arguments) for seed in range(arguments.seeds)
            ]
            for name in found[0]:
                median = float(np.median([of_seed[name] for of_seed in found]))
                figure = f"training_cpu_ratio_{name}_{molecules}_{n_labels}"
                print_figure(figure, median, digits=1, at_least=goals[name])


if __name__ == "__main__":
    main()
