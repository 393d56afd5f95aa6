"""Environment vectors, energies and forces equal torchani's with identical weights."""

import numpy as np
import pytest
import torch

from chemistry.records.structure import Structure
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.environments import environments
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.shape import AniShape

pytest.importorskip("torchani", reason="torchani is not installed: pip install rung[oracle]")
from torchani_oracle import torchani_model

ELEMENTS = (1, 6, 7, 8)


def structure(n_atoms: int, seed: int) -> Structure:
    rng = np.random.default_rng(seed)
    lattice = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3) * 1.3
    positions = rng.permutation(lattice)[:n_atoms] + rng.normal(0, 0.12, (n_atoms, 3))
    return Structure(atomic_numbers=rng.choice(ELEMENTS, n_atoms), positions=positions)


@pytest.fixture(scope="module")
def committee():
    networks = StackedNetworks.random(AniShape.published(ELEMENTS), range(3), torch.float64)
    # torchani keeps its constants in single precision: the same rounded ones here.
    functions = networks.shape.symmetry_functions
    rounded = {
        name: tuple(np.float64(np.float32(value)) for value in values)
        for name, values in functions.model_dump().items()
        if isinstance(values, tuple)
    }
    shape = networks.shape.model_copy(
        update={"symmetry_functions": functions.model_copy(update=rounded)}
    )
    return AniCommittee(
        networks=StackedNetworks(shape=shape, weights=networks.weights),
        self_energies_ev=np.zeros(4),
        level_id="",
        level_name="",
    )


@pytest.mark.parametrize("n_atoms", [2, 5, 12, 24])
def test_environment_vectors_are_equal(committee, n_atoms):
    example = structure(n_atoms, seed=n_atoms)
    batch = AtomBatch.of([example], ELEMENTS)
    ours = environments(batch, committee.shape, torch.float64).features[batch.place]
    model = torchani_model(committee, torch.float64)
    numbers = torch.from_numpy(np.array(example.atomic_numbers))[None]
    positions = torch.from_numpy(np.array(example.positions))[None]
    theirs = model.aev_computer(model.species_converter(numbers), positions)[0]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    assert ours.abs().max() > 0.1


@pytest.mark.parametrize("n_atoms", [2, 5, 12, 24])
def test_energies_and_forces_of_each_member_are_equal(committee, n_atoms):
    example = structure(n_atoms, seed=100 + n_atoms)
    [ours] = committee.predict([example])
    model = torchani_model(committee, torch.float64)
    numbers = torch.from_numpy(np.array(example.atomic_numbers))[None]
    positions = torch.from_numpy(np.array(example.positions))[None].requires_grad_()
    energies = model((numbers, positions), ensemble_values=True).energies[:, 0]
    for member in range(committee.n_members):
        [slope] = torch.autograd.grad(energies[member], positions, retain_graph=True)
        assert ours.member_energies[member] == pytest.approx(float(energies[member]), abs=1e-6)
        np.testing.assert_allclose(ours.member_forces[member], -slope[0].numpy(), atol=1e-5)
