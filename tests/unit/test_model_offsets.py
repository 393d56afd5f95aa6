"""What is refitted to energies once forces are learned: offsets, or all weights by a little."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_examples import ELEMENTS, LEVEL, SMALL, toy_data, toy_label

from model import train_committee
from model.architectures.ani.settings import AniSettings
from model.architectures.ani.training.linear import refit_linear
from model.architectures.ani.training.offsets import refit_offsets
from model.self_energies import element_counts


def committee_and_structures():
    settings = AniSettings(members=2, max_epochs=2, hidden_layers=SMALL)
    data = toy_data(30)
    structures = [row.structure for row in data]
    return train_committee(
        data, settings, elements=ELEMENTS, level=LEVEL, seed=0
    ).committee, structures


def member_energies(committee, structures):
    return np.stack([p.member_energies for p in committee.predict(structures)], axis=1)


def test_offsets_of_each_member_and_element_are_found_and_forces_stay():
    committee, structures = committee_and_structures()
    offsets = np.array([[0.1, -0.2, 0.3, 0.4], [-0.5, 0.0, 0.7, -0.1]])
    counts = element_counts(structures, committee.elements)
    wanted = member_energies(committee, structures) + offsets @ counts.T
    refitted = refit_offsets(committee, structures, wanted)
    np.testing.assert_allclose(member_energies(refitted, structures), wanted, atol=1e-5)
    for old, new in zip(committee.predict(structures), refitted.predict(structures), strict=True):
        np.testing.assert_array_equal(old.member_forces, new.member_forces)


def test_few_energies_are_fitted_by_all_weights_and_forces_hardly_move():
    committee, structures = committee_and_structures()
    wanted = np.array([toy_label(structure).label.energy for structure in structures])[None]
    by_offsets, by_weights = (
        refit(committee, structures, wanted) for refit in (refit_offsets, refit_linear)
    )
    left = [
        np.abs(member_energies(found, structures) - wanted).mean(axis=1)
        for found in (by_offsets, by_weights)
    ]
    assert (left[1] < 0.5 * left[0]).all()
    np.testing.assert_array_equal(by_weights.self_energies_ev, committee.self_energies_ev)
    forces = [
        np.stack([np.concatenate([p.member_forces for p in found.predict(structures)], axis=1)])
        for found in (by_offsets, by_weights)
    ]
    assert np.abs(forces[1] - forces[0]).mean() < 0.5 * np.abs(forces[0]).mean()


@pytest.mark.parametrize("refit", [refit_offsets, refit_linear])
def test_the_committee_itself_is_left_alone(refit):
    committee, structures = committee_and_structures()
    before = committee.networks.weights.clone()
    refit(committee, structures, member_energies(committee, structures)[:1] + 1.0)
    assert torch.equal(committee.networks.weights, before)


def test_a_training_on_forces_leaves_no_offset_of_an_element():
    data = toy_data(40)
    settings = AniSettings(members=2, max_epochs=3, hidden_layers=SMALL)
    committee = train_committee(data, settings, elements=ELEMENTS, level=LEVEL, seed=0).committee
    structures = [row.structure for row in data]
    missing = np.array([row.label.energy for row in data]) - member_energies(committee, structures)
    counts = element_counts(structures, committee.elements)
    # Least squares leaves residuals that are orthogonal to what it fitted.
    np.testing.assert_allclose(missing @ counts, 0.0, atol=1e-3)


def test_offsets_are_not_refitted_to_energies_alone():
    data = [
        replace(row, label=toy_label(row.structure, forces=False).label) for row in toy_data(40)
    ]
    settings = AniSettings(members=2, max_epochs=3, hidden_layers=SMALL)
    committee = train_committee(data, settings, elements=ELEMENTS, level=LEVEL, seed=0).committee
    structures = [row.structure for row in data]
    missing = np.array([row.label.energy for row in data]) - member_energies(committee, structures)
    counts = element_counts(structures, committee.elements)
    assert np.abs(missing @ counts).max() > 1e-2
