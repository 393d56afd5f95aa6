"""Forecasts: the power law is found again, and what does not help is said."""

import pytest

from model.forecast import Forecast


def power_law(exponent, *numbers):
    return [(n, 3.0 * n**-exponent) for n in numbers]


def test_a_power_law_is_found_and_says_how_many_labels_an_error_takes():
    forecast = Forecast.of(power_law(0.5, 16, 32, 64))
    assert forecast.exponent == pytest.approx(0.5)
    assert forecast.error_kcal_mol == pytest.approx(3.0 / 8.0)
    assert forecast.more_labels(forecast.error_kcal_mol / 2.0) == pytest.approx(192, abs=1)
    assert forecast.more_labels(1.0) == 0


def test_where_errors_do_not_fall_no_number_of_labels_is_named():
    forecast = Forecast.of([(16, 0.3), (32, 0.31), (64, 0.3)])
    assert forecast.more_labels(0.1) is None


@pytest.mark.parametrize(
    "errors", [[], [(8, 0.1)], [(4, float("inf")), (8, 0.1)], [(4, 0.1), (8, 0.0)]]
)
def test_too_little_to_say_anything_says_nothing(errors):
    assert Forecast.of(errors) is None
