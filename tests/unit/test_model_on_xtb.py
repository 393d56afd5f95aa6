"""Committees on top of GFN2-xTB: what is added, what is learned, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from model_examples import LEVEL as TOY_LEVEL
from model_examples import SMALL, toy_data

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.engines.tblite import TBLiteEngine
from chemistry.errors import InputError
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.structure import Origin, Structure
from model import CommitteeCalculator, TrainingRequest, find_architecture
from model.systems import in_precision, systems_of
from workflow.settings.campaign import Campaign
from workflow.settings.molecules import levels_of

LEVEL = find_level("hf/sto-3g")
WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
XTB = find_engine("tblite")(find_level("gfn2-xtb"), Resources())


def structure(numbers: list[int], positions: np.ndarray) -> Structure:
    return Structure(atomic_numbers=np.array(numbers), positions=positions, molecule_id="water")


def two_waters(apart_angstrom: float) -> np.ndarray:
    return np.concatenate([WATER, WATER + apart_angstrom * np.array([0.0, 0.0, 1.0])])


def xtb(asked: Structure) -> Label:
    label = XTB.label(asked)
    assert isinstance(label, Label)
    return label


@pytest.fixture(scope="module")
def waters() -> list[LabelledStructure]:
    """Thirty geometries of water whose energies lie two harmonic bonds above GFN2-xTB's."""
    rng, rows = np.random.default_rng(1), []
    for seed in range(30):
        moved = structure([8, 1, 1], WATER + rng.normal(0, 0.05, WATER.shape))
        moved = moved.moved_to(moved.positions, Origin(sampler="toy", seed=seed))
        label, energy, pull = xtb(moved), -7.0, np.zeros((3, 3))
        for hydrogen in (1, 2):
            bond = moved.positions[hydrogen] - moved.positions[0]
            r = float(np.linalg.norm(bond))
            energy += 2.0 * (r - 0.9) ** 2
            pull[hydrogen] -= 4.0 * (r - 0.9) * bond / r
            pull[0] += 4.0 * (r - 0.9) * bond / r
        assert label.forces is not None
        above = replace(
            label,
            level_id=LEVEL.level_id,
            energy=label.energy + energy,
            forces=label.forces + pull,
        )
        rows.append(LabelledStructure(structure=moved, label=above))
    return rows


def request(rows: list[LabelledStructure], epochs: int = 60) -> TrainingRequest:
    architecture = find_architecture("ani+gfn2-xtb")
    settings = architecture.settings.model_validate(
        {"members": 4, "folds": 4, "max_epochs": epochs, "hidden_layers": SMALL}
    )
    return TrainingRequest(data=rows, settings=settings, elements=(1, 8), level=LEVEL, seed=1)


@pytest.fixture(scope="module")
def committee(waters):
    return find_architecture("ani+gfn2-xtb").train(request(waters)).committee


def test_it_is_its_networks_plus_gfn2_xtb(committee):
    asked = structure([8, 1, 1], 1.03 * WATER)
    [whole], [own], label = (
        committee.predict([asked]),
        committee.networks.predict([asked]),
        xtb(asked),
    )
    np.testing.assert_allclose(whole.member_energies, own.member_energies + label.energy)
    np.testing.assert_allclose(whole.member_forces, own.member_forces + label.forces)
    assert abs(whole.energy - own.energy) > 100.0


def test_it_learns_what_labels_are_above_gfn2_xtb(committee, waters):
    tested = waters[::3]
    errors = [
        np.abs(found.forces - row.label.forces).mean()
        for found, row in zip(
            committee.predict([row.structure for row in tested]), tested, strict=True
        )
    ]
    without = [np.abs(xtb(row.structure).forces - row.label.forces).mean() for row in tested]
    assert np.mean(errors) < 0.3 * np.mean(without)


def test_molecules_beyond_the_cutoff_attract_each_other_as_in_gfn2_xtb(committee):
    far, farther = (structure([8, 1, 1, 8, 1, 1], two_waters(distance)) for distance in (7.0, 40.0))
    said = [prediction.energy for prediction in committee.predict([far, farther])]
    expected = xtb(far).energy - xtb(farther).energy
    assert said[0] - said[1] == pytest.approx(expected, abs=1e-5)
    assert abs(expected) > 1e-3


