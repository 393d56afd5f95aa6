"""Ridge regression in closed form against what it is defined by."""

import numpy as np
import pytest

from model.ridge import Columns, fit_ridge

COUNTS = np.array([[2, 1, 0], [2, 1, 0], [4, 1, 1], [4, 1, 1], [4, 0, 1], [4, 0, 1]], float)
STRENGTH = 0.01


@pytest.fixture(scope="module")
def problem():
    generator = np.random.default_rng(3)
    features = generator.normal(size=(6, 9))
    return features @ features.T, generator.normal(size=6)


def test_errors_left_out_are_those_of_fits_to_all_others(problem):
    kernel, targets = problem
    fit = fit_ridge(kernel, Columns.of(COUNTS), targets, STRENGTH)
    for left_out in range(6):
        rest = np.delete(np.arange(6), left_out)
        other = fit_ridge(
            kernel[np.ix_(rest, rest)], Columns.of(COUNTS[rest]), targets[rest], STRENGTH
        )
        said = kernel[left_out, rest] @ other.coefficients + COUNTS[left_out] @ other.free
        assert fit.left_out_errors[left_out] == pytest.approx(said - targets[left_out], abs=1e-9)


def test_energies_of_elements_cost_nothing(problem):
    kernel, targets = problem
    columns = Columns.of(COUNTS)
    plain = fit_ridge(kernel, columns, targets, STRENGTH)
    moved = fit_ridge(kernel, columns, targets + COUNTS @ [1e3, -2e3, 5e2], STRENGTH)
    np.testing.assert_allclose(moved.coefficients, plain.coefficients, atol=1e-8)
    np.testing.assert_allclose(
        COUNTS @ (moved.free - plain.free), COUNTS @ [1e3, -2e3, 5e2], atol=1e-8
    )


def test_a_weak_ridge_goes_through_the_data_and_a_strong_one_fits_elements_alone(problem):
    kernel, targets = problem
    columns = Columns.of(COUNTS)
    weak, strong = (fit_ridge(kernel, columns, targets, s) for s in (1e-9, 1e9))
    np.testing.assert_allclose(kernel @ weak.coefficients + COUNTS @ weak.free, targets, atol=1e-6)
    by_molecule = targets.reshape(3, 2).mean(axis=1).repeat(2)
    np.testing.assert_allclose(COUNTS @ strong.free, by_molecule, atol=1e-6)


def test_a_datum_that_alone_has_an_element_has_no_error_left_out(problem):
    kernel, targets = problem
    counts = COUNTS.copy()
    counts[5] = [4, 0, 2]
    counts = np.hstack([counts, np.eye(6)[:, 5:]])
    fit = fit_ridge(kernel, Columns.of(counts), targets, STRENGTH)
    assert np.isnan(fit.left_out_errors[5])
    assert np.isfinite(fit.left_out_errors[:4]).all()
