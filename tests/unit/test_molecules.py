"""Molecules: identity, charge and multiplicity, and the JSON that the store keeps."""

import random
from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import atomic_numbers_of, geometry_rules, to_rdkit
from chemistry.readers.molecules import (
    merge_molecules,
    molecule_from_smiles,
    read_molecules,
)
from chemistry.records.record_json import molecule_from_json, molecule_to_json

SAME_EVERYWHERE = [
    "CCO",
    "C/C=C/C",
    "C/C=C\\C",
    "C[C@H](N)C(=O)O",
    "OC[C@@H](O)[C@H](O)C",
    "[CH3]",
    "[NH4+]",
    "C[N+](=O)[O-]",
    "N#N",
    "F",
    "[He]",
    "[H][H]",
    "c1cc[nH]c1",
    "CC(=O)[O-]",
    "[NH3+]CC(=O)[O-]",
    "CS(C)(=O)=O",
]


def embedded(smiles: str, seed: int = 5):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, seed) == 0
    return mol


def shuffled(mol):
    order = list(range(mol.GetNumAtoms()))
    random.Random(1).shuffle(order)
    return Chem.RenumberAtoms(mol, order)


@pytest.mark.parametrize("smiles", SAME_EVERYWHERE)
def test_one_id_from_smiles_sd_file_and_xyz_file_in_any_atom_order(smiles, tmp_path):
    molecule = molecule_from_smiles(smiles)
    mol = embedded(smiles)
    sdf = tmp_path / "m.sdf"
    sdf.write_text("$$$$\n".join([Chem.MolToMolBlock(mol), Chem.MolToMolBlock(shuffled(mol)), ""]))
    lines = Chem.MolToXYZBlock(shuffled(mol)).splitlines()
    lines[1] = f"charge={molecule.charge} multiplicity={molecule.multiplicity}"
    xyz = tmp_path / "m.xyz"
    xyz.write_text("\n".join(lines) + "\n")

    (from_sdf,) = read_molecules(sdf)
    (from_xyz,) = read_molecules(xyz)
    assert from_sdf.molecule_id == from_xyz.molecule_id == molecule.molecule_id
    assert (from_sdf.charge, from_sdf.multiplicity) == (molecule.charge, molecule.multiplicity)
    assert len(from_sdf.geometries) == 2
    # Both records, whatever their order of atoms, are now the same geometry.
    first, second = from_sdf.geometries
    assert np.array_equal(first.atomic_numbers, second.atomic_numbers)
    assert geometry_rules(from_sdf).faults(np.array([first.positions, second.positions])) == [
        None,
        None,
    ]


@pytest.mark.parametrize("smiles", SAME_EVERYWHERE)
def test_the_mol_block_holds_the_whole_molecule(smiles):
    molecule = molecule_from_smiles(smiles)
    again = Chem.MolToSmiles(to_rdkit(molecule))
    assert again == Chem.MolToSmiles(Chem.AddHs(Chem.MolFromSmiles(smiles)))


def test_isomers_states_and_charges_are_different_molecules():
    molecules = [
        molecule_from_smiles("C/C=C/C"),
        molecule_from_smiles("C/C=C\\C"),
        molecule_from_smiles("CCO"),
        molecule_from_smiles("COC"),
        molecule_from_smiles("CCO", charge=1),
        molecule_from_smiles("CCO", multiplicity=3),
        molecule_from_smiles("OC[C@@H](O)[C@H](O)C"),
        molecule_from_smiles("OC[C@@H](O)[C@@H](O)C"),
    ]
    assert len({molecule.molecule_id for molecule in molecules}) == len(molecules)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CCO", "OCC"),
        ("c1ccccc1", "C1=CC=CC=C1"),
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
        ("[2H]C", "C"),
        ("[CH3:1]O", "CO"),
    ],
)
def test_ways_of_writing_mirror_images_and_isotopes_are_one_molecule(one, other):
    assert molecule_from_smiles(one).molecule_id == molecule_from_smiles(other).molecule_id


