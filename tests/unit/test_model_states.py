"""Committees of several states: a molecule, its cation, its anion and its triplet in one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from model_examples import ELEMENTS, LEVEL, SMALL, cluster, committee, toy_data

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from model import (
    CommitteeCalculator,
    TrainingRequest,
    climb,
    find_architecture,
    load_committee,
    save_committee,
)
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.descriptor.basis import EnvironmentBasis
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.environments import environments
from model.architectures.ani.forces import differentiable_energies_and_forces, energies_and_forces
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.settings import AniSettings
from model.architectures.ani.shape import AniShape
from model.architectures.ani.states import with_states
from model.architectures.ani.training.minibatch import find_basis
from model.architectures.ani.training.transfer import shifted
from model.self_energies import fit_self_energies
from model.states import state_columns, states_of, states_text
from model.systems import systems_of

NEUTRAL, CATION, ANION, TRIPLET = STATES = ((0, 1), (1, 2), (-1, 2), (0, 3))
SETTINGS = AniSettings(members=2, folds=2, max_epochs=60, hidden_layers=SMALL)
GOLD = find_level("hf/sto-3g")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def in_state(structure: Structure, state: tuple[int, int]) -> Structure:
    return replace(structure, charge=state[0], multiplicity=state[1])


def of_several_states(members: int = 2, precision: str = "float64") -> AniCommittee:
    """A committee with random weights, those of the columns of states included."""
    shape = AniShape.published(ELEMENTS, {1: (12, 8), 6: (12, 8), 7: (10, 8), 8: (10, 8)}, STATES)
    return AniCommittee(
        networks=StackedNetworks.random(shape, range(members), getattr(torch, precision)),
        self_energies_ev=np.array([-10.0, -1000.0, -1500.0, -2000.0]),
        level_id=LEVEL.level_id,
        level_name=LEVEL.name,
        state_energies_ev=np.random.default_rng(1).normal(0.0, 5.0, (members, 3)),
    )


def ladder_of_states(n: int, seed: int = 0) -> list[LabelledStructure]:
    """Toy labels of all states: an electron costs 10 eV or gives 1, and changes the forces."""
    stiffness = {NEUTRAL: 1.0, CATION: 1.15, ANION: 0.85, TRIPLET: 0.9}
    offsets = {NEUTRAL: 0.0, CATION: 10.0, ANION: -1.0, TRIPLET: 3.0}
    rows = []
    for index, row in enumerate(toy_data(n, seed=seed)):
        state = STATES[index // 2 % 4]
        assert row.label.forces is not None
        atoms = {1: -13.0, 6: -1030.0, 7: -1480.0, 8: -2040.0}
        own = sum(atoms[z] for z in row.structure.atomic_numbers.tolist())
        structure = in_state(row.structure, state)
        label = replace(
            row.label,
            structure_id=structure.structure_id,
            energy=own + stiffness[state] * (row.label.energy - own) + offsets[state],
            forces=stiffness[state] * row.label.forces,
        )
        rows.append(LabelledStructure(structure=structure, label=label))
    return rows


def request(rows, level=LEVEL, **others):
    return TrainingRequest(
        data=rows, settings=SETTINGS, elements=ELEMENTS, level=level, seed=0, **others
    )


@pytest.fixture(scope="module")
def taught():
    return find_architecture("ani").train(request(ladder_of_states(96))).committee


def test_states_are_listed_once_and_read_by_people():
    found = states_of(
        in_state(cluster(1, 0), state) for state in [NEUTRAL, ANION, NEUTRAL, TRIPLET]
    )
    assert found == (ANION, NEUTRAL, TRIPLET)
    assert states_text([CATION, TRIPLET]) == ("charge +1, multiplicity 2; charge 0, multiplicity 3")


def test_no_state_lies_between_others():
    columns = state_columns([in_state(cluster(2, 0), state) for state in STATES])
    assert not columns[0].any()
    assert np.linalg.matrix_rank(columns) == 3


def test_self_energies_hold_an_ionisation():
    structures = [in_state(cluster(n, seed=n), STATES[n % 4]) for n in range(2, 22)]
    atoms, of_states = np.array([-13.0, -1030.0, -1480.0, -2040.0]), np.array([5.0, 4.0, 2.0])
    counts = [[(s.atomic_numbers == z).sum() for z in ELEMENTS] for s in structures]
    energies = np.array(counts) @ atoms + state_columns(structures) @ of_states
    found = fit_self_energies(structures, energies, ELEMENTS, with_states=True)
    np.testing.assert_allclose(found, [*atoms, *of_states], atol=1e-8)


def test_states_of_one_geometry_differ_and_forces_are_slopes():
    potential, rest = of_several_states(), cluster(6, seed=3)
    predictions = potential.predict([in_state(rest, state) for state in STATES])
    energies = [p.energy for p in predictions]
    assert min(abs(a - b) for i, a in enumerate(energies) for b in energies[:i]) > 1e-3
    step = 1e-4
    for state, known in zip(STATES, predictions, strict=True):
        for axis in range(3):
            moved = []
            for sign in (step, -step):
                positions = rest.positions.copy()
                positions[1, axis] += sign
                moved.append(in_state(replace(rest, positions=positions), state))
            ahead, behind = potential.predict(moved)
            slope = (ahead.member_energies - behind.member_energies) / (2 * step)
            np.testing.assert_allclose(-slope, known.member_forces[:, 1, axis], atol=1e-6)


def test_a_mixed_batch_equals_one_by_one():
    potential = of_several_states()
    structures = [in_state(cluster(2 + n, seed=n), STATES[n % 4]) for n in range(8)]
    together = potential.predict(structures)
    for structure, known in zip(structures, together, strict=True):
        [alone] = potential.predict([structure])
        np.testing.assert_allclose(alone.member_energies, known.member_energies, atol=1e-10)
        np.testing.assert_allclose(alone.member_forces, known.member_forces, atol=1e-10)


def test_replicas_are_of_the_molecules_state():
    potential, cation = of_several_states(), in_state(cluster(5, seed=2), CATION)
    [known] = potential.predict([cation])
    energies, forces = potential.replicas(cation).predict_mean(cation.positions[None])
    np.testing.assert_allclose(energies[0], known.member_energies, atol=1e-10)
    np.testing.assert_allclose(forces[0], known.forces, atol=1e-10)


def test_systems_are_of_the_states_of_their_structures():
    potential = of_several_states()
    structures = [in_state(cluster(3 + n, seed=n), STATES[n % 4]) for n in range(5)]
    known = potential.predict(structures)
    systems = systems_of(potential, structures)
    positions = np.concatenate([structure.positions for structure in structures])
    for cells in (None, np.tile(np.eye(3) * 60.0, (len(structures), 1, 1))):
        found = systems.predict_mean(positions, cells)
        wanted = [p.member_energies for p in known]
        np.testing.assert_allclose(found.member_energies, wanted, atol=1e-9)
        np.testing.assert_allclose(
            found.forces, np.concatenate([p.forces for p in known]), atol=1e-9
        )
    with pytest.raises(InputError, match=r"charge \+2, multiplicity 1"):
        systems_of(potential, [in_state(structures[0], (2, 1))])


def test_coordinates_of_a_data_set_keep_what_tells_states_apart():
    networks = of_several_states().networks
    structures = [row.structure for row in ladder_of_states(24)]
    batch = AtomBatch.of(structures, ELEMENTS)
    surroundings = environments(batch, networks.shape, torch.float64)
    basis = find_basis(structures, networks)
    seen = basis.fixed(surroundings, batch.species)
    assert torch.equal(seen.features[:, -3:], batch.states[batch.owner])
    assert not any(group.derivatives[..., -3:].any() for group in seen.groups)
    assert seen.features.shape[1] < networks.shape.n_features
    energies, forces = energies_and_forces(networks, batch, surroundings)
    same_energies, same_forces = energies_and_forces(basis.networks(networks), batch, seen)
    torch.testing.assert_close(same_energies, energies, rtol=0, atol=1e-4)
    torch.testing.assert_close(same_forces, forces, rtol=0, atol=0.02 * float(forces.abs().max()))


def test_of_frozen_layers_what_tells_states_apart_moves():
    below = of_several_states(precision="float32")
    settings = SETTINGS.model_copy(update={"max_epochs": 2})
    asked = replace(request(ladder_of_states(24)), settings=settings)
    after: Any = find_architecture("ani").climb(asked, below, "freeze").committee
    for old, new in zip(below.networks.layers, after.networks.layers, strict=True):
        assert torch.equal(old[0].weight[:, :-3], new[0].weight[:, :-3])
        assert torch.equal(old[0].bias, new[0].bias)
        assert not torch.equal(old[0].weight[:, -3:], new[0].weight[:, -3:])


@pytest.mark.parametrize("way", [None, "full", "delta"])
def test_members_trained_in_groups_give_the_bits_of_one_training(tmp_path, way):
    ani, below = find_architecture("ani"), of_several_states(members=6, precision="float32")
    settings = SETTINGS.model_copy(update={"max_epochs": 2, "members": 6})
    asked = replace(request(ladder_of_states(24)), settings=settings)

    def trained(asked):
        return ani.train(asked) if way is None else ani.climb(asked, below, way)

    groups, parts = ani.groups(settings, way, "cpu"), []
    assert len(groups) > 1
    for group in groups:
        path = tmp_path / f"{group.start}"
        trained(replace(asked, members=group)).committee.save(path)
        parts.append(load_committee(path))
    joined: Any = ani.joined(parts).committee
    whole: Any = trained(asked).committee
    assert joined.states == whole.states == tuple(sorted(STATES))
    assert joined.state_energies_ev.shape == (6, 3)
    np.testing.assert_array_equal(joined.state_energies_ev, whole.state_energies_ev)
    assert torch.equal(joined.networks.weights, whole.networks.weights)


def test_parts_that_know_other_states_are_not_joined():
    ani, rows = find_architecture("ani"), toy_data(8)
    settings = SETTINGS.model_copy(update={"max_epochs": 1, "members": 6})
    parts = [
        ani.train(replace(request(rows, states=states), settings=settings, members=group)).committee
        for group, states in zip(ani.groups(settings, None, "cpu"), [(), (CATION,)], strict=True)
    ]
    with pytest.raises(InputError, match="have not learned the same"):
        ani.joined(parts)


def test_the_calculator_takes_the_state_in_a_box():
    potential, rest = of_several_states(), cluster(4, seed=1)
    atoms = Atoms(rest.atomic_numbers, rest.positions, cell=[60.0] * 3, pbc=True)
    atoms.calc = CommitteeCalculator(potential)
    for state in STATES:
        atoms.info.update(charge=state[0], multiplicity=state[1])
        [known] = potential.predict([in_state(rest, state)])
        assert atoms.get_potential_energy() == pytest.approx(known.energy)


def test_gradients_by_weights_pass_gradcheck():
    potential = of_several_states()
    structures = [in_state(cluster(3, seed=n), STATES[n]) for n in range(2)]
    batch = AtomBatch.of(structures, ELEMENTS)
    surroundings = environments(batch, potential.shape, torch.float64)
    fixed = EnvironmentBasis.trivial(potential.shape).fixed(surroundings, batch.species)

    def outputs(weights):
        networks = StackedNetworks(shape=potential.shape, weights=weights)
        return differentiable_energies_and_forces(networks, batch, fixed)

    weights = potential.networks.weights.clone().requires_grad_()
    assert torch.autograd.gradcheck(outputs, (weights,), fast_mode=True)


def test_a_checkpoint_keeps_states_bit_for_bit(tmp_path):
    potential, path = of_several_states(precision="float32"), tmp_path / "ions.safetensors"
    save_committee(potential, path)
    read = load_committee(path)
    assert read.states == tuple(sorted(STATES))
    structures = [in_state(cluster(4, seed=1), state) for state in STATES]
    for one, two in zip(potential.predict(structures), read.predict(structures), strict=True):
        np.testing.assert_array_equal(one.member_energies, two.member_energies)
        np.testing.assert_array_equal(one.member_forces, two.member_forces)
    some = read.first(1).predict(structures)
    np.testing.assert_array_equal(
        [p.member_energies[0] for p in some],
        [p.member_energies[0] for p in potential.predict(structures)],
    )


def test_a_state_that_was_not_learned_is_refused_in_one_sentence():
    with pytest.raises(InputError, match=r"charge \+2, multiplicity 1, which this potential does"):
        of_several_states().predict([in_state(cluster(3, seed=0), (2, 1))])


def test_a_committee_that_does_not_know_its_states_takes_any_as_before():
    old = committee()
    one, two = old.predict([cluster(4, seed=1), in_state(cluster(4, seed=1), CATION)])
    np.testing.assert_array_equal(one.member_energies, two.member_energies)


def test_more_states_change_nothing_of_what_is_known():
    before = committee(precision="float32")
    after = with_states(before, STATES)
    assert after.states == tuple(sorted(STATES))
    for n in (2, 7):
        [one], [two] = before.predict([cluster(n, seed=n)]), after.predict([cluster(n, seed=n)])
        np.testing.assert_allclose(one.member_energies, two.member_energies, atol=1e-6)
        np.testing.assert_allclose(one.member_forces, two.member_forces, atol=1e-5)


@pytest.mark.parametrize("state", [NEUTRAL, CATION])
def test_one_state_needs_no_columns(state):
    rows = [replace(row, structure=in_state(row.structure, state)) for row in toy_data(8)]
    settings = SETTINGS.model_copy(update={"max_epochs": 1})
    found: Any = find_architecture("ani").train(replace(request(rows), settings=settings)).committee
    assert found.states == (state,)
    assert found.shape.n_features == AniShape.published(ELEMENTS).n_features
    assert found.state_energies_ev is None


def test_each_state_is_learned(taught):
    assert taught.states == tuple(sorted(STATES))
    rows = ladder_of_states(80, seed=9)
    for state in STATES:
        own = [row for row in rows if states_of([row.structure]) == (state,)]
        predictions = taught.predict([row.structure for row in own])
        errors = [p.energy - row.label.energy for p, row in zip(predictions, own, strict=True)]
        assert np.abs(errors).mean() < 0.15  # eV, where states are up to 11 eV apart
        force_errors = [
            p.forces - row.label.forces for p, row in zip(predictions, own, strict=True)
        ]
        sizes = [row.label.forces for row in own]
        assert (
            np.abs(np.concatenate(force_errors)).mean()
            < 0.25 * np.abs(np.concatenate(sizes)).mean()
        )


def test_a_state_without_labels_is_named():
    rows = ladder_of_states(16)[:2]
    settings = SETTINGS.model_copy(update={"max_epochs": 1})
    asked = replace(request(rows, states=(TRIPLET,)), settings=settings)
    result = find_architecture("ani").train(asked)
    assert any("no label has charge 0, multiplicity 3" in note for note in result.notes)
    assert result.committee.states == (NEUTRAL, TRIPLET)


def test_a_warm_start_learns_new_states():
    neutral = find_architecture("ani").train(request(toy_data(48))).committee
    rows = ladder_of_states(96)
    after = find_architecture("ani").train(request(rows), neutral).committee
    ions = [row for row in ladder_of_states(40, seed=9) if row.structure.charge == 1]
    predictions = after.predict([row.structure for row in ions])
    errors = [p.energy - row.label.energy for p, row in zip(predictions, ions, strict=True)]
    assert np.abs(errors).mean() < 0.3


@pytest.mark.parametrize("way", ["linear", "full", "freeze", "delta"])
def test_a_climb_carries_states_over(taught, way):
    """The level above lies 2 eV higher for each unpaired electron."""

    def gold(n, seed):
        return [
            replace(
                row,
                label=replace(
                    row.label,
                    energy=row.label.energy + 2.0 * (row.structure.multiplicity - 1),
                    forces=None,
                    level_id=GOLD.level_id,
                ),
            )
            for row in ladder_of_states(n, seed=seed)
        ]

    climbed = climb(request(gold(40, 5), GOLD), taught, way).result.committee
    assert climbed.states == taught.states
    test = gold(40, 9)
    predictions = climbed.predict([row.structure for row in test])
    errors = [p.energy - row.label.energy for p, row in zip(predictions, test, strict=True)]
    assert np.abs(errors).mean() < 0.3


def test_a_level_that_is_but_shifted_by_state_is_met(taught):
    rows = ladder_of_states(24, seed=5)
    known = taught.predict([row.structure for row in rows])
    above = [
        replace(
            row,
            label=replace(
                row.label,
                energy=p.energy - 0.7 * row.structure.charge,
                level_id=GOLD.level_id,
            ),
        )
        for row, p in zip(rows, known, strict=True)
    ]
    found = shifted(taught, above, GOLD).predict([row.structure for row in above])
    np.testing.assert_allclose(
        [p.energy for p in found], [r.label.energy for r in above], atol=1e-6
    )


def test_the_calculator_takes_the_state_from_the_atoms():
    potential, rest = of_several_states(), cluster(4, seed=1)
    energies = [potential.predict([in_state(rest, state)])[0].energy for state in STATES]
    atoms = Atoms(rest.atomic_numbers, rest.positions, calculator=CommitteeCalculator(potential))
    assert atoms.get_potential_energy() == pytest.approx(energies[0])
    for state, energy in zip(STATES, energies, strict=True):
        atoms.info.update(charge=state[0], multiplicity=state[1])
        assert atoms.get_potential_energy() == pytest.approx(energy), "what was kept is of before"
    atoms.info.update(charge=2, multiplicity=1)
    with pytest.raises(InputError, match=r"charge \+2, multiplicity 1"):
        atoms.get_potential_energy()
    atoms.info.update(charge="plus")
    with pytest.raises(InputError, match=r"atoms.info\['charge'\] is 'plus': give a whole number"):
        atoms.get_potential_energy()


def test_the_calculator_takes_what_it_is_told_or_the_only_state():
    potential, rest = of_several_states(), cluster(4, seed=1)
    [anion] = potential.predict([in_state(rest, ANION)])
    atoms = Atoms(rest.atomic_numbers, rest.positions)
    atoms.calc = CommitteeCalculator(potential, charge=-1, multiplicity=2)
    assert atoms.get_potential_energy() == pytest.approx(anion.energy)
    ions = with_states(committee(), [CATION])
    atoms.calc = CommitteeCalculator(ions)
    [cation] = ions.predict([in_state(rest, CATION)])
    assert atoms.get_potential_energy() == pytest.approx(cation.energy)
