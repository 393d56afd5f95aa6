"""The explorer's structures as typed arrays: what its script draws in 3D."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chemistry.records.label import LabelledStructure
from chemistry.records.potential import Prediction
from chemistry.units import KCAL_MOL_PER_EV
from workflow.report.page.plot import shown_of, thinned, typed
from workflow.report.page.records import Predicted, RungReport, RunReport
from workflow.report.page.section import Section, as_json, filled, page_file

_MOST_OF_A_SET = 600


def explorer(report: RunReport) -> Section | None:
    """Return the section in which a reader turns over labelled structures in 3D."""
    data = explorer_data(report.rungs, report.molecule_names)
    if not data:
        return None
    return Section(
        heading="Explorer of labelled structures",
        short="Explorer",
        html=filled("sections/explorer.html.jinja", explorer_json=as_json(data)),
        scripts=(page_file("vendor/3Dmol-min.js"), page_file("sections/explorer.js")),
    )


def explorer_data(rungs: Sequence[RungReport], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what the explorer shows of each rung that has a committee.

    Of each structure: atomic numbers, positions in Å, error and disagreement of its energy in
    kcal/mol/√atoms, and of each atom the error of its force (NaN without a label of forces) and the
    disagreement on it in kcal/mol/Å.
    """
    return [
        _of_rung(rung, sets, names)
        for rung in rungs
        if (sets := [s for s in (rung.held_out, rung.trained_on) if s is not None])
    ]


def _of_rung(
    rung: RungReport, sets: Sequence[Predicted], names: Mapping[str, str]
) -> dict[str, Any]:
    chosen: list[tuple[LabelledStructure, Prediction]] = []
    held_out: list[int] = []
    notes = []
    for one in sets:
        at = thinned(len(one.rows), _MOST_OF_A_SET)
        chosen += [(one.rows[i], one.predictions[i]) for i in at]
        what = "held-out" if one is rung.held_out else "training"
        held_out += [int(one is rung.held_out)] * len(at)
        notes.append(shown_of(len(at), one.n_all, f"{what} structures"))
    molecules = sorted({row.structure.molecule_id for row, _ in chosen})
    return {
        "level": rung.level_name,
        "note": " ".join(notes),
        "molecules": [names.get(m, m) for m in molecules],
        "molecule": typed([molecules.index(r.structure.molecule_id) for r, _ in chosen], "u2"),
        "held_out": typed(held_out, "u1"),
        "id": [row.structure.structure_id for row, _ in chosen],
        "n_atoms": typed([len(row.structure) for row, _ in chosen], "u2"),
        "numbers": typed(np.concatenate([r.structure.atomic_numbers for r, _ in chosen]), "u1"),
        "positions": typed(np.concatenate([r.structure.positions.ravel() for r, _ in chosen])),
        "error": typed([_energy_error(row, p) for row, p in chosen]),
        "disagreement": typed([p.rho_kcal_mol for _, p in chosen]),
        "atom_error": typed(np.concatenate([_force_errors(row, p) for row, p in chosen])),
        "atom_disagreement": typed(np.concatenate([_force_sigmas(p) for _, p in chosen])),
    }


def _energy_error(row: LabelledStructure, prediction: Prediction) -> float:
    off = abs(prediction.energy - row.label.energy) * KCAL_MOL_PER_EV
    return off / float(np.sqrt(len(row.structure)))


def _force_errors(
    row: LabelledStructure, prediction: Prediction
) -> "np.typing.NDArray[np.float64]":
    if row.label.forces is None:
        return np.full(len(row.structure), np.nan)
    off = np.linalg.norm(prediction.forces - row.label.forces, axis=1)
    return np.asarray(off * KCAL_MOL_PER_EV, dtype=np.float64)


def _force_sigmas(prediction: Prediction) -> "np.typing.NDArray[np.float64]":
    squared = ((prediction.member_forces - prediction.forces) ** 2).sum(axis=(0, 2))
    sigma = np.sqrt(squared / (len(prediction.member_energies) - 1))
    return np.asarray(sigma * KCAL_MOL_PER_EV, dtype=np.float64)
