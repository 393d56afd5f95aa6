"""Torsions: their angles and gradients, relaxations that hold them, saddle points between."""

import numpy as np
import pytest
from ase import Atoms
from fake_potentials import Springs

from chemistry.geometries.force_field import MMFF94
from chemistry.geometries.held_torsions import (
    HeldTorsions,
    OverBarriers,
    beyond_bond,
    degrees_off,
    relax_held,
    torsion_angles_degree,
    torsion_gradients,
)
from chemistry.geometries.rdkit_bridge import geometry_rules
from chemistry.geometries.relaxation import relax
from chemistry.geometries.torsions import rotatable_torsions, turned
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.potential import replicas_of
from chemistry.sampling import AnchorConformers, AnchorTorsions, Conformers
from chemistry.sampling.modes import hessians, vibrations


def example(smiles: str):
    molecule = molecule_from_smiles(smiles)
    potential = MMFF94(molecule)
    [offer] = Conformers(max_conformers=1).sample(molecule, (), potential, seed=1).offers
    return molecule, potential, offer.structure


def test_angles_are_those_of_ase_and_gradients_those_of_differences():
    positions = np.random.default_rng(0).normal(size=(3, 6, 3))
    torsions = np.array([[0, 1, 2, 3], [5, 2, 1, 4], [3, 1, 0, 2]])
    angles = torsion_angles_degree(positions, torsions)
    found = [
        Atoms("H6", x).get_dihedral(*torsion)
        for x, torsion in zip(positions, torsions, strict=True)
    ]
    assert degrees_off(angles, np.array(found)) == pytest.approx(0.0, abs=1e-9)
    gradients = torsion_gradients(positions, torsions)
    step = 1e-5
    for place in range(4):
        for axis in range(3):
            moved = np.zeros_like(positions)
            moved[np.arange(3), torsions[:, place], axis] = step
            ahead = torsion_angles_degree(positions + moved, torsions)
            back = torsion_angles_degree(positions - moved, torsions)
            slope = np.deg2rad(degrees_off(ahead, back)) / (2 * step)
            assert gradients[:, place, axis] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_atoms_in_a_line_have_no_gradient_and_are_not_held():
    line = np.arange(12.0).reshape(1, 4, 3)
    torsion = np.array([[0, 1, 2, 3]])
    assert (torsion_gradients(line, torsion) == 0.0).all()
    held = HeldTorsions(torsions=torsion, angles_degree=np.array([90.0]))
    forces = np.ones((1, 4, 3))
    assert held(np.array([0]), line, forces) == pytest.approx(forces)


def test_what_is_held_keeps_its_angle_and_only_the_force_that_holds_it():
    molecule, potential, start = example("OCC=O")
    torsions = rotatable_torsions(molecule)
    angles = np.array([-150.0, -60.0, 20.0, 100.0])
    positions = turned(molecule, start.positions, torsions[0], angles, relaxation_steps=0)
    found = relax_held(
        replicas_of(potential, start),
        positions,
        np.repeat(torsions[:1], 4, axis=0),
        angles,
        max_force_ev_per_angstrom=0.01,
        max_steps=500,
    )
    assert found.converged.all()
    held = np.repeat(torsions[:1], 4, axis=0)
    assert degrees_off(torsion_angles_degree(found.positions, held), angles) == pytest.approx(
        0.0, abs=0.1
    )
    gradients = torsion_gradients(found.positions, held)
    predictions = potential.predict([start.moved_to(x, start.origin) for x in found.positions])
    left = np.array([p.forces for p in predictions])
    four = left[:, torsions[0]]
    along = (four * gradients).sum((1, 2)) / (gradients**2).sum((1, 2))
    four = four - along[:, None, None] * gradients
    others = np.delete(left, torsions[0], axis=1)
    assert np.abs(four).max() < 0.02
    assert np.abs(others).max() < 0.02
    assert np.abs(left).max() > 0.05  # but the torsion would turn


