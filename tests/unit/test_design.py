"""Which structures say most of all others, against posterior variances as they are defined."""

import numpy as np
import pytest

from model.design import most_informative

RIDGE, SHARED = 1e-3, 1e4


@pytest.fixture(scope="module")
def kernel():
    features = np.random.default_rng(4).normal(size=(9, 12))
    found = features @ features.T
    return found / np.trace(found) * len(found)


def mean_error(kernel, learned: list[int], reference: int) -> float:
    """Expected error of energies above the reference once some are learned, solved at once."""
    prior = kernel + SHARED
    inverse = np.linalg.inv(prior[np.ix_(learned, learned)] + RIDGE * np.eye(len(learned)))
    left = prior - prior[:, learned] @ inverse @ prior[learned]
    differences = np.eye(len(kernel))
    differences[:, reference] -= 1.0
    return float(np.sqrt((differences @ left @ differences.T).diagonal().clip(0)).mean())


@pytest.mark.parametrize("known", [[2], [5, 0]])
def test_each_lowers_the_error_of_energies_above_the_reference_most(kernel, known):
    learned = list(known)
    for found in most_informative(kernel, known, 3, ["hot"] * 9):
        others = [i for i in range(len(kernel)) if i not in learned]
        errors = {i: mean_error(kernel, [*learned, i], known[0]) for i in others}
        assert found == min(errors, key=errors.__getitem__)
        learned.append(found)


def test_two_of_a_kind_are_not_both_taken():
    features = np.repeat(np.eye(3), 2, axis=0)  # three pairs of equals
    picks = most_informative(features @ features.T, [0], 2, ["hot"] * 6)
    assert {place // 2 for place in picks} == {1, 2}


def test_there_are_no_more_than_all(kernel):
    kinds = ["hot"] * 9
    assert sorted(most_informative(kernel, [3, 4], 99, kinds)) == [0, 1, 2, 5, 6, 7, 8]
    assert most_informative(kernel, [3, 4], 0, kinds) == ()


def test_kinds_take_turns_while_there_are_structures_of_both(kernel):
    kinds = ["anchor", "anchor", *["hot"] * 7]
    found = [kinds[place] for place in most_informative(kernel, [0], 4, kinds)]
    assert found[0] == "hot"  # one anchor is known
    assert found[1:3] in (["anchor", "hot"], ["hot", "anchor"])
    assert found[3] == "hot"
