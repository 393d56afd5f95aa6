"""Does a committee on top of GFN2-xTB pay? Labels, molecules apart, ions, and the cost of a step.

    OMP_NUM_THREADS=1 python benchmarks/baseline.py [--seeds 0 1 2] [--molecules NAME ...]
        [--sizes 10 30] [--only labels pairs cost]

Three ways to wB97X/6-31G* with as many labels: from nothing; the ladder, a committee of GFN2-xTB
transferred as rung does; and a committee of what wB97X has above GFN2-xTB, which is added whenever
it is asked. Then interactions of molecules that a committee's cutoff keeps apart, and CPU time.
The labels are those of gold.py and of baseline_labels.py.
"""

import argparse
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from figures import print_figure
from gold import DFT, LABELS, ON_XTB, XTB, Row, labelled, read_rows, request_for

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.engines.potential import EnginePotential
from chemistry.geometries.force_field import MMFF94
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.potential import Potential
from chemistry.records.structure import FloatArray, Structure
from chemistry.sampling import Conformers
from chemistry.units import KCAL_MOL_PER_EV
from model import Committee, climb, find_architecture
from model.architectures.ani.settings import AniSettings
from model.evaluation import held_out_errors

MORE_LABELS = Path(__file__).parent / "data" / "baseline"
WAYS = ("from nothing", "ladder", "above GFN2-xTB")
TIMED = ("NCC(=O)O", "CCCCCCC(N)=O")
N_REPLICAS, ROUNDS = 256, 7
TBLITE = EnginePotential(find_engine("tblite")(find_level(XTB), Resources()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--molecules", nargs="+", default=["hydrogen-peroxide", "methylamine"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 30])
    parser.add_argument("--only", nargs="+", default=["labels", "pairs", "cost"])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = [*read_rows(LABELS), *read_rows(MORE_LABELS)]
    if "labels" in chosen.only:
        own = [row for row in rows if row.molecule in chosen.molecules]
        labels_saved(own, chosen.sizes, chosen.seeds)
    if "pairs" in chosen.only:
        interactions([row for row in rows if row.part in ("alone", "pair")])
    if "cost" in chosen.only:
        costs([row for row in rows if row.part == "train"][:16])


def labels_saved(rows: Sequence[Row], sizes: Sequence[int], seeds: Sequence[int]) -> None:
    """Print errors on held-out structures by way and number of labels of each molecule."""
    held_out, learned = split(rows)
    if max(sizes) > (fewest := min(map(len, learned.values()))):
        raise SystemExit(f"there are {fewest} labels to learn of a molecule: --sizes")
    tested = labelled(held_out, DFT)
    cheap = {
        row.structure.structure_id: replace(row, labels={XTB: xtb_label(row.structure)})
        for row in rows
    }
    for row in held_out:
        del cheap[row.structure.structure_id]
    found: dict[tuple[str, int], list[FloatArray]] = {}
    print(f"MAE of forces and energies of {len(tested)} structures by labels of each molecule")
    print("GFN2-xTB itself: {:.2f} kcal/mol/Å, {:.3f} kcal/mol".format(*errors_of(TBLITE, tested)))
    for seed in seeds:
        below = find_architecture("ani").train(request_for([*cheap.values()], XTB, seed)).committee
        for n in sizes:
            few = [row for own in learned.values() for row in shuffled(own, seed)[:n]]
            for way, potential in zip(WAYS, potentials(few, below, seed), strict=True):
                errors = errors_of(potential, tested)
                found.setdefault((way, n), []).append(errors)
                print(f"seed {seed} {way:<16}{n:>4}{errors[0]:>8.2f}{errors[1]:>8.3f}", flush=True)
    for n in sizes:
        ratio = np.mean(found[WAYS[2], n], axis=0) / np.mean(found[WAYS[1], n], axis=0)
        print_figure(f"force_mae_above_gfn2_xtb_over_ladder_{n}", float(ratio[0]), at_most=1.0)
        print_figure(f"energy_mae_above_gfn2_xtb_over_ladder_{n}", float(ratio[1]), at_most=1.0)


def split(rows: Sequence[Row]) -> tuple[list[Row], dict[str, list[Row]]]:
    """Hold out eight of each molecule's labels that gold.py has; return the others by molecule."""
    held_out, known = [], [row for row in rows if DFT in row.labels]
    molecules = sorted({row.molecule for row in rows})
    for molecule in molecules:
        for kind in ("hot", "anchor"):
            own = [r for r in known if (r.molecule, r.part, r.kind) == (molecule, "train", kind)]
            held_out += shuffled(own, 0)[:4]
    learned = [row for row in known if row not in held_out]
    return held_out, {m: [row for row in learned if row.molecule == m] for m in molecules}


def shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    return [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]


def xtb_label(structure: Structure) -> Label:
    label = TBLITE.engine.label(structure)
    assert isinstance(label, Label), label
    return label


def potentials(rows: Sequence[Row], below: Committee, seed: int) -> tuple[Potential, ...]:
    """Return a potential by each of the ways, in order."""
    ani, asked = find_architecture("ani"), request_for(rows, DFT, seed)
    above = request_for(rows, DFT, seed, ON_XTB)
    return (
        ani.train(asked).committee,
        climb(asked, below, ani.default_way_with_forces).result.committee,
        find_architecture(ON_XTB.architecture).train(above).committee,
    )


def errors_of(potential: Potential, tested: Sequence[LabelledStructure]) -> FloatArray:
    """Return the mean absolute errors of forces, and of energies above the molecule's lowest."""
    errors = held_out_errors(potential, tested)
    assert errors is not None
    found = errors.force_mae_kcal_mol_angstrom, errors.above_lowest_mae_kcal_mol
    return np.array(found, dtype=np.float64)


def interactions(rows: Sequence[Row]) -> None:
    """Print interaction energies, kcal/mol; wB97X's is what a committee lacks past its cutoff."""
    for row in rows:
        if row.part == "pair":
            alone = [r for r in rows if r.part == "alone" and r.molecule == row.molecule]
            found = [
                row.labels[level].energy - sum(r.labels[level].energy for r in alone)
                for level in (DFT, XTB)
            ]
            dft, xtb = np.array(found) * KCAL_MOL_PER_EV
            said = f"wB97X{dft:8.3f}, GFN2-xTB{xtb:8.3f}, off by{xtb - dft:7.3f}"
            print(f"{row.molecule:<36}{row.kind:>4} Å: {said}")


def costs(rows: Sequence[Row]) -> None:
    """Print the CPU time of energy and mean forces, ms: GFN2-xTB and a committee of eight."""
    asked = replace(request_for(rows, DFT, 0), settings=AniSettings(members=8, max_epochs=1))
    committee = find_architecture("ani").train(asked).committee
    noise = np.random.default_rng(0).normal
    for smiles in TIMED:
        molecule = molecule_from_smiles(smiles)
        structure = Conformers().sample(molecule, (), MMFF94(molecule), seed=1).offers[0].structure
        n = len(structure)
        many = structure.positions + noise(0, 0.02, (N_REPLICAS, n, 3))
        replicas = committee.replicas(structure)
        one = [structure.moved_to(many[0], structure.origin)]
        single = least_cpu_ms(partial(committee.predict_mean, one))
        each = least_cpu_ms(partial(replicas.predict_mean, many)) / N_REPLICAS
        print_figure(f"cpu_ms_gfn2_xtb_{n}_atoms", least_cpu_ms(partial(TBLITE.predict, one)))
        print_figure(f"cpu_ms_committee_alone_{n}_atoms", single)
        print_figure(f"cpu_ms_committee_replica_{n}_atoms", each)


def least_cpu_ms(task: Callable[[], object]) -> float:
    return min(timeit.repeat(task, timer=time.process_time, repeat=ROUNDS, number=1)) * 1000.0


if __name__ == "__main__":
    main()
