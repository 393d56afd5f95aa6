"""Committee: physics that holds for any weights, and what bad input gets."""

from dataclasses import replace

import numpy as np
import pytest
from model_examples import ELEMENTS, cluster, committee
from scipy.spatial.transform import Rotation

from chemistry.errors import InputError
from chemistry.records.structure import Origin, Structure

POTENTIAL = committee()


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 6, 11])
def test_forces_are_minus_the_gradient(n_atoms):
    structure = cluster(n_atoms, seed=n_atoms)
    [prediction] = POTENTIAL.predict([structure])
    step = 1e-4
    for atom in range(n_atoms):
        for axis in range(3):
            shift = np.zeros((n_atoms, 3))
            shift[atom, axis] = step
            pair = [
                structure.moved_to(structure.positions + sign * shift, Origin()) for sign in (1, -1)
            ]
            up, down = (p.member_energies for p in POTENTIAL.predict(pair))
            numerical = -(up - down) / (2 * step)
            np.testing.assert_allclose(
                prediction.member_forces[:, atom, axis], numerical, atol=1e-6
            )


def test_energy_ignores_translation_rotation_and_order():
    structure = cluster(9, seed=1)
    turn = Rotation.from_rotvec([0.4, 1.0, -2.0]).as_matrix()
    order = np.random.default_rng(0).permutation(9)
    moved = structure.moved_to(structure.positions @ turn.T + 50.0, Origin())
    shuffled = replace(
        structure,
        atomic_numbers=structure.atomic_numbers[order],
        positions=structure.positions[order],
    )
    here, there, other = POTENTIAL.predict([structure, moved, shuffled])
    for prediction in (there, other):
        np.testing.assert_allclose(prediction.member_energies, here.member_energies, atol=1e-10)
    np.testing.assert_allclose(there.member_forces, here.member_forces @ turn.T, atol=1e-9)
    np.testing.assert_allclose(other.member_forces, here.member_forces[:, order], atol=1e-9)


def test_no_net_force_and_no_net_torque():
    structure = cluster(10, seed=2)
    [prediction] = POTENTIAL.predict([structure])
    torque = np.cross(structure.positions, prediction.member_forces).sum(axis=1)
    np.testing.assert_allclose(prediction.member_forces.sum(axis=1), 0, atol=1e-10)
    np.testing.assert_allclose(torque, 0, atol=1e-9)


def test_two_far_molecules_have_the_energies_of_each():
    one, two = cluster(5, seed=3), cluster(7, seed=4)
    both = Structure(
        atomic_numbers=np.concatenate([one.atomic_numbers, two.atomic_numbers]),
        positions=np.concatenate([one.positions, two.positions + 100.0]),
    )
    first, second, together = POTENTIAL.predict([one, two, both])
    np.testing.assert_allclose(
        together.member_energies, first.member_energies + second.member_energies, atol=1e-9
    )


@pytest.mark.parametrize("cutoff", [3.5, 5.2])
def test_energy_and_force_are_smooth_at_the_cutoffs(cutoff):
    def at(distance):
        positions = np.array([[0.0, 0, 0], [1.1, 0, 0], [0, distance, 0]])
        return Structure(atomic_numbers=np.array([6, 1, 8]), positions=positions)

    below, above = POTENTIAL.predict([at(cutoff - 1e-6), at(cutoff + 1e-6)])
    np.testing.assert_allclose(below.member_energies, above.member_energies, atol=1e-9)
    np.testing.assert_allclose(below.member_forces, above.member_forces, atol=1e-5)


def energy_fluctuation(step, n_steps):
    """Spread of the total energy along velocity Verlet with masses of one."""
    structure = cluster(6, seed=3)
    positions, velocities = structure.positions.copy(), np.zeros((6, 3))
    [now] = POTENTIAL.predict_mean([structure])
    totals = [now.energy]
    for _ in range(n_steps):
        velocities = velocities + 0.5 * step * now.forces
        positions = positions + step * velocities
        [now] = POTENTIAL.predict_mean([structure.moved_to(positions, Origin())])
        velocities = velocities + 0.5 * step * now.forces
        totals.append(now.energy + 0.5 * (velocities**2).sum())
    return np.ptp(totals)


