"""Potentials in TorchSim: systems of different sizes at once, by its own integrators."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase import units as ase_units
from simulated import CHECKPOINT, box, large, resting

from chemistry.errors import InputError, TooUncertain
from model import load_committee

pytestmark = pytest.mark.torchsim

CPU = torch.device("cpu")


def model_of(**settings):
    from model.simulation.torchsim import RungModel

    return RungModel(**{"potential": CHECKPOINT, "precision": "double", **settings})


def state_of(*systems: Atoms, dtype: torch.dtype = torch.float64):
    import torch_sim

    return torch_sim.io.atoms_to_state(list(systems), CPU, dtype)


def test_systems_of_different_sizes_have_the_calculators_energies_and_forces():
    systems = [resting("CH3OH"), large(), resting("H2O"), resting("C2H6")]
    found = model_of()(state_of(*systems))
    assert found["energy"].shape == (4,)
    expected = [atoms.get_potential_energy() for atoms in systems]
    np.testing.assert_allclose(found["energy"].numpy(), expected, rtol=0, atol=1e-6)
    forces = np.concatenate([atoms.get_forces() for atoms in systems])
    np.testing.assert_allclose(found["forces"].numpy(), forces, rtol=0, atol=1e-5)
    doubts = [atoms.calc.results["rho_kcal_mol"] for atoms in systems]
    np.testing.assert_allclose(found["rho_kcal_mol"].numpy(), doubts, rtol=1e-6)


def test_single_precision_is_that_of_the_checkpoint():
    atoms = resting("CH3OH")
    found = model_of(precision=None, dtype=torch.float32)(state_of(atoms, dtype=torch.float32))
    assert found["energy"].dtype == torch.float32
    np.testing.assert_allclose(found["forces"].numpy(), atoms.get_forces(), rtol=0, atol=1e-4)


def test_boxes_have_the_calculators_energies_forces_and_stress():
    systems = [box(8, spacing=5.6), box(8, spacing=5.9)]
    found = model_of(compute_stress=True)(state_of(*systems))
    for row, atoms in enumerate(systems):
        assert found["energy"][row].item() == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
        part = found["forces"][48 * row : 48 * (row + 1)].numpy()
        np.testing.assert_allclose(part, atoms.get_forces(), rtol=0, atol=1e-5)
        expected = atoms.get_stress(voigt=False)
        np.testing.assert_allclose(found["stress"][row].numpy(), expected, rtol=0, atol=1e-8)


def test_what_is_known_of_other_systems_is_not_taken_for_these():
    model, one, other = model_of(), resting("CH3OH"), resting("C2H6")
    for atoms in (one, other, one):
        [energy] = model(state_of(atoms))["energy"].tolist()
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)


def test_dynamics_of_its_own_conserve_energy():
    import torch_sim
    from torch_sim.integrators import nve

    systems = [resting("CH3OH"), resting("C2H6")]
    state = state_of(*systems)
    model = model_of()
    step_fs, thermal_ev = 0.25, 0.0086  # kT of 100 K
    step = torch.tensor(step_fs * ase_units.fs, dtype=torch.float64)
    start, update = nve(model, dt=step, kT=torch.tensor(thermal_ev, dtype=torch.float64), seed=1)
    state = start(state)
    totals = []
    for _ in range(150):
        state = update(state)
        kinetic = torch_sim.calc_kinetic_energy(
            masses=state.masses, momenta=state.momenta, system_idx=state.system_idx
        )
        totals.append((state.energy + kinetic).numpy())
    total, thermal = np.array(totals), thermal_ev * 1.5 * np.array([6, 8])
    assert (np.abs(total[-50:].mean(axis=0) - total[:50].mean(axis=0)) < 0.005 * thermal).all()
    moved = state.positions.numpy() - np.concatenate([a.positions for a in systems])
    assert np.abs(moved).max() > 0.05


def test_relaxation_of_its_own_ends_at_rest():
    import torch_sim

    rng = np.random.default_rng(1)
    systems = [resting("CH3OH"), resting("H2O")]
    for atoms in systems:
        atoms.positions += rng.normal(0, 0.03, atoms.positions.shape)
    before = [atoms.get_potential_energy() for atoms in systems]
    model = model_of()
    final = torch_sim.optimize(
        system=state_of(*systems),
        model=model,
        optimizer=torch_sim.gradient_descent,
        convergence_fn=torch_sim.generate_force_convergence_fn(
            force_tol=0.1, include_cell_forces=False
        ),
        max_steps=300,
    )
    found = model(final)
    assert found["forces"].norm(dim=1).max() < 0.1
    assert (found["energy"].numpy() < before).all()


def test_disagreement_stops_a_run():
    state = state_of(resting("CH3OH"), resting("H2O"))
    with pytest.raises(TooUncertain, match=r"committee disagrees on system [12] by"):
        model_of(max_disagreement_kcal_mol=1e-6)(state)
    with pytest.raises(InputError, match="a single member cannot disagree"):
        model_of(potential=load_committee(CHECKPOINT).first(1), max_disagreement_kcal_mol=1.0)


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(InputError, match="contains N, which this potential does not know"):
        model_of()(state_of(resting("H2O"), Atoms("NN", [[0, 0, 0], [1.1, 0, 0]])))
    small = resting("H2O")
    small.cell, small.pbc = [9.0, 12.0, 12.0], True
    with pytest.raises(InputError, match=r"9\.00 Å wide"):
        model_of()(state_of(small))
    with pytest.raises(InputError, match="no stress without a periodic box"):
        model_of(compute_stress=True)(state_of(resting("H2O")))
