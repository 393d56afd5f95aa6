"""What a gold rung costs and reaches: today's ladder beside others, from labels that are kept.

    OMP_NUM_THREADS=1 python benchmarks/gold.py [--seeds 3] [--labels FOLDER] [--committees FOLDER]

Molecules of two and three heavy atoms that no demo has, with structures at rest, vibrating and hot
ones (gold_labels.py made and labelled them). A ladder learns a lower rung, climbs to CCSD(T)*/CBS,
and is tested on gold labels that it has not seen: energies above each molecule's lowest tested one.
CPU time of the labels that a ladder uses is what it costs. Committees of the lower rungs are kept
in a folder where one is named, and read from there by the next run.
"""

import argparse
import gzip
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from figures import print_figure
from scipy.stats import spearmanr

from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.record_json import label_from_json, structure_from_json
from chemistry.records.structure import Structure
from chemistry.units import KCAL_MOL_PER_EV
from model import (
    Committee,
    TrainingRequest,
    climb,
    find_architecture,
    load_committee,
    save_committee,
)
from model.architectures.ani.settings import AniSettings
from model.architectures.on_xtb.settings import OnXtbSettings
from model.settings import TrainingSettings
from workflow.campaign.dispatch import molecule_design
from workflow.planning.records import Candidate
from workflow.planning.selection import RELAXED

LABELS = Path(__file__).parent / "data" / "gold"
GOLD = "ccsd(t)*/cbs"
XTB = "gfn2-xtb"
DFT = "wb97x/6-31g*"
MIDDLE = "ccsd*/cc-pvtz"
ELEMENTS = (1, 6, 7, 8)
SETTINGS = AniSettings()
ON_XTB = OnXtbSettings()


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """A structure, the part that it plays, and its labels by level."""

    molecule: str
    part: str
    kind: str
    structure: Structure
    labels: dict[str, Label]


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """How a potential comes about.

    Attributes
    ----------
    name : str
    below : tuple of str
        Levels below gold: the first one is learned directly, another by fine-tuning all weights.
    way : str
        How it climbs to gold.
    kinds : tuple of str
        Which structures it learns: "hot", "anchor", "vibrating".
    share_below : float
        Of the structures that the levels below learn, but for GFN2-xTB.
    with_pool : bool
        Whether they learn more structures, which gold does not.
    is_designed : bool
        Whether the committee below says which of its structures gold learns, as a campaign's does;
        else they are drawn at random.
    settings : TrainingSettings
        Of the architecture that learns.
    """

    name: str
    below: tuple[str, ...]
    way: str
    kinds: tuple[str, ...] = ("hot", "anchor")
    share_below: float = 1.0
    with_pool: bool = False
    is_designed: bool = False
    settings: TrainingSettings = SETTINGS

    def learned_at(
        self, level_name: str, rows: Sequence[Row], pool: Sequence[Row], seed: int
    ) -> list[Row]:
        """Return which structures a level below gold learns."""
        if level_name == XTB or self.with_pool:
            return [*rows, *pool]
        return drawn(rows, self.share_below, seed)


