"""Neutral molecule, cation, anion and triplet in one committee against a committee of each state.

    python benchmarks/states.py [--labels 20] [--epochs 200] [--members 2] [--seeds 1]

Four molecules of C, H, N and O in four states each are sampled along their normal modes and
labelled by GFN2-xTB; what the quality gates refuse is left out. One committee learns all states,
others learn one state each, with as many labels of it and the same settings. Printed for each state
is the force MAE on other samples of the same molecules, and the ratio that is the goal. Then the
committee of all states is asked for vertical ionisation, electron attachment and excitation at
geometries of the neutral molecule, which no ion was labelled at, and the time that it takes for
neutral singlets is compared with that of a committee that knows no other.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from figures import print_figure

from chemistry.engines import find_engine
from chemistry.engines.base import Engine, Resources
from chemistry.engines.potential import EnginePotential
from chemistry.gates import Gates, examine, refusal
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from chemistry.sampling import Conformers, NormalModes
from chemistry.units import KCAL_MOL_PER_EV
from model import Committee, train_committee
from model.architectures.ani.settings import AniSettings
from model.states import State

GFN2 = find_level("gfn2-xtb")
ELEMENTS = (1, 6, 7, 8)
MOLECULES = ("C=O", "CC=O", "OC=O", "CN=C")
STATES: dict[str, State] = {
    "neutral": (0, 1),
    "cation": (1, 2),
    "anion": (-1, 2),
    "triplet": (0, 3),
}
N_TEST = 20
MOST_RATIO = 1.3
MOST_COST = 1.05

Rows = list[LabelledStructure]


def labelled(engine: Engine, structures: Sequence[Structure]) -> Rows:
    """Label structures, without those that fail or that a gate refuses."""
    rows = []
    for structure in structures:
        label = engine.label(structure)
        if isinstance(label, Label) and refusal(examine(structure, label, Gates())) is None:
            rows.append(LabelledStructure(structure=structure, label=label))
    return rows


def samples(engine: Engine, smiles: str, state: State, n: int) -> Rows:
    """Label n geometries of a molecule in a state, in random order."""
    molecule = molecule_from_smiles(smiles, charge=state[0], multiplicity=state[1])
    teacher = EnginePotential(engine)
    conformers = Conformers(max_conformers=1, embeddings=3)
    starts = [o.structure for o in conformers.sample(molecule, (), teacher, seed=1).offers]
    found: dict[str, Structure] = {}
    for temperature_k in (300.0, 600.0, 900.0):
        modes = NormalModes(temperature_k=temperature_k, made_per_start=n // 2)
        offers = modes.sample(molecule, starts, teacher, seed=int(temperature_k)).offers
        found |= {offer.structure.structure_id: offer.structure for offer in offers}
    order = np.random.default_rng(0).permutation(len(found))
    rows = labelled(engine, [list(found.values())[i] for i in order])[:n]
    assert len(rows) == n, f"{smiles} {state}: only {len(rows)} of {n} structures have a label"
    return rows


def force_mae(committee: Committee, rows: Rows) -> float:
    """Return the MAE of force components, kcal/mol/Å."""
    predictions = committee.predict_mean([row.structure for row in rows])
    errors = [(p.forces - r.label.forces).ravel() for p, r in zip(predictions, rows, strict=True)]
    return float(np.abs(np.concatenate(errors)).mean()) * KCAL_MOL_PER_EV


def vertical_mae(committee: Committee, engine: Engine, neutral: Rows, state: State) -> float:
    """Return the MAE of the energy from the neutral singlet to a state, kcal/mol."""
    moved = [replace(row.structure, charge=state[0], multiplicity=state[1]) for row in neutral]
    known = {row.structure.structure_id: row.label.energy for row in labelled(engine, moved)}
    errors = []
    before = committee.predict([row.structure for row in neutral])
    for row, other, p, q in zip(neutral, moved, before, committee.predict(moved), strict=True):
        if other.structure_id in known:
            wanted = known[other.structure_id] - row.label.energy
            errors.append(q.energy - p.energy - wanted)
    return float(np.abs(errors).mean()) * KCAL_MOL_PER_EV


def cost_ratio(several: Committee, alone: Committee, rows: Rows) -> float:
    """Return the CPU time of predictions by one committee over that by the other."""
    structures = [row.structure for row in rows]
    seconds: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(15):
        for index, committee in enumerate((several, alone)):
            began = time.process_time()
            committee.predict(structures)
            seconds[index].append(time.process_time() - began)
    return min(seconds[0]) / min(seconds[1])


def main() -> None:
    """Label, train and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=20, help="of each molecule and state")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    engine = find_engine("tblite")(GFN2, Resources())
    learn: dict[str, Rows] = {name: [] for name in STATES}
    test: dict[str, Rows] = {name: [] for name in STATES}
    for name, state in STATES.items():
        for smiles in MOLECULES:
            rows = samples(engine, smiles, state, arguments.labels + N_TEST)
            learn[name] += rows[: arguments.labels]
            test[name] += rows[arguments.labels :]
    settings = AniSettings(members=arguments.members, max_epochs=arguments.epochs)

    def trained(rows: Rows, seed: int) -> Committee:
        return train_committee(rows, settings, elements=ELEMENTS, level=GFN2, seed=seed).committee

    maes: dict[tuple[str, str], list[float]] = {}
    for seed in range(arguments.seeds):
        several = trained([row for rows in learn.values() for row in rows], seed)
        for name in STATES:
            alone = trained(learn[name], seed)
            if name == "neutral":
                neutral_only = alone
            for kind, committee in (("together", several), ("alone", alone)):
                maes.setdefault((name, kind), []).append(force_mae(committee, test[name]))
            together, own = maes[name, "together"][-1], maes[name, "alone"][-1]
            print(
                f"seed {seed} {name}: together {together:.2f}, alone {own:.2f} kcal/mol/Å",
                flush=True,
            )
    for name in STATES:
        ratio = float(np.mean(maes[name, "together"]) / np.mean(maes[name, "alone"]))
        print_figure(f"force_mae_of_{name}_together_over_alone", ratio, at_most=MOST_RATIO)
    for what, name in (
        ("ionisation", "cation"),
        ("attachment", "anion"),
        ("excitation", "triplet"),
    ):
        mae = vertical_mae(several, engine, test["neutral"], STATES[name])
        print_figure(f"vertical_{what}_mae_kcal_mol", mae)
    ratio = cost_ratio(several, neutral_only, test["neutral"])
    print_figure("prediction_cost_of_neutral_singlets_beside_ions", ratio, at_most=MOST_COST)


if __name__ == "__main__":
    main()
