"""Label what baseline.py needs beside the labels of gold.py; what is there already is not computed.

    OMP_NUM_THREADS=1 python benchmarks/baseline_labels.py FOLDER [--only NAME ...] [--more 40]

A file for each molecule: structures of gold.py's pool, which have GFN2-xTB labels, by wB97X/6-31G*
too. A file for each pair of molecules: alone, and at distances from each other. baseline.py reads
the files that are kept, compressed, in benchmarks/data/baseline.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.optimize import BFGS
from gold import DFT, LABELS, XTB, read_rows
from gold_labels import RELAXED_EV_PER_ANGSTROM, keep
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from tblite.ase import TBLite

from chemistry.engines import default_engine, find_engine
from chemistry.engines.base import Engine, Resources
from chemistry.engines.potential import EnginePotential
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.record_json import label_to_json, structure_from_json, structure_to_json
from chemistry.records.structure import FloatArray, Origin, Structure
from chemistry.sampling import Conformers

MOLECULES = ("hydrogen-peroxide", "methylamine")
PAIRS = {
    "water-water": ("O", "O"),
    "water-formaldehyde": ("O", "C=O"),
    "hydrogen-cyanide-hydrogen-cyanide": ("C#N", "C#N"),
    "formamide-water": ("NC=O", "O"),
    "water-hydroxide": ("O", "[OH-]"),
    "ammonium-water": ("[NH4+]", "O"),
}
DISTANCES_ANGSTROM = (5.0, 6.0, 8.0, 10.0)
"""Between the two atoms of different molecules that are closest."""


def engine_of(level_name: str) -> Engine:
    level = find_level(level_name)
    return find_engine(default_engine(level))(level, Resources(threads=1, memory_gb=3.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=[*MOLECULES, *PAIRS])
    parser.add_argument("--more", type=int, default=40, help="Structures of each molecule's pool.")
    chosen = parser.parse_args()
    engines = {name: engine_of(name) for name in (XTB, DFT)}
    for name in chosen.only:
        path = chosen.folder / f"{name}.jsonl"
        if path.exists():
            rows = [json.loads(line) for line in path.read_text().splitlines()]
        else:
            rows = list(pair_rows(*PAIRS[name]) if name in PAIRS else pool_rows(name, chosen.more))
        for row in rows:
            structure = structure_from_json(row["structure"])
            for level_name, engine in engines.items():
                if level_name not in row["labels"]:
                    label = engine.label(structure)
                    row["labels"][level_name] = label_to_json(label)
                    said = f"{label.energy:.4f} eV" if isinstance(label, Label) else label.message
                    print(f"{name}, {level_name}, {row['part']} {row['kind']}: {said}", flush=True)
                    keep(path, rows)


def row_of(structure: Structure, part: str, kind: str) -> dict[str, Any]:
    return {
        "part": part,
        "kind": kind,
        "structure": structure_to_json(structure),
        "labels": {},
    }


def pool_rows(molecule: str, n: int) -> Iterator[dict[str, Any]]:
    """Yield structures of gold.py's pool, in random order."""
    pool = [row for row in read_rows(LABELS) if row.molecule == molecule and row.part == "pool"]
    for i in np.random.default_rng(0).permutation(len(pool))[:n]:
        yield row_of(pool[i].structure, pool[i].part, pool[i].kind)


def pair_rows(first: str, second: str) -> Iterator[dict[str, Any]]:
    """Yield two molecules alone, and side by side with their dipoles in line."""
    left, right = (at_rest(smiles) for smiles in (first, second))
    yield row_of(left, "alone", "first")
    yield row_of(right, "alone", "second")
    for distance in DISTANCES_ANGSTROM:
        pair = Structure(
            atomic_numbers=np.concatenate([left.atomic_numbers, right.atomic_numbers]),
            positions=np.concatenate([left.positions, apart(left, right, distance)]),
            charge=left.charge + right.charge,
            molecule_id=f"{first}.{second}",
        )
        yield row_of(pair, "pair", f"{distance:g}")


def at_rest(smiles: str) -> Structure:
    """Return a molecule's first conformer, relaxed by GFN2-xTB, its dipole along z."""
    engine = engine_of(XTB)
    molecule = molecule_from_smiles(smiles)
    offers = Conformers().sample(molecule, (), EnginePotential(engine), seed=1).offers
    structure = offers[0].structure
    atoms = Atoms(numbers=structure.atomic_numbers, positions=structure.positions)
    atoms.calc = TBLite(method="GFN2-xTB", charge=structure.charge, verbosity=0)
    BFGS(atoms, logfile=None).run(fmax=RELAXED_EV_PER_ANGSTROM, steps=200)
    structure = structure.moved_to(atoms.positions, Origin(sampler="relaxed"))
    centre = structure.masses @ structure.positions / structure.masses.sum()
    centred = structure.moved_to(structure.positions - centre, structure.origin)
    label = engine.label(centred)
    assert isinstance(label, Label), label
    assert label.dipole is not None, "GFN2-xTB gives dipoles"
    if np.linalg.norm(label.dipole) < 0.01:
        return centred
    turn, _ = Rotation.align_vectors([[0.0, 0.0, 1.0]], [label.dipole])
    return centred.moved_to(turn.apply(np.array(centred.positions)), structure.origin)


def apart(left: Structure, right: Structure, distance: float) -> FloatArray:
    """Return positions of the second molecule, moved along z to a distance from the first."""
    axis = np.array([0.0, 0.0, 1.0])
    near, far = 0.0, distance + 20.0
    for _ in range(60):
        middle = (near + far) / 2
        placed = right.positions + middle * axis
        if cdist(left.positions, placed).min() < distance:
            near = middle
        else:
            far = middle
    return right.positions + far * axis


if __name__ == "__main__":
    main()
