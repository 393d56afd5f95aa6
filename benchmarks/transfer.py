"""How many coupled-cluster labels does each way of climbing need?

    rung launch runs/transfer.yaml    # or any campaign of two rungs
    python benchmarks/transfer.py runs/transfer [--seeds 3]

Takes the labels of a finished run of two rungs: the committee of the lower rung, and all labels of
the upper one. Every way of climbing learns nested random subsets of the training labels, and is
held against the held-out labels: total energies, energies of geometries of one molecule relative
to each other, and reaction-like differences, combinations of molecules in which the atoms cancel.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.linalg import null_space

from chemistry.records.label import LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.potential import Potential
from chemistry.records.structure import FloatArray
from chemistry.units import KCAL_MOL_PER_EV
from model import TrainingRequest, find_architecture, load_committee
from model.evaluation import held_out_errors
from model.self_energies import element_counts
from workflow.report.climb_report import conformer_mae, way_titles
from workflow.run.folder import RunFolder
from workflow.run.store.store import StoreReader
from workflow.settings.campaign import Campaign

_MEASURES = ("energy", "conformers", "reactions")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", type=Path, default=Path("transfer.svg"))
    arguments = parser.parse_args()
    folder = RunFolder(arguments.run)
    with StoreReader.open(folder.store) as store:
        campaign = Campaign.model_validate_json(store.diary.fact("campaign") or "")
        level = find_level(campaign.rungs[1].level)
        data = store.labels.labelled(1, level.level_id, held_out=False)
        held_out = store.labels.labelled(1, level.level_id, held_out=True)
        below = load_committee(folder.checkpoint(0, store.trainings.all(0)[-1].version))
    sizes = [n for n in (4, 8, 12, 20, 28, 40, 60, 80) if n < len(data)] + [len(data)]
    print(
        f"{below.level_name} -> {level.name}; {len(held_out)} held-out labels, "
        f"{arguments.seeds} seeds; mean absolute errors in kcal/mol, mean and spread over seeds"
    )
    architecture = find_architecture(campaign.train.architecture)
    errors = {}
    for mode in ("below", *architecture.ways):
        for n in sizes:
            found = []
            for seed in range(arguments.seeds):
                order = np.random.default_rng(seed).permutation(len(data))
                subset = [data[i] for i in order[:n]]
                request = TrainingRequest(
                    data=subset,
                    settings=campaign.train,
                    elements=below.elements,
                    level=level,
                    seed=seed,
                )
                if mode == "below":
                    committee = architecture.shifted(request, below)
                else:
                    committee = architecture.climb(request, below, mode).committee
                found.append(measure(committee, held_out))
            errors[mode, n] = np.array(found)
            print_row(mode, n, errors[mode, n])
    save_plot(errors, sizes, arguments.plot)
    target = errors["scratch", len(data)][:, 0].mean()
    for mode in ("linear", "full", "freeze", "delta"):
        enough = [n for n in sizes if errors[mode, n][:, 0].mean() <= target]
        share = enough[0] / len(data) if enough else float("inf")
        verdict = "met" if share <= 0.20 else "missed"
        print(f"FIGURE labels_that_{mode}_needs_of_direct_training {share:.2f} <=0.20 {verdict}")


def measure(committee: Potential, held_out: Sequence[LabelledStructure]) -> tuple[float, ...]:
    """Return the errors of a committee: energy, conformers, reactions; NaN for none."""
    errors = held_out_errors(committee, held_out)
    assert errors is not None
    relative = conformer_mae(committee, held_out)
    reactions = reaction_mae(committee, held_out)
    return (
        errors.energy_mae_kcal_mol,
        np.nan if relative is None else relative,
        np.nan if reactions is None else reactions,
    )


def reaction_mae(committee: Potential, data: Sequence[LabelledStructure]) -> float | None:
    """Return the mean absolute error of reaction-like differences, or None if none balances.

    Coefficients are an orthonormal basis of those that cancel all atoms, scaled to two molecules
    in all; each molecule takes part with its first, second, ... geometry in turn.
    """
    predictions = committee.predict([row.structure for row in data])
    by_molecule: dict[str, list[tuple[LabelledStructure, float]]] = {}
    for row, prediction in zip(data, predictions, strict=True):
        error = (prediction.energy - row.label.energy) * KCAL_MOL_PER_EV
        by_molecule.setdefault(row.structure.molecule_id, []).append((row, error))
    molecules = list(by_molecule.values())
    elements = sorted({int(z) for row in data for z in row.structure.atomic_numbers})
    counts = element_counts([rows[0][0].structure for rows in molecules], elements)
    reactions: FloatArray = null_space(counts.T)
    if reactions.shape[1] == 0:
        return None
    reactions = reactions * (2.0 / np.abs(reactions).sum(axis=0))
    depth = min(len(rows) for rows in molecules)
    errors = np.array([[rows[k][1] for rows in molecules] for k in range(depth)])
    return float(np.abs(errors @ reactions).mean())


def print_row(mode: str, n: int, errors: FloatArray) -> None:
    shown = [
        f"{name} {values.mean():7.3f} ± {values.std():5.3f}"
        for name, values in zip(_MEASURES, errors.T, strict=True)
        if np.isfinite(values).all()
    ]
    print(f"{mode:8s} {n:4d} labels   " + "   ".join(shown), flush=True)


def save_plot(errors: dict[tuple[str, int], FloatArray], sizes: Sequence[int], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for mode in way_titles():
        means = [errors[mode, n][:, 0].mean() for n in sizes]
        spread = [errors[mode, n][:, 0].std() for n in sizes]
        axes.errorbar(sizes, means, yerr=spread, marker="o", capsize=3, label=way_titles()[mode])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("coupled-cluster labels")
    axes.set_ylabel("held-out energy MAE, kcal/mol")
    axes.legend(frameon=False, loc="lower left", fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    print(f"plot     {path}")


if __name__ == "__main__":
    main()
