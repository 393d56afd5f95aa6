"""Files of molecules: what is read from them, and what is said of bad ones."""

from pathlib import Path

import pytest
from ase import Atoms
from ase.collections import g2
from ase.io import write
from rdkit import Chem
from rdkit.Chem import rdDepictor, rdDistGeom

from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import elements
from chemistry.readers.molecules import molecule_from_smiles, read_molecules


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_smi_has_names_comments_triple_bonds_and_blank_lines(tmp_path):
    text = "# molecules\nCCO ethanol\n\nC#N\thydrogen cyanide  # toxic\n  OC\n"
    molecules = read_molecules(put(tmp_path, "m.smi", text))
    assert [m.name for m in molecules] == ["ethanol", "hydrogen cyanide", "OC"]
    assert [m.source.rsplit(":")[-1] for m in molecules] == ["2", "4", "5"]
    assert all(m.mol_block and not m.geometries for m in molecules)


@pytest.mark.parametrize(
    ("name", "text"),
    [("m.smi", "C methane\n"), ("m.xyz", "1\nname=methane multiplicity=1\nHe 0 0 0\n")],
)
def test_files_from_windows_are_read(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (molecule,) = read_molecules(path)
    assert molecule.name == "methane"


def test_smi_reports_all_bad_lines_at_once(tmp_path):
    path = put(tmp_path, "m.smi", "CCO\nC(C\nCO\nXX bad\nCC.C\n")
    with pytest.raises(InputError) as caught:
        read_molecules(path)
    message = str(caught.value)
    assert all(f"m.smi:{line}: " in message for line in (2, 4, 5))
    assert "m.smi:1" not in message


def test_smi_lists_only_the_first_bad_lines(tmp_path):
    with pytest.raises(InputError, match="and 4 more entries"):
        read_molecules(put(tmp_path, "m.smi", "XX\n" * 9))


BAD_FRAMES = """1
name=helium
He 0 0 0
2
these overlap
H 0 0 0
H 0 0 0.01
1
multiplicity=2
Ne 0 0 0
1

Xx 0 0 0
1
name=argon
Ar 0 0 0
"""


def test_frames_that_cannot_be_used_are_all_named_or_all_skipped(tmp_path):
    path = put(tmp_path, "m.xyz", BAD_FRAMES)
    with pytest.raises(InputError) as caught:
        read_molecules(path)
    assert all(f"m.xyz:{line}: " in str(caught.value) for line in (4, 8, 13))
    skipped: list[InputError] = []
    assert [m.name for m in read_molecules(path, skipped=skipped)] == ["helium", "argon"]
    assert len(skipped) == 3


def test_records_that_cannot_be_used_are_all_named_or_all_skipped(tmp_path):
    good = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    path = put(tmp_path, "m.sdf", f"{good}$$$$\nno mol block\n$$$$\n{good}$$$$\nnor this\n$$$$\n")
    with pytest.raises(InputError, match=r"m\.sdf:\d+: .*; .*m\.sdf:\d+: "):
        read_molecules(path)
    skipped: list[InputError] = []
    assert len(read_molecules(path, skipped=skipped)) == 1
    assert len(skipped) == 2


def test_a_file_of_nothing_but_bad_entries_has_no_molecule(tmp_path):
    with pytest.raises(InputError, match="no molecule in the file"):
        read_molecules(put(tmp_path, "m.smi", "XX\n"), skipped=[])


def test_the_same_molecule_twice_is_one(tmp_path):
    (molecule,) = read_molecules(put(tmp_path, "m.smi", "CCO first\nOCC second\n"))
    assert molecule.name == "first"


@pytest.mark.parametrize("name", ["m.smi", "m.sdf", "m.xyz", "m.extxyz"])
@pytest.mark.parametrize("text", ["", "\n", "  \n\n"])
def test_an_empty_file_is_refused(tmp_path, name, text):
    with pytest.raises(InputError, match=f"{name}: there is no molecule"):
        read_molecules(put(tmp_path, name, text))


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no\.smi: there is no such file"):
        read_molecules(tmp_path / "no.smi")
    with pytest.raises(InputError, match=r"\.smi, \.sdf, \.xyz, \.extxyz"):
        read_molecules(put(tmp_path, "m.pdb", "HEADER\n"))
    (tmp_path / "folder.xyz").mkdir()
    with pytest.raises(InputError, match=r"folder\.xyz: cannot be read"):
        read_molecules(tmp_path / "folder.xyz")
    (tmp_path / "binary.smi").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.smi: cannot be read as text"):
        read_molecules(tmp_path / "binary.smi")


NITROGEN = "2\n{}\nN 0 0 0\nN 0 0 1.1\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("3\n\nH 0 0 0\n", 1, "announces 3 atoms, but the file ends after 1"),
        ("2\n\nN 0 0 0\n", 1, "announces 2 atoms, but the file ends after 1"),
        ("3", 1, "announces 3 atoms, but the file ends after 0"),
        ("hello\n\nH 0 0 0\n", 1, "expected a number of atoms, found 'hello'"),
        (NITROGEN.format("") + "\n" + NITROGEN.format(""), 5, "expected a number of atoms"),
        ("0\n\n", 1, "expected a number of atoms"),
        ("2\n\nN 0 0 0\nXx 0 0 1.1\n", 4, "'Xx' is not an element"),
        ("2\n\nN 0 0 0\n0 0 0 1.1\n", 4, "'0' is not an element"),
        ("2\n\nN 0 0 0\nN 0 nan 1.1\n", 4, "'0 nan 1.1' are not three finite numbers"),
        ("2\n\nN 0 0 0\nN 0 inf 1.1\n", 4, "not three finite numbers"),
        ("2\n\nN 0 0 0\nN 0 x 1.1\n", 4, "not three finite numbers"),
        ("2\n\nN 0 0 0\nN 0 1.1\n", 4, "expected an element and x y z"),
        ("2\n\nN 0 0 0\nN 0 0 0.1\n", 1, r"atoms 1 \(N\) and 2 \(N\) are 0.10 Å apart"),
        (NITROGEN.format("charge=1"), 1, r"13 \(charge \+1\); 2, 4, 6 would"),
        (NITROGEN.format("multiplicity=2"), 1, r"14 \(charge \+0\); 1, 3, 5 would"),
        (NITROGEN.format("charge=one"), 1, "charge=one in the comment is not a whole number"),
        (NITROGEN.format('Lattice="9 0 0 0 9 0 0 0 9"'), 1, "periodic"),
        (NITROGEN.format("Properties=pos:R:3"), 1, "no species"),
    ],
)
def test_xyz_says_which_line_is_wrong(tmp_path, text, line, words):
    with pytest.raises(InputError, match=words) as caught:
        read_molecules(put(tmp_path, "m.xyz", text))
    assert f"m.xyz:{line}: " in str(caught.value)


