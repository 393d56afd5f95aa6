"""Conformers: which are found, which are one, and what happens where none can be made."""

from dataclasses import replace

import numpy as np
import pytest
from fake_potentials import Defiant, Springs, Wells

from chemistry.errors import InputError
from chemistry.geometries.force_field import MMFF94
from chemistry.readers.molecules import molecule_from_smiles, read_molecules
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure, interatomic_distances
from chemistry.sampling import Conformers
from chemistry.units import KCAL_MOL_PER_EV

NO_POTENTIAL = Springs(
    rest=Structure(atomic_numbers=np.zeros(0, dtype=int), positions=np.zeros((0, 3)))
)


def conformers(molecule: Molecule, **settings) -> list[Structure]:
    sample = Conformers(**settings).sample(molecule, (), NO_POTENTIAL, seed=1)
    return [offer.structure for offer in sample.offers]


@pytest.mark.parametrize(
    ("smiles", "count"), [("C", 1), ("CCO", 2), ("CCCC", 2), ("CCCO", 5), ("c1ccccc1", 1)]
)
def test_each_conformer_is_found_once(smiles, count):
    # Ethanol: anti and gauche; butane: anti and gauche; mirror images are one.
    assert len(conformers(molecule_from_smiles(smiles))) == count


def test_conformers_are_relaxed_distinct_and_most_stable_first():
    molecule = molecule_from_smiles("NCC(=O)O")
    found = conformers(molecule)
    predictions = MMFF94(molecule).predict(found)
    energies = np.array([p.energy for p in predictions]) * KCAL_MOL_PER_EV
    assert len(found) >= 3
    assert (np.diff(energies) > 0.01).all()
    assert max(np.abs(p.forces).max() for p in predictions) < 0.01


def test_the_most_stable_are_kept():
    molecule = molecule_from_smiles("NCC(=O)O")
    assert [s.structure_id for s in conformers(molecule, max_conformers=2)] == [
        s.structure_id for s in conformers(molecule)[:2]
    ]


def test_a_molecule_that_the_force_field_does_not_know_is_relaxed_by_the_potential():
    borane = molecule_from_smiles("B")
    flat = Wells(centres=np.zeros(3), stiffness=0.0)
    sample = Conformers(embeddings=4, max_conformers=1).sample(borane, (), flat, seed=1)
    embedded = sample.offers[0].structure
    rest = embedded.moved_to(1.05 * embedded.positions, embedded.origin)
    [offer] = (
        Conformers(embeddings=4, max_conformers=1)
        .sample(borane, (), Springs(rest=rest), seed=1)
        .offers
    )
    np.testing.assert_allclose(
        interatomic_distances(offer.structure.positions),
        interatomic_distances(rest.positions),
        atol=0.01,
    )


def test_geometries_that_the_potential_cannot_compute_are_no_conformers():
    borane = molecule_from_smiles("B")
    rest = Structure(atomic_numbers=np.array([5, 1, 1, 1]), positions=np.zeros((4, 3)))
    nothing = Defiant(mean=Springs(rest=rest), beyond_angstrom=-np.inf)
    with pytest.raises(InputError, match="no geometry of B"):
        Conformers(embeddings=4).sample(borane, (), nothing, seed=1)


def test_stereochemistry_is_that_of_the_smiles(tmp_path):
    for smiles in ("C/C=C/C", "C/C=C\\C"):
        molecule = molecule_from_smiles(smiles)
        carbons = conformers(molecule)[0].positions[:4]
        assert (np.linalg.norm(carbons[0] - carbons[3]) > 3.5) == (smiles == "C/C=C/C")


def test_several_fragments_keep_the_geometries_that_were_given(tmp_path):
    path = tmp_path / "dimer.xyz"
    path.write_text("2\n\nHe 0 0 0\nHe 0 0 3\n2\n\nHe 0 0 0\nHe 0 0 4\n")
    (dimer,) = read_molecules(path)
    found = conformers(dimer)
    assert [s.structure_id for s in found] == [g.structure_id for g in dimer.geometries]
    assert found[0].origin.parent_id == dimer.geometries[0].structure_id


def test_the_geometries_of_the_file_come_first_and_once():
    molecule = molecule_from_smiles("CCCO")
    embedded = conformers(molecule)
    given = replace(molecule, geometries=(embedded[3], embedded[3]))
    found = conformers(given)
    assert len(found) == len(embedded)
    assert found[0].structure_id == embedded[3].structure_id
    assert found[0].origin.parent_id == embedded[3].structure_id
    assert [s.structure_id for s in found[1:]] == [
        s.structure_id for s in embedded if s is not embedded[3]
    ]


def test_a_strained_ring_is_embedded():
    # ETKDG holds triple bonds straight and fails on cyclooctyne.
    molecule = molecule_from_smiles("C1CCC#CCCC1")
    found = conformers(molecule, embeddings=3)
    assert found
    axis = found[0].positions[[2, 3, 4, 5]]
    bend = np.diff(axis, axis=0)
    cosine = bend[0] @ bend[1] / np.linalg.norm(bend[0]) / np.linalg.norm(bend[1])
    assert np.degrees(np.arccos(cosine)) > 10.0


def test_what_cannot_be_embedded_and_was_not_given_is_refused():
    # Two rings of three share a bond that their stereochemistry says they cannot share.
    with pytest.raises(InputError, match=r"no geometry of .* give one in an \.sdf or \.xyz file"):
        conformers(molecule_from_smiles("C1[C@H]2C[C@H]12"), embeddings=3)
