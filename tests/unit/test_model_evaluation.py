"""Errors against labels: each number computed once more by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from model_examples import toy_data

from chemistry.records.potential import Prediction
from chemistry.records.structure import Origin
from chemistry.units import EV_PER_KCAL_MOL
from model.evaluation import errors_from_json, errors_of, errors_to_json, held_out_errors


def prediction(row, energy_errors_kcal, force_error_kcal=0.0):
    energies = row.label.energy + np.array(energy_errors_kcal) * EV_PER_KCAL_MOL
    forces = row.label.forces + force_error_kcal * EV_PER_KCAL_MOL
    return Prediction(member_energies=energies, member_forces=np.stack([forces] * len(energies)))


def test_errors_by_hand():
    data = toy_data(4)  # molecules m0, m1, m0, m1
    means = [1.0, -2.0, 3.0, -2.0]
    predictions = [
        prediction(row, [mean - 0.5, mean + 0.5], force_error_kcal=mean)
        for row, mean in zip(data, means, strict=True)
    ]
    errors = errors_of(data, predictions)
    assert errors.n_structures == 4
    assert errors.energy_mae_kcal_mol == pytest.approx(2.0)
    assert errors.energy_rmse_kcal_mol == pytest.approx(np.sqrt(18 / 4))
    assert errors.relative_energy_mae_kcal_mol == pytest.approx((1 + 0 + 1 + 0) / 4)
    components = np.repeat(np.abs(means), [3 * len(row.structure) for row in data])
    assert errors.force_mae_kcal_mol_angstrom == pytest.approx(components.mean())
    assert errors.force_rmse_kcal_mol_angstrom == pytest.approx(np.sqrt((components**2).mean()))
    n_atoms = np.array([len(row.structure) for row in data])
    rmse = np.sqrt((np.square(means) / n_atoms).mean())
    sigma = np.sqrt((0.5 / n_atoms).mean())
    assert errors.calibration_factor == pytest.approx(rmse / sigma)
    assert errors.calibration.factor == pytest.approx(errors.calibration_factor)
    assert errors.by_molecule["m0"].energy_mae_kcal_mol == pytest.approx(2.0)
    assert errors.by_molecule["m1"].relative_energy_mae_kcal_mol == pytest.approx(0, abs=1e-9)


def test_what_cannot_be_computed_is_none():
    [row] = toy_data(1)
    alone = errors_of([row], [prediction(row, [1.0])])
    assert alone.calibration_factor is None
    assert alone.calibration is None
    assert errors_of([], []) is None


def made_by(sampler: str, row, energy_kcal: float):
    """A labelled structure of one molecule, from a sampler, with an energy."""
    structure = replace(row.structure, molecule_id="m", origin=Origin(sampler=sampler))
    return replace(
        row,
        structure=structure,
        label=replace(row.label, energy=energy_kcal * EV_PER_KCAL_MOL),
    )


class Said:
    """A potential that errs by given amounts, kcal/mol, by the order of its structures."""

    def __init__(self, rows, errors_kcal):
        self._answers = {
            id(row.structure): prediction(row, [error - 0.5, error + 0.5])
            for row, error in zip(rows, errors_kcal, strict=True)
        }

    def predict(self, structures):
        return [self._answers[id(structure)] for structure in structures]


def test_energies_are_taken_from_the_lowest_that_is_held_out_or_was_trained_on():
    lowest, higher, top, other = (
        made_by(sampler, row, energy)
        for sampler, row, energy in zip(
            ("anchor_conformers", "anchor_torsions", "normal_modes", "langevin"),
            toy_data(4),
            (0.0, 1.0, 9.0, 5.0),
            strict=True,
        )
    )
    potential = Said([lowest, higher, top, other], [1.0, 1.5, -2.0, 4.0])
    within = held_out_errors(potential, [lowest, higher, top])
    # The lowest has no error above itself, and is not counted.
    assert within.above_lowest_mae_kcal_mol == pytest.approx((0.5 + 3.0) / 2)
    assert within.by_kind["anchor"].above_lowest_mae_kcal_mol == pytest.approx(0.5)
    assert within.by_kind["hot"].above_lowest_mae_kcal_mol == pytest.approx(3.0)
    assert within.by_molecule["m"].above_lowest_mae_kcal_mol == pytest.approx(1.75)
    trained = held_out_errors(potential, [higher, top], trained_on=[other, lowest])
    assert trained.n_structures == 2
    assert trained.energy_mae_kcal_mol == pytest.approx((1.5 + 2.0) / 2)
    assert trained.above_lowest_mae_kcal_mol == pytest.approx((0.5 + 3.0) / 2)
    alone = held_out_errors(potential, [top], trained_on=[])
    assert alone.above_lowest_mae_kcal_mol is None


def test_each_kind_has_its_errors_and_calibration_and_they_are_read_back():
    rows = [
        made_by(sampler, row, float(i))
        for i, (sampler, row) in enumerate(
            zip(["anchor_langevin"] * 2 + ["langevin"] * 2, toy_data(4), strict=True)
        )
    ]
    errors = held_out_errors(Said(rows, [0.5, 0.5, 3.0, -3.0]), rows)
    anchor, hot = errors.by_kind["anchor"], errors.by_kind["hot"]
    assert (anchor.n_structures, hot.n_structures) == (2, 2)
    assert anchor.energy_mae_kcal_mol == pytest.approx(0.5)
    assert hot.energy_mae_kcal_mol == pytest.approx(3.0)
    assert hot.calibration.factor == pytest.approx(6.0 * anchor.calibration.factor)
    assert errors_from_json(json.loads(json.dumps(errors_to_json(errors)))) == errors
