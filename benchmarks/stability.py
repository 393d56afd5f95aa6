"""What choosing buys: do trajectories stay sane, and what are the worst errors along them?

    python benchmarks/stability.py [--seeds 3] [--labels 600] [--quick] [--folder DIR]

Five molecules of two to five heavy atoms are taught GFN2-xTB with the same number of labels, a
committee as large as a campaign's from nothing on those of each way:

- rung: those of a campaign, by default in all but the budget, which it spends to the end;
- samplers: the initial set of that campaign, and picks at random from what the same exploring
  samplers make with its first committee where no threshold stops them;
- bootstrap: picks at random from what the samplers of initial sets make with GFN2-xTB.

With each potential every molecule then moves at 500 K (Langevin, 0.5 fs): 30 trajectories of 10 ps
from conformers. Sane is one that rung's own samplers let go on: no clash, no bond broken or formed,
no more energy than a thermostat gives. Errors are of a frame every 0.25 ps against GFN2-xTB: of
atoms' force vectors, kcal/mol/Å, and of total energies, kcal/mol. Held-out labels of the campaign
come on top. An interrupted benchmark resumes. A seed takes one to two hours of CPU time.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, product
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
from figures import print_figure

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.engines.potential import EnginePotential
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.potential import Potential
from chemistry.records.structure import Structure
from chemistry.sampling import LangevinDynamics
from chemistry.units import KCAL_MOL_PER_EV
from model import load_committee, save_committee, train_committee
from workflow.run.folder import RunFolder
from workflow.run.store.store import StoreReader
from workflow.settings.campaign import read_campaign

GFN2: Final = find_level("gfn2-xtb")
MOLECULES: Final = ("CN", "CC=O", "OCCO", "COC=O", "CNC(C)=O")
WAYS: Final = ("rung", "samplers", "bootstrap")
ROUNDS: Final = 8  # of samplers, at most, to make twice as many structures as are drawn
CAMPAIGN: Final = """
name: stability
seed: {seed}
molecules: {molecules}
rungs:
  - level: gfn2-xtb
    budget: {{labels: {labels}}}
    stop: {{uncertain_share: null}}
"""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How much is labelled, and how long atoms move."""

    folder: Path
    molecules: tuple[str, ...]
    labels: int
    trajectories: int
    picoseconds: int


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What became of trajectories: of one molecule with one potential, or several put together.

    Errors at frames are of atoms' force vectors, kcal/mol/Å, and of total energies, kcal/mol (of
    these infinite where GFN2-xTB has no answer); `lost` counts trajectories that ended early.
    """

    trajectories: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    forces: list[float] = field(default_factory=list)
    energies: list[float] = field(default_factory=list)

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(**{name: own + getattr(other, name) for name, own in vars(self).items()})

    def __str__(self) -> str:
        errors = (
            f"{np.mean(e):7.2f} {np.quantile(e, 0.99):7.2f} {max(e):7.2f}" if e else f"{'-':>23}"
            for e in (self.forces, self.energies)
        )
        share = 1 - self.lost.total() / self.trajectories
        return f"{share:7.1%} {'  '.join(errors)}  {dict(self.lost)}"


def run_folder(course: Course, seed: int) -> RunFolder:
    return RunFolder(course.folder / f"run-{seed}")


def launch(course: Course, seed: int) -> None:
    """Run the campaign of a seed, or what is left of it, to its end."""
    file = course.folder / f"campaign-{seed}.yaml"
    file.write_text(CAMPAIGN.format(seed=seed, molecules=[*course.molecules], labels=course.labels))
    rung, run = Path(sys.executable).parent / "rung", run_folder(course, seed).path
    command = [rung, "launch", file, "--run-folder", run]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def gfn2() -> EnginePotential:
    return EnginePotential(find_engine("tblite")(GFN2, Resources()))


def rows_of(course: Course, way: str, seed: int) -> list[LabelledStructure]:
    """Return the labels that a way trains on, as many as the campaign has."""
    run = run_folder(course, seed)
    campaign = read_campaign(run.campaign)
    with StoreReader.open(run.store) as store:
        chosen = store.labels.labelled(0, GFN2.level_id, held_out=False)
        found = [(row, store.candidates.find(0, row.structure.structure_id)) for row in chosen]
        molecules = [(m, store.molecules.starts(m.molecule_id)) for m, _ in store.molecules.all()]
    if way == "rung":
        return chosen
    potential: Potential = gfn2()
    rows, samplers = list[LabelledStructure](), campaign.initial
    if way == "samplers":
        rows = [row for row, candidate in found if candidate and candidate.purpose == "initial"]
        samplers, potential = campaign.explore, load_committee(run.checkpoint(0, 1))
    known = {row.structure.structure_id for row in rows}
    each, rest = divmod(len(chosen) - len(rows), len(molecules))
    for i, (molecule, starts) in enumerate(molecules):
        quota = each + (i < rest)
        made = dict[str, Structure]()
        for number, sampler in product(range(ROUNDS), samplers):
            if sampler is samplers[0] and len(made) >= 2 * quota:
                break
            if not (number and sampler.repeats_itself):
                sample = sampler.sample(molecule, starts, potential, seed=1000 * seed + number)
                made |= {offer.structure.structure_id: offer.structure for offer in sample.offers}
        free = [s for structure_id, s in made.items() if structure_id not in known]
        drawn = [free[k] for k in np.random.default_rng(seed).permutation(len(free))]
        labels = ((s, gfn2().engine.label(s)) for s in drawn)
        good = (LabelledStructure(structure=s, label=x) for s, x in labels if isinstance(x, Label))
        rows += islice(good, quota)
    return rows


def teach(course: Course, seed: int, way: str) -> None:
    """Train a way's committee and keep it."""
    checkpoint = course.folder / f"{way}-{seed}.safetensors"
    if checkpoint.exists():
        return
    rows = rows_of(course, way, seed)
    settings = read_campaign(run_folder(course, seed).campaign).train
    result = train_committee(rows, settings, elements=(1, 6, 7, 8), level=GFN2, seed=seed)
    save_committee(result.committee, checkpoint)
    made_by = Counter(row.structure.origin.sampler for row in rows).most_common()
    print(f"{way} {seed}: {len(rows)} labels,", *(f"{s} {n}" for s, n in made_by), flush=True)


