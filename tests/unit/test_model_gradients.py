"""The hand-written double backward against finite differences and against autograd."""

import torch
from model_examples import ELEMENTS, cluster

from model.architectures.ani.descriptor.basis import EnvironmentBasis
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.environments import environments
from model.architectures.ani.forces import (
    differentiable_energies,
    differentiable_energies_and_forces,
    energies_and_forces,
)
from model.architectures.ani.network import StackedNetworks, evaluate
from model.architectures.ani.shape import AniShape, SymmetryFunctions

TINY = AniShape(
    elements=ELEMENTS,
    hidden_sizes=((4, 3), (5,), (3, 2), (4, 2, 3)),
    symmetry_functions=SymmetryFunctions(
        radial_shifts_angstrom=(1.0, 2.0),
        angular_shifts_angstrom=(1.2,),
        angular_sections_radian=(0.5, 1.5, 2.5),
    ),
)


def example():
    batch = AtomBatch.of([cluster(n, seed=n) for n in (1, 4, 6)], ELEMENTS)
    networks = StackedNetworks.random(TINY, [0, 1], torch.float64)
    # Wide enough that both sides of CELU's kink are met.
    weights = networks.weights + 0.3 * torch.randn(
        networks.weights.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    return batch, environments(batch, TINY, torch.float64), weights


def fixed(batch, surroundings):
    return EnvironmentBasis.trivial(TINY).fixed(surroundings, batch.species)


def test_gradients_by_weights_pass_gradcheck():
    batch, surroundings, weights = example()

    def outputs(weights):
        networks = StackedNetworks(shape=TINY, weights=weights)
        return differentiable_energies_and_forces(networks, batch, fixed(batch, surroundings))

    assert torch.autograd.gradcheck(outputs, (weights.requires_grad_(),))


def test_gradients_of_energies_alone_by_weights_are_the_same():
    batch, surroundings, weights = example()
    weights.requires_grad_()
    networks = StackedNetworks(shape=TINY, weights=weights)
    weighting = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.1, -1.0]], dtype=torch.float64)
    with_forces, _ = differentiable_energies_and_forces(networks, batch, fixed(batch, surroundings))
    [wanted] = torch.autograd.grad((with_forces * weighting).sum(), weights)
    alone = differentiable_energies(networks, batch, surroundings)
    [found] = torch.autograd.grad((alone * weighting).sum(), weights)
    torch.testing.assert_close(alone, with_forces)
    torch.testing.assert_close(found, wanted)


def test_gradient_of_energies_by_features_is_that_of_autograd():
    batch, surroundings, weights = example()
    layers = StackedNetworks(shape=TINY, weights=weights).layers[0]
    features = surroundings.features[: batch.element_ends[0]].requires_grad_()
    done = evaluate(layers, features.detach(), TINY.celu_alpha)
    for member in range(len(weights)):
        signal = features
        for layer in layers[:-1]:
            signal = torch.celu(signal @ layer.weight[member] + layer.bias[member], TINY.celu_alpha)
        energies = (signal @ layers[-1].weight[member] + layers[-1].bias[member]).squeeze(1)
        [gradient] = torch.autograd.grad(energies.sum(), features)
        torch.testing.assert_close(done.energies[member], energies)
        torch.testing.assert_close(done.gradient(layers[0])[member], gradient)


def test_fixed_environments_give_the_same_forces():
    batch, surroundings, weights = example()
    networks = StackedNetworks(shape=TINY, weights=weights)
    energies, forces = energies_and_forces(networks, batch, surroundings)
    same_energies, same_forces = energies_and_forces(networks, batch, fixed(batch, surroundings))
    torch.testing.assert_close(energies, same_energies)
    torch.testing.assert_close(forces, same_forces)
    assert forces.abs().max() > 1e-3
