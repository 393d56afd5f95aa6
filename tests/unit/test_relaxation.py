"""Relaxation of many geometries at once, beside ASE's FIRE one by one."""

import numpy as np
import pytest
from ase import Atoms
from ase.optimize import FIRE
from fake_potentials import Springs
from model_examples import cluster, committee

from chemistry.errors import InputError
from chemistry.geometries.relaxation import relax
from chemistry.records.potential import replicas_of
from chemistry.records.structure import Structure
from model import CommitteeCalculator

WATER = Structure(
    atomic_numbers=np.array([8, 1, 1]),
    positions=np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]),
)
POTENTIAL = committee(members=2)


def displaced(structure: Structure, count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return structure.positions + rng.normal(0, 0.08, (count, len(structure), 3))


def test_each_geometry_takes_the_path_that_ase_takes_with_it_alone():
    structure = cluster(6, seed=1)
    starts = displaced(structure, 3)
    replicas = POTENTIAL.replicas(structure)
    # Random weights are small, so that 1e-3 eV/Å is reached after tens of steps, not at once.
    found = relax(replicas, starts, max_force_ev_per_angstrom=1e-3, max_steps=40)
    for start, positions, energy, steps in zip(
        starts, found.positions, found.energies, found.steps, strict=True
    ):
        atoms = Atoms(numbers=structure.atomic_numbers, positions=start)
        atoms.calc = CommitteeCalculator(POTENTIAL)
        optimizer = FIRE(atoms, logfile=None)
        optimizer.run(fmax=1e-3, steps=40)
        assert steps == optimizer.nsteps > 5
        assert positions == pytest.approx(atoms.positions, abs=1e-9)
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)


def test_geometries_come_to_rest_and_are_then_left_alone():
    potential = Springs(rest=WATER)
    starts = np.concatenate([WATER.positions[None], displaced(WATER, 3)])
    found = relax(replicas_of(potential, WATER), starts, max_force_ev_per_angstrom=1e-3)
    assert found.converged.all()
    assert found.steps[0] == 0
    assert (found.steps[1:] > 0).all()
    assert found.energies == pytest.approx(0.0, abs=1e-5)
    assert potential.calls[0] == 4
    assert potential.calls[-1] < 4
    assert len(potential.calls) == found.steps.max() + 1


def test_what_is_not_at_rest_after_the_last_step_says_so():
    found = relax(replicas_of(Springs(rest=WATER), WATER), displaced(WATER, 2), max_steps=1)
    assert not found.converged.any()
    assert found.steps.tolist() == [1, 1]


def test_nothing_to_relax_is_nothing():
    found = relax(POTENTIAL.replicas(WATER), np.zeros((0, 3, 3)))
    assert found.positions.shape == (0, 3, 3)
    assert found.converged.shape == (0,)


def test_what_cannot_be_relaxed_is_refused():
    replicas = POTENTIAL.replicas(WATER)
    with pytest.raises(InputError, match=r"finite numbers of shape \(R, N, 3\)"):
        relax(replicas, WATER.positions)
    with pytest.raises(InputError, match="finite numbers"):
        relax(replicas, np.full((1, 3, 3), np.nan))
    with pytest.raises(InputError, match="positive force limit"):
        relax(replicas, WATER.positions[None], max_force_ev_per_angstrom=0.0)
