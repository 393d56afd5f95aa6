"""How many labels a choice saves: error on unseen molecules by labels, chosen in different ways.

    python benchmarks/label_efficiency.py [--seeds 3] [--labels 480] [--data DIR] [--plot FILE.svg]
    python benchmarks/label_efficiency.py --level 'wb97x/6-31g*' --initial 30 --batch 30 \
        --labels 150

The teacher is GFN2-xTB, so that thousands of labels cost minutes. Thirty molecules of C, H, N and O
with up to five heavy atoms are sampled by rung's own samplers; of the thousands of structures each
way chooses what it wants labelled, a batch at a time, and trains a committee after each batch. All
ways start from the same labels, have the same samples to choose from and train alike; the committee
that chooses is the one that is tested, on eight molecules that are never chosen from. With another
`--level` labels are those of a real campaign: the molecules are fewer and smaller, too few to say
anything of others, and the test is on new conformers and trajectories of the same.

- random: at random, from all structures.
- rho: those of the largest energy disagreement (ANI-1x's criterion), and nothing else.
- rung: what `workflow.planning.plan` does by default, threshold, caps, diversity, cost and lots.
- climb: the same on a second rung, above one of GFN2-xTB that has labels of all structures there
  are to choose from; only at a higher level, whose labels alone are counted.

Printed for each number of labels: median over the seeds, and least and most. The cost of a label is
what the cost model of a new campaign says, in CPU seconds of DFT. `--data` keeps the teacher's
labels for the next time.
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from figures import print_figure

from chemistry.engines import default_engine, find_engine
from chemistry.engines.base import Resources
from chemistry.engines.potential import EnginePotential
from chemistry.geometries.force_field import MMFF94
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.structure import FloatArray, Structure
from chemistry.sampling import Conformers, LangevinDynamics, NormalModes, TorsionScans
from chemistry.units import KCAL_MOL_PER_EV
from model import Committee, TrainingRequest, climb, train_committee
from model.architectures.ani.settings import AniSettings
from workflow.planning.cost import PowerLaw
from workflow.planning.records import Candidate
from workflow.planning.selection import choose_even, choose_random
from workflow.planning.selectors.uncertain_per_cost import choose_uncertain
from workflow.planning.thresholds import threshold_of
from workflow.settings.selection import Selection
from workflow.work.training_set import read_labelled, write_labelled

GFN2: Final = find_level("gfn2-xtb")
ELEMENTS: Final = (1, 6, 7, 8)
POOL: Final = (
    *("C", "O", "N", "CO", "CN", "CC", "C=O", "C#N", "CCO", "CC=O", "CC#N", "CNC", "COC", "OC=O"),
    *("NC=O", "C=C", "C#C", "CCC", "CC=C", "CC(=O)O", "CC(N)=O", "COC=O", "CC(C)=O", "CCN"),
    *("OCC=O", "C=CC=C", "CC(C)C", "CC(C)O", "NCC(=O)O", "NCCO"),
)
UNSEEN: Final = ("CCCO", "CCC=O", "CCCN", "CCOC", "CNC=O", "CCCC", "CCC#N", "OCCO")
FEWER: Final = (
    *("C", "O", "N", "CO", "CC", "C=O", "C#N", "C=C", "C#C", "CCO", "CC=O", "NC=O", "CCC", "CNC"),
    "OC=O",
)
WORST_SHARE: Final = 0.01

Chooser: TypeAlias = Callable[[Sequence[Candidate], int, int, Counter[str]], list[str]]


def labelled(smiles: str, seed: int) -> list[LabelledStructure]:
    """Sample a molecule as a campaign does before it has a committee, and label it all."""
    molecule = molecule_from_smiles(smiles)
    engine = find_engine("tblite")(GFN2, Resources())
    teacher, field = EnginePotential(engine), MMFF94(molecule)
    starts = [
        offer.structure
        for offer in Conformers(max_conformers=4).sample(molecule, (), teacher, seed=seed).offers
    ]
    samples = [
        *(
            NormalModes(temperature_k=t, made_per_start=16).sample(
                molecule, starts, teacher, seed=seed + int(t)
            )
            for t in (300.0, 600.0, 900.0)
        ),
        TorsionScans().sample(molecule, starts, teacher, seed=seed),
        LangevinDynamics(steps=1500, trajectories=6, frames=10).sample(
            molecule, starts, field, seed=seed
        ),
    ]
    rows = []
    for structure in {
        o.structure.structure_id: o.structure for s in samples for o in s.offers
    }.values():
        label = engine.label(structure)
        if isinstance(label, Label):
            rows.append(LabelledStructure(structure=structure, label=label))
    return rows


def data_of(smiles: str, folder: Path, seed: int = 7) -> list[LabelledStructure]:
    path = folder / f"{molecule_from_smiles(smiles).molecule_id}-{seed}.jsonl"
    if not path.exists():
        rows = labelled(smiles, seed=seed)
        part = path.with_suffix(".part")
        write_labelled(part, rows)
        part.rename(path)
    return read_labelled(path)


def by_lot(waiting: Sequence[Candidate], n: int, seed: int, _chosen: Counter[str]) -> list[str]:
    return [choice.structure_id for choice in choose_random(waiting, n, seed=seed)]


def by_rho(waiting: Sequence[Candidate], n: int, _seed: int, _chosen: Counter[str]) -> list[str]:
    ranked = sorted(waiting, key=lambda c: -(c.rho_kcal_mol or 0.0))
    return [candidate.structure.structure_id for candidate in ranked[:n]]


def as_rung(waiting: Sequence[Candidate], n: int, seed: int, _chosen: Counter[str]) -> list[str]:
    """Choose as `workflow.planning.plan` does between two trainings."""
    select = Selection()
    lots = choose_random(waiting, round(select.random_share * n), seed=seed)
    picked = {choice.structure_id for choice in lots}
    uncertain = choose_uncertain(
        [c for c in waiting if c.structure.structure_id not in picked],
        n - len(lots),
        threshold=threshold_of(select, None),
        cost=PowerLaw(),
        already_chosen=Counter(),
        molecule_cap=max(
            round(select.molecule_share * n),
            -(-n // len({c.structure.molecule_id for c in waiting})),
        ),
    )
    return [choice.structure_id for choice in [*lots, *uncertain]]


WAYS: Final[dict[str, Chooser]] = {
    "random": by_lot,
    "rho": by_rho,
    "rung": as_rung,
    "climb": as_rung,
}


@dataclass(frozen=True, kw_only=True)
class Course:
    """What is to be learned: the molecules, the level of the labels, and how many."""

    level: LevelOfTheory
    folder: Path
    initial: int
    batch: int
    most: int
    members: int

    @property
    def is_cheap(self) -> bool:
        """Whether labels cost milliseconds."""
        return self.level == GFN2

    @property
    def pool(self) -> tuple[str, ...]:
        """Molecules to choose from."""
        return POOL if self.is_cheap else FEWER

    @property
    def tested(self) -> tuple[str, ...]:
        """Molecules to test on."""
        return UNSEEN if self.is_cheap else FEWER

    @property
    def test_seed(self) -> int:
        """Of the samples to test on: others than those to choose from."""
        return 7 if self.is_cheap else 8

    @property
    def settings(self) -> AniSettings:
        """How each committee is trained."""
        return AniSettings(members=self.members, folds=self.members)

    def labels(self, rows: Iterable[LabelledStructure]) -> list[LabelledStructure]:
        """Label structures that have a GFN2-xTB label; without those that fail."""
        found = (row if self.is_cheap else self._label(row.structure) for row in rows)
        return [row for row in found if row is not None]

    def _label(self, structure: Structure) -> LabelledStructure | None:
        path = self.folder / self.level.level_id / f"{structure.structure_id}.jsonl"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            engine = find_engine(default_engine(self.level))(self.level, Resources())
            label = engine.label(structure)
            rows = (
                [LabelledStructure(structure=structure, label=label)]
                if isinstance(label, Label)
                else []
            )
            part = path.with_suffix(f".{os.getpid()}")
            write_labelled(part, rows)
            part.rename(path)
        return next(iter(read_labelled(path)), None)

    def unlabelled_test_set(self) -> list[LabelledStructure]:
        """Return the same number of structures of each molecule to test on, drawn at random."""
        rows = []
        for smiles in self.tested:
            found = data_of(smiles, self.folder, self.test_seed)
            order = np.random.default_rng(0).permutation(len(found))
            rows += [found[i] for i in order[: 60 if self.is_cheap else 5]]
        return rows

    def choosable(self) -> dict[str, LabelledStructure]:
        """Return the structures to choose from, with GFN2-xTB labels."""
        return {r.structure.structure_id: r for s in self.pool for r in data_of(s, self.folder)}

    def first(self, seed: int) -> list[LabelledStructure]:
        """Return what every way starts from."""
        pool = self.choosable()
        return [pool[i] for i in first_labels(list(pool.values()), self.initial, seed)]


@dataclass(frozen=True, kw_only=True)
class Point:
    """Errors on unseen molecules with so many labels."""

    n_labels: int
    cost_hours: float
    energy_mae: float
    force_mae: float
    worst_force: float


def errors(committee: Committee, test: Sequence[LabelledStructure]) -> tuple[float, float, float]:
    """Return energy MAE, force MAE and the mean of the worst hundredth of force errors.

    In kcal/mol and kcal/mol/Å, of atoms' force vectors.
    """
    energy, force = [], []
    predictions = committee.predict_mean([row.structure for row in test])
    for row, prediction in zip(test, predictions, strict=True):
        assert row.label.forces is not None
        energy.append(abs(prediction.energy - row.label.energy))
        force.append(np.abs(prediction.forces - row.label.forces))
    components: FloatArray = np.concatenate([f.ravel() for f in force]) * KCAL_MOL_PER_EV
    atoms = np.concatenate([np.linalg.norm(f, axis=1) for f in force]) * KCAL_MOL_PER_EV
    worst = np.sort(atoms)[-max(1, round(WORST_SHARE * len(atoms))) :]
    return float(np.mean(energy)) * KCAL_MOL_PER_EV, float(components.mean()), float(worst.mean())


def first_labels(pool: Sequence[LabelledStructure], n: int, seed: int) -> list[str]:
    """Choose the initial set: evenly over molecules and samplers, as a campaign does."""
    by_molecule: dict[str, list[Candidate]] = {}
    for row in pool:
        candidate = Candidate(structure=row.structure, purpose="initial")
        by_molecule.setdefault(row.structure.molecule_id, []).append(candidate)
    quotas = [n // len(by_molecule) + (i < n % len(by_molecule)) for i in range(len(by_molecule))]
    return [
        choice.structure_id
        for (_, offers), quota in zip(sorted(by_molecule.items()), quotas, strict=True)
        for choice in choose_even(offers, "initial", quota, seed=seed)
    ]


def learn(way: str, seed: int, course: Course) -> list[Point]:
    """Run one active learning from the initial set to the whole budget."""
    pool = course.choosable()
    test = course.labels(course.unlabelled_test_set())
    cost = PowerLaw()
    chosen = [row.structure.structure_id for row in course.first(seed)]
    below = trained(list(pool.values()), course, GFN2, seed, None) if way == "climb" else None
    committee: Committee | None = None
    points: list[Point] = []
    while True:
        rows = course.labels(pool[i] for i in chosen)
        if below is None:
            committee = trained(rows, course, course.level, seed, committee)
        else:
            request = TrainingRequest(
                data=rows,
                settings=course.settings,
                elements=ELEMENTS,
                level=course.level,
                seed=seed,
            )
            committee = climb(request, below, "full").result.committee
        energy, force, worst = errors(committee, test)
        points.append(
            Point(
                n_labels=len(chosen),
                cost_hours=sum(cost(row.structure) for row in rows) / 3600.0,
                energy_mae=energy,
                force_mae=force,
                worst_force=worst,
            )
        )
        print(f"{way} seed {seed}: {points[-1]}", flush=True)
        if len(chosen) >= course.most:
            return points
        taken = set(chosen)
        waiting = [r.structure for i, r in pool.items() if i not in taken]
        room = min(course.batch, course.most - len(chosen))
        new = WAYS[way](judged(waiting, committee), room, seed, Counter())
        if not new:
            return points
        chosen += new


def trained(
    rows: Sequence[LabelledStructure],
    course: Course,
    level: LevelOfTheory,
    seed: int,
    start: Committee | None,
) -> Committee:
    return train_committee(
        rows, course.settings, elements=ELEMENTS, level=level, seed=seed, start=start
    ).committee


def judged(structures: Sequence[Structure], committee: Committee) -> list[Candidate]:
    return [
        Candidate(
            structure=structure,
            purpose="active",
            rho_kcal_mol=p.rho_kcal_mol,
            force_sigma_kcal_mol_angstrom=p.force_sigma_kcal_mol_angstrom,
            judged_by=1,
        )
        for structure, p in zip(structures, committee.predict(structures), strict=True)
    ]


def labels_to_reach(points: Sequence[Point], bound: float, of: str, against: str) -> float:
    """Return what it took to get below an error for good, interpolated; infinite if it was not."""
    below = len(points)
    while below and getattr(points[below - 1], of) <= bound:
        below -= 1
    if below == len(points):
        return float("inf")
    after = points[below]
    if not below:
        return float(getattr(after, against))
    before = points[below - 1]
    share = (getattr(before, of) - bound) / (getattr(before, of) - getattr(after, of))
    first, last = getattr(before, against), getattr(after, against)
    return float(first + share * (last - first))


Curves: TypeAlias = dict[str, list[list[Point]]]


def print_table(curves: Curves) -> None:
    print(f"\n{'way':8} {'labels':>7} {'energy MAE':>22} {'force MAE':>20} {'worst 1 % force':>22}")
    for way, runs in curves.items():
        for points in zip(*runs, strict=False):
            cells = []
            for name in ("energy_mae", "force_mae", "worst_force"):
                values = [getattr(p, name) for p in points]
                cells.append(f"{np.median(values):7.2f} ({min(values):5.2f} {max(values):6.2f})")
            print(f"{way:8} {points[0].n_labels:7} {cells[0]:>22} {cells[1]:>20} {cells[2]:>22}")


def print_figures(curves: Curves) -> None:
    """Print how much of random's labels and cost the other ways need, and the worst errors."""
    print()
    for way in [name for name in curves if name != "random"]:
        for of, against in product(("force_mae", "energy_mae"), ("n_labels", "cost_hours")):
            shares = [
                labels_to_reach(own, getattr(random[-1], of), of, against)
                / getattr(random[-1], against)
                for own, random in zip(curves[way], curves["random"], strict=True)
            ]
            figure(f"{way}_share_of_{against}_for_randoms_{of}", shares, goal=0.25)
        worst = [
            own[-1].worst_force / random[-1].worst_force
            for own, random in zip(curves[way], curves["random"], strict=True)
        ]
        figure(f"{way}_worst_force_over_randoms", worst, goal=0.5)


