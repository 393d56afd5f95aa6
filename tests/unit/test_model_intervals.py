"""Intervals: exchangeable errors whose coverage is known, against what must come out."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from model_examples import toy_data

from chemistry.records.potential import Prediction
from model.calibration import calibrate
from model.conformal import (
    conformal_factor,
    held_out_intervals,
    scores_by_molecule,
    scores_by_structure,
)
from model.intervals import FEWEST_GROUPS, intervals_from_json, intervals_of

STRUCTURES = "held-out structures"


def predictions(data, energy_errors_ev, sigmas_ev, *, force_errors_ev=0.0):
    """Two members around a mean that is wrong by that much."""
    made = []
    for row, error, sigma in zip(data, energy_errors_ev, sigmas_ev, strict=True):
        spread = sigma * np.array([-1, 1]) / np.sqrt(2)
        forces = row.label.forces + np.array([force_errors_ev, 0.0, 0.0])
        made.append(
            Prediction(
                member_energies=row.label.energy + error + spread,
                member_forces=np.stack([forces - 0.1, forces + 0.1]),
            )
        )
    return made


def molecules(rng, n, sizes=(1, 12)):
    """Scores of geometries that share what their molecule is like: its bias, and how wide it is."""
    groups = []
    for _ in range(n):
        bias, width = rng.normal(0, 2), rng.uniform(0.2, 1.0)
        groups.append(np.abs(bias + width * rng.normal(size=rng.integers(*sizes))))
    return groups


@pytest.mark.parametrize("n", [12, 40])
def test_a_factor_holds_for_nine_geometries_of_ten_of_molecules_never_seen(n):
    rng = np.random.default_rng(n)
    covered = []
    for _ in range(1500):
        *known, new = molecules(rng, n + 1)
        covered.append(np.mean(new <= conformal_factor(known)))
    error = np.std(covered) / np.sqrt(len(covered))
    assert np.mean(covered) > 0.9 - 3 * error
    assert np.mean(covered) < 0.9 + 2 / (n + 1)


def test_geometries_for_molecules_would_hold_for_fewer():
    """Why molecules, not geometries, are what is exchangeable: few of them say little."""
    rng = np.random.default_rng(1)
    covered, naive = [], []
    for _ in range(1000):
        *known, new = molecules(rng, 10, sizes=(1, 40))
        every = [np.array([score]) for group in known for score in group]
        covered.append(np.mean(new <= conformal_factor(known)))
        naive.append(np.mean(new <= conformal_factor(every)))
    assert np.mean(covered) > 0.88
    assert np.mean(naive) < np.mean(covered) - 0.04


def test_of_single_scores_it_is_the_quantile_with_the_finite_sample_correction():
    scores = np.random.default_rng(3).exponential(size=29)
    groups = [np.array([score]) for score in scores]
    assert conformal_factor(groups) == np.sort(scores)[27 - 1]  # ceil(0.9 * 30) = 27
    assert conformal_factor(groups[:19], level=0.5) == np.sort(scores[:19])[9]


def test_too_few_groups_leave_it_open():
    one = np.array([1.0, 2.0])
    assert conformal_factor([]) is None
    assert conformal_factor([one] * (FEWEST_GROUPS - 1)) is None
    assert conformal_factor([one] * FEWEST_GROUPS) == 2.0
    assert conformal_factor([np.array([np.inf])] * 20) is None


def test_scores_by_hand():
    data = toy_data(4)  # molecules m0, m1, m0, m1
    errors, sigmas = [0.2, -0.4, 0.6, -0.4], [0.1, 0.2, 0.3, 0.2]
    made = predictions(data, errors, sigmas, force_errors_ev=0.5)
    found = scores_by_molecule(data, made)
    assert found.energy == [pytest.approx([2, 2]), pytest.approx([2, 2])]
    # Of m0 the errors differ by 0.4 and the members' differences deviate by 0.2; of m1 the
    # errors are alike, so relative energies are right.
    assert found.relative_energy == [pytest.approx([2]), pytest.approx([0], abs=1e-6)]
    # An atom's force is off by 0.5, its members deviate by 0.1 sqrt(2) along each of x, y and z.
    of_atom = 0.5 / (0.1 * np.sqrt(6))
    assert [len(group) for group in found.force] == [8, 10]
    assert np.concatenate(found.force) == pytest.approx(of_atom)
    single = scores_by_structure(data, made)
    assert [len(group) for group in single.energy] == [1] * 4
    assert [len(group) for group in single.force] == [4, 5, 4, 5]
    assert [len(group) for group in single.relative_energy] == [1, 1]


def test_labels_without_forces_and_lone_structures_say_what_they_can():
    data = [replace(row, label=replace(row.label, forces=None)) for row in toy_data(1)]
    made = predictions(toy_data(1), [0.1], [0.1])
    found = scores_by_molecule(data, made)
    assert len(found.energy) == 1
    assert not found.relative_energy
    assert not found.force
    factors = found.factors(STRUCTURES)
    assert factors.n_groups == 1
    assert (factors.energy, factors.relative_energy, factors.force) == (None, None, None)


def test_members_that_agree_where_they_are_wrong_leave_it_open():
    data = toy_data(40)
    wrong = scores_by_structure(data, predictions(data, [0.1] * 40, [0.0] * 40)).factors(STRUCTURES)
    assert wrong.energy is None
    right = scores_by_structure(data, predictions(data, [0.0] * 40, [0.0] * 40)).factors(STRUCTURES)
    assert right.energy == pytest.approx(0)


def test_molecules_that_were_learned_and_others_have_factors_of_their_own():
    data = toy_data(60)
    learned = [row for row in toy_data(10, seed=1) if row.structure.molecule_id == "m0"]
    errors = [0.1 if row.structure.molecule_id == "m0" else 0.5 for row in data]
    found = held_out_intervals(learned, data, predictions(data, errors, [0.1] * 60))
    assert found.molecules == ("m0",)
    assert found.known.n_groups == 30
    assert found.known.energy == pytest.approx(1)
    assert found.unseen.n_groups == 1
    assert found.unseen.energy is None  # one molecule says nothing of others
    assert found.of_molecule("m0") is found.known
    assert found.of_molecule("m1") is found.unseen
    assert found.of_molecule(None) is found.unseen


def test_nothing_held_out_or_a_single_member_gives_none():
    data = toy_data(2)
    [two, _] = predictions(data, [0.1, 0.1], [0.1, 0.1])
    one = Prediction(member_energies=two.member_energies[:1], member_forces=two.member_forces[:1])
    assert held_out_intervals(data, [], []) is None
    assert held_out_intervals(data, data[:1], [one]) is None


def test_a_record_keeps_them_and_one_without_them_says_none():
    data = toy_data(40)
    made = predictions(data, np.random.default_rng(0).normal(size=40), [0.5] * 40)
    intervals = held_out_intervals(data, data, made)
    calibration = replace(calibrate(data, made), intervals=intervals)
    record = json.loads(json.dumps({"calibration": asdict(calibration)}))
    assert intervals_of(record) == intervals
    assert intervals_of({"calibration": None}) is None
    assert intervals_of({}) is None
    before = {k: v for k, v in asdict(calibration).items() if k != "intervals"}
    assert intervals_of({"calibration": before}) is None
    with pytest.raises(KeyError):
        intervals_from_json({"known": None, "unseen": None, "level": 0.9})
