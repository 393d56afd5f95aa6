"""Transfer from one level of theory to another: what stays, what adds up, what is gained."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_examples import ELEMENTS, LEVEL, SMALL, toy_data, toy_label

from chemistry.errors import InputError
from chemistry.records.level import find_level
from model import TrainingRequest, climb, held_out_errors, train_committee
from model.architectures.ani.network import free_weights
from model.architectures.ani.settings import AniSettings
from model.architectures.ani.training.transfer import add_committees, shifted

SETTINGS = AniSettings(
    members=2,
    max_epochs=25,
    learning_rate=6e-3,  # for so few epochs
    transfer_learning_rate_factor=0.15,
    hidden_layers=SMALL,
    batch_size=16,
)
GOLD = find_level("hf/sto-3g")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def below():
    return train_committee(toy_data(80), SETTINGS, elements=ELEMENTS, level=LEVEL, seed=0).committee


def gold(count: int, seed: int):
    """Return energies without forces of a level that differs a little from the one below."""
    rows = []
    for row in toy_data(count, seed=seed):
        label = toy_label(row.structure, forces=False).label
        energy = 1.05 * label.energy - 3.0 * len(row.structure)
        label = replace(label, energy=energy, level_id=GOLD.level_id)
        rows.append(replace(row, label=label))
    return rows


def taught(below, way, data, held_out=(), *, settings=SETTINGS, level=GOLD):
    request = TrainingRequest(data=data, settings=settings, elements=ELEMENTS, level=level, seed=0)
    return climb(request, below, way, held_out)


def test_frozen_layers_stay_bit_for_bit_and_the_others_move(below):
    after = taught(below, "freeze", gold(20, seed=5)).result.committee
    moves = free_weights(below.shape, (0, 2)).bool()
    old, new = below.networks.weights, after.networks.weights
    assert torch.equal(old[:, ~moves], new[:, ~moves])
    assert not torch.equal(old[:, moves], new[:, moves])
    for before_layers, after_layers in zip(
        below.networks.layers, after.networks.layers, strict=True
    ):
        same = [
            torch.equal(a.weight, b.weight)
            for a, b in zip(before_layers, after_layers, strict=True)
        ]
        assert same == [k in (0, 2) for k in range(len(before_layers))]


def test_what_a_run_began_with_learns_further_at_a_rate_of_its_own(below):
    settings = SETTINGS.model_copy(update={"start_learning_rate_factor": 1e-6})
    # Without forces: after these energies are fitted in closed form.
    same_level = [
        replace(row, label=replace(row.label, forces=None)) for row in toy_data(20, seed=8)
    ]

    def moved(level, data):
        after = taught(below, "full", data, settings=settings, level=level).result.committee
        return float((after.networks.weights - below.networks.weights).abs().max())

    assert moved(LEVEL, same_level) < 1e-4
    assert moved(GOLD, gold(20, seed=8)) > 1e-3


def test_the_sum_of_two_committees_predicts_their_sum(below):
    other = train_committee(
        toy_data(30, seed=3), SETTINGS, elements=ELEMENTS, level=LEVEL, seed=7
    ).committee
    structures = [row.structure for row in toy_data(6, seed=11)]
    double = torch.float64
    both = add_committees(below, other).to(double).predict(structures)
    one, two = (c.to(double).predict(structures) for c in (below, other))
    for total, a, b in zip(both, one, two, strict=True):
        np.testing.assert_allclose(
            total.member_energies,
            a.member_energies + b.member_energies,
            rtol=0,
            atol=1e-7,  # biases add in float32
        )
        np.testing.assert_allclose(
            total.member_forces, a.member_forces + b.member_forces, rtol=0, atol=1e-9
        )


@pytest.mark.parametrize("way", ["linear", "full", "freeze", "delta"])
def test_what_is_known_below_pays(below, way):
    data, held_out = gold(25, seed=5), gold(40, seed=6)
    direct = held_out_errors(taught(below, "scratch", data).result.committee, held_out)
    carried = held_out_errors(taught(below, way, data).result.committee, held_out)
    assert carried.energy_mae_kcal_mol < 0.8 * direct.energy_mae_kcal_mol


def test_auto_keeps_the_way_with_the_least_error_and_says_what_it_tried(below):
    data, held_out = gold(25, seed=5), gold(40, seed=6)
    climbed = taught(below, "auto", data, held_out)
    assert set(climbed.tried) == {"linear", "scratch", "full", "freeze", "delta"}
    assert climbed.way == min(climbed.tried, key=climbed.tried.get)
    errors = held_out_errors(climbed.result.committee, held_out)
    assert errors.energy_mae_kcal_mol == pytest.approx(climbed.tried[climbed.way])


def test_auto_looks_at_forces_where_labels_have_them(below):
    def with_forces(count, seed):
        rows = [(g, toy_label(g.structure).label) for g in gold(count, seed)]
        return [replace(g, label=replace(g.label, forces=1.05 * label.forces)) for g, label in rows]

    data, held_out = with_forces(25, seed=5), with_forces(40, seed=6)
    ways = ("linear", "scratch", "full", "freeze", "delta")
    errors = {
        way: held_out_errors(taught(below, way, data).result.committee, held_out) for way in ways
    }
    climbed = taught(below, "auto", data, held_out)
    assert climbed.tried == {way: e.energy_mae_kcal_mol for way, e in errors.items()}
    both = {w: e.energy_mae_kcal_mol * e.force_mae_kcal_mol_angstrom for w, e in errors.items()}
    assert climbed.way == min(both, key=both.get)


def test_auto_without_a_held_out_set_is_refused(below):
    with pytest.raises(InputError, match="needs a held-out set"):
        taught(below, "auto", gold(20, seed=5))


def test_the_shift_takes_out_what_atoms_alone_explain(below):
    data = gold(25, seed=5)
    committee = shifted(below, data, GOLD)
    assert committee.level_name == "hf/sto-3g"
    assert torch.equal(committee.networks.weights, below.networks.weights)
    raw = held_out_errors(below, data).energy_mae_kcal_mol
    assert held_out_errors(committee, data).energy_mae_kcal_mol < 0.1 * raw


def test_a_linear_climb_finds_a_small_change_of_weights_again(below):
    double = below.to(torch.float64)
    generator = torch.Generator().manual_seed(4)
    change = 2e-2 * torch.randn(double.networks.weights.shape[1], generator=generator).double()
    above = replace(
        double, networks=replace(double.networks, weights=double.networks.weights + change)
    )

    def labelled(count, seed):
        rows = toy_data(count, seed=seed)
        predictions = above.predict([row.structure for row in rows])
        return [
            replace(
                row, label=replace(row.label, energy=p.energy, forces=None, level_id=GOLD.level_id)
            )
            for row, p in zip(rows, predictions, strict=True)
        ]

    held_out = labelled(30, seed=6)
    shift = held_out_errors(shifted(below, labelled(40, seed=5), GOLD), held_out)
    few, many = (
        held_out_errors(taught(below, "linear", labelled(n, seed=5)).result.committee, held_out)
        for n in (10, 40)
    )
    assert many.energy_mae_kcal_mol < few.energy_mae_kcal_mol
    assert many.energy_mae_kcal_mol < 0.25 * shift.energy_mae_kcal_mol


def test_a_linear_climb_does_not_depend_on_the_order_of_labels_and_says_what_more_would_bring(
    below,
):
    data = gold(12, seed=5)
    one, other = (taught(below, "linear", rows).result for rows in (data, data[::-1]))
    assert torch.equal(one.committee.networks.weights, other.committee.networks.weights)
    assert one.forecast.n_labels == 12
    assert one.members == ()


def test_a_linear_climb_from_one_label_moves_elements_alone(below):
    climbed = taught(below, "linear", gold(1, seed=5)).result
    assert climbed.forecast is None
