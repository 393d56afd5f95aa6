"""Predictions against labels: parity plots and calibration."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from chemistry.records.structure import FloatArray
from chemistry.units import KCAL_MOL_PER_EV
from model.calibration import calibrate
from workflow.report.page.plot import COLORS, Figure, axis, diagonal, shown_of, thinned, typed
from workflow.report.page.records import Predicted, RungReport, RunReport
from workflow.report.page.section import Section, section_of_figures

_MOST_POINTS = 3000
_MOST_COLORS = len(COLORS) - 1


def calibrations(report: RunReport) -> Section | None:
    """Return the section of what a disagreement is worth."""
    found = (calibration(rung, i) for i, rung in enumerate(report.rungs))
    return section_of_figures("Calibration", *found)


def parity(report: RunReport) -> Section | None:
    """Return the section of the parity plots."""
    names = report.molecule_names
    return section_of_figures(
        "Predictions against labels",
        *(
            figure
            for i, rung in enumerate(report.rungs)
            for figure in (energy_parity(rung, i, names), force_parity(rung, i))
        ),
    )


def energy_parity(rung: RungReport, index: int, names: Mapping[str, str]) -> Figure | None:
    """Return predicted against labelled energies of held-out structures.

    Energies of each molecule are taken relative to the mean of its labels: the total energies of
    two molecules differ by far more than any error.
    """
    if rung.held_out is None:
        return None
    data = rung.held_out
    label, predicted, molecule = _relative_energies(data)
    drawn = thinned(len(label), _MOST_POINTS)
    common = [m for m, _ in Counter(molecule.tolist()).most_common(_MOST_COLORS)]
    traces = []
    for i, key in enumerate([*common, ""]):
        of_it = np.isin(molecule, common, invert=True) if not key else molecule == key
        at = drawn[of_it[drawn]]
        if len(at):
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": names.get(key, key) if key else "other molecules",
                    "x": typed(label[at]),
                    "y": typed(predicted[at]),
                    "marker": {"size": 5, "opacity": 0.75, "color": COLORS[i % len(COLORS)]},
                }
            )
    mae = float(np.abs(predicted - label).mean())
    return Figure(
        key=f"parity-energy-{index}",
        title=f"{rung.level_name}: energies of held-out structures",
        alt=f"Predicted against labelled energies; mean absolute error {mae:.2f} kcal/mol.",
        note=f"MAE {mae:.2f} kcal/mol. Energies are relative to the mean label of their molecule. "
        + shown_of(len(drawn), data.n_all, "held-out structures"),
        traces=[diagonal(np.concatenate([label[drawn], predicted[drawn]])), *traces],
        layout={
            "xaxis": axis("label, kcal/mol"),
            "yaxis": axis("prediction, kcal/mol"),
        },
        height=420,
    )


def _relative_energies(
    data: Predicted,
) -> tuple[FloatArray, FloatArray, "np.typing.NDArray[np.str_]"]:
    """Return labels and predictions in kcal/mol off the mean label of the molecule, and its id."""
    molecule = np.array([row.structure.molecule_id for row in data.rows])
    label = np.array([row.label.energy for row in data.rows]) * KCAL_MOL_PER_EV
    predicted = np.array([p.energy for p in data.predictions]) * KCAL_MOL_PER_EV
    for key in np.unique(molecule):
        mean = label[molecule == key].mean()
        label[molecule == key] -= mean
        predicted[molecule == key] -= mean
    return label, predicted, molecule


def force_parity(rung: RungReport, index: int) -> Figure | None:
    """Return predicted against labelled force components of held-out structures."""
    if rung.held_out is None:
        return None
    pairs = [
        (row.label.forces.ravel(), prediction.forces.ravel())
        for row, prediction in zip(rung.held_out.rows, rung.held_out.predictions, strict=True)
        if row.label.forces is not None
    ]
    if not pairs:
        return None
    label, predicted = (
        np.concatenate(arrays) * KCAL_MOL_PER_EV for arrays in zip(*pairs, strict=True)
    )
    drawn = thinned(len(label), _MOST_POINTS)
    mae = float(np.abs(predicted - label).mean())
    return Figure(
        key=f"parity-force-{index}",
        title=f"{rung.level_name}: forces of held-out structures",
        alt=f"Predicted against labelled force components; mean absolute error {mae:.2f} "
        "kcal/mol/Å.",
        note=f"MAE {mae:.2f} kcal/mol/Å. {len(drawn):,} of {len(label):,} force components of "
        f"{len(pairs):,} structures are shown"
        + (", drawn by lot." if len(drawn) < len(label) else "."),
        traces=[
            diagonal(np.concatenate([label[drawn], predicted[drawn]])),
            {
                "type": "scatter",
                "mode": "markers",
                "name": "force components",
                "x": typed(label[drawn]),
                "y": typed(predicted[drawn]),
                "marker": {"size": 4, "opacity": 0.5, "color": COLORS[0]},
            },
        ],
        layout={
            "xaxis": axis("label, kcal/mol/Å"),
            "yaxis": axis("prediction, kcal/mol/Å"),
        },
        height=420,
    )


def calibration(rung: RungReport, index: int) -> Figure | None:
    """Return the error of held-out structures against the committee's disagreement on them."""
    data = rung.held_out
    found = None if data is None else calibrate(data.rows, data.predictions)
    if data is None or found is None:
        return None
    x = [b.sigma_kcal_mol for b in found.bins]
    y = [b.rmse_kcal_mol for b in found.bins]
    rank = found.rank_correlation
    said = f"Multiply a disagreement by {found.factor:.2f} to get a typical error"
    if rank is not None:
        said += f"; rank correlation of disagreement and error {rank:.2f}"
    return Figure(
        key=f"calibration-{index}",
        title=f"{rung.level_name}: error against disagreement",
        alt=f"{said}.",
        note=f"{said}. {len(found.bins)} groups of {found.n_structures:,} held-out structures; "
        "above the dashed line the committee is overconfident.",
        traces=[
            diagonal([v for v in (*x, *y) if v > 0.0]),
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": "held-out structures",
                "x": x,
                "y": y,
                "text": [f"{b.n_structures} structures" for b in found.bins],
                "line": {"color": COLORS[0]},
            },
        ],
        layout={
            "xaxis": axis("disagreement (RMS), kcal/mol/√atoms", log=True),
            "yaxis": axis("error (RMS), kcal/mol/√atoms", log=True),
        },
    )