def figure(name: str, values: Sequence[float], *, goal: float) -> None:
    """Print the spread over the seeds, and the median as the figure."""
    print(f"{name}: {min(values):.2f} to {max(values):.2f}")
    print_figure(name, float(np.median(values)), at_most=goal)


def plot(curves: Curves, path: Path) -> None:
    """Draw errors against labels, median and spread."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(10.0, 3.6), layout="constrained")
    names = {
        "energy_mae": "energy MAE, kcal/mol",
        "force_mae": "force MAE, kcal/mol/Å",
        "worst_force": "worst 1 % of force errors, kcal/mol/Å",
    }
    for axes, (name, title) in zip(drawing.subplots(1, 3), names.items(), strict=True):
        for way, runs in curves.items():
            columns = list(zip(*runs, strict=False))
            x = [points[0].n_labels for points in columns]
            y = np.array([[getattr(p, name) for p in points] for points in columns])
            [line] = axes.plot(x, np.median(y, axis=1), "o-", label=way)
            axes.fill_between(x, y.min(1), y.max(1), alpha=0.2, color=line.get_color())
        axes.set(xlabel="labels", ylabel=title, yscale="log")
        axes.legend()
    drawing.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--initial", type=int, default=60)
    parser.add_argument("--batch", type=int, default=60)
    parser.add_argument("--labels", type=int, default=480)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--level", default="gfn2-xtb")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--data", type=Path, default=Path("label-efficiency-data"))
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    arguments.data.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    course = Course(
        level=find_level(arguments.level),
        folder=arguments.data,
        initial=arguments.initial,
        batch=arguments.batch,
        most=arguments.labels,
        members=arguments.members,
    )
    last = "rho" if course.is_cheap else "climb"
    ways = arguments.ways or ["random", "rung", last]
    seeds = range(1, arguments.seeds + 1)
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as workers:
        counts = list(workers.map(partial(_count, course), course.pool))
        list(workers.map(partial(_count, course, seed=course.test_seed), course.tested))
        print(f"{sum(counts)} structures of {len(course.pool)} molecules to choose from")
        # What all runs need is labelled before them, so that none waits for another.
        shared = [*course.unlabelled_test_set(), *(r for s in seeds for r in course.first(s))]
        list(workers.map(_label, [course] * len(shared), shared))
        futures = {(way, s): workers.submit(learn, way, s, course) for s in seeds for way in ways}
        curves: Curves = {way: [futures[way, s].result() for s in seeds] for way in ways}
    print_table(curves)
    if arguments.plot:
        plot(curves, arguments.plot)
    print_figures(curves)


def _label(course: Course, row: LabelledStructure) -> None:
    course.labels([row])


def _count(course: Course, smiles: str, seed: int = 7) -> int:
    return len(data_of(smiles, course.folder, seed))


if __name__ == "__main__":
    main()
