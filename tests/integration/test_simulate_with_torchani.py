"""A committee as a torchani model: the same energies and forces, and its state dict carries it."""

import numpy as np
import pytest
import torch
from model_examples import cluster, committee
from simulated import CHECKPOINT, large, resting

from chemistry.errors import InputError
from chemistry.units import EV_PER_HARTREE
from model import load_committee
from model.architectures.ani.states import with_states

pytest.importorskip("torchani", reason="torchani is not installed: pip install rung[torchani]")
from model.simulation.torchani import torchani_model

LARGEST_ENERGY_DIFFERENCE_HARTREE = 1e-6
LARGEST_FORCE_DIFFERENCE = 1e-6  # Ha/Å


def theirs(model, numbers, positions):
    """Return energies of the members and forces of their mean, eV and eV/Å, by torchani."""
    at = torch.tensor(np.array(positions))[None].requires_grad_()
    energies = model((torch.tensor(np.array(numbers))[None], at), ensemble_values=True).energies
    [slope] = torch.autograd.grad(energies.mean(), at)
    return energies[:, 0].detach().numpy(), -slope[0].numpy()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("n_atoms", [1, 6, 24])
def test_energies_and_forces_are_equal(precision, n_atoms):
    ours = committee(4, precision=precision)
    structure = cluster(n_atoms, seed=n_atoms)
    energies, forces = theirs(torchani_model(ours), structure.atomic_numbers, structure.positions)
    [expected] = ours.predict([structure])
    np.testing.assert_allclose(
        energies,
        expected.member_energies / EV_PER_HARTREE,
        rtol=0,
        atol=LARGEST_ENERGY_DIFFERENCE_HARTREE,
    )
    np.testing.assert_allclose(
        forces, expected.forces / EV_PER_HARTREE, rtol=0, atol=LARGEST_FORCE_DIFFERENCE
    )


def test_a_potential_of_a_run_and_a_large_molecule():
    ours = load_committee(CHECKPOINT)
    model = torchani_model(ours)
    assert model.symbols == ("H", "C", "O")
    for atoms in (resting("CH3OH"), large()):
        energies, forces = theirs(model, atoms.numbers, atoms.positions)
        expected = atoms.get_potential_energy() / EV_PER_HARTREE
        assert energies.mean() == pytest.approx(expected, abs=LARGEST_ENERGY_DIFFERENCE_HARTREE)
        np.testing.assert_allclose(
            forces, atoms.get_forces() / EV_PER_HARTREE, rtol=0, atol=LARGEST_FORCE_DIFFERENCE
        )
        # What torchani itself makes of it for ASE.
        again = atoms.copy()
        again.calc = model.ase()
        assert again.get_potential_energy() / EV_PER_HARTREE == pytest.approx(expected, abs=1e-6)


def test_a_single_member_is_a_model_too():
    structure = cluster(6, seed=1)
    one = committee(4).first(1)
    energies, _ = theirs(torchani_model(one), structure.atomic_numbers, structure.positions)
    [expected] = one.predict([structure])
    assert energies.shape == (1,)
    assert energies[0] == pytest.approx(expected.energy / EV_PER_HARTREE, abs=1e-6)


def test_its_state_dict_carries_all_that_differs():
    ours, other = committee(3, seed=0), committee(3, seed=9)
    structure = cluster(6, seed=1)
    model = torchani_model(other)
    before, _ = theirs(model, structure.atomic_numbers, structure.positions)
    model.load_state_dict(torchani_model(ours).state_dict())
    energies, _ = theirs(model, structure.atomic_numbers, structure.positions)
    [expected] = ours.predict([structure])
    expected_energies = expected.member_energies / EV_PER_HARTREE
    np.testing.assert_allclose(energies, expected_energies, rtol=0, atol=1e-9)
    assert np.abs(before - energies).max() > 1e-5


def test_another_architecture_is_refused():
    class Other:
        n_members = 1

    with pytest.raises(InputError, match="architecture ani alone"):
        torchani_model(Other())


def test_a_potential_that_tells_states_apart_is_refused():
    ions = with_states(committee(1), [(0, 1), (1, 2)])
    with pytest.raises(InputError, match=r"tells states apart \(charge 0.*; charge \+1"):
        torchani_model(ions)
    assert torchani_model(with_states(committee(1), [(1, 2)]))