def test_biased_replicas_follow_the_members_forces_with_the_same_weights(committee):
    asked = structure([8, 1, 1], WATER)
    positions = np.stack([WATER, 1.05 * WATER])

    def weigh(energies):
        deviations = energies - energies.mean(axis=1, keepdims=True)
        return 1.0 / energies.shape[1] + deviations

    energies, forces = committee.replicas(asked).predict_weighted(positions, weigh)
    found = committee.predict([asked.moved_to(row, Origin()) for row in positions])
    members = np.array([p.member_forces for p in found])
    np.testing.assert_allclose(energies, [p.member_energies for p in found], atol=1e-4)
    np.testing.assert_allclose(
        forces, np.einsum("rm,rmnk->rnk", weigh(energies), members), atol=1e-3
    )


def test_systems_that_move_are_predictions_and_in_no_box(committee):
    first, second = structure([8, 1, 1], WATER), structure([8, 1, 1, 8, 1, 1], two_waters(3.0))
    systems = systems_of(in_precision(committee, "double"), [first, second])
    found = systems.predict_mean(np.concatenate([1.02 * WATER, second.positions]))
    moved = first.moved_to(1.02 * WATER, Origin())
    expected = committee.predict([moved, second])
    np.testing.assert_allclose(
        found.member_energies, [p.member_energies for p in expected], atol=1e-4
    )
    np.testing.assert_allclose(
        found.forces, np.concatenate([p.forces for p in expected]), atol=1e-3
    )
    with pytest.raises(InputError, match="knows no periodic boxes"):
        systems.predict_mean(second.positions, np.eye(3)[None] * 20.0)


@pytest.fixture
def unconverged(monkeypatch):
    """GFN2-xTB that fails to converge for geometries whose first bond is longer than 1 Å."""
    really = TBLiteEngine._calculator

    def fails():
        raise RuntimeError("scripted")

    def scripted(self, structure, positions):
        calculator = really(self, structure, positions)
        if np.linalg.norm(positions[1] - positions[0]) > 1.0:
            calculator.singlepoint = fails
        return calculator

    monkeypatch.setattr(TBLiteEngine, "_calculator", scripted)


@pytest.mark.usefixtures("unconverged")
def test_where_gfn2_xtb_has_no_answer_it_has_none_and_says_so(committee):
    asked = structure([8, 1, 1], 1.3 * WATER)
    [prediction] = committee.predict([asked])
    assert not prediction.is_computed
    energies, forces = committee.replicas(asked).predict_mean(np.stack([WATER, 1.3 * WATER]))
    assert np.isfinite(energies[0]).all()
    assert np.isnan(energies[1]).all()
    assert np.isfinite(forces[0]).all()
    assert np.isnan(forces[1]).all()
    with pytest.raises(InputError, match="does not converge"):
        committee.predict_mean([asked])
    with pytest.raises(InputError, match="does not converge"):
        systems_of(committee, [asked]).predict_mean(asked.positions)
    atoms = Atoms("OHH", positions=1.3 * WATER, calculator=CommitteeCalculator(committee))
    with pytest.raises(InputError, match="has no answer"):
        atoms.get_potential_energy()


@pytest.mark.usefixtures("unconverged")
def test_labels_that_gfn2_xtb_cannot_follow_are_left_out_and_named(waters):
    lost = [
        row
        for row in waters
        if np.linalg.norm(row.structure.positions[1] - row.structure.positions[0]) > 1.0
    ]
    assert 0 < len(lost) < len(waters)
    result = find_architecture("ani+gfn2-xtb").train(request(waters, epochs=2))
    assert result.n_structures == len(waters) - len(lost)
    [note] = result.notes
    assert all(row.structure.structure_id in note for row in lost)


def test_a_rung_of_gfn2_xtb_is_refused_and_named():
    document = {
        "name": "c",
        "molecules": ["O"],
        "rungs": [{"level": "gfn2-xtb", "budget": {"labels": 40}}],
        "train": {"architecture": "ani+gfn2-xtb"},
    }
    campaign = Campaign.model_validate(document)
    with pytest.raises(InputError, match=r"rungs\.0\.level: .* leave this rung out"):
        levels_of(campaign)


def test_it_begins_with_no_committee_of_networks_alone(waters):
    plain = find_architecture("ani")
    rows = toy_data(8)
    settings = plain.settings.model_validate(
        {"members": 4, "folds": 4, "max_epochs": 1, "hidden_layers": SMALL}
    )
    of_networks = plain.train(
        TrainingRequest(
            data=rows,
            settings=settings,
            elements=(1, 6, 7, 8),
            level=TOY_LEVEL,
            seed=1,
        )
    ).committee
    with pytest.raises(InputError, match=r"is not of architecture ani\+gfn2-xtb"):
        find_architecture("ani+gfn2-xtb").train(request(waters), of_networks)
