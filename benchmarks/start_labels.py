"""Make the structures of start.py and label them; what is labelled already is not computed again.

    OMP_NUM_THREADS=1 python benchmarks/start_labels.py FOLDER [--only NAME ...]

Molecules of four to six heavy atoms, at GFN2-xTB and wB97X/6-31G*. As those of gold_labels.py hot
structures come from normal modes and dynamics of GFN2-xTB, cool ones from relaxed scans of every
torsion and dynamics at 300 K. What is tested comes of seeds and angles of its own: of no learned
trajectory. start.py reads the files that are kept, compressed, in benchmarks/data/start.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gold import DFT, XTB
from gold_labels import SEEDS, cold, hot, keep, label_file, relaxed_conformers, row, scans

from chemistry.engines.base import Resources
from chemistry.engines.potential import EnginePotential
from chemistry.engines.tblite import TBLiteEngine
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule

MOLECULES = {
    "ethylene glycol": "OCCO",
    "methyl formate": "COC=O",
    "glycine": "NCC(=O)O",
    "N-methylacetamide": "CNC(C)=O",
    "pyrazine": "c1cnccn1",
}
PARTS = ("test", "train")
HOT, COOL = {"test": 12, "train": 56}, {"test": 8, "train": 40}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=list(MOLECULES))
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for name in chosen.only:
        path = chosen.folder / f"{name.replace(' ', '-')}.jsonl"
        if not path.exists():
            keep(path, list(unlabelled(molecule_from_smiles(MOLECULES[name]))))
        for level in (XTB, DFT):
            label_file(path, name, level, PARTS)


def unlabelled(molecule: Molecule) -> Iterator[dict[str, Any]]:
    """Yield a row for each structure, tested ones first, hot and cool ones mixed."""
    potential = EnginePotential(TBLiteEngine(find_level(XTB), Resources(threads=1)))
    starts = relaxed_conformers(molecule, potential)
    for part in PARTS:
        seed = SEEDS[part]
        scanned = scans(molecule, starts[0], part)[: COOL[part] // 2]
        cooled = cold(molecule, starts, potential, seed, COOL[part] - len(scanned))
        made = [("anchor", structure) for structure in (*scanned, *cooled)]
        made += [
            ("hot", structure) for structure in hot(molecule, starts, potential, seed, HOT[part])
        ]
        for i in np.random.default_rng(seed).permutation(len(made)):
            kind, structure = made[i]
            yield row(part, kind, structure)


if __name__ == "__main__":
    main()
