"""Training: what it must keep whatever the settings."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_examples import ELEMENTS, LEVEL, SMALL, cluster, toy_data, toy_label

from chemistry.errors import InputError
from chemistry.units import KCAL_MOL_PER_EV
from model import (
    TrainingRequest,
    find_architecture,
    held_out_errors,
    load_committee,
    train_committee,
)
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.settings import AniSettings

SETTINGS = AniSettings(members=2, max_epochs=30, hidden_layers=SMALL, batch_size=16)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def changed(**settings):
    return SETTINGS.model_copy(update=settings)


def train(data, settings=SETTINGS, *, seed=0, start=None):
    return train_committee(data, settings, elements=ELEMENTS, level=LEVEL, seed=seed, start=start)


def test_errors_fall_far_below_the_spread_of_the_labels():
    held_out = toy_data(40, seed=9)
    data = toy_data(120)
    before = held_out_errors(train(data, changed(max_epochs=1)).committee, held_out)
    after = held_out_errors(train(data).committee, held_out)
    spread = KCAL_MOL_PER_EV * np.mean([np.abs(row.label.forces).mean() for row in held_out])
    assert after.force_mae_kcal_mol_angstrom < 0.35 * spread
    assert after.energy_mae_kcal_mol < 0.5 * before.energy_mae_kcal_mol


def test_the_same_seed_gives_the_same_bits_in_any_order_of_the_data():
    data = toy_data(40)
    one, two, other = train(data), train(data[::-1]), train(data, seed=1)
    assert torch.equal(one.committee.networks.weights, two.committee.networks.weights)
    np.testing.assert_array_equal(one.committee.self_energies_ev, two.committee.self_energies_ev)
    assert not torch.equal(one.committee.networks.weights, other.committee.networks.weights)


def test_labels_without_forces_teach_energies():
    data = [
        toy_label(row.structure, forces=index % 3 == 0) for index, row in enumerate(toy_data(60))
    ]
    result = train(data)
    assert (result.n_structures, result.n_with_forces) == (60, 20)
    errors = held_out_errors(result.committee, data)
    assert errors.force_mae_kcal_mol_angstrom is not None
    energies_only = train([toy_label(row.structure, forces=False) for row in data])
    assert held_out_errors(energies_only.committee, data).energy_mae_kcal_mol < 30


def test_a_warm_start_begins_where_the_last_training_ended():
    data = toy_data(60)
    first = train(data)
    again = train(data, changed(max_epochs=1), start=first.committee)
    before, after = (held_out_errors(r.committee, data).energy_mae_kcal_mol for r in (first, again))
    assert after < 1.2 * before


def test_a_warm_start_takes_over_a_shift_of_all_energies():
    data = toy_data(60)
    first = train(data)
    shifted = [
        replace(row, label=replace(row.label, energy=row.label.energy + 7.0 * len(row.structure)))
        for row in data
    ]
    again = train(shifted, changed(max_epochs=1), start=first.committee)
    before, after = (
        held_out_errors(first.committee, data).energy_mae_kcal_mol,
        held_out_errors(again.committee, shifted).energy_mae_kcal_mol,
    )
    assert after < 1.2 * before


def test_elements_that_no_label_has_are_known_and_get_no_self_energy():
    data = [
        toy_label(replace(row.structure, atomic_numbers=np.array([6, 1, 1, 1, 1, 6])[:n]))
        for row in toy_data(40)
        for n in [len(row.structure)]
    ]
    committee = train(data).committee
    assert committee.elements == ELEMENTS
    for number in (7, 8):
        assert committee.self_energies_ev[ELEMENTS.index(number)] == pytest.approx(0, abs=1e-9)
    assert committee.predict([cluster(8, seed=3)])[0].member_energies.shape == (2,)


def test_patience_stops_members_and_their_best_weights_are_kept():
    settings = SETTINGS.model_copy(
        update={"max_epochs": 200, "patience_epochs": 2, "learning_rate": 0.05}
    )
    result = train(toy_data(40), settings)
    for member in result.members:
        assert member.epochs <= 200
        assert member.epochs - member.best_epoch <= 2
        if member.best_epoch:
            assert member.validation_loss[member.best_epoch - 1] == min(member.validation_loss)


def test_without_patience_the_last_weights_are_kept():
    settings = changed(max_epochs=8, patience_epochs=None, learning_rate=0.05)
    result = train(toy_data(40), settings)
    assert [member.best_epoch for member in result.members] == [8, 8]
    assert all(len(member.validation_loss) == 8 for member in result.members)


def test_a_warm_start_takes_fewer_epochs():
    settings = changed(max_epochs=6, warm_start_max_epochs=3)
    first = train(toy_data(20), settings)
    again = train(toy_data(20), settings, start=first.committee)
    assert [member.epochs for member in first.members] == [6, 6]
    assert [member.epochs for member in again.members] == [3, 3]


@pytest.mark.parametrize("way", [None, "full", "delta"])
def test_groups_in_processes_of_their_own_give_the_bits_of_one_training(tmp_path, way):
    data, settings = toy_data(30), changed(max_epochs=3, members=6)
    request = TrainingRequest(data=data, settings=settings, elements=ELEMENTS, level=LEVEL, seed=4)
    ani = find_architecture("ani")
    below = None if way is None else train(toy_data(20, seed=3), changed(max_epochs=1, members=6))

    def trained(request):
        if below is None:
            return ani.train(request)
        return ani.climb(request, below.committee, way)

    groups = ani.groups(settings, way, "cpu")
    assert [member for group in groups for member in group] == list(range(6))
    assert len(groups) > 1
    parts = []
    for group in groups:
        path = tmp_path / f"{group.start}"
        trained(replace(request, members=group)).committee.save(path)
        parts.append(load_committee(path))
    joined, whole = ani.joined(parts), trained(request)
    one, other = joined.committee, whole.committee
    assert isinstance(one, AniCommittee)
    assert isinstance(other, AniCommittee)
    assert torch.equal(one.networks.weights, other.networks.weights)
    np.testing.assert_array_equal(one.self_energies_ev, other.self_energies_ev)
    assert [member.epochs for member in joined.members] == [3] * 6
    assert joined.committee.record == whole.committee.record
    assert (joined.n_structures, joined.n_with_forces) == (30, 30)
    assert joined.notes == whole.notes


def test_parts_that_have_learned_other_data_are_not_joined():
    settings = changed(max_epochs=1, members=6)
    ani = find_architecture("ani")
    parts = [
        ani.train(
            TrainingRequest(
                data=toy_data(8, seed=index),
                settings=settings,
                elements=ELEMENTS,
                level=LEVEL,
                seed=0,
                members=group,
            )
        ).committee
        for index, group in enumerate(ani.groups(settings, None, "cpu"))
    ]
    with pytest.raises(InputError, match="have not learned the same"):
        ani.joined(parts)


def test_on_a_graphics_processor_or_where_members_need_each_other_there_is_one_group():
    ani, settings = find_architecture("ani"), changed(members=8)
    for way, device in ((None, "cuda"), ("linear", "cpu"), ("auto", "cpu")):
        assert ani.groups(settings, way, device) == (range(8),)


def test_members_learn_the_same_alone_and_together():
    # Without forces: the closed-form fit after these has one strength for all members.
    data = [replace(row, label=replace(row.label, forces=None)) for row in toy_data(30)]
    two = train(data, changed(max_epochs=3)).committee
    three = train(data, changed(max_epochs=3, members=3)).committee
    torch.testing.assert_close(
        two.networks.weights, three.networks.weights[:2], rtol=1e-3, atol=1e-4
    )


def test_past_its_memory_budget_a_training_gives_the_same_weights_and_says_so():
    data = toy_data(30)
    kept = train(data, changed(max_epochs=2))
    anew = train(data, changed(max_epochs=2, cache_memory_gb=0.0))
    assert torch.equal(kept.committee.networks.weights, anew.committee.networks.weights)
    assert "cache_memory_gb" in anew.notes[-1]
    assert not any("cache_memory_gb" in note for note in kept.notes)


def test_one_label_is_enough():
    result = train(toy_data(1))
    assert np.isfinite(result.committee.predict([cluster(3, seed=0)])[0].member_energies).all()
    assert "too few structures" in result.notes[-1]


def test_nothing_to_train_on_is_refused():
    with pytest.raises(InputError, match="nothing to train on"):
        train([])


@pytest.mark.parametrize("change", [{"energy": np.nan}, {"forces": np.full((4, 3), np.inf)}])
def test_a_label_that_is_not_finite_is_refused(change):
    [row] = toy_data(1)
    with pytest.raises(InputError, match=f"{row.label.structure_id} is not finite"):
        train([replace(row, label=replace(row.label, **change))])


def test_a_label_of_another_level_is_refused():
    [row] = toy_data(1)
    with pytest.raises(InputError, match="of level other"):
        train([replace(row, label=replace(row.label, level_id="other"))])


def test_a_start_with_other_members_or_fewer_elements_is_refused():
    start = train(toy_data(4), changed(max_epochs=1)).committee
    with pytest.raises(InputError, match="2 members"):
        train(toy_data(4), changed(members=3), start=start)
    with pytest.raises(InputError, match="does not know S"):
        train_committee(toy_data(4), SETTINGS, elements=(1, 16), level=LEVEL, seed=0, start=start)


def test_a_hidden_layer_of_no_element_is_refused():
    with pytest.raises(InputError, match="'Xx'"):
        train(toy_data(1), changed(hidden_layers={"Xx": (4,)}))
