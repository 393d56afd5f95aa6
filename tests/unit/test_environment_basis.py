"""Learning in coordinates of the data: the same potential, seen in other axes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_examples import ELEMENTS, toy_data

from model.architectures.ani.descriptor.basis import EnvironmentBasis, Spread
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.environments import environments
from model.architectures.ani.forces import energies_and_forces
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.shape import AniShape
from model.architectures.ani.training.minibatch import find_basis

SHAPE = AniShape.published(ELEMENTS, dict.fromkeys(ELEMENTS, (6, 5)))
STRUCTURES = [row.structure for row in toy_data(12)]


@pytest.fixture(scope="module")
def example():
    networks = StackedNetworks.random(SHAPE, [0, 1], torch.float64)
    batch = AtomBatch.of(STRUCTURES, ELEMENTS)
    surroundings = environments(batch, SHAPE, torch.float64)
    return networks, batch, surroundings, find_basis(STRUCTURES, networks)


def test_networks_in_coordinates_have_the_same_energies_and_forces(example):
    networks, batch, surroundings, basis = example
    energies, forces = energies_and_forces(networks, batch, surroundings)
    seen = basis.fixed(surroundings, batch.species)
    same_energies, same_forces = energies_and_forces(basis.networks(networks), batch, seen)
    assert basis.into.shape[2] < SHAPE.n_features
    torch.testing.assert_close(same_energies, energies, rtol=0, atol=1e-4)
    torch.testing.assert_close(same_forces, forces, rtol=0, atol=0.02 * float(forces.abs().max()))


def test_what_is_learned_in_coordinates_is_there_without_them(example):
    networks, batch, surroundings, basis = example
    start = basis.networks(networks)
    change = torch.randn(start.weights.shape, generator=torch.Generator().manual_seed(1)).double()
    trained = replace(start, weights=start.weights + 0.05 * change)
    seen = basis.fixed(surroundings, batch.species)
    wanted = [
        after - before
        for after, before in zip(
            energies_and_forces(trained, batch, seen),
            energies_and_forces(start, batch, seen),
            strict=True,
        )
    ]
    learned = basis.learned(networks, trained)
    found = [
        after - before
        for after, before in zip(
            energies_and_forces(learned, batch, surroundings),
            energies_and_forces(networks, batch, surroundings),
            strict=True,
        )
    ]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0.02 * float(other.abs().max()))


def test_who_has_learned_nothing_keeps_every_bit(example):
    networks, _, _, basis = example
    kept = basis.learned(networks, basis.networks(networks))
    assert torch.equal(kept.weights, networks.weights)


def test_an_element_without_atoms_keeps_its_weights():
    networks = StackedNetworks.random(SHAPE, [0], torch.float64)
    carbon = [replace(s, atomic_numbers=np.full(len(s), 6)) for s in STRUCTURES]
    basis = find_basis(carbon, networks)
    start = basis.networks(networks)
    learned = basis.learned(networks, replace(start, weights=start.weights + 1.0))
    for index, number in enumerate(ELEMENTS):
        stays = torch.equal(learned.layers[index][0].weight, networks.layers[index][0].weight)
        assert stays == (number != 6)


def test_directions_are_those_in_which_atoms_differ():
    generator = np.random.default_rng(0)
    axes = np.linalg.qr(generator.normal(size=(SHAPE.n_features, 3)))[0]
    variances = np.array([3.0, 0.1, 1e-9]) ** 2
    covariance = torch.from_numpy((axes * variances) @ axes.T)
    spread = Spread(mean=torch.ones(SHAPE.n_features).double(), covariance=covariance)
    basis = EnvironmentBasis.of(SHAPE, [spread] * len(ELEMENTS))
    assert basis.into.shape[2] == 2
    large, small = np.sqrt(np.diag(basis.into[0].T @ covariance @ basis.into[0]))
    assert large == pytest.approx(3.0)
    assert 0.1 / 3.0 < small / large < 1.0
    np.testing.assert_allclose(basis.back[0] @ basis.into[0], np.eye(2), atol=1e-12)