def test_energy_is_conserved_to_the_order_of_the_integrator():
    coarse, fine = energy_fluctuation(0.1, 60), energy_fluctuation(0.05, 120)
    assert coarse < 1e-3
    assert coarse / fine == pytest.approx(4, rel=0.3)


def test_an_isolated_atom_has_no_force():
    [prediction] = POTENTIAL.predict([cluster(1, seed=0)])
    assert not prediction.member_forces.any()
    assert prediction.member_forces.shape == (3, 1, 3)


def test_atoms_in_a_line_have_finite_forces():
    positions = np.array([[0.0, 0, 0], [0, 0, 1.16], [0, 0, -1.16]])
    line = Structure(atomic_numbers=np.array([6, 8, 8]), positions=positions)
    [prediction] = POTENTIAL.predict([line])
    assert np.isfinite(prediction.member_forces).all()
    np.testing.assert_allclose(prediction.member_forces[:, 0], 0, atol=1e-9)


def test_a_batch_equals_one_by_one_and_keeps_the_order():
    structures = [cluster(n, seed=n) for n in (11, 1, 4, 27, 8)] * 20
    together = POTENTIAL.predict(structures)
    for structure, prediction in zip(structures, together, strict=True):
        [alone] = POTENTIAL.predict([structure])
        np.testing.assert_allclose(prediction.member_energies, alone.member_energies, atol=1e-9)
        np.testing.assert_allclose(prediction.member_forces, alone.member_forces, atol=1e-10)


def test_single_precision_is_close_and_its_energies_are_summed_in_double():
    structures = [cluster(n, seed=n) for n in (5, 20)]
    for single, double in zip(
        committee(precision="float32").predict(structures),
        POTENTIAL.predict(structures),
        strict=True,
    ):
        np.testing.assert_allclose(single.member_energies, double.member_energies, atol=2e-5)
        np.testing.assert_allclose(single.member_forces, double.member_forces, atol=2e-4)
        assert single.member_energies.dtype == np.float64


def test_members_differ_and_a_subset_of_seeds_gives_the_same_members():
    structure = cluster(6, seed=5)
    [three] = committee(3).predict([structure])
    [one] = committee(1, seed=1).predict([structure])
    assert three.rho_kcal_mol > 0
    np.testing.assert_allclose(one.member_energies[0], three.member_energies[1], atol=1e-10)


def test_mean_predictions_are_the_mean_of_all():
    structures = [cluster(n, seed=n) for n in (1, 7, 12)]
    means = POTENTIAL.predict_mean(structures)
    for mean, every in zip(means, POTENTIAL.predict(structures), strict=True):
        np.testing.assert_allclose(mean.member_energies, every.member_energies, atol=1e-10)
        np.testing.assert_allclose(mean.forces, every.forces, atol=1e-10)
        assert mean.energy == pytest.approx(every.energy)


def test_nothing_gives_nothing():
    assert POTENTIAL.predict([]) == []
    assert POTENTIAL.predict_mean([]) == []


def test_an_unknown_element_is_named():
    structure = Structure(atomic_numbers=np.array([17, 1]), positions=np.eye(3)[:2])
    with pytest.raises(InputError, match=r"structure 300 .*contains Cl.*made for H, C, N, O"):
        POTENTIAL.predict([cluster(3, seed=0)] * 300 + [structure])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_positions_that_are_not_numbers_are_refused(bad):
    positions = np.eye(3)
    positions[1, 2] = bad
    structure = Structure(atomic_numbers=np.array([1, 6, 8]), positions=positions)
    with pytest.raises(InputError, match=r"structure 1 .* not finite"):
        POTENTIAL.predict([cluster(3, seed=0), structure])