def move(course: Course, seed: int, place: int, way: str) -> Moved:
    """Run one molecule's trajectories with one potential, unless that is done."""
    file = course.folder / f"{way}-{seed}-{place}-{course.picoseconds}-ps.json"
    if not file.exists():
        part = file.with_suffix(".part")
        part.write_text(json.dumps(vars(moved_with(course, seed, place, way))))
        part.rename(file)
    found = json.loads(file.read_text())
    moved = Moved(**found | {"lost": Counter(found["lost"])})
    print(f"{way:9} {seed} {course.molecules[place]:9} {moved}", flush=True)
    return moved


def moved_with(course: Course, seed: int, place: int, way: str) -> Moved:
    """Run trajectories, and compare their frames with GFN2-xTB."""
    with StoreReader.open(run_folder(course, seed).store) as store:
        [molecule] = [m for m, _ in store.molecules.all() if m.name == course.molecules[place]]
        starts = store.molecules.starts(molecule.molecule_id)
    dynamics = LangevinDynamics(
        temperature_k=(500.0, 500.0),
        timestep_fs=0.5,
        steps=2000 * course.picoseconds,
        trajectories=course.trajectories,
        frames=4 * course.picoseconds,
    )
    committee = load_committee(course.folder / f"{way}-{seed}.safetensors")
    sample = dynamics.sample(molecule, starts, committee, seed=seed)
    moved = Moved(trajectories=course.trajectories, lost=Counter(sample.rejected))
    truths = gfn2().predict([offer.structure for offer in sample.offers])
    for offer, truth in zip(sample.offers, truths, strict=True):
        assert offer.prediction is not None  # a frame comes with what moved it
        errors = np.linalg.norm(offer.prediction.forces - truth.forces, axis=1)
        moved.forces.extend((errors * KCAL_MOL_PER_EV).tolist())
        moved.energies.append(abs(offer.prediction.energy - truth.energy) * KCAL_MOL_PER_EV)
    return moved


def print_figures(found: Mapping[str, Sequence[Moved]]) -> None:
    """Print of each way the share over all seeds, and errors of forces as medians over seeds."""
    for way, of_seeds in found.items():
        whole, goal = sum(of_seeds, Moved()), 0.95 if way == "rung" else None
        share = 1.0 - whole.lost.total() / whole.trajectories
        print_figure(f"sane_share_{way}", share, digits=3, at_least=goal)
        for name, part in (("99_percent_of_force_errors_below", 0.99), ("worst_force_error", 1.0)):
            median = float(np.median([np.quantile(moved.forces, part) for moved in of_seeds]))
            print_figure(f"{name}_{way}", median)


def main() -> None:
    """Launch, teach and move, one seed after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=int, default=600, help="to train on, of each way")
    parser.add_argument("--picoseconds", type=int, default=10, help="of a trajectory")
    parser.add_argument("--quick", action="store_true", help="two molecules, 60 labels, 1 ps")
    parser.add_argument("--folder", type=Path, default=Path("stability-runs"))
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    course = Course(
        folder=arguments.folder.absolute(),
        molecules=MOLECULES[:2] if arguments.quick else MOLECULES,
        labels=60 if arguments.quick else arguments.labels,
        trajectories=6 if arguments.quick else 30,
        picoseconds=1 if arguments.quick else arguments.picoseconds,
    )
    course.folder.mkdir(parents=True, exist_ok=True)
    print("way, seed, molecule; sane; errors of forces: mean, 99 %, worst; of energies; lost")
    found: dict[str, list[Moved]] = {way: [] for way in WAYS}
    places, ways = zip(*product(range(len(course.molecules)), WAYS), strict=True)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as workers:
        for seed in range(1, 2 if arguments.quick else arguments.seeds + 1):
            launch(course, seed)
            list(workers.map(partial(teach, course, seed), WAYS))
            moved = list(workers.map(partial(move, course, seed), places, ways))
            for i, way in enumerate(WAYS):
                found[way].append(sum(moved[i :: len(WAYS)], Moved()))
                print(f"{way:9} {seed} {'all':9} {found[way][-1]}", flush=True)
    print_figures(found)


if __name__ == "__main__":
    main()
