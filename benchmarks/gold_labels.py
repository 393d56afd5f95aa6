"""Make the structures of gold.py and label them; what is labelled already is not computed again.

    OMP_NUM_THREADS=1 python benchmarks/gold_labels.py FOLDER [--levels LEVEL ...] [--only NAME ...]

One file a molecule, a line a structure: the structure, the part that it plays, its labels by level.
Structures come from GFN2-xTB: hot ones from normal modes and dynamics, anchors, which are
relaxed conformers, relaxed scans of every torsion, and dynamics at 300 K, and vibrating ones, which
are conformers with their zero-point motion. As in a campaign these are relaxed, and their modes
are, by the committee of the middle rung that learned all others. gold.py reads the files that are
kept, compressed, in benchmarks/data/gold.
"""

import argparse
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.constraints import FixInternals
from ase.optimize import BFGS
from gold import GOLD, MIDDLE, ON_XTB, read_rows, request_for
from tblite.ase import TBLite

from chemistry.engines import default_engine, find_engine
from chemistry.engines.base import Resources
from chemistry.engines.potential import EnginePotential
from chemistry.engines.tblite import TBLiteEngine
from chemistry.geometries.torsions import rotatable_torsions, turned
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential
from chemistry.records.record_json import label_to_json, structure_from_json, structure_to_json
from chemistry.records.structure import Origin, Structure
from chemistry.sampling import AnchorVibrations, Conformers, LangevinDynamics, NormalModes
from model import find_architecture

MOLECULES = {
    "hydrogen peroxide": "OO",
    "methylamine": "CN",
    "formic acid": "OC=O",
    "formamide": "NC=O",
    "ethanol": "CCO",
    "glycolaldehyde": "OCC=O",
}
LEVELS = ("gfn2-xtb", "wb97x/6-31g*", MIDDLE, GOLD)
# Structures of each part; those of a test come from seeds of their own.
VIBRATING = 18  # at least: each mode of the lowest conformer has two
HOT, ANCHORS = {"train": 16, "test": 8, "pool": 48}, {"train": 12, "test": 8, "pool": 16}
SEEDS = {"train": 1, "test": 1001, "pool": 7}
# What is tested is gold alone, and the pool is for a first rung of many labels.
PARTS = {GOLD: ("train", "test")} | dict.fromkeys(LEVELS[:-1], ("train", "pool"))
ONLY_FEW = {(MIDDLE, "ethanol")}
"""Levels and molecules whose pool is not labelled."""
ANGLES = {"train": (0.0, 45.0, 90.0, 135.0, 180.0), "test": (20.0, 65.0, 110.0, 155.0)}
ANGLES["pool"] = ANGLES["train"]
RELAXED_EV_PER_ANGSTROM = 0.005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--levels", nargs="+", default=list(LEVELS))
    parser.add_argument("--only", nargs="+", default=list(MOLECULES))
    chosen = parser.parse_args()
    files = {name: chosen.folder / f"{name.replace(' ', '-')}.jsonl" for name in chosen.only}
    for path, name in ((path, name) for name, path in files.items() if not path.exists()):
        keep(path, list(unlabelled(molecule_from_smiles(MOLECULES[name]))))
    label_files(files, chosen.levels)
    if MIDDLE in chosen.levels and add_vibrating(chosen.folder, files):
        label_files(files, chosen.levels)


def add_vibrating(folder: Path, files: Mapping[str, Path]) -> bool:
    """Add vibrating structures to the files that have none; return whether there were any."""
    documents = {name: read_lines(path) for name, path in files.items()}
    without = [n for n, rows in documents.items() if all(r["kind"] != "vibrating" for r in rows)]
    if not without:
        return False
    learned = [r for r in read_rows(folder) if r.part == "train" and r.kind != "vibrating"]
    request = request_for(learned, MIDDLE, SEEDS["train"], ON_XTB)
    committee = find_architecture(ON_XTB.architecture).train(request).committee
    for name in without:
        starts = [
            structure_from_json(row["structure"])
            for row in documents[name]
            if row["part"] == "train" and row["kind"] == "anchor"
        ]
        found = vibrating(molecule_from_smiles(MOLECULES[name]), starts, committee)
        made = [row("train", "vibrating", structure) for structure in found]
        keep(files[name], [*documents[name], *made])
    return True


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def label_files(files: Mapping[str, Path], levels: Sequence[str]) -> None:
    for level_name in levels:
        for name, path in files.items():
            parts = set(PARTS.get(level_name, ("train",)))
            if (level_name, name) in ONLY_FEW:
                parts.discard("pool")
            label_file(path, name, level_name, parts)


def label_file(path: Path, name: str, level_name: str, parts: Collection[str]) -> None:
    """Add a level's labels to the structures of a file that play these parts."""
    rows = read_lines(path)
    level = find_level(level_name)
    engine = find_engine(default_engine(level))(level, Resources(threads=1, memory_gb=3.0))
    for row in rows:
        if level_name in row["labels"] or row["part"] not in parts:
            continue
        label = engine.label(structure_from_json(row["structure"]))
        row["labels"][level_name] = label_to_json(label)
        said = f"{label.energy:.4f} eV" if isinstance(label, Label) else label.message
        print(f"{name}, {level_name}, {row['part']} {row['kind']}: {said}", flush=True)
        keep(path, rows)


