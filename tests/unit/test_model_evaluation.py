"""Errors against labels: each number computed once more by hand."""

import numpy as np
import pytest
from model_examples import toy_data

from chemistry.records.potential import Prediction
from chemistry.units import EV_PER_KCAL_MOL
from model.evaluation import errors_of


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
