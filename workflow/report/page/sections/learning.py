"""Learning curves, disagreement, and what climbing was worth."""

from collections.abc import Sequence

import numpy as np

from chemistry.records.potential import Prediction
from model.evaluation import Errors
from workflow.report.climb_report import ClimbReport
from workflow.report.page.plot import COLORS, Figure, axis, typed
from workflow.report.page.records import RungReport, RunReport
from workflow.report.page.section import Section, section_of_figures

_QUANTITIES = (
    ("energy", "kcal/mol", ("MAE", "RMSE")),
    ("force", "kcal/mol/Å", ("MAE", "RMSE")),
    ("relative energy", "kcal/mol", ("all, MAE", "anchors, MAE")),
)
"""What learning curves are of, its unit, and the names of its two errors. Relative energies are
above the lowest labelled structure of the molecule."""
_N_BINS = 24


def learning(report: RunReport) -> Section | None:
    """Return the section of the learning curves."""
    return section_of_figures("Learning curves", *learning_curves(report.rungs))


def disagreement(report: RunReport) -> Section | None:
    """Return the section of what the committees were uncertain of."""
    return section_of_figures(
        "Disagreement, before and after",
        uncertain_shares(report.rungs),
        *(disagreement_before_and_after(rung, i) for i, rung in enumerate(report.rungs)),
    )


def climbing(report: RunReport) -> Section | None:
    """Return the section that compares ways of climbing, once they have been compared."""
    return section_of_figures(
        "Transfer, direct training, delta learning",
        ways_of_climbing(report.climb) if report.climb else None,
    )


def learning_curves(rungs: Sequence[RungReport]) -> list[Figure]:
    """Return held-out errors against labels and against CPU hours."""
    figures = []
    for quantity, unit, (first, second) in _QUANTITIES:
        for against, title in (
            ("labels", "labels trained on, of the level"),
            ("cpu", "CPU time of all tasks until then, h"),
        ):
            traces = []
            said = []
            for i, rung in enumerate(rungs):
                points = [
                    (t.n_labels if against == "labels" else hours, *errors)
                    for t, hours in zip(rung.summary.trainings, rung.cpu_hours_at, strict=True)
                    if (errors := _two_errors(t.errors, quantity)) is not None
                ]
                if not points:
                    continue
                x, one, other = zip(*points, strict=True)
                said.append(f"{rung.level_name}: MAE from {one[0]:.2f} to {one[-1]:.2f} {unit}")
                for name, y, dash in ((first, one, "solid"), (second, other, "dot")):
                    traces.append(
                        {
                            "type": "scatter",
                            "mode": "lines+markers",
                            "name": f"{rung.level_name} {name}",
                            "x": list(x),
                            "y": list(y),
                            "line": {"color": COLORS[i % len(COLORS)], "dash": dash},
                        }
                    )
            if traces:
                figures.append(
                    Figure(
                        key=f"learning-{quantity.replace(' ', '-')}-{against}",
                        title=f"Held-out {quantity} error against "
                        + ("labels" if against == "labels" else "CPU hours"),
                        alt="; ".join(said) + ".",
                        traces=traces,
                        layout={
                            "xaxis": axis(title, rangemode="tozero"),
                            "yaxis": axis(f"held-out {quantity} error, {unit}", log=True),
                        },
                    )
                )
    return figures


def _two_errors(errors: Errors | None, quantity: str) -> tuple[float, float | None] | None:
    """Return two errors of a quantity, the second of which may be missing; None for none."""
    if errors is None:
        return None
    if quantity == "energy":
        return errors.energy_mae_kcal_mol, errors.energy_rmse_kcal_mol
    if quantity == "force":
        mae = errors.force_mae_kcal_mol_angstrom
        return None if mae is None else (mae, errors.force_rmse_kcal_mol_angstrom)
    above, anchors = errors.above_lowest_mae_kcal_mol, errors.by_kind.get("anchor")
    if above is None:
        return None
    return above, anchors.above_lowest_mae_kcal_mol if anchors else None