def keep(path: Path, rows: list[dict[str, Any]]) -> None:
    """Replace the file at once, so that an interruption loses nothing."""
    new = path.with_suffix(".new")
    new.write_text("\n".join(map(json.dumps, rows)) + "\n")
    new.replace(path)


def unlabelled(molecule: Molecule) -> Iterator[dict[str, Any]]:
    """Yield a row for each structure, without labels."""
    potential = EnginePotential(TBLiteEngine(find_level("gfn2-xtb"), Resources(threads=1)))
    starts = relaxed_conformers(molecule, potential)
    for part, seed in SEEDS.items():
        anchors = [] if part == "test" else list(starts)
        anchors += scans(molecule, starts[0], part)
        anchors += cold(molecule, starts, potential, seed, ANCHORS[part] - len(anchors))
        for kind, structures in (
            ("anchor", anchors[: ANCHORS[part]]),
            ("hot", hot(molecule, starts, potential, seed, HOT[part])),
        ):
            yield from (row(part, kind, structure) for structure in structures)


def relaxed_conformers(molecule: Molecule, potential: EnginePotential) -> list[Structure]:
    """Return a molecule's conformers at rest, the lowest first."""
    offers = Conformers().sample(molecule, (), potential, seed=1).offers
    return [relaxed(offer.structure, "relaxed") for offer in offers]


def row(part: str, kind: str, structure: Structure) -> dict[str, Any]:
    document = structure_to_json(structure)
    return {"part": part, "kind": kind, "structure": document, "labels": {}}


def relaxed(
    structure: Structure, sampler: str, torsion: tuple[float, list[int]] | None = None
) -> Structure:
    """Return a structure at rest on GFN2-xTB, its torsion held at an angle if one is given."""
    atoms = Atoms(numbers=structure.atomic_numbers, positions=structure.positions)
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    if torsion is not None:
        atoms.set_constraint(FixInternals(dihedrals_deg=[list(torsion)]))
    BFGS(atoms, logfile=None).run(fmax=RELAXED_EV_PER_ANGSTROM, steps=200)
    return structure.moved_to(atoms.positions, Origin(sampler=sampler))


def scans(molecule: Molecule, start: Structure, part: str) -> list[Structure]:
    """Return relaxed points of a scan of every torsion."""
    found = []
    for torsion in rotatable_torsions(molecule):
        angles = np.array(ANGLES[part])
        made = turned(molecule, start.positions, torsion, angles, relaxation_steps=200)
        for angle, positions in zip(angles, made, strict=True):
            turned_to = start.moved_to(positions, start.origin)
            held = (float(angle), [int(atom) for atom in torsion])
            found.append(relaxed(turned_to, "relaxed_torsion", held))
    return found


def cold(
    molecule: Molecule,
    starts: list[Structure],
    potential: EnginePotential,
    seed: int,
    n: int,
) -> list[Structure]:
    """Return frames of dynamics at 300 K."""
    if n <= 0:
        return []
    sampler = LangevinDynamics(temperature_k=(300.0, 300.0), steps=300, trajectories=n, frames=1)
    offers = sampler.sample(molecule, starts, potential, seed=seed).offers
    return [offer.structure for offer in offers][:n]


def vibrating(molecule: Molecule, starts: list[Structure], potential: Potential) -> list[Structure]:
    """Return the lowest conformer along each of its modes, and conformers along all of them.

    They move as far as zero-point motion and that of 300 K.
    """
    seed = SEEDS["train"]
    alone = AnchorVibrations(max_conformers=1, each_mode=True, made_per_start=1)
    together = AnchorVibrations(made_per_start=VIBRATING)
    *found, _ = (o.structure for o in alone.sample(molecule, starts, potential, seed=seed).offers)
    offers = together.sample(molecule, starts, potential, seed=seed).offers
    picked = np.random.default_rng(seed).permutation(len(offers))[: max(VIBRATING - len(found), 0)]
    return found + [offers[i].structure for i in picked]


def hot(
    molecule: Molecule,
    starts: list[Structure],
    potential: EnginePotential,
    seed: int,
    n: int,
) -> list[Structure]:
    """Return normal modes at 600 K and dynamics from 300 to 1000 K, half and half."""
    modes = NormalModes(temperature_k=600.0, made_per_start=n)
    dynamics = LangevinDynamics(
        temperature_k=(300.0, 1000.0), steps=400, trajectories=max(n // 4, 6), frames=2
    )
    found = []
    for sampler in (modes, dynamics):
        offers = sampler.sample(molecule, starts, potential, seed=seed).offers
        picked = np.random.default_rng(seed).permutation(len(offers))[: n // 2]
        found += [offers[i].structure for i in picked]
    return found


if __name__ == "__main__":
    main()
