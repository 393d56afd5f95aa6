"""What a gold rung costs and reaches: today's ladder beside others, from labels that are kept.

    OMP_NUM_THREADS=1 python benchmarks/gold.py [--seeds 3] [--labels FOLDER]

Five molecules of two and three heavy atoms that no demo has, with structures at rest and hot ones
(gold_labels.py made and labelled them). A ladder learns a lower rung, climbs to CCSD(T)*/CBS, and is
tested on gold labels that it has not seen: energies relative to each molecule's lowest labelled
structure. CPU time of the labels that a ladder uses is what it costs.
"""

import argparse
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import print_figure

from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.record_json import label_from_json, structure_from_json
from chemistry.records.structure import FloatArray
from chemistry.units import KCAL_MOL_PER_EV
from model import Committee, TrainingRequest, climb, train_committee
from model.architectures.ani.settings import AniSettings

LABELS = Path(__file__).parent / "data" / "gold"
GOLD = "ccsd(t)*/cbs"
DFT = "wb97x/6-31g*"
MIDDLE = "ccsd*/cc-pvtz"
ELEMENTS = (1, 6, 7, 8)
SETTINGS = AniSettings(members=4, folds=4)


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """A structure with all its labels."""

    molecule: str
    part: str
    kind: str
    structure: Any
    labels: dict[str, Label]

    def at(self, level: LevelOfTheory) -> LabelledStructure:
        return LabelledStructure(structure=self.structure, label=self.labels[level.name])


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """How a potential comes about.

    Attributes
    ----------
    name : str
    below : str
        Level that is learned directly, or from the pool of GFN2-xTB labels.
    way : str
        How it climbs to gold.
    kinds : tuple of str
        Which structures it learns: "hot", "anchor".
    """

    name: str
    below: str
    way: str
    kinds: tuple[str, ...] = ("hot", "anchor")


LADDERS = (
    Ladder(name="today", below=DFT, way="freeze", kinds=("hot",)),
    Ladder(name="today with anchors", below=DFT, way="freeze"),
    Ladder(name="fine-tuned", below=DFT, way="full"),
    Ladder(name="linear", below=DFT, way="linear"),
    Ladder(name="middle, fine-tuned", below=MIDDLE, way="full"),
    Ladder(name="middle, linear", below=MIDDLE, way="linear"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=Path, default=LABELS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_rows(chosen.labels)
    print(f"{len(rows)} structures of {len({row.molecule for row in rows})} molecules")
    print(f"{'ladder':<22}{'gold labels':>12}{'CPU min':>9}{'MAE':>8}{'worst molecule':>16}")
    errors: dict[tuple[str, float], FloatArray] = {}
    for seed in range(chosen.seeds):
        below: dict[tuple[str, tuple[str, ...]], Committee] = {}
        for ladder in LADDERS:
            key = ladder.below, ladder.kinds
            if key not in below:
                below[key] = lower_rung(rows, ladder, seed)
