"""A campaign of one molecule, judged by gold labels that it has never seen.

    OMP_NUM_THREADS=1 python benchmarks/gold_unseen.py FOLDER [--workers 2]

Glyoxylic acid, five heavy atoms with an internal hydrogen bond, by the ladder of `rung init` with
small budgets and otherwise defaults. What it is tested on are structures as in gold.py's test, hot
ones and anchors of GFN2-xTB from seeds of their own, up to 30 kcal/mol above the lowest. Everything
is kept in the folder: an interrupted benchmark resumes, and from nothing it takes two CPU hours.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
from figures import print_figure
from gold import GOLD
from gold_labels import SEEDS, cold, hot, keep, read_lines, relaxed, row, scans

from chemistry.engines import default_engine, find_engine
from chemistry.engines.base import Resources
from chemistry.engines.potential import EnginePotential
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.record_json import label_from_json, label_to_json, structure_from_json
from chemistry.records.structure import Structure
from chemistry.sampling import Conformers
from chemistry.units import KCAL_MOL_PER_EV
from model import load_committee
from workflow.run.folder import RunFolder
from workflow.run.store.store import StoreReader

SMILES: Final = "OC(=O)C=O"
CAMPAIGN: Final = f"""
name: unseen
molecules: [{{smiles: "{SMILES}", name: glyoxylic acid}}]
rungs:
  - {{level: ccsd*/cc-pvtz, initial_labels: 24, budget: {{labels: 30}}, held_out_structures: 12}}
  - {{level: "{GOLD}", initial_labels: 30, budget: {{labels: 34}}}}
held_out: {{structures: 12}}
train: {{architecture: ani+gfn2-xtb, members: 8}}
"""
HOT, ANCHORS = 20, 20
SPARE: Final = 5
"""Hot structures more than wanted: some are higher than HIGHEST_KCAL_MOL."""
HIGHEST_KCAL_MOL: Final = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    labelled = tested_structures(chosen.folder / "tested.jsonl", chosen.workers)
    run = RunFolder(chosen.folder / "run")
    campaign = chosen.folder / "campaign.yaml"
    campaign.write_text(CAMPAIGN)
    rung = Path(sys.executable).parent / "rung"
    subprocess.run([rung, "launch", campaign, "--run-folder", run.path], check=True)
    with StoreReader.open(run.store) as store:
        trained = store.trainings.all(1)[-1]
    committee = load_committee(run.checkpoint(1, trained.version))
    structures = [structure for structure, _, _ in labelled]
    truth = np.array([label.energy for _, _, label in labelled]) * KCAL_MOL_PER_EV
    predictions = committee.predict(structures)
    said = np.array([prediction.energy for prediction in predictions]) * KCAL_MOL_PER_EV
    lowest = int(truth.argmin())
    errors = np.abs((said - said[lowest]) - (truth - truth[lowest]))
    for kind in ("anchor", "hot"):
        own = errors[[i for i, (_, of, _) in enumerate(labelled) if of == kind and i != lowest]]
        print(f"{kind:<8}{len(own):>4} {own.mean():.3f} kcal/mol, largest {own.max():.3f}")
    print(f"{trained.n_labels} gold labels, highest {truth.max() - truth.min():.1f} kcal/mol")
    mae = float(np.delete(errors, lowest).mean())
    print_figure("gold_mae_unseen_kcal_mol", mae, at_most=0.25)


def tested_structures(path: Path, workers: int) -> list[tuple[Structure, str, Label]]:
    """Return structures, their kinds and gold labels; what is in the file is not made again."""
    if not path.exists():
        keep(path, list(unlabelled()))
    rows = read_lines(path)
    missing = [r for r in rows if GOLD not in r["labels"]]
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        structures = [structure_from_json(r["structure"]) for r in missing]
        for r, label in zip(missing, pool.map(gold_label, structures), strict=True):
            r["labels"][GOLD] = label_to_json(label)
            print(f"{r['kind']}: {label.energy:.4f} eV", flush=True)
            keep(path, rows)
    found = [
        (structure_from_json(r["structure"]), r["kind"], label_from_json(r["labels"][GOLD]))
        for r in rows
    ]
    lowest = min(label.energy for _, _, label in found)
    below = [one for one in found if (one[2].energy - lowest) * KCAL_MOL_PER_EV <= HIGHEST_KCAL_MOL]
    anchors = [one for one in below if one[1] == "anchor"][:ANCHORS]
    return anchors + [one for one in below if one[1] == "hot"][:HOT]


def unlabelled() -> Iterator[dict[str, Any]]:
    """Yield a row for each structure to be tested, and some to spare, without labels."""
    molecule, seed = molecule_from_smiles(SMILES), SEEDS["test"]
    potential = EnginePotential(find_engine("tblite")(find_level("gfn2-xtb"), Resources()))
    offers = Conformers().sample(molecule, (), potential, seed=seed).offers
    starts = [relaxed(offer.structure, "relaxed") for offer in offers]
    anchors = scans(molecule, starts[0], "test")
    anchors += cold(molecule, starts, potential, seed, ANCHORS - len(anchors))
    for structure in anchors:
        yield row("test", "anchor", structure)
    for structure in hot(molecule, starts, potential, seed, HOT + SPARE):
        yield row("test", "hot", structure)


def gold_label(structure: Structure) -> Label:
    """Return the gold label of a structure, computed on one thread."""
    level = find_level(GOLD)
    engine = find_engine(default_engine(level))(level, Resources(threads=1, memory_gb=3.0))
    label = engine.label(structure)
    assert isinstance(label, Label), label
    return label


if __name__ == "__main__":
    main()
