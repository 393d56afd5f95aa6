"""How wrong a potential is on labelled structures that it has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from chemistry.records.label import LabelledStructure
from chemistry.records.potential import Potential, Prediction
from chemistry.records.structure import FloatArray
from chemistry.units import KCAL_MOL_PER_EV
from model.calibration import Calibration, ReliabilityBin, calibrate
from model.intervals import intervals_from_json

_Row: TypeAlias = tuple[LabelledStructure, Prediction]


@dataclass(frozen=True, kw_only=True)
class MoleculeErrors:
    """Errors over structures, of one molecule or of all; None: nothing to compute it from.

    Attributes
    ----------
    n_structures : int
    energy_mae_kcal_mol, energy_rmse_kcal_mol : float
        Of total energies.
    relative_energy_mae_kcal_mol : float
        Of energies from which each molecule's mean error is taken off: what conformers and
        barriers see.
    force_mae_kcal_mol_angstrom, force_rmse_kcal_mol_angstrom : float or None
        Over force components.
    calibration_factor : float or None
        RMSE over root mean square disagreement, see `model.calibration`: above 1, the committee is
        overconfident.
    """

    n_structures: int
    energy_mae_kcal_mol: float
    energy_rmse_kcal_mol: float
    relative_energy_mae_kcal_mol: float
    force_mae_kcal_mol_angstrom: float | None
    force_rmse_kcal_mol_angstrom: float | None
    calibration_factor: float | None


@dataclass(frozen=True, kw_only=True)
class Errors(MoleculeErrors):
    """Errors over a data set, and of each of its molecules.

    Attributes
    ----------
    by_molecule : mapping of str to MoleculeErrors
        By molecule_id.
    calibration : Calibration or None
        None for a potential with a single member.
    """

    by_molecule: Mapping[str, MoleculeErrors]
    calibration: Calibration | None


def held_out_errors(potential: Potential, data: Sequence[LabelledStructure]) -> Errors | None:
    """Compare a potential with labels; None for no data."""
    return errors_of(data, potential.predict([row.structure for row in data]))


def errors_of(
    data: Sequence[LabelledStructure], predictions: Sequence[Prediction]
) -> Errors | None:
    """Compare predictions, one for each labelled structure, with the labels; None for no data."""
    if not data:
        return None
    molecules: dict[str, list[_Row]] = {}
    for labelled, prediction in zip(data, predictions, strict=True):
        rows = molecules.setdefault(labelled.structure.molecule_id, [])
        rows.append((labelled, prediction))
    return Errors(
        **vars(_summary(list(molecules.values()))),
        by_molecule={key: _summary([rows]) for key, rows in molecules.items()},
        calibration=calibrate(data, predictions),
    )


def errors_to_json(errors: Errors) -> dict[str, Any]:
    """Return a document that `json.dumps` takes and `errors_from_json` reads back exactly."""
    return asdict(errors)


def errors_from_json(document: Any) -> Errors:
    """Read what `errors_to_json` made, of this version or an earlier one.

    Raises
    ------
    KeyError, TypeError
        It is not such a document.
    """
    found, by_molecule = document["calibration"], document["by_molecule"]
    return Errors(
        **{
            **document,
            "by_molecule": {key: MoleculeErrors(**errors) for key, errors in by_molecule.items()},
            "calibration": None if found is None else _calibration_from_json(found),
        }
    )


def _calibration_from_json(document: Any) -> Calibration:
    return Calibration(
        **{
            **document,
            "bins": tuple(ReliabilityBin(**found) for found in document["bins"]),
            # The first versions of rung wrote no quantiles.
            "error_shares": tuple(document.get("error_shares", ())),
            "error_quantiles_kcal_mol": tuple(document.get("error_quantiles_kcal_mol", ())),
            "intervals": intervals_from_json(document.get("intervals")),
        }
    )


def _summary(molecules: Sequence[Sequence[_Row]]) -> MoleculeErrors:
    """Summarise the errors of some molecules' rows."""
    energy = [np.array([p.energy - row.label.energy for row, p in rows]) for rows in molecules]
    absolute = np.concatenate(energy) * KCAL_MOL_PER_EV
    relative = np.concatenate([e - e.mean() for e in energy]) * KCAL_MOL_PER_EV
    rows = [pair for molecule in molecules for pair in molecule]
    forces = [
        (p.forces - row.label.forces).ravel() for row, p in rows if row.label.forces is not None
    ]
    calibration = calibrate([row for row, _ in rows], [p for _, p in rows])
    force = np.concatenate(forces) * KCAL_MOL_PER_EV if forces else None
    return MoleculeErrors(
        n_structures=len(rows),
        energy_mae_kcal_mol=float(np.abs(absolute).mean()),
        energy_rmse_kcal_mol=_rms(absolute),
        relative_energy_mae_kcal_mol=float(np.abs(relative).mean()),
        force_mae_kcal_mol_angstrom=None if force is None else float(np.abs(force).mean()),
        force_rmse_kcal_mol_angstrom=None if force is None else _rms(force),
        calibration_factor=None if calibration is None else calibration.factor,
    )


def _rms(values: FloatArray) -> float:
    return float(np.sqrt((values**2).mean()))
