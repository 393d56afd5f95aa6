"""How wrong a potential is on labelled structures that it has not seen."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np

from chemistry.records.label import LabelledStructure
from chemistry.records.potential import Potential, Prediction
from chemistry.records.structure import FloatArray
from chemistry.units import KCAL_MOL_PER_EV
from model.calibration import Calibration, ReliabilityBin, calibrate
from model.intervals import intervals_from_json

_Row: TypeAlias = tuple[LabelledStructure, Prediction]
_T = TypeVar("_T")


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
    above_lowest_mae_kcal_mol : float or None
        Of energies above that of the molecule's lowest labelled structure, which may be one that
        was trained on: what people see of conformers and barriers.
    """

    n_structures: int
    energy_mae_kcal_mol: float
    energy_rmse_kcal_mol: float
    relative_energy_mae_kcal_mol: float
    force_mae_kcal_mol_angstrom: float | None
    force_rmse_kcal_mol_angstrom: float | None
    calibration_factor: float | None
    above_lowest_mae_kcal_mol: float | None = None

    @property
    def of_energies_and_forces(self) -> float:
        """The MAE of energies times that of forces: of two potentials the lesser is the better one.

        A tenth less of the one makes up for a tenth more of the other, in whatever units. Energies
        alone where labels have no forces.
        """
        forces = self.force_mae_kcal_mol_angstrom
        return self.energy_mae_kcal_mol * (1.0 if forces is None else forces)


@dataclass(frozen=True, kw_only=True)
class KindErrors(MoleculeErrors):
    """Errors over the structures of one kind, see `Origin.kind`.

    Attributes
    ----------
    calibration : Calibration or None
        None for a potential with a single member.
    """

    calibration: Calibration | None


@dataclass(frozen=True, kw_only=True)
class Errors(MoleculeErrors):
    """Errors over a data set, and of each of its molecules.

    Attributes
    ----------
    by_molecule : mapping of str to MoleculeErrors
        By molecule_id.
    calibration : Calibration or None
        None for a potential with a single member.
    by_kind : mapping of "anchor" and "hot" to KindErrors
        Of those that there are.
    """

    by_molecule: Mapping[str, MoleculeErrors]
    calibration: Calibration | None
    by_kind: Mapping[str, KindErrors] = field(default_factory=dict)


def held_out_errors(
    potential: Potential,
    data: Sequence[LabelledStructure],
    trained_on: Sequence[LabelledStructure] = (),
) -> Errors | None:
    """Compare a potential with labels; None for no data.

    The lowest structure of a molecule is looked for among the data and what was `trained_on`.
    """
    return errors_of(data, *predicted_beside_lowest(potential, data, trained_on))


def predicted_beside_lowest(
    potential: Potential,
    data: Sequence[LabelledStructure],
    trained_on: Sequence[LabelledStructure],
) -> tuple[list[Prediction], list[_Row]]:
    """Predict labelled structures, and the lowest of their molecules where it was `trained_on`.

    Returns
    -------
    predictions : list of Prediction
        One for each of the data.
    beside : list of (LabelledStructure, Prediction)
        The lowest structures that are not among the data.
    """
    known = {id(row) for row in data}
    molecules = {row.structure.molecule_id for row in data}
    lowest = [
        row
        for row in _lowest((row, row) for row in (*data, *trained_on)).values()
        if row.structure.molecule_id in molecules and id(row) not in known
    ]
    predictions = potential.predict([row.structure for row in (*data, *lowest)])
    beside = list(zip(lowest, predictions[len(data) :], strict=True))
    return predictions[: len(data)], beside


def errors_of(
    data: Sequence[LabelledStructure],
    predictions: Sequence[Prediction],
    beside: Sequence[_Row] = (),
) -> Errors | None:
    """Compare predictions, one for each labelled structure, with the labels; None for no data.

    The lowest structure of a molecule may be one `beside` the data.
    """
    if not data:
        return None
    pairs = list(zip(data, predictions, strict=True))
    lowest = _lowest((pair[0], pair) for pair in (*pairs, *beside))
    return Errors(
        **vars(_summary(pairs, lowest)),
        by_molecule={
            key: _summary(rows, lowest)
            for key, rows in _groups(pairs, lambda row: row.structure.molecule_id).items()
        },
        calibration=calibrate(data, predictions),
        by_kind={
            kind: KindErrors(
                **vars(_summary(rows, lowest)),
                calibration=calibrate([row for row, _ in rows], [p for _, p in rows]),
            )
            for kind, rows in _groups(pairs, lambda row: row.structure.origin.kind).items()
        },
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
    by_molecule = document["by_molecule"]
    by_kind = document.get("by_kind", {})  # rung 0.1.0 knew no kinds
    return Errors(
        **{
            **document,
            "by_molecule": {key: MoleculeErrors(**errors) for key, errors in by_molecule.items()},
            "calibration": _calibration_from_json(document["calibration"]),
            "by_kind": {
                kind: KindErrors(
                    **{**errors, "calibration": _calibration_from_json(errors["calibration"])}
                )
                for kind, errors in by_kind.items()
            },
        }
    )


def _calibration_from_json(document: Any) -> Calibration | None:
    if document is None:
        return None
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


def _lowest(rows: Iterable[tuple[LabelledStructure, _T]]) -> dict[str, _T]:
    """Return, by molecule, what belongs to the structure with the lowest label."""
    found: dict[str, tuple[float, _T]] = {}
    for row, its in rows:
        before = found.get(row.structure.molecule_id)
        if before is None or row.label.energy < before[0]:
            found[row.structure.molecule_id] = row.label.energy, its
    return {key: its for key, (_, its) in found.items()}


def _groups(pairs: Iterable[_Row], by: Callable[[LabelledStructure], str]) -> dict[str, list[_Row]]:
    groups: dict[str, list[_Row]] = {}
    for row, prediction in pairs:
        groups.setdefault(by(row), []).append((row, prediction))
    return groups


def _error_ev(pair: _Row) -> float:
    row, prediction = pair
    return prediction.energy - row.label.energy


def _summary(rows: Sequence[_Row], lowest: Mapping[str, _Row]) -> MoleculeErrors:
    """Summarise the errors of some rows; `lowest` is that of each molecule."""
    molecules = _groups(rows, lambda row: row.structure.molecule_id)
    energy = [np.array([_error_ev(pair) for pair in of_it]) for of_it in molecules.values()]
    absolute = np.concatenate(energy) * KCAL_MOL_PER_EV
    relative = np.concatenate([e - e.mean() for e in energy]) * KCAL_MOL_PER_EV
    above = [
        abs(_error_ev(pair) - _error_ev(lowest[key])) * KCAL_MOL_PER_EV
        for key, of_it in molecules.items()
        for pair in of_it
        if pair[0] is not lowest[key][0]
    ]
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
        above_lowest_mae_kcal_mol=float(np.mean(above)) if above else None,
    )


def _rms(values: FloatArray) -> float:
    return float(np.sqrt((values**2).mean()))