TODAY = Ladder(name="today: DFT, frozen", below=(DFT,), way="freeze", kinds=("hot",))
BEST = Ladder(
    name="on xTB, middle, linear",
    below=(MIDDLE,),
    way="linear",
    kinds=("hot", "anchor", "vibrating"),
    settings=ON_XTB,
)
FEWER = replace(BEST, name="the same, fewer", kinds=("hot", "anchor"), share_below=0.65)
CHEAP = replace(FEWER, name="the same, designed", is_designed=True)
WHOLE = replace(BEST, name="the same, more", with_pool=True)
LADDERS = (
    TODAY,
    Ladder(name="DFT, frozen", below=(DFT,), way="freeze"),
    Ladder(name="DFT, all weights", below=(DFT,), way="full"),
    Ladder(name="DFT, linear", below=(DFT,), way="linear"),
    Ladder(name="middle, linear", below=(MIDDLE,), way="linear"),
    Ladder(name="xTB, linear", below=(XTB,), way="linear"),
    Ladder(name="xTB, DFT, frozen", below=(XTB, DFT), way="freeze"),
    Ladder(name="xTB, DFT, linear", below=(XTB, DFT), way="linear"),
    Ladder(name="xTB, middle, frozen", below=(XTB, MIDDLE), way="freeze"),
    Ladder(name="xTB, middle, weights", below=(XTB, MIDDLE), way="full"),
    Ladder(name="xTB, middle, linear", below=(XTB, MIDDLE), way="linear"),
    Ladder(name="on xTB, DFT, linear", below=(DFT,), way="linear", settings=ON_XTB),
    BEST,
    FEWER,
    CHEAP,
    WHOLE,
)
GOLD_SHARES = (0.18, 0.25, 1.0)
"""Of the structures: less than a third of the labels of today's ladder; what costs as much as it
with `CHEAP`; all."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=Path, default=LABELS)
    parser.add_argument("--committees", type=Path, help="Where those of lower rungs are kept.")
    parser.add_argument("--ladders", nargs="+", default=[ladder.name for ladder in LADDERS])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_rows(chosen.labels)
    tested = [row for row in rows if row.part == "test"]
    pool = [row for row in rows if row.part == "pool"]
    molecules = sorted({row.molecule for row in rows})
    print(f"{len(rows)} structures of {', '.join(molecules)}; errors above the lowest, kcal/mol")
    print(f"{'ladder':<28}{'gold':>6}{'CPU min':>9}{'MAE':>9}{'worst':>9}{'rank':>9}{'climb s':>9}")
    found: dict[tuple[str, float], list[Outcome]] = {}
    for seed in range(chosen.seeds):
        lower = LowerRungs(seed=seed, folder=chosen.committees)
        for ladder in (one for one in LADDERS if one.name in chosen.ladders):
            learned = [r for r in rows if r.part == "train" and r.kind in ladder.kinds]
            below = lower.committee(ladder, learned, pool)
            cost = sum(
                cpu_minutes(ladder.learned_at(level, learned, pool, seed), level)
                for level in ladder.below
                if level != XTB
            )
            for share in GOLD_SHARES:
                outcome = climbed(below, ladder, learned, tested, share, seed)
                outcome = replace(outcome, cpu_minutes=outcome.cpu_minutes + cost)
                found.setdefault((ladder.name, share), []).append(outcome)
                print_row(f"{ladder.name} {seed}", [outcome])
    print("mean of the seeds")
    for (name, _), outcomes in found.items():
        print_row(name, outcomes)
    print_figures(found)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a ladder cost and reached.

    Attributes
    ----------
    n_gold : int
    cpu_minutes : float
        Of the labels of both rungs.
    mae : mapping of str to float
        By molecule: mean absolute error of energies above its lowest tested one, kcal/mol.
    rank_correlation : float
        Of the committee's disagreement on these energies and their errors.
    climb_seconds : float
        CPU time of the climb.
    """

    n_gold: int
    cpu_minutes: float
    mae: dict[str, float]
    rank_correlation: float
    climb_seconds: float

    @property
    def mean(self) -> float:
        """Mean over molecules."""
        return float(np.mean(list(self.mae.values())))

    @property
    def worst(self) -> float:
        """Of the molecule with the largest."""
        return max(self.mae.values())


def read_rows(folder: Path) -> list[Row]:
    """Read the files of gold_labels.py, compressed or not; labels that failed are left out."""
    rows = []
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")]):
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt") as lines:
            for line in lines:
                document = json.loads(line)
                answers = {k: label_from_json(v) for k, v in document["labels"].items()}
                labels = {k: v for k, v in answers.items() if isinstance(v, Label)}
                if labels:
                    rows.append(
                        Row(
                            molecule=path.name.partition(".")[0],
                            part=document["part"],
                            kind=document["kind"],
                            structure=structure_from_json(document["structure"]),
                            labels=labels,
                        )
                    )
    return rows


def labelled(rows: Sequence[Row], level_name: str) -> list[LabelledStructure]:
    return [
        LabelledStructure(structure=row.structure, label=row.labels[level_name])
        for row in rows
        if level_name in row.labels
    ]