def test_xyz_charge_and_multiplicity_come_from_the_comment_or_the_caller(tmp_path):
    path = put(tmp_path, "m.xyz", NITROGEN.format("charge=+1 multiplicity=4 name=dinitrogen"))
    (molecule,) = read_molecules(path)
    assert (molecule.charge, molecule.multiplicity, molecule.name) == (1, 4, "dinitrogen")
    (molecule,) = read_molecules(path, charge=0, multiplicity=3)
    assert (molecule.charge, molecule.multiplicity) == (0, 3)
    assert molecule.geometries[0].multiplicity == 3


def test_xyz_symbols_may_be_numbers_or_in_any_case(tmp_path):
    (molecule,) = read_molecules(put(tmp_path, "m.xyz", "2\n\ncl 0 0 0\n1 0 0 1.27\n"))
    assert molecule.name == "ClH"
    assert elements(molecule) == {1, 17}
    assert molecule.molecule_id == molecule_from_smiles("Cl").molecule_id


def test_frames_of_one_molecule_are_its_geometries_and_others_are_others(tmp_path):
    frames = NITROGEN.format("one") + "1\nhelium\nHe 0 0 0\n" + NITROGEN.format("two")
    nitrogen, helium = read_molecules(put(tmp_path, "m.xyz", frames))
    assert len(nitrogen.geometries) == 2
    assert len(helium.geometries) == 1
    assert {g.molecule_id for g in nitrogen.geometries} == {nitrogen.molecule_id}


def test_frames_of_stereoisomers_are_different_molecules_in_one_order_of_atoms(tmp_path):
    blocks = []
    for smiles in ("C/C=C/C", "C/C=C\\C"):
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        for seed in (1, 2):
            rdDistGeom.EmbedMolecule(mol, seed)
            blocks.append(Chem.MolToXYZBlock(mol))
    molecules = read_molecules(put(tmp_path, "m.xyz", "".join(blocks)))
    assert [len(m.geometries) for m in molecules] == [2, 2]


def test_a_frame_that_fell_apart_is_another_molecule(tmp_path):
    apart = NITROGEN.format("").replace("1.1", "3.0")
    molecules = read_molecules(put(tmp_path, "m.xyz", NITROGEN.format("") + apart))
    assert [len(m.geometries) for m in molecules] == [1, 1]
    assert molecules[0].molecule_id != molecules[1].molecule_id


