"""Calibration: a committee whose spread is known, against what must come out."""

import numpy as np
import pytest
from model_examples import toy_data

from chemistry.records.potential import Prediction
from chemistry.units import EV_PER_KCAL_MOL
from model.calibration import calibrate


def predictions(data, errors_kcal, sigmas_kcal):
    """Two members around a mean that is wrong by that much, both per sqrt(N)."""
    made = []
    for row, error, sigma in zip(data, errors_kcal, sigmas_kcal, strict=True):
        scale = EV_PER_KCAL_MOL * np.sqrt(len(row.structure))
        energies = row.label.energy + scale * (error + sigma * np.array([-1, 1]) / np.sqrt(2))
        forces = np.zeros((2, len(row.structure), 3))
        made.append(Prediction(member_energies=energies, member_forces=forces))
    return made


def test_an_overconfident_committee_gets_a_factor_above_one():
    data = toy_data(200)
    sigmas = np.random.default_rng(0).uniform(0.1, 1.0, 200)
    errors = 3 * sigmas * np.random.default_rng(1).normal(size=200)
    found = calibrate(data, predictions(data, errors, sigmas))
    assert found.n_structures == 200
    assert found.factor == pytest.approx(3, rel=0.2)
    quantiles = dict(zip(found.error_shares, found.error_quantiles_kcal_mol, strict=True))
    assert quantiles[0.9] == pytest.approx(np.quantile(np.abs(errors), 0.9))
    assert 0.3 < found.rank_correlation < 0.8
    assert sum(b.n_structures for b in found.bins) == 200
    widths = [b.sigma_kcal_mol for b in found.bins]
    assert widths == sorted(widths)
    for part in found.bins:
        assert part.rmse_kcal_mol == pytest.approx(3 * part.sigma_kcal_mol, rel=0.5)


def test_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr

    data = toy_data(50)
    rng = np.random.default_rng(2)
    sigmas, errors = rng.uniform(0.1, 1, 50), rng.normal(size=50)
    found = calibrate(data, predictions(data, errors, sigmas))
    assert found.rank_correlation == pytest.approx(spearmanr(sigmas, np.abs(errors)).statistic)
    sure = calibrate(data, predictions(data, sigmas, sigmas))
    assert sure.rank_correlation == pytest.approx(1)
    assert sure.factor == pytest.approx(1)


def test_few_structures_are_one_bin():
    data = toy_data(4)
    found = calibrate(data, predictions(data, [1, 1, 1, 1], [1, 2, 3, 4]))
    assert [b.n_structures for b in found.bins] == [4]


def test_nothing_to_compare_gives_none():
    [row] = toy_data(1)
    [two] = predictions([row], [1.0], [1.0])
    one = Prediction(member_energies=two.member_energies[:1], member_forces=two.member_forces[:1])
    assert calibrate([], []) is None
    assert calibrate([row], [one]) is None
    assert calibrate([row], predictions([row], [1.0], [0.0])) is None
