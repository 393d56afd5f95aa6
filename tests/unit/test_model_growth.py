"""A committee from elsewhere with other members and further elements: what it knew stays."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_examples import ELEMENTS, LEVEL, SMALL, cluster, committee, toy_data
from toy_architecture import Springs

from chemistry.errors import InputError
from chemistry.records.structure import Structure
from model import TrainingRequest, find_architecture, load_committee
from model.architectures.ani.settings import AniSettings
from model.architectures.ani.states import with_states
from model.protocol import Fit

FLUORINE, SULPHUR = 9, 16
STRUCTURES = [cluster(n, seed=n) for n in (3, 7, 12)]


def fitted(
    start,
    *,
    members: int,
    elements: tuple[int, ...] = ELEMENTS,
    states: tuple[tuple[int, int], ...] = (),
    seed: int = 0,
):
    fit = Fit(
        members=members,
        elements=elements,
        states=states,
        level=LEVEL,
        seed=seed,
        record={"start": "here"},
    )
    return find_architecture("ani").fitted(start, fit)


def hydrogen_fluoride() -> Structure:
    return Structure(
        atomic_numbers=np.array([FLUORINE, 1]), positions=np.array([[0, 0, 0], [0, 0, 0.92]])
    )


@pytest.mark.parametrize("elements", [(1, 6), (1, FLUORINE), (1, 6, FLUORINE, SULPHUR, 35)])
def test_old_energies_and_forces_stay_when_elements_are_added(elements):
    start = committee(3)
    grown = fitted(start, members=3, elements=elements)
    assert set(grown.elements) == {*ELEMENTS, *elements}
    for before, after in zip(start.predict(STRUCTURES), grown.predict(STRUCTURES), strict=True):
        np.testing.assert_allclose(after.member_energies, before.member_energies, atol=1e-9)
        np.testing.assert_allclose(after.member_forces, before.member_forces, atol=1e-9)


def in_state(structure: Structure, charge: int, multiplicity: int) -> Structure:
    return replace(structure, charge=charge, multiplicity=multiplicity)


def test_a_state_that_is_new_has_the_energy_of_the_one_that_was_learned():
    start = fitted(committee(3), members=3, states=((0, 1),))
    grown = fitted(start, members=4, elements=(FLUORINE,), states=((0, 1), (1, 2)))
    assert grown.states == ((0, 1), (1, 2))
    ions = [in_state(s, 1, 2) for s in STRUCTURES]
    for before, after in zip(start.predict(STRUCTURES), grown.predict(ions), strict=True):
        np.testing.assert_allclose(after.member_energies[:3], before.member_energies, atol=1e-9)


def test_states_that_were_learned_stay_with_new_elements_and_members():
    told_apart = with_states(committee(3), ((0, 1), (1, 2)))
    rng = np.random.default_rng(1)
    weights = told_apart.networks.weights
    weights += torch.from_numpy(rng.normal(scale=1e-3, size=tuple(weights.shape)))
    start = replace(told_apart, state_energies_ev=rng.normal(size=(3, 3)))
    grown = fitted(start, members=5, elements=(1, FLUORINE), states=((0, 3),))
    assert grown.states == ((0, 1), (0, 3), (1, 2))
    structures = [*STRUCTURES, *(in_state(s, 1, 2) for s in STRUCTURES)]
    for before, after in zip(start.predict(structures), grown.predict(structures), strict=True):
        rows = np.arange(5) % 3
        np.testing.assert_allclose(after.member_energies, before.member_energies[rows], atol=1e-9)
        np.testing.assert_allclose(after.member_forces, before.member_forces[rows], atol=1e-9)


def test_what_it_began_with_stays_known_whatever_is_learned_in_whichever_groups():
    architecture = find_architecture("ani")
    start = fitted(committee(2, precision="float32"), members=4)
    settings = AniSettings(members=4, folds=4, max_epochs=1, hidden_layers=SMALL)
    request = TrainingRequest(
        data=toy_data(12), settings=settings, elements=start.elements, level=LEVEL, seed=1
    )
    parts = [
        architecture.climb(replace(request, members=members), start, "full").committee
        for members in (range(2), range(2, 4))
    ]
    whole = architecture.joined(parts).committee
    assert whole.record["start"] == "here"
    climbed = architecture.climb(request, whole, "linear").committee
    assert climbed.record["start"] == "here"


def test_members_disagree_on_a_new_element():
    grown = fitted(committee(4, precision="float32"), members=4, elements=(FLUORINE,))
    [prediction] = grown.predict([hydrogen_fluoride()])
    assert prediction.rho_kcal_mol > 0.01


def test_new_weights_follow_the_seed():
    one, same, other = (
        fitted(committee(2), members=2, elements=(FLUORINE,), seed=seed) for seed in (1, 1, 2)
    )
    energies = [c.predict([hydrogen_fluoride()])[0].energy for c in (one, same, other)]
    assert energies[0] == energies[1] != energies[2]


@pytest.mark.parametrize("members", [2, 3, 5, 8])
def test_a_committee_is_cut_or_its_members_stand_in_it_again(members):
    start = committee(3)
    found = fitted(start, members=members)
    assert found.n_members == members
    known = start.predict(STRUCTURES)
    for before, after in zip(known, found.predict(STRUCTURES), strict=True):
        rows = np.arange(members) % 3
        np.testing.assert_allclose(after.member_energies, before.member_energies[rows], atol=1e-9)


def test_the_copy_says_where_it_is_from_and_is_a_checkpoint_like_others(tmp_path):
    found = fitted(committee(2), members=4, elements=(SULPHUR,))
    found.save(tmp_path / "start.safetensors")
    read = load_committee(tmp_path / "start.safetensors")
    assert read.record["start"] == "here"
    assert (read.level_id, read.level_name) == (LEVEL.level_id, LEVEL.name)
    assert read.elements == (*ELEMENTS, SULPHUR)


def test_members_that_stood_twice_differ_once_trained():
    architecture = find_architecture("ani")
    start = fitted(committee(2, precision="float32"), members=4)
    settings = AniSettings(members=4, folds=4, max_epochs=1)
    request = TrainingRequest(
        data=toy_data(12), settings=settings, elements=start.elements, level=LEVEL, seed=1
    )
    trained = architecture.climb(request, start, "full").committee
    energies = trained.predict(STRUCTURES[:1])[0].member_energies
    assert len(set(np.round(energies, 6))) == 4


def test_an_architecture_that_begins_with_none_says_so():
    fit = Fit(members=2, elements=(1,), states=(), level=LEVEL, seed=0, record={})
    with pytest.raises(InputError, match="springs can begin with no committee: leave `start` out"):
        Springs().fitted(committee(2), fit)
