"""Scans of torsions: which bonds turn, to which angles, and what is relaxed."""

import numpy as np
import pytest
from rdkit.Chem import rdMolTransforms

from chemistry.geometries.force_field import MMFF94
from chemistry.geometries.rdkit_bridge import conformer_of
from chemistry.geometries.torsions import rotatable_torsions, turned
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.sampling import Conformers, TorsionScans


def relaxed(smiles: str):
    molecule = molecule_from_smiles(smiles)
    potential = MMFF94(molecule)
    offers = Conformers(embeddings=5).sample(molecule, (), potential, seed=1).offers
    return molecule, offers[0].structure, potential


@pytest.mark.parametrize(
    ("smiles", "turning"),
    [
        ("O", 0),
        ("N#N", 0),
        ("C=C", 0),
        ("C1CC1", 0),
        ("CC#CC", 0),  # its ends turn about a line that has no torsion
        ("OO", 1),
        ("CO", 1),
        ("CCO", 2),
        ("CC(=O)NC", 3),
        ("C1CC1C", 1),
    ],
)
def test_single_bonds_outside_rings_turn(smiles, turning):
    torsions = rotatable_torsions(molecule_from_smiles(smiles))
    assert torsions.shape == (turning, 4)


def angle_of(positions, torsion):
    return rdMolTransforms.GetDihedralDeg(conformer_of(positions), *map(int, torsion))


@pytest.mark.parametrize("steps", [0, 200])
def test_the_torsion_has_the_angle_that_was_asked_for(steps):
    molecule, start, _ = relaxed("OO")
    [torsion] = rotatable_torsions(molecule)
    wanted = np.array([-150.0, 0.0, 45.0])
    made = turned(molecule, start.positions, torsion, wanted, relaxation_steps=steps)
    found = [angle_of(positions, torsion) for positions in made]
    assert found == pytest.approx(wanted, abs=0.5)


def test_relaxing_lowers_the_energy_of_every_angle():
    molecule, start, potential = relaxed("CCCC")
    torsion = rotatable_torsions(molecule)[1]
    angles = np.arange(0.0, 360.0, 60.0)
    energies = [
        [p.energy for p in potential.predict([start.moved_to(x, start.origin) for x in made])]
        for made in (
            turned(molecule, start.positions, torsion, angles, relaxation_steps=steps)
            for steps in (200, 0)
        )
    ]
    assert (np.array(energies[0]) <= np.array(energies[1]) + 1e-6).all()
    assert min(energies[0]) < max(energies[0]) - 0.1  # over a barrier


def test_a_scan_goes_around_in_equal_steps():
    molecule, start, potential = relaxed("OO")
    scan = TorsionScans(angles=6, relaxation_steps=0)
    offers = scan.sample(molecule, [start], potential, seed=3).offers
    [torsion] = rotatable_torsions(molecule)
    angles = np.sort([angle_of(offer.structure.positions, torsion) for offer in offers])
    assert len(angles) == 6
    assert np.diff(angles) == pytest.approx(60.0, abs=1e-3)


def test_geometries_far_above_the_start_are_refused():
    molecule, start, potential = relaxed("CCCC")
    scan = TorsionScans(angles=12, max_energy_ev_per_atom=1e-4, bonds_per_start=3)
    sample = scan.sample(molecule, [start], potential, seed=3)
    assert sample.rejected["energy"] > 0
