"""Files and SMILES that were taken for another molecule, or spin, without a word."""

from dataclasses import replace

import numpy as np
import pytest

from chemistry.errors import InputError
from chemistry.geometries.embedding import embed
from chemistry.geometries.rdkit_bridge import geometry_rules
from chemistry.readers.molecules import molecule_from_smiles, read_molecules
from chemistry.readers.recognition import Recogniser
from chemistry.records.structure import Structure
from workflow.settings.campaign import Campaign
from workflow.settings.molecule_entry import MoleculeEntry
from workflow.settings.molecules import described, read_campaign_molecules


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("0 3", (0, 3)),
        ("charge=0,multiplicity=3", (0, 3)),
        ("charge=0 spin=3 energy=-4085.0", "2S to some programs and 2S.1 to others"),
        ("total_charge=0 total_spin=3", "2S to some programs and 2S.1 to others"),
        ("", "do not settle the multiplicity"),
    ],
)
def test_dioxygen_is_no_singlet_by_oversight(tmp_path, comment, found):
    path = tmp_path / "o2.xyz"
    path.write_text(f"2\n{comment}\nO 0 0 0\nO 0 0 1.21\n")
    if isinstance(found, str):
        with pytest.raises(InputError, match=found):
            read_molecules(path)
    else:
        (molecule,) = read_molecules(path)
        assert (molecule.charge, molecule.multiplicity) == found


@pytest.mark.parametrize(
    ("smiles", "multiplicity"), [("[C]1NC=CN1", 1), ("[SiH2]", 1), ("[C]", 3), ("[B]", 2)]
)
def test_unpaired_electrons_of_a_lewis_structure_are_not_counted_blindly(smiles, multiplicity):
    assert molecule_from_smiles(smiles).multiplicity == multiplicity


def test_an_entry_of_a_campaign_says_what_spin_means_and_a_check_what_it_took(tmp_path):
    path = tmp_path / "o2.xyz"
    path.write_text("2\ncharge=0 spin=3\nO 0 0 0\nO 0 0 1.21\n")
    entries = ["CO", {"file": str(path), "spin_means": "2s+1"}, "[NH4+]"]
    rungs = [{"level": "hf/sto-3g"}]
    campaign = Campaign.model_validate({"name": "x", "molecules": entries, "rungs": rungs})
    molecules = [molecule for molecule, _ in read_campaign_molecules(campaign)]
    assert described(molecules) == [
        "CO: charge 0, multiplicity 1, geometry embedded",
        "O2: charge 0, multiplicity 3, geometry read (1)",
        "[NH4+]: charge 1, multiplicity 1, geometry embedded",
    ]
    with pytest.raises(ValueError, match="`spin_means` is of a `file`"):
        MoleculeEntry(smiles="O=O", spin_means="2s")
    many = described([molecules[0]] * 25 + molecules[1:])
    assert many[-1] == "and 5 more neutral singlets"
    assert sum("multiplicity 3" in line or "charge 1" in line for line in many) == 2


@pytest.mark.parametrize(
    "smiles",
    ["CC(N)C(=O)O", "CC(F)Cl", "CC=CC", "CC=N", "CS(C)=O", "S=C=S", "FS(F)(F)(F)(F)F", "C1C2CC12"],
)
def test_what_a_run_labelled_is_recognised_when_it_comes_back(smiles):
    molecule = molecule_from_smiles(smiles)
    positions = embed(molecule, 1, 3)
    order = np.random.default_rng(0).permutation(len(positions[0]))
    structure = Structure(
        atomic_numbers=geometry_rules(molecule).atomic_numbers, positions=positions[0]
    )
    for other in (
        structure,
        replace(
            structure,
            atomic_numbers=structure.atomic_numbers[order],
            positions=structure.positions[order],
        ),
    ):
        recognised = Recogniser([molecule]).recognise(other)
        assert recognised is not None
        assert recognised[0].molecule_id == molecule.molecule_id