def cpu_minutes(rows: Sequence[Row], level_name: str) -> float:
    seconds = [
        row.labels[level_name].provenance.cpu_seconds for row in rows if level_name in row.labels
    ]
    return sum(seconds) / 60.0


@dataclass(frozen=True, kw_only=True, eq=False)
class LowerRungs:
    """Committees of the levels below gold, each trained once.

    Attributes
    ----------
    seed : int
    folder : Path or None
        Where they are kept for other runs.
    trained : dict of str to Committee
    """

    seed: int
    folder: Path | None
    trained: dict[str, Committee] = field(default_factory=dict)

    def committee(self, ladder: Ladder, rows: Sequence[Row], pool: Sequence[Row]) -> Committee:
        """Return a ladder's committee of the level below gold."""
        committee: Committee | None = None
        for rung, name in enumerate(ladder.below):
            parts = [ladder.settings.architecture, *ladder.kinds, *ladder.below[: rung + 1]]
            share = "pool" if ladder.with_pool else f"{ladder.share_below:g}"
            key = "_".join([*parts, share]).replace("/", "-")
            if key not in self.trained:
                data = ladder.learned_at(name, rows, pool, self.seed)
                request = request_for(data, name, self.seed, ladder.settings)
                self.trained[key] = self._kept(key, request, committee)
            committee = self.trained[key]
        assert committee is not None, "a ladder has a rung below gold"
        return committee

    def _kept(self, key: str, request: TrainingRequest, start: Committee | None) -> Committee:
        path = None if self.folder is None else self.folder / f"{key}_{self.seed}"
        if path is not None and path.exists():
            return load_committee(path)
        if start is None:
            committee = find_architecture(request.settings.architecture).train(request).committee
        else:
            committee = climb(request, start, "full").result.committee
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_committee(committee, path)
        return committee


def request_for(
    rows: Sequence[Row], level_name: str, seed: int, settings: TrainingSettings = SETTINGS
) -> TrainingRequest:
    return TrainingRequest(
        data=labelled(rows, level_name),
        settings=settings,
        elements=ELEMENTS,
        level=find_level(level_name),
        seed=seed,
    )


