"""What a label will cost: a power law that is recovered from labels."""

import numpy as np
import pytest

from chemistry.records.structure import Structure
from workflow.planning.cost import CostMoments, PowerLaw, fit_cost, n_electrons


def fitted(electrons, seconds) -> PowerLaw:
    moments = CostMoments()
    for n, t in zip(electrons, seconds, strict=True):
        moments = moments.plus(n, t)
    return fit_cost(moments)


def atoms(*numbers: int, charge: int = 0) -> Structure:
    return Structure(
        atomic_numbers=np.array(numbers), positions=np.zeros((len(numbers), 3)), charge=charge
    )


def test_electrons_are_counted_with_the_charge():
    assert n_electrons(atoms(8, 1, 1)) == 10
    assert n_electrons(atoms(8, 1, charge=-1)) == 10
    assert n_electrons(atoms(1, charge=1)) == 1  # a logarithm is taken of it


def test_without_labels_ten_electrons_take_a_second():
    cost = fitted([], [])
    assert cost(atoms(8, 1, 1)) == pytest.approx(1.0)
    assert cost(atoms(6, 6, 8)) == pytest.approx(2**2.5)


def test_a_power_law_is_recovered():
    electrons = [2, 10, 18, 26, 34, 58]
    cost = fitted(electrons, [3e-3 * n**3.3 for n in electrons])
    assert cost.exponent == pytest.approx(3.3)
    assert cost.prefactor == pytest.approx(3e-3)


def test_labels_of_one_size_fit_the_prefactor_alone():
    cost = fitted([10, 10, 10], [2.0, 4.0, 8.0])
    assert cost.exponent == PowerLaw().exponent
    assert cost(atoms(8, 1, 1)) == pytest.approx(4.0)


@pytest.mark.parametrize(("seconds", "exponent"), [([9.0, 1.0], 0.0), ([1e-3, 1e9], 7.0)])
def test_the_exponent_stays_within_what_methods_have(seconds, exponent):
    assert fitted([10, 20], seconds).exponent == exponent


def test_labels_that_took_no_time_do_no_harm():
    cost = fitted([10, 20], [0.0, 0.0])
    assert np.isfinite(cost(atoms(8, 1, 1)))
    assert cost(atoms(8, 1, 1)) > 0.0
