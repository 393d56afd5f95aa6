"""How fast exploration is: structures held against the threshold in a second; time for choosing.

    python benchmarks/explore.py [--members 8] [--workers 2] [--potential CHECKPOINT_OR_FOLDER]
    python benchmarks/explore.py --campaign runs/demo.yaml

Four molecules of ten heavy atoms (C, H, N, O; 22 to 30 atoms) are explored with the samplers and
settings of a campaign, in processes of one thread each, as workers do. Without `--potential` a
committee is first trained on GFN2-xTB labels of the same molecules. The threshold lies out of
reach, so that every trajectory goes to its end: what is counted is each comparison of a structure
with it, Hessians not.

`--campaign` launches a campaign instead, in a new folder, and shows which share of the time its
driver chooses: what it reads of the store, the plan, and marking what is chosen.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

from figures import print_figure
from rich.console import Console

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.engines.potential import EnginePotential
from chemistry.geometries.force_field import MMFF94
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.potential import Threshold
from chemistry.records.structure import Structure
from chemistry.sampling import Conformers, LangevinDynamics, NormalModes, TorsionScans
from model import load_committee, save_committee, train_committee
from model.architectures.ani.settings import AniSettings
from workflow.campaign.launch import launch_campaign
from workflow.campaign.observers.progress import Progress
from workflow.planning.plan import plan
from workflow.run.potential import read_potential
from workflow.run.state import read_rung_state
from workflow.run.store.candidates import CandidateWriter
from workflow.settings.backend import Backend
from workflow.settings.campaign import read_campaign

GFN2: Final = find_level("gfn2-xtb")
MOLECULES: Final = ("CC(=O)OCCNCC=O", "CCCCC(N)C(=O)OC", "CC(O)CNC(=O)CCO", "c1ccccc1CCCO")
EXPLORERS: Final = (NormalModes(), LangevinDynamics(), TorsionScans())
STARTS: Final = 8


class CountingThreshold(Threshold):
    """Out of reach; counts how often it is asked."""

    asked = 0

    def is_exceeded(self, rho_kcal_mol: float, force_sigma_kcal_mol_angstrom: float) -> bool:
        """See `Threshold`."""
        CountingThreshold.asked += 1
        return super().is_exceeded(rho_kcal_mol, force_sigma_kcal_mol_angstrom)


@dataclass(frozen=True, kw_only=True)
class Explored:
    """What one sampler did with one molecule."""

    sampler: str
    judged: int
    seconds: float


def starts_of(smiles: str) -> list[Structure]:
    molecule = molecule_from_smiles(smiles)
    found = Conformers(max_conformers=STARTS).sample(molecule, (), MMFF94(molecule), seed=1)
    return [offer.structure for offer in found.offers]


def labelled(smiles: str) -> list[LabelledStructure]:
    molecule = molecule_from_smiles(smiles)
    engine = find_engine("tblite")(GFN2, Resources())
    teacher, starts = EnginePotential(engine), starts_of(smiles)[:1]
    structures = [
        offer.structure
        for t in (300.0, 600.0, 1000.0)
        for offer in NormalModes(temperature_k=t, made_per_start=25)
        .sample(molecule, starts, teacher, seed=int(t))
        .offers
    ]
    labels = [(s, engine.label(s)) for s in structures]
    return [LabelledStructure(structure=s, label=x) for s, x in labels if isinstance(x, Label)]


def explore(checkpoint: Path, smiles: str) -> list[Explored]:
    """Run every explorer once, as a worker would."""
    committee, molecule, starts = (
        load_committee(checkpoint),
        molecule_from_smiles(smiles),
        starts_of(smiles),
    )
    committee.predict(starts)  # torch is warm: a worker's second task is what counts
    found = []
    for sampler in EXPLORERS:
        threshold = CountingThreshold(rho_kcal_mol=1e9)
        CountingThreshold.asked, begun = 0, time.perf_counter()
        sampler.sample(molecule, starts, committee, seed=1, threshold=threshold)
        found.append(
            Explored(
                sampler=sampler.kind,
                judged=CountingThreshold.asked,
                seconds=time.perf_counter() - begun,
            )
        )
    return found


def print_table(rows: Sequence[Explored], workers: int) -> None:
    print(f"{'sampler':14} {'judged':>7} {'seconds':>8} {'per second':>11}")
    for kind in [sampler.kind for sampler in EXPLORERS]:
        of_kind = [row for row in rows if row.sampler == kind]
        judged, seconds = sum(r.judged for r in of_kind), sum(r.seconds for r in of_kind) / workers
        print(f"{kind:14} {judged:7} {seconds:8.1f} {judged / seconds:11.0f}")
    total = sum(row.judged for row in rows) / (sum(row.seconds for row in rows) / workers)
    print_figure("structures_judged_per_second", total, digits=0, at_least=500)


def choosing_share(file: Path) -> float:
    """Run a campaign and return the share of the time that its driver spends choosing."""
    spent = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            nonlocal spent
            begun = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                spent += time.perf_counter() - begun

        return call

    campaign = read_campaign(file)
    with (
        patch("workflow.campaign.driver.plan", timed(plan)),
        patch("workflow.campaign.driver.read_rung_state", timed(read_rung_state)),
        patch.object(CandidateWriter, "choose", timed(CandidateWriter.choose)),
        TemporaryDirectory() as folder,
    ):
        progress = Progress(Console(), campaign)
        begun = time.perf_counter()
        launch_campaign(campaign, Backend(), Path(folder) / "run", progress, force_new=True)
        took = time.perf_counter() - begun
    print(f"choosing took {spent:.1f} s of {took:.0f} s")
    return spent / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--potential", type=Path)
    parser.add_argument("--campaign", type=Path)
    arguments = parser.parse_args()
    if arguments.campaign:
        share = choosing_share(arguments.campaign)
        print_figure("share_of_time_choosing", share, digits=4, at_most=0.02)
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    with (
        TemporaryDirectory() as scratch,
        ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as workers,
    ):
        checkpoint = Path(scratch) / "committee.safetensors"
        if arguments.potential:
            _, committee = read_potential(arguments.potential)
        else:
            rows = [row for found in workers.map(labelled, MOLECULES) for row in found]
            settings = AniSettings(members=arguments.members, folds=arguments.members)
            committee = train_committee(
                rows, settings, elements=(1, 6, 7, 8), level=GFN2, seed=1
            ).committee
        save_committee(committee, checkpoint)
        found = list(workers.map(partial(explore, checkpoint), MOLECULES))
    print_table([row for rows in found for row in rows], arguments.workers)


if __name__ == "__main__":
    main()
