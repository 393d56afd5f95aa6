"""Tangent features: their products and sums against derivatives that autograd finds."""

import numpy as np
import pytest
import torch
from model_examples import ELEMENTS, SMALL, toy_data

from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.environments import environments
from model.architectures.ani.forces import differentiable_energies
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.shape import AniShape
from model.architectures.ani.tangent import StillStructures, mean_kernel


@pytest.fixture(scope="module")
def committee():
    from ase.data import atomic_numbers

    shape = AniShape.published(ELEMENTS, {atomic_numbers[s]: n for s, n in SMALL.items()})
    return AniCommittee(
        networks=StackedNetworks.random(shape, (1, 2), torch.float64),
        self_energies_ev=np.zeros(len(ELEMENTS)),
        level_id="",
        level_name="",
    )


@pytest.fixture(scope="module")
def structures():
    return [row.structure for row in toy_data(5)]


def explicit_features(committee, structures):
    """Return dE/dw of every structure and member, (M, S, W)."""
    found = []
    for structure in structures:
        batch = AtomBatch.of([structure], committee.elements)
        around = environments(batch, committee.shape, torch.float64)
        weights = committee.networks.weights.clone().requires_grad_()
        networks = StackedNetworks(shape=committee.shape, weights=weights)
        energies = differentiable_energies(networks, batch, around)
        found.append(torch.autograd.grad(energies.sum(), weights)[0].numpy())
    return np.stack(found, axis=1)


def test_the_mean_kernel_is_that_of_members_of_one_size_each(committee, structures):
    members = [features @ features.T for features in explicit_features(committee, structures)]
    wanted = np.mean([kernel / kernel.diagonal().mean() for kernel in members], axis=0)
    np.testing.assert_allclose(mean_kernel(committee, structures), wanted, rtol=1e-9)


def test_products_are_those_of_derivatives_by_all_weights(committee, structures):
    explicit = explicit_features(committee, structures)
    some, others = (
        StillStructures.of(committee, part).features(committee.networks)
        for part in (structures[:2], structures[1:])
    )
    np.testing.assert_allclose(
        some.products(others), explicit[:, :2] @ explicit[:, 1:].transpose(0, 2, 1), rtol=1e-10
    )


def test_a_change_of_weights_along_features_is_their_sum(committee, structures):
    coefficients = np.random.default_rng(0).normal(size=(2, 5))
    explicit = explicit_features(committee, structures)
    np.testing.assert_allclose(
        StillStructures.of(committee, structures)
        .along_features(committee.networks, coefficients)
        .numpy(),
        np.einsum("ms,msw->mw", coefficients, explicit),
        atol=1e-10,
    )