def test_an_angle_that_is_not_reached_is_not_at_rest():
    molecule, _, start = example("OO")
    stiff = Springs(rest=start, stiffness=1e4)
    found = relax_held(
        replicas_of(stiff, start),
        start.positions[None],
        rotatable_torsions(molecule),
        torsion_angles_degree(start.positions[None], rotatable_torsions(molecule)) + 90.0,
        max_force_ev_per_angstrom=0.05,
        max_steps=3,
    )
    assert not found.converged.any()


@pytest.mark.parametrize("smiles", ["CO", "CC", "OCC=O"])
def test_what_climbs_along_a_turn_ends_at_a_saddle_point(smiles):
    molecule, potential, start = example(smiles)
    rules = geometry_rules(molecule)
    torsion = rotatable_torsions(molecule)[:1]
    angles = torsion_angles_degree(start.positions[None], torsion) + np.array([50.0])
    positions = turned(molecule, start.positions, torsion[0], angles, relaxation_steps=200)
    beyond = beyond_bond(rules.bonds, len(start), torsion[0, 1], torsion[0, 2])
    found = relax(
        replicas_of(potential, start),
        positions,
        max_force_ev_per_angstrom=0.005,
        constraint=OverBarriers(torsions=torsion, beyond=beyond[None]),
    )
    assert found.converged.all()
    top = start.moved_to(found.positions[0], start.origin)
    [hessian] = hessians([top], potential, 0.01)
    waves = vibrations(hessian, top.positions, top.masses).wavenumbers_per_cm
    assert (waves < -10.0).sum() == 1
    assert np.abs(potential.predict([top])[0].forces).max() < 0.01


def test_a_relaxed_scan_finds_the_saddle_point_on_top_of_it():
    molecule, potential, start = example("CO")
    offers = AnchorTorsions().sample(molecule, [start], potential, seed=2).offers
    assert [offer.reason for offer in offers].count("saddle point") == 1
    assert [offer.reason for offer in offers].count("relaxed torsion") == 5
    energies = np.array([p.energy for p in potential.predict([o.structure for o in offers])])
    # Points of the scan are at rest within 0.05 eV/Å, so that one may lie a little above it.
    assert energies[-1] > energies[:-1].max() - 2e-3
    assert np.ptp(energies) > 0.03
    without = AnchorTorsions(saddle_points=False).sample(molecule, [start], potential, seed=2)
    assert [offer.reason for offer in without.offers] == ["relaxed torsion"] * 5


def test_relaxed_conformers_are_distinct_at_rest_and_come_lowest_first():
    molecule, potential, start = example("CCO")
    [torsion] = [t for t in rotatable_torsions(molecule) if start.atomic_numbers[t[2]] == 8]
    turns = turned(
        molecule, start.positions, torsion, np.array([50.0, 75.0, 165.0]), relaxation_steps=0
    )
    starts = [start.moved_to(positions, start.origin) for positions in turns]
    found = AnchorConformers().sample(molecule, starts, potential, seed=1)
    assert found.rejected == {"duplicate": 1}
    predictions = potential.predict([offer.structure for offer in found.offers])
    energies = [p.energy for p in predictions]
    assert len(energies) == 2
    assert energies == sorted(energies)
    assert max(np.linalg.norm(p.forces, axis=1).max() for p in predictions) <= 0.05
    hurried = AnchorConformers(max_steps=1).sample(molecule, starts, potential, seed=1)
    assert hurried.rejected == {"not_at_rest": 3}
    assert not hurried.offers


def test_anchors_are_known_by_the_name_of_their_sampler():
    molecule, potential, start = example("CO")
    for sampler in (AnchorConformers(), AnchorTorsions()):
        for offer in sampler.sample(molecule, [start], potential, seed=1).offers:
            assert offer.structure.origin.kind == "anchor"
    assert start.origin.kind == "hot"
