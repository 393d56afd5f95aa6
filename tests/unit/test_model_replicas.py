"""Mean energies and forces of many geometries of one molecule, and dynamics that follow them."""

import numpy as np
import pytest
from model_examples import cluster, committee

from chemistry.errors import InputError
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.potential import replicas_of
from chemistry.records.structure import Structure
from chemistry.sampling.bias import DisagreementBias
from chemistry.sampling.dynamics import LangevinDynamics

POTENTIAL = committee()
WATER = Structure(
    atomic_numbers=np.array([8, 1, 1]),
    positions=np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]),
)


def test_means_are_those_of_every_members_prediction():
    structure = cluster(9, seed=0)
    # More geometries than are computed at once, the last ones alone.
    moves = np.random.default_rng(1).normal(0, 0.05, (230, 9, 3))
    positions = structure.positions + moves
    energies, forces = POTENTIAL.replicas(structure).predict_mean(positions)
    predictions = POTENTIAL.predict([structure.moved_to(x, structure.origin) for x in positions])
    assert energies == pytest.approx(np.array([p.member_energies for p in predictions]), abs=1e-9)
    assert forces == pytest.approx(np.array([p.forces for p in predictions]), abs=1e-11)


def test_the_same_replicas_answer_for_any_number_of_geometries():
    structure = cluster(5, seed=2)
    replicas = POTENTIAL.replicas(structure)
    many = np.stack([structure.positions, structure.positions * 1.05, structure.positions * 1.1])
    energies, forces = replicas.predict_mean(many)
    energy, force = replicas.predict_mean(many[2:])
    assert energy == pytest.approx(energies[2:], abs=1e-10)
    assert force == pytest.approx(forces[2:], abs=1e-12)
    assert replicas.predict_mean(many[:0])[1].shape == (0, 5, 3)


def test_bad_geometries_are_refused():
    structure = cluster(4, seed=3)
    replicas = POTENTIAL.replicas(structure)
    broken = structure.positions.copy()
    broken[1, 2] = np.nan
    with pytest.raises(InputError, match="positions that are not finite"):
        replicas.predict_mean(broken[None])
    gold = Structure(atomic_numbers=np.array([79]), positions=np.zeros((1, 3)))
    with pytest.raises(InputError, match="contains Au, which this potential does not know"):
        POTENTIAL.replicas(gold)


def test_a_geometry_without_an_answer_does_not_take_it_from_the_others():
    structure = cluster(4, seed=3)
    together = structure.positions.copy()
    together[1] = together[0]
    replicas = POTENTIAL.replicas(structure)
    energies, forces = replicas.predict_mean(np.stack([together, structure.positions]))
    alone, pull = replicas.predict_mean(structure.positions[None].copy())
    assert np.isnan(energies[0]).all()
    assert np.isnan(forces[0]).all()
    assert energies[1] == pytest.approx(alone[0], abs=1e-10)
    assert forces[1] == pytest.approx(pull[0], abs=1e-11)


def test_weighted_forces_are_those_of_the_mean_and_the_bias():
    structure, step = cluster(5, seed=2), 1e-5
    bias = DisagreementBias(amplitude_ev=0.3, width_ev=0.001, n_atoms=5)

    class Slow:
        """The committee without its faster way."""

        predict = staticmethod(POTENTIAL.predict)

    fast, slow = (replicas_of(potential, structure) for potential in (POTENTIAL, Slow()))
    positions = np.stack([structure.positions, structure.positions * 1.04])
    energies, forces = fast.predict_weighted(positions, bias.weights)
    assert (bias.energies(energies) < -0.01).all()
    assert (bias.energies(energies) > -0.29).all()
    assert slow.predict_weighted(positions, bias.weights)[1] == pytest.approx(forces, abs=1e-10)
    steps = step * np.eye(15).reshape(15, 5, 3)
    for position, force in zip(positions, forces, strict=True):
        moved, _ = fast.predict_mean(np.concatenate([position + steps, position - steps]))
        up, down = np.split(moved.mean(axis=1) + bias.energies(moved), 2)
        assert force.ravel() == pytest.approx(-(up - down) / (2 * step), abs=1e-5)
    _, unbiased = fast.predict_mean(positions)
    assert np.abs(forces - unbiased).max() > 0.01


def test_trajectories_go_the_same_way_however_seldom_every_member_is_asked():
    settings = {"steps": 40, "trajectories": 3, "max_energy_ev_per_atom": 50.0}
    often, seldom = (
        LangevinDynamics(frames=frames, **settings)
        .sample(molecule_from_smiles("O"), [WATER], POTENTIAL, seed=1)
        .offers[-3:]
        for frames in (40, 1)
    )
    assert len(often) == len(seldom) == 3
    for one, other in zip(often, seldom, strict=True):
        assert one.structure.positions == pytest.approx(other.structure.positions, abs=1e-10)
        assert np.abs(one.structure.positions - WATER.positions).max() > 0.01