@pytest.mark.parametrize(
    ("smiles", "charge", "multiplicity"),
    [
        ("C", 0, 1),
        ("[CH3]", 0, 2),
        ("[NH4+]", 1, 1),
        ("[NH3+]CC(=O)[O-]", 0, 1),
        ("[H]", 0, 2),
    ],
)
def test_charge_and_multiplicity_come_from_the_smiles(smiles, charge, multiplicity):
    molecule = molecule_from_smiles(smiles)
    assert (molecule.charge, molecule.multiplicity) == (charge, multiplicity)


def test_charge_and_multiplicity_can_be_overruled():
    assert molecule_from_smiles("C", charge=1).multiplicity == 2
    assert molecule_from_smiles("O=O", multiplicity=3).multiplicity == 3
    assert molecule_from_smiles("[CH2]", multiplicity=1).multiplicity == 1


@pytest.mark.parametrize(
    ("smiles", "settings", "words"),
    [
        ("C(C", {}, "not a SMILES"),
        ("C(C)(C)(C)(C)C", {}, "atom # 0 C, 5"),
        ("CC.C", {}, "several molecules"),
        ("*C", {}, "wildcard"),
        ("", {}, "empty"),
        ("[H+]", {}, "no electron"),
        ("C", {"multiplicity": 2}, r"number of electrons, 10 \(charge \+0\); 1, 3, 5 would"),
        ("C", {"charge": 1, "multiplicity": 1}, "9 .charge .1.; 2, 4, 6 would"),
        ("[H]", {"multiplicity": 4}, "2 would"),
    ],
)
def test_what_cannot_be_a_molecule_is_refused_with_a_reason(smiles, settings, words):
    with pytest.raises(InputError, match=words) as caught:
        molecule_from_smiles(smiles, source="campaign.yaml, molecule 3", **settings)
    assert str(caught.value).startswith("campaign.yaml, molecule 3: ")


def test_names_are_given_or_the_smiles():
    assert molecule_from_smiles("CCO").name == "CCO"
    assert molecule_from_smiles("CCO", name="ethanol", source="a:1").name == "ethanol"
    assert molecule_from_smiles("CCO", source="a:1").source == "a:1"


def test_atoms_are_in_the_order_of_the_smiles_with_hydrogens_last():
    numbers = atomic_numbers_of(to_rdkit(molecule_from_smiles("OCC")))
    assert numbers.tolist() == [8, 6, 6, 1, 1, 1, 1, 1, 1]


def test_json_round_trip_is_exact(tmp_path):
    sdf = tmp_path / "m.sdf"
    sdf.write_text(Chem.MolToMolBlock(embedded("C[C@H](N)C(=O)O")) + "$$$$\n")
    (molecule,) = read_molecules(sdf)
    again = molecule_from_json(molecule_to_json(molecule))
    assert replace(again, geometries=()).__dict__ == replace(molecule, geometries=()).__dict__
    (one,), (other,) = molecule.geometries, again.geometries
    assert np.array_equal(one.positions, other.positions)
    assert one.structure_id == other.structure_id
    assert one.origin == other.origin
    assert one.molecule_id == other.molecule_id


def test_json_of_a_later_version_is_refused():
    text = molecule_to_json(molecule_from_smiles("C")).replace('"schema": 1', '"schema": 2')
    with pytest.raises(InputError, match="schema 2"):
        molecule_from_json(text)


def test_merging_keeps_the_first_name_and_all_geometries(tmp_path):
    sdf = tmp_path / "m.sdf"
    sdf.write_text(Chem.MolToMolBlock(embedded("CO")) + "$$$$\n")
    named = molecule_from_smiles("CO", name="methanol")
    (merged,) = merge_molecules([named, *read_molecules(sdf)])
    assert merged.name == "methanol"
    assert len(merged.geometries) == 1