def uncertain_shares(rungs: Sequence[RungReport]) -> Figure | None:
    """Return the share of explored structures over the threshold, by training."""
    traces = []
    said = []
    for i, rung in enumerate(rungs):
        found = [rung.summary.first_sweep(t.version) for t in rung.summary.trainings]
        sweeps = [s for s in found if s is not None and s.judged]
        if not sweeps:
            continue
        shares = [100.0 * s.uncertain_share for s in sweeps]
        said.append(f"{rung.level_name}: from {shares[0]:.0f} % to {shares[-1]:.0f} %")
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": rung.level_name,
                "x": [s.version for s in sweeps],
                "y": shares,
                "text": [f"{s.over_threshold} of {s.judged}" for s in sweeps],
                "line": {"color": COLORS[i % len(COLORS)]},
            }
        )
    if not traces:
        return None
    return Figure(
        key="uncertain",
        title="Structures on which the committee is uncertain",
        alt="Share over the threshold in the first sweep: " + "; ".join(said) + ".",
        note="Share of independent structures over the threshold in the first sweep after each "
        "training; on a rung that climbs, of all that wait.",
        traces=traces,
        layout={
            "xaxis": axis("training, number", dtick=1),
            "yaxis": axis("share over the threshold, %", rangemode="tozero"),
        },
    )


def disagreement_before_and_after(rung: RungReport, index: int) -> Figure | None:
    """Return how the disagreement on held-out structures has moved since the first training."""
    if rung.held_out is None or not rung.held_out_before:
        return None
    before = _disagreements(rung.held_out_before)
    after = _disagreements(rung.held_out.predictions)
    first, newest = rung.summary.trainings[0], rung.summary.trainings[-1]
    both = np.concatenate([before, after])
    edges = np.geomspace(both.min() * 0.999, both.max() * 1.001, _N_BINS + 1)
    traces = []
    for values, name, color in (
        (before, first.title if first.version == 0 else "first training", COLORS[1]),
        (after, newest.title, COLORS[0]),
    ):
        share = 100.0 * np.histogram(values, bins=edges)[0] / len(values)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": typed(edges),
                "y": typed([*share, 0.0]),
                "line": {"shape": "hv", "color": color},
                "fill": "tozeroy",
            }
        )
    return Figure(
        key=f"disagreement-{index}",
        title=f"{rung.level_name}: disagreement before and after",
        alt=f"Median disagreement on held-out structures: {np.median(before):.3f} with the first "
        f"committee, {np.median(after):.3f} with the newest, in kcal/mol per square root of atoms.",
        note=f"On {len(after):,} of {rung.held_out.n_all:,} held-out structures.",
        traces=traces,
        layout={
            "xaxis": axis("energy disagreement, kcal/mol/√atoms", log=True),
            "yaxis": axis("share of structures, %", rangemode="tozero"),
        },
    )


def _disagreements(predictions: Sequence[Prediction]) -> "np.typing.NDArray[np.float64]":
    # A logarithmic axis has no place for members that agree to the last digit.
    return np.maximum([p.rho_kcal_mol for p in predictions], 1e-6)


def ways_of_climbing(report: ClimbReport) -> Figure:
    """Return transfer, direct training and delta learning side by side."""
    names = [report.titles[way.name] for way in report.ways]
    total = [way.errors.energy_mae_kcal_mol for way in report.ways]
    traces = [
        {"type": "bar", "orientation": "h", "y": names, "x": x, "name": name}
        | {"marker": {"color": color}}
        for name, x, color in (
            ("total energies", total, COLORS[0]),
            (
                "conformers, within each molecule",
                [way.conformer_mae_kcal_mol for way in report.ways],
                COLORS[1],
            ),
        )
    ]
    best = int(np.argmin(total))
    return Figure(
        key="climb",
        title=f"From {report.below} to {report.level} with {report.n_labels} labels",
        alt="Mean absolute error of total energies: "
        + ", ".join(f"{name} {value:.2f}" for name, value in zip(names, total, strict=True))
        + f" kcal/mol; the best is {names[best]}.",
        note=f"All ways learn the same {report.n_labels} labels; errors on "
        f"{report.n_held_out} held-out ones.",
        traces=traces,
        layout={
            "xaxis": axis("mean absolute error, kcal/mol", rangemode="tozero"),
            "yaxis": axis("way of climbing", autorange="reversed"),
            "barmode": "group",
        },
    )