def test_a_structure_without_atoms_is_refused():
    nothing = Structure(atomic_numbers=np.array([]), positions=np.zeros((0, 3)))
    for structures in ([nothing], [cluster(2, seed=0), nothing]):
        with pytest.raises(InputError, match="has no atoms"):
            POTENTIAL.predict(structures)


def test_coinciding_atoms_are_refused():
    twice = Structure(atomic_numbers=np.array([1, 1, 6]), positions=np.eye(3)[[0, 0, 1]])
    with pytest.raises(InputError, match=f"{twice.structure_id}: do two atoms coincide"):
        POTENTIAL.predict([cluster(3, seed=0), twice])


def test_weights_that_overflow_are_an_error_and_never_certainty():
    networks = replace(POTENTIAL.networks, weights=POTENTIAL.networks.weights * np.nan)
    with pytest.raises(InputError, match="no finite energy"):
        replace(POTENTIAL, networks=networks).predict([cluster(3, seed=0)])


def test_elements_are_those_of_the_architecture():
    assert POTENTIAL.elements == ELEMENTS
    assert POTENTIAL.shape.n_features == 384


@pytest.mark.parametrize("elements", [(1,), (6, 8), (1, 7, 8), (1, 6, 7, 8)])
def test_a_committee_restricted_to_some_elements_says_the_same_of_them(elements):
    structure = cluster(9, seed=4)
    numbers = np.resize(elements, len(structure))
    structure = replace(structure, atomic_numbers=numbers)
    smaller = POTENTIAL.restricted_to(elements)
    assert smaller.elements == elements
    # The whole committee is made to use all its functions by an atom of each element far away.
    far = np.array([[0.0, 0.0, 1e3 * (k + 1)] for k in range(4)])
    atoms = [
        Structure(atomic_numbers=np.array([z]), positions=np.zeros((1, 3)))
        for z in POTENTIAL.elements
    ]
    whole = Structure(
        atomic_numbers=np.concatenate([numbers, POTENTIAL.elements]),
        positions=np.concatenate([structure.positions, far]),
    )
    [own] = smaller.predict([structure])
    [beside, *lone] = POTENTIAL.predict([whole, *atoms])
    expected = beside.member_energies - sum(p.member_energies for p in lone)
    assert own.member_energies == pytest.approx(expected, abs=1e-8)
    assert own.member_forces == pytest.approx(beside.member_forces[:, : len(structure)], abs=1e-10)


def test_a_network_is_given_only_what_its_atoms_may_see():
    numbers = np.array([1, 1, 1, 1, 6, 6, 7, 8])
    structure = replace(cluster(8, seed=3), atomic_numbers=numbers)
    narrow = POTENTIAL.narrowed_to([structure])
    # Of 384: nobody sees two N or two O, no C sees two C; N sees no N, and O no O.
    assert [len(columns) for columns in narrow.columns] == [320, 288, 208, 208]
    [expected] = POTENTIAL.predict([structure])
    energies, forces = POTENTIAL.replicas(structure).predict_mean(structure.positions[None])
    np.testing.assert_allclose(energies[0], expected.member_energies, rtol=0, atol=1e-9)
    np.testing.assert_allclose(forces[0], expected.forces, rtol=0, atol=1e-11)


def test_a_committee_restricted_once_is_kept():
    whole = committee()
    assert whole.restricted_to((1, 6)) is whole.restricted_to((6, 1))
    assert whole.restricted_to((8, 7, 6, 1)) is whole


def test_structures_of_different_elements_come_back_in_order():
    structures = [
        replace(cluster(4, seed=k), atomic_numbers=np.resize(z, 4))
        for k, z in enumerate([(1, 6), (8,), (1, 6), (1, 6, 7, 8), (8,)])
    ]
    for structure, together in zip(structures, POTENTIAL.predict(structures), strict=True):
        [alone] = POTENTIAL.predict([structure])
        assert together.member_energies == pytest.approx(alone.member_energies, abs=1e-9)
        assert together.member_forces == pytest.approx(alone.member_forces, abs=1e-11)
