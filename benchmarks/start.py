"""What a start saves: labels to an error from published ANI-1x, a teacher, GFN2-xTB and nothing.

    OMP_NUM_THREADS=1 python benchmarks/start.py WEIGHTS [--seeds 3] [--labels FOLDER]
                                                 [--gold-labels FOLDER] [--quick]

WEIGHTS is the folder of a published ensemble, ani-1x_8x. DFT labels, wB97X/6-31G*, are those of
start_labels.py, molecules of four to six heavy atoms; gold labels are those of gold.py, molecules
of two and three. A teacher's rung learns the ensemble's own energies and forces on all structures
that may be learned, as a rung of GFN2-xTB learns labels of these. Networks on top of GFN2-xTB,
which start from nothing, stand beside them.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from figures import print_figure
from gold import (
    DFT,
    ELEMENTS,
    GOLD,
    LABELS,
    MIDDLE,
    ON_XTB,
    SETTINGS,
    XTB,
    Ladder,
    Row,
    climbed,
    drawn,
    labelled,
    read_rows,
    request_for,
)

from chemistry.records.label import LabelledStructure
from chemistry.records.level import find_level
from model import Committee, TrainingRequest, climb, find_architecture, held_out_errors
from model.committees import read_published
from model.protocol import Fit
from model.settings import TrainingSettings

NOTHING, CHEAP, TEACHER, ANI = "nothing", "GFN2-xTB", "a teacher", "ANI-1x"
ON_TOP = "on top"
PER_MOLECULE = (2, 4, 8, 12, 16, 20, 28, 40, 56, 80)
OF_OTHERS = 25
GOLD_PER_MOLECULE = (4, 8, 12)
MIDDLE_PER_MOLECULE = 24
FORCE_GOAL = 1.0
GOLD_GOAL = 0.15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=Path, default=Path(__file__).parent / "data" / "start")
    parser.add_argument("--gold-labels", type=Path, default=LABELS)
    parser.add_argument("--quick", action="store_true", help="A look at whether it runs.")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    short = {"max_epochs": 2} if chosen.quick else {}
    settings, on_top = SETTINGS.model_copy(update=short), ON_XTB.model_copy(update=short)
    rows, with_gold = read_rows(chosen.labels), read_rows(chosen.gold_labels)
    if chosen.quick:
        rows = [row for row in rows if row.molecule in ("glycine", "pyrazine")]
        with_gold = [row for row in with_gold if row.molecule in ("formic-acid", "methylamine")]
    for seed in range(chosen.seeds):
        starts = begun(rows, chosen.weights, settings, seed)
        learned = drawn_to_learn(rows, seed)
        tested = [row for row in rows if row.part == "test"]
        needed = known_molecules(learned, tested, starts, settings, seed)
        needed |= known_molecules(learned, tested, {ON_TOP: None}, on_top, seed)
        # What did not get there from nothing counts with the most labels that it had.
        most = sum(len(own[: PER_MOLECULE[-1]]) for own in learned)
        for name in (ANI, TEACHER, CHEAP, ON_TOP):
            print_figure(
                f"start_labels_of_nothing_{name.replace(' ', '_')}_{seed}",
                needed[name] / min(needed[NOTHING], most),
                at_most=0.25,
            )
        both = {name: starts[name] for name in (NOTHING, ANI)}
        errors = unseen_molecules(rows, learned, both, settings, seed)
        errors |= unseen_molecules(rows, learned, {ON_TOP: None}, on_top, seed)
        print_figure(
            f"start_unseen_force_mae_of_nothing_{seed}", errors[ANI] / errors[NOTHING], at_most=0.33
        )
        for name, labels in to_gold(with_gold, starts[ANI], seed).items():
            print_figure(f"start_gold_labels_a_molecule_{name}_{seed}", labels, at_most=12)


def begun(
    rows: Sequence[Row], weights: Path, settings: TrainingSettings, seed: int
) -> dict[str, Committee | None]:
    """Return what trainings start from, by name."""
    published = read_published(weights)
    assert published is not None, f"{weights} is no published ensemble"
    level = find_level(DFT)
    fit = Fit(
        members=settings.members,
        elements=ELEMENTS,
        states=((0, 1),),
        level=level,
        seed=seed,
        record={},
    )
    ani = find_architecture("ani").fitted(published, fit)
    cheap = [row for row in rows if row.part == "train" and XTB in row.labels]
    distilled = TrainingRequest(
        data=predicted(published, cheap),
        settings=settings,
        elements=ELEMENTS,
        level=level,
        seed=seed,
    )
    began = time.process_time()
    teacher = find_architecture("ani").train(distilled).committee
    print(f"a teacher's rung of {len(cheap)} labels: {time.process_time() - began:.0f} CPU s")
    return {
        NOTHING: None,
        CHEAP: find_architecture("ani").train(request_for(cheap, XTB, seed)).committee,
        TEACHER: teacher,
        ANI: ani,
    }


def predicted(teacher: Committee, rows: Sequence[Row]) -> list[LabelledStructure]:
    """Return structures with what a committee says of them for labels."""
    known = labelled(rows, XTB)
    found = teacher.predict([row.structure for row in known])
    level_id = find_level(DFT).level_id
    return [
        LabelledStructure(
            structure=row.structure,
            label=replace(row.label, level_id=level_id, energy=p.energy, forces=p.forces),
        )
        for row, p in zip(known, found, strict=True)
    ]


def trained(
    data: Sequence[LabelledStructure],
    start: Committee | None,
    settings: TrainingSettings,
    seed: int,
) -> Committee:
    request = TrainingRequest(
        data=data, settings=settings, elements=ELEMENTS, level=find_level(DFT), seed=seed
    )
    if start is None:
        return find_architecture(settings.architecture).train(request).committee
    return climb(request, start, "full").result.committee


def force_mae(committee: Committee, rows: Sequence[Row]) -> float:
    found = held_out_errors(committee, labelled(rows, DFT))
    assert found is not None, "there are tested structures"
    assert found.force_mae_kcal_mol_angstrom is not None, "with forces"
    return found.force_mae_kcal_mol_angstrom


def known_molecules(
    learned: Sequence[Sequence[Row]],
    tested: Sequence[Row],
    starts: dict[str, Committee | None],
    settings: TrainingSettings,
    seed: int,
) -> dict[str, float]:
    """Print force errors by number of labels; return the labels to `FORCE_GOAL` of each start."""
    print(f"force MAE on other structures of {len(learned)} molecules, kcal/mol/Å; seed {seed}")
    needed = {}
    for name, start in starts.items():
        # Forces do not see the arbitrary energies of atoms: a start has an error before any label.
        sizes, errors = [0], [np.inf if start is None else force_mae(start, tested)]
        for n in PER_MOLECULE:
            data = [row for own in learned for row in own[:n]]
            committee = trained(labelled(data, DFT), start, settings, seed)
            sizes.append(len(data))
            errors.append(force_mae(committee, tested))
            if errors[-1] <= FORCE_GOAL:
                break
        shown = ", ".join(f"{n}: {e:.2f}" for n, e in zip(sizes, errors, strict=True))
        needed[name] = labels_to(FORCE_GOAL, sizes, errors)
        print(f"  {name:<10} {shown}; to {FORCE_GOAL}: {needed[name]:.0f}", flush=True)
    return needed


def labels_to(goal: float, sizes: Sequence[int], errors: Sequence[float]) -> float:
    """Return the number of labels at which the error falls below a goal, by straight lines.

    Infinite where it does not.
    """
    for (n, e), (m, f) in zip(
        zip(sizes, errors, strict=True), zip(sizes[1:], errors[1:], strict=True), strict=False
    ):
        if e <= goal:
            return float(n)
        if f <= goal:
            return float(m) if np.isinf(e) else n + (m - n) * (e - goal) / (e - f)
    return np.inf


def unseen_molecules(
    rows: Sequence[Row],
    learned: Sequence[Sequence[Row]],
    starts: dict[str, Committee | None],
    settings: TrainingSettings,
    seed: int,
) -> dict[str, float]:
    """Print the force error on each molecule of which no label was made; return the means."""
    names = sorted({row.molecule for row in rows})
    print(f"force MAE on a molecule of which no label was made, kcal/mol/Å; seed {seed}")
    found = {}
    for start_name, start in starts.items():
        errors = []
        for name in names:
            others = [row for own in learned for row in own[:OF_OTHERS] if row.molecule != name]
            committee = trained(labelled(others, DFT), start, settings, seed)
            errors.append(force_mae(committee, [row for row in rows if row.molecule == name]))
        shown = ", ".join(f"{name} {e:.2f}" for name, e in zip(names, errors, strict=True))
        print(f"  {start_name:<10} {shown}", flush=True)
        found[start_name] = float(np.mean(errors))
    return found


def to_gold(rows: Sequence[Row], ani: Committee | None, seed: int) -> dict[str, float]:
    """Print gold errors of ANI-1x by labels of a molecule; return the labels to `GOLD_GOAL`.

    Directly, and by way of a correlated level with forces, learned as gently as a start.
    """
    assert ani is not None, "it starts from ANI-1x"
    direct = Ladder(name="ANI-1x, linear", below=(), way="linear", is_designed=True)
    learned = [r for r in rows if r.part == "train" and r.kind in direct.kinds and GOLD in r.labels]
    tested = [row for row in rows if row.part == "test" and GOLD in row.labels]
    most = max(len(own) for own in by_molecule(learned))
    middle = replace(direct, share_below=MIDDLE_PER_MOLECULE / most)
    gentle = SETTINGS.model_copy(
        update={"transfer_learning_rate_factor": SETTINGS.start_learning_rate_factor}
    )
    asked = request_for(drawn(learned, middle.share_below, seed), MIDDLE, seed, gentle)
    by_middle = climb(asked, ani, "full").result.committee
    needed = {}
    for name, below, ladder in (("direct", ani, direct), ("by_middle", by_middle, middle)):
        errors = []
        print(f"ANI-1x to gold, {name}: energies above the lowest, kcal/mol; seed {seed}")
        for n in GOLD_PER_MOLECULE:
            outcome = climbed(below, ladder, learned, tested, n / most, seed)
            errors.append(outcome.mean)
            print(
                f"  {n} labels a molecule: {outcome.mean:.3f}, worst {outcome.worst:.3f}",
                flush=True,
            )
        needed[name] = labels_to(GOLD_GOAL, (0, *GOLD_PER_MOLECULE), (np.inf, *errors))
    return needed


def drawn_to_learn(rows: Sequence[Row], seed: int) -> list[list[Row]]:
    """Return each molecule's structures with DFT labels that are not tested, in a seed's order."""
    known = [row for row in rows if row.part == "train" and DFT in row.labels]
    order = np.random.default_rng(seed).permutation(len(known))
    return by_molecule([known[i] for i in order])


def by_molecule(rows: Sequence[Row]) -> list[list[Row]]:
    return [
        [row for row in rows if row.molecule == name]
        for name in sorted({row.molecule for row in rows})
    ]


if __name__ == "__main__":
    main()
