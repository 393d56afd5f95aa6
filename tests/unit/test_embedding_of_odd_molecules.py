"""Geometries of what distance geometry gets wrong: crowded atoms, and stereochemistry at P=N."""

import numpy as np
import pytest

from chemistry.errors import InputError
from chemistry.geometries.embedding import embed
from chemistry.geometries.ligands import spread_ligands
from chemistry.geometries.rdkit_bridge import geometry_rules, to_rdkit
from chemistry.geometries.stereo import has_stereo_of
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.structure import interatomic_distances
from workflow.settings.molecules import one_geometry


@pytest.mark.parametrize(
    ("smiles", "centre", "degrees"),
    [
        ("FS(F)(F)(F)(F)F", 1, [90.0] * 12 + [180.0] * 3),
        ("FP(F)(F)(F)F", 1, [90.0] * 6 + [120.0] * 3 + [180.0]),
    ],
)
def test_ligands_are_as_far_from_each_other_as_can_be(smiles, centre, degrees):
    molecule = molecule_from_smiles(smiles)
    for positions in embed(molecule, 3, 1):
        bonds = np.delete(positions, centre, axis=0) - positions[centre]
        bonds /= np.linalg.norm(bonds, axis=1, keepdims=True)
        cosines = (bonds @ bonds.T)[np.triu_indices(len(bonds), k=1)]
        angles = np.sort(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))))
        np.testing.assert_allclose(angles, degrees, atol=4.0)


def test_what_hangs_on_a_ligand_turns_with_it():
    molecule = molecule_from_smiles("FS(F)(F)(F)(F)C(=O)C")
    mol = to_rdkit(molecule)
    positions = np.random.default_rng(2).normal(scale=1.5, size=(mol.GetNumAtoms(), 3))
    moved = spread_ligands(mol, positions)
    branch = [6, 7, 8, 9, 10, 11]  # the acetyl group
    np.testing.assert_allclose(
        interatomic_distances(moved[branch]), interatomic_distances(positions[branch]), atol=1e-9
    )
    ligands = [0, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(
        np.linalg.norm(moved[ligands] - moved[1], axis=1),
        np.linalg.norm(positions[ligands] - positions[1], axis=1),
    )
    (embedded,) = embed(molecule, 1, 1)
    assert geometry_rules(molecule).faults(embedded[None]) == [None]


def test_molecules_without_crowded_atoms_are_left_alone():
    molecule = molecule_from_smiles("CS(C)(=O)=O")
    positions = np.random.default_rng(2).normal(size=(11, 3))
    np.testing.assert_array_equal(spread_ligands(to_rdkit(molecule), positions), positions)


@pytest.mark.parametrize("smiles", ["C/C=C\\C", "C[P@](N)SOO", "C[P@H][C@H](F)Cl", "C/P=N/O"])
def test_embedded_geometries_have_the_stereochemistry_of_the_molecule(smiles):
    molecule = molecule_from_smiles(smiles)
    found = embed(molecule, 3, 1)
    assert all(has_stereo_of(to_rdkit(molecule), positions) for positions in found)


def test_no_geometry_of_another_stereoisomer_is_labelled_in_its_place():
    """RDKit makes E of every P=N."""
    molecule = molecule_from_smiles("C/P=N\\O")
    assert embed(molecule, 3, 1) is None
    with pytest.raises(InputError, match=r"no geometry of C/P=N\\O can be made: give one"):
        one_geometry(molecule, seed=1)


@pytest.mark.parametrize(
    ("smiles", "other"),
    [
        ("C/C=C/C", "C/C=C\\C"),
        ("C[P@H][C@H](F)Cl", "C[P@@H][C@H](F)Cl"),
        ("CC[N@]1C[C@H]1C", "CC[N@@]1C[C@H]1C"),
        ("C[C@H]1CC[C@@H](C)CC1", "C[C@H]1CC[C@H](C)CC1"),
        ("O[C@H](C)[C@@H](F)[C@H](C)O", "O[C@H](C)[C@H](F)[C@H](C)O"),
    ],
)
def test_the_other_diastereomer_is_another(smiles, other):
    (positions,) = embed(molecule_from_smiles(smiles), 1, 1)
    assert has_stereo_of(to_rdkit(molecule_from_smiles(smiles)), positions)
    assert has_stereo_of(to_rdkit(molecule_from_smiles(smiles)), -positions)  # its mirror image
    assert not has_stereo_of(to_rdkit(molecule_from_smiles(other)), positions)