def drawn(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Return a share of the structures, the same number of each molecule."""
    order = np.random.default_rng(seed).permutation(len(rows))
    found: list[Row] = []
    for molecule in sorted({row.molecule for row in rows}):
        own = [rows[i] for i in order if rows[i].molecule == molecule]
        found += own[: round(share * len(own))]
    return found


def as_sampled(row: Row) -> Structure:
    """Return a structure with the name of the campaign's sampler that would have made it."""
    origin = row.structure.origin
    if row.kind != "anchor":
        return row.structure
    names = {"relaxed": RELAXED, "relaxed_torsion": "anchor_torsions"}
    sampler = names.get(origin.sampler, f"anchor_{origin.sampler}")
    return replace(row.structure, origin=replace(origin, sampler=sampler))


def designed(
    below: Committee,
    rows: Sequence[Row],
    quotas: Mapping[str, int],
    settings: TrainingSettings = SETTINGS,
) -> list[Row]:
    """Return the structures that a campaign would begin a gold rung with, of those below it.

    The lowest are so for the committee.
    """
    found: list[Row] = []
    for molecule, quota in quotas.items():
        by_id = {r.structure.structure_id: r for r in rows if r.molecule == molecule}
        structures = [as_sampled(row) for row in by_id.values()]
        offers = [
            Candidate(structure=structure, purpose="initial", energy_ev=said.energy)
            for structure, said in zip(structures, below.predict(structures), strict=True)
        ]
        asked = molecule_design(offers, quota, most=len(offers), seed=0)
        known = range(asked.n_known)
        architecture = find_architecture(settings.architecture)
        picks = architecture.informative(below, asked.structures, known, asked.n)
        assert picks is not None, "networks can tell"
        found += [by_id[asked.structures[i].structure_id] for i in (*known, *picks)]
    return found


def climbed(
    below: Committee,
    ladder: Ladder,
    learned: Sequence[Row],
    tested: Sequence[Row],
    share: float,
    seed: int,
) -> Outcome:
    """Climb with a share of the gold labels, the same number of each molecule, and test.

    What it cost is that of these labels.
    """
    gold = drawn(learned, share, seed)
    if ladder.is_designed:
        gold = designed(
            below,
            drawn(learned, ladder.share_below, seed),
            Counter(row.molecule for row in gold),
            ladder.settings,
        )
    request = request_for(gold, GOLD, seed, ladder.settings)
    began = time.process_time()
    committee = climb(request, below, ladder.way).result.committee
    seconds = time.process_time() - began
    mae, errors, disagreements = {}, [], []
    for molecule in sorted({row.molecule for row in tested}):
        own = [row for row in tested if row.molecule == molecule]
        truth = np.array([row.labels[GOLD].energy for row in own])
        members = np.array(
            [p.member_energies for p in committee.predict([row.structure for row in own])]
        )
        lowest = int(truth.argmin())
        said = members - members[lowest]
        error = np.delete(said.mean(axis=1) - (truth - truth[lowest]), lowest) * KCAL_MOL_PER_EV
        mae[molecule] = float(np.abs(error).mean())
        errors.append(np.abs(error))
        disagreements.append(np.delete(said.std(axis=1, ddof=1), lowest))
    return Outcome(
        n_gold=len(gold),
        cpu_minutes=cpu_minutes(gold, GOLD),
        mae=mae,
        rank_correlation=float(
            spearmanr(np.concatenate(disagreements), np.concatenate(errors)).statistic
        ),
        climb_seconds=seconds,
    )


def print_row(name: str, outcomes: Sequence[Outcome]) -> None:
    columns = {"cpu_minutes": 1, "mean": 3, "worst": 3, "rank_correlation": 2, "climb_seconds": 1}
    numbers = "".join(f"{mean_of(outcomes, what):>9.{n}f}" for what, n in columns.items())
    print(f"{name:<28}{outcomes[0].n_gold:>6}{numbers}", flush=True)


def print_figures(found: dict[tuple[str, float], list[Outcome]]) -> None:
    """Print the figures of the best ladder beside today's, where both were asked for."""
    few, equal, whole = GOLD_SHARES
    compared = [(TODAY.name, whole), (CHEAP.name, few), (CHEAP.name, equal), (BEST.name, whole)]
    if not all(key in found for key in compared):
        return
    today, with_few, cheap, best = (found[key] for key in compared)
    error, cost = mean_of(today, "mean"), mean_of(today, "cpu_minutes")
    print_figure("gold_mae_of_todays", mean_of(cheap, "mean") / error, digits=3, at_most=0.25)
    print_figure("gold_cpu_of_todays", mean_of(cheap, "cpu_minutes") / cost, at_most=1.05)
    print_figure("gold_worst_molecule_kcal_mol", max(o.worst for o in cheap), digits=3, at_most=0.2)
    print_figure("gold_mae_with_all_labels_of_todays", mean_of(best, "mean") / error, digits=3)
    print_figure("gold_cpu_with_all_labels_of_todays", mean_of(best, "cpu_minutes") / cost)
    worst = max(o.worst for o in best)
    print_figure("gold_worst_molecule_with_all_labels_kcal_mol", worst, digits=3)
    share, less = with_few[0].n_gold / today[0].n_gold, mean_of(with_few, "mean") / error
    print_figure("gold_labels_of_todays", share, at_most=0.334)
    print_figure("gold_mae_with_as_few_of_todays", less, digits=3, at_most=1.0)
    for name, outcomes in (("", cheap), ("_with_all_labels", best)):
        rank = mean_of(outcomes, "rank_correlation")
        print_figure(f"gold_rank_correlation{name}", rank, at_least=0.5)


def mean_of(outcomes: Sequence[Outcome], what: str) -> float:
    return float(np.mean([getattr(outcome, what) for outcome in outcomes]))


if __name__ == "__main__":
    main()