def test_extended_xyz_of_ase_is_read(tmp_path):
    atoms = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    atoms.info.update({"charge": 1, "multiplicity": 2, "name": "water cation"})
    atoms.set_array("id", atoms.numbers)
    path = tmp_path / "m.extxyz"
    write(path, atoms, columns=["id", "positions", "symbols"])
    (molecule,) = read_molecules(path)
    assert (molecule.charge, molecule.multiplicity) == (1, 2)
    assert molecule.name == "water cation"
    assert molecule.geometries[0].positions == pytest.approx(atoms.positions)


def test_bonds_that_cannot_be_perceived_leave_a_molecule_with_its_geometry(tmp_path):
    hypervalent = "4\n\nCl 0 0 0.38\nF 0 0 -1.26\nF 0 1.71 0.27\nF 0 -1.71 0.27\n"
    (molecule,) = read_molecules(put(tmp_path, "m.xyz", hypervalent * 2))
    assert molecule.mol_block is None
    assert molecule.name == "ClF3"
    assert elements(molecule) == {9, 17}
    assert [g.molecule_id for g in molecule.geometries] == [molecule.molecule_id] * 2


def test_the_molecules_of_the_g2_set_are_read_with_their_bonds(tmp_path):
    with_bonds = 0
    for name in g2.names:
        atoms = g2[name]
        unpaired = round(abs(atoms.get_initial_magnetic_moments().sum()))
        atoms.info["multiplicity"] = unpaired + 1
        path = tmp_path / "m.extxyz"
        write(path, atoms, columns=["symbols", "positions"])
        (molecule,) = read_molecules(path)
        with_bonds += molecule.mol_block is not None
    # Not perceived: ClF3, whose chlorine has three bonds, and the radicals NH, NH2 and PH2.
    assert with_bonds >= len(g2.names) - 4


def sdf_of(smiles: str, three_dimensional: bool = True) -> str:
    mol = Chem.MolFromSmiles(smiles)
    if three_dimensional:
        mol = Chem.AddHs(mol)
        rdDistGeom.EmbedMolecule(mol, 3)
    else:
        rdDepictor.Compute2DCoords(mol)
    return Chem.MolToMolBlock(mol)


def test_sd_records_have_names_geometries_and_fields(tmp_path):
    first = "methyl\n" + sdf_of("[CH3]").split("\n", 1)[1]
    text = first + ">  <Charge>\n1\n\n>  <multiplicity>\n1\n\n$$$$\n" + sdf_of("CO") + "$$$$\n"
    cation, methanol = read_molecules(put(tmp_path, "m.sdf", text))
    assert (cation.name, cation.charge, cation.multiplicity) == ("methyl", 1, 1)
    assert (methanol.name, methanol.charge, methanol.multiplicity) == ("CH4O", 0, 1)
    assert len(methanol.geometries) == 1


@pytest.mark.parametrize("smiles", ["C/C=C/C", "C/C=C\\C", "OC[C@@H](O)[C@H](O)C", "CCO"])
def test_a_flat_drawing_is_a_molecule_without_geometry(tmp_path, smiles):
    text = sdf_of(smiles, three_dimensional=False) + "$$$$\n"
    (molecule,) = read_molecules(put(tmp_path, "m.sdf", text))
    assert molecule.geometries == ()
    assert molecule.molecule_id == molecule_from_smiles(smiles).molecule_id


def test_sd_says_which_record_is_wrong(tmp_path):
    good = sdf_of("CO") + "$$$$\n"
    line = good.count("\n") + 1
    heavy = Chem.MolFromMolBlock(sdf_of("CO"))
    cases = {
        "not a mol block": "junk\njunk\n$$$$\n",
        "lacks 4 hydrogen": Chem.MolToMolBlock(heavy) + "$$$$\n",
        "charge=x in the data fields": good.replace("$$$$", ">  <charge>\nx\n\n$$$$"),
        "several molecules": sdf_of("C.C", three_dimensional=False) + "$$$$\n",
    }
    for words, record in cases.items():
        with pytest.raises(InputError, match=words) as caught:
            read_molecules(put(tmp_path, "m.sdf", good + record))
        assert f"m.sdf:{line}: " in str(caught.value)


def test_an_sd_geometry_in_other_units_is_noticed(tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles("CO"))
    rdDistGeom.EmbedMolecule(mol, 3)
    conformer = mol.GetConformer()
    conformer.SetPositions(conformer.GetPositions() / 0.529177)
    with pytest.raises(InputError, match="is the geometry in Å"):
        read_molecules(put(tmp_path, "m.sdf", Chem.MolToMolBlock(mol) + "$$$$\n"))
