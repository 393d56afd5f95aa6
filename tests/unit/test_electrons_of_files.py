"""XYZ and SD files say what they hold; where they do not, or contradict themselves, it is asked."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule as ase_molecule
from rdkit import Chem

from chemistry.errors import InputError
from chemistry.readers.molecules import molecule_from_smiles, read_molecules

DIOXYGEN = "2\n{}\nO 0 0 0\nO 0 0 1.21\n"
WATER = "3\n{}\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"
METHYLENE = "3\n{}\nC 0 0 0\nH 0.86 0 0.7\nH -0.86 0 0.7\n"
ETHYLENEDIAMMONIUM = (
    "14\n{}\nN -1.87 0 0\nC -0.5 -0.6 0\nC 0.5 0.6 0\nN 1.87 0 0\nH -0.4 -1.2 0.9\n"
    "H -0.4 -1.2 -0.9\nH 0.4 1.2 0.9\nH 0.4 1.2 -0.9\nH -2.55 -0.76 0\nH -2.0 0.6 0.82\n"
    "H -2.0 0.6 -0.82\nH 2.55 0.76 0\nH 2.0 -0.6 0.82\nH 2.0 -0.6 -0.82\n"
)
AMMONIUM = (
    "5\n{}\nN 0 0 0\nH 0.59 0.59 0.59\nH -0.59 -0.59 0.59\nH -0.59 0.59 -0.59\nH 0.59 -0.59 -0.59\n"
)
SULFATE = (
    "5\n{}\nS 0 0 0\nO 0.86 0.86 0.86\nO -0.86 -0.86 0.86\nO -0.86 0.86 -0.86\nO 0.86 -0.86 -0.86\n"
)
ATOM = "1\n{comment}\n{symbol} 0 0 0\n"


def put(folder: Path, text: str, name: str = "m.xyz") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("text", "charge", "multiplicity"),
    [
        (DIOXYGEN.format("0 3"), 0, 3),
        (DIOXYGEN.format("charge=0,multiplicity=3"), 0, 3),
        (DIOXYGEN.format("total_charge=-1 spin_multiplicity=2"), -1, 2),
        (DIOXYGEN.format("mult=1"), 0, 1),
        (DIOXYGEN.format("uhf=2"), 0, 3),
        (WATER.format(""), 0, 1),
        (WATER.format("spin=0 total_charge=0"), 0, 1),
        (ETHYLENEDIAMMONIUM.format("2 1"), 2, 1),
        (ETHYLENEDIAMMONIUM.format("charge=2"), 2, 1),
        (AMMONIUM.format("q=1"), 1, 1),
        (SULFATE.format("charge=-2"), -2, 1),
        (METHYLENE.format("multiplicity=3"), 0, 3),
        (METHYLENE.format("0 1"), 0, 1),
        (ATOM.format(comment="", symbol="Ar"), 0, 1),
        (ATOM.format(comment="0 3", symbol="C"), 0, 3),
        (ATOM.format(comment="charge=-1", symbol="Cl"), -1, 1),
    ],
)
def test_xyz_states_its_electrons(tmp_path, text, charge, multiplicity):
    (molecule,) = read_molecules(put(tmp_path, text))
    assert (molecule.charge, molecule.multiplicity) == (charge, multiplicity)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DIOXYGEN.format(""), "bonds do not settle the multiplicity"),
        (DIOXYGEN.format("charge=0 spin=3"), "spin=3 in the comment means 2S"),
        (DIOXYGEN.format("charge=0 multiplicity=1 mult=3"), "contradict each other"),
        (DIOXYGEN.format("charge=0 charge=1"), "charge=0 and charge=1 contradict"),
        (DIOXYGEN.format("triplet"), "speaks of 'triplet'"),
        (METHYLENE.format(""), "bonds do not settle the multiplicity"),
        (ETHYLENEDIAMMONIUM.format(""), r"bonds fit a charge of \+2 and not of 0"),
        (ETHYLENEDIAMMONIUM.format("multiplicity=1"), r"bonds fit a charge of \+2 and not of 0"),
        (SULFATE.format(""), "bonds fit a charge of -2 and not of 0"),
        (AMMONIUM.format(""), r"11 \(charge \+0\); 2, 4, 6 would"),
        (ATOM.format(comment="", symbol="O"), "do not settle the multiplicity"),
        (ATOM.format(comment="", symbol="Fe"), "do not settle the multiplicity"),
        ("2\n\nN 0 0 0\nH 0 0 1.04\n", "bonds do not settle the multiplicity"),
        ("3\n\nFe 0 0 0\nCl 0 0 2.1\nCl 0 0 -2.1\n", "bonds do not settle the multiplicity"),
    ],
)
def test_xyz_that_leaves_its_electrons_open_is_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read_molecules(put(tmp_path, text))
    assert "m.xyz:1: " in str(caught.value)


def test_a_person_may_say_what_the_file_leaves_open(tmp_path):
    path = put(tmp_path, DIOXYGEN.format("charge=0 spin=3"))
    assert read_molecules(path, spin_means="2s+1")[0].multiplicity == 3
    assert read_molecules(path, multiplicity=3)[0].multiplicity == 3
    path = put(tmp_path, DIOXYGEN.format("spin=2"))
    assert read_molecules(path, spin_means="2s")[0].multiplicity == 3


def test_charges_of_the_atoms_in_a_column_must_add_up(tmp_path):
    text = "2\nProperties=species:S:1:pos:R:3:initial_charges:R:1 {}\nH 0 0 0 0.5\nHe 0 0 0.8 0.5\n"
    with pytest.raises(InputError, match=r"initial_charges of the atoms add up to 1\.00, not to 0"):
        read_molecules(put(tmp_path, text.format("multiplicity=2")))
    (molecule,) = read_molecules(put(tmp_path, text.format("charge=1 multiplicity=1")))
    assert molecule.charge == 1


@pytest.mark.parametrize(
    "line",
    ["O triplet", "O 0 3", "C methyl cation", "[Cl-] chlorine cation", "O mult=3 singlet water"],
)
def test_a_smiles_whose_name_says_otherwise_is_refused(tmp_path, line):
    """It was labelled as what the formula settles, without a word."""
    with pytest.raises(InputError, match=r"m\.smi:1: .*(charge=… and|Say charge=…)"):
        read_molecules(put(tmp_path, f"{line}\n", "m.smi"))


def test_a_smiles_whose_name_says_the_same_is_taken(tmp_path):
    text = "[CH3+] methyl cation\nO singlet water\n[CH3] methyl, a doublet\nC an indication\n"
    names = [m.name for m in read_molecules(put(tmp_path, text, "m.smi"))]
    assert names == ["methyl cation", "singlet water", "methyl, a doublet", "an indication"]


@pytest.mark.parametrize(
    ("comment", "rows", "words"),
    [
        ("units=furlong", WATER, "units=furlong is no unit of length"),
        ("units='eV furlong'", WATER, "is no unit of length"),
        ("units='angstrom bohr'", WATER, "is no unit of length"),
        ("in bohr", WATER, "speaks of bohr: say units=bohr or units=angstrom"),
        ("H2O+", WATER, r"'H2O\+' looks like an ion's: say charge="),
    ],
)
def test_a_comment_that_is_not_understood_is_refused(tmp_path, comment, rows, words):
    with pytest.raises(InputError, match=words):
        read_molecules(put(tmp_path, rows.format(comment)))


def test_units_beside_those_of_energies_are_understood(tmp_path):
    (plain,) = read_molecules(put(tmp_path, WATER.format("units=hartree")))
    (stated,) = read_molecules(put(tmp_path, WATER.format("units='eV angstrom'")))
    assert plain.geometries[0].structure_id == stated.geometries[0].structure_id
    with pytest.raises(InputError, match=r"Å apart"):
        read_molecules(put(tmp_path, WATER.format("units=atomic")))


def test_flags_before_the_positions_are_not_taken_for_x(tmp_path):
    """Water became linear: 0 was its x, and z was lost."""
    rows = "O 0 0.0 0.0 0.119\nH 0 0.0 0.763 -0.477\nH -1 0.0 -0.763 -0.477\n"
    with pytest.raises(InputError, match=r"m\.xyz:3: .* a whole number behind every element"):
        read_molecules(put(tmp_path, f"3\n\n{rows}"))


def test_a_number_of_atoms_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"m\.xyz:1: expected a number of atoms, found '999"):
        read_molecules(put(tmp_path, f"{'9' * 5000}\n\nO 0 0 0\n"))


@pytest.mark.parametrize("text", ["F 0 0 0\nF 0 0 1.7\n", "N 0 0 0\nN 0 0 1.9\n"])
def test_a_bond_that_breaks_is_not_taken_for_one_in_bohr(tmp_path, text):
    (molecule,) = read_molecules(put(tmp_path, f"2\nmultiplicity=1\n{text}"))
    assert molecule.multiplicity == 1


def scaled(text: str, factor: float) -> str:
    head, comment, *rows = text.splitlines()
    fields = [row.split() for row in rows]
    moved = [f"{f[0]} " + " ".join(str(float(x) * factor) for x in f[1:]) for f in fields]
    return "\n".join([head, comment, *moved, ""])


_IN_OTHER_UNITS = [
    *(
        (name, unit, factor)
        for name in ("H2O", "CH4", "C6H6", "CH3CH2OH", "PH3")
        for unit, factor in (("bohr", 1.8897261), ("pm", 100.0))
    ),
    *((name, "pm", 100.0) for name in ("H2", "F2", "N2", "LiF", "P2")),
]


@pytest.mark.parametrize(("name", "unit", "factor"), _IN_OTHER_UNITS)
def test_positions_in_another_unit_are_refused_or_stated(tmp_path, name, unit, factor):
    atoms = ase_molecule(name)
    rows = [f"{a.symbol} {a.x} {a.y} {a.z}" for a in atoms]
    text = "\n".join([str(len(atoms)), "multiplicity=1{}", *rows, ""])
    (right,) = read_molecules(put(tmp_path, text.format("")))
    other = scaled(text, factor)
    with pytest.raises(InputError, match=f"bonded .* if the positions were in {unit}: convert"):
        read_molecules(put(tmp_path, other.format("")))
    (stated,) = read_molecules(put(tmp_path, other.format(f" units={unit}")))
    assert stated.molecule_id == right.molecule_id
    np.testing.assert_allclose(
        stated.geometries[0].positions, right.geometries[0].positions, atol=1e-5
    )
    with pytest.raises(InputError, match=r"m\.xyz:1: length_unit=furlong is no unit of length"):
        read_molecules(put(tmp_path, text.format(" length_unit=furlong")))


@pytest.mark.parametrize(
    "text",
    [
        "2\nmultiplicity=1 units=angstrom\nH 0 0 0\nH 0 0 1.4\n",
        "2\n\nN 0 0 0\nN 0 0 1.1\n2\n\nN 0 0 0\nN 0 0 2.1\n",
        "2\n\nAr 0 0 0\nAr 0 0 3.76\n",
        "2\n1 2\nH 0 0 0\nH 0 0 1.06\n",
        "4\nmultiplicity=1\nO 0 0 0\nO 0 0 1.21\nO 6 0 0\nO 6 0 1.21\n",
    ],
)
def test_atoms_may_be_apart_where_the_file_shows_that_it_is_meant(tmp_path, text):
    assert read_molecules(put(tmp_path, text))


def record(*atoms: str, bonds: str = "", tail: str = "", code: str = "3D", title: str = "m") -> str:
    """Write a V2000 record from atoms such as "C 0 0 0" or "N 0 0 0 5", bonds such as "1-2 1=3"."""
    lines = []
    for atom in atoms:
        symbol, x, y, z, *old_charge = atom.split()
        charge = int(old_charge[0]) if old_charge else 0
        lines.append(
            f"{float(x):10.4f}{float(y):10.4f}{float(z):10.4f} {symbol:<3} 0{charge:3d}"
            + "  0" * 10
        )
    for bond in bonds.split():
        order = {"-": 1, "=": 2, "#": 3}[bond[1]]
        lines.append(f"{int(bond[0]):3d}{int(bond[2]):3d}{order:3d}  0")
    counts = f"{len(atoms):3d}{len(bonds.split()):3d}  0  0  0  0  0  0  0  0999 V2000"
    head = f"{title}\n  tool    0101260000{code}\n\n{counts}\n"
    return head + "\n".join(lines) + f"\nM  END\n{tail}".replace("M  END\nM  ", "M  ")


CH2 = ("C 0 0 0", "H 0.86 0 0.7", "H -0.86 0 0.7")


def radical(code: int, fields: str = "") -> str:
    return record(*CH2, bonds="1-2 1-3", tail=f"M  RAD  1   1{code:4d}\nM  END\n{fields}$$$$\n")


def field(name: str, value: str) -> str:
    return f">  <{name}>\n{value}\n\n"


@pytest.mark.parametrize(
    ("text", "charge", "multiplicity"),
    [
        (radical(1), 0, 1),
        (radical(3), 0, 3),
        (radical(3, field("Spin Multiplicity", "3")), 0, 3),
        (radical(1, field("TOTAL_CHARGE", "0") + field("mult", "1")), 0, 1),
        (radical(1, field("charge", "1") + field("multiplicity", "2")), 1, 2),
        (record("C 0 0 0 4", "H 1.08 0 0", "H -0.54 0.93 0", "H -0.54 -0.93 0.1",
                bonds="1-2 1-3 1-4") + "$$$$\n", 0, 2),
        (record("O 0 0 0 5", "H 0 0 0.96", bonds="1-2") + "$$$$\n", -1, 1),
        (record("O 0 0 0", "H 0 0 0.96", bonds="1-2",
                tail="M  CHG  1   1  -1\nM  END\n$$$$\n"), -1, 1),
        (record("O 0 0 0 5", "H 0 0 0.97", bonds="1-2",
                tail="M  RAD  1   1   2\nM  END\n$$$$\n"), 0, 2),
        (record("O 0 0 0", tail="M  RAD  1   1   3\nM  END\n$$$$\n"), 0, 3),
        (record("O 0 0 0", "O 0 0 1.21", bonds="1=2", tail=field("multiplicity", "3")) + "$$$$\n",
         0, 3),
        (record("O 0 0 0", "O 0 0 1.21", bonds="1-2",
                tail="M  RAD  2   1   2   2   2\nM  END\n" + field("multiplicity", "3") + "$$$$\n"),
         0, 3),
        (record("O 0 0 0", "H 0 0 0.96", "H 0.93 0 -0.24", bonds="1-2 1-3",
                tail=field("PUBCHEM_TOTAL_CHARGE", "0")
                + field("PUBCHEM_MMFF94_PARTIAL_CHARGES", "3\n1 -0.86\n2 0.43\n3 0.43")) + "$$$$\n",
         0, 1),
    ],
)  # fmt: skip
def test_sd_records_state_their_electrons(tmp_path, text, charge, multiplicity):
    (molecule,) = read_molecules(put(tmp_path, text, "m.sdf"))
    assert (molecule.charge, molecule.multiplicity) == (charge, multiplicity)
    assert len(molecule.geometries) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (radical(3, field("multiplicity", "1")), "fields say multiplicity 1, the radicals .* 3"),
        (radical(1, field("spin", "1")), "spin=1 in the data fields means 2S"),
        (radical(1, field("charge", "0") + field("total_charge", "1")), "contradict each other"),
        (radical(1, field("charge_state", "1")), "looks like a charge or a spin"),
        (record("O 0 0 0 5", "H 0 0 0.96", bonds="1-2", tail=field("charge", "1")) + "$$$$\n",
         r"data fields say charge \+1, the mol block -1"),
        (record("O 0 0 0", "O 0 0 1.21", bonds="1=2") + "$$$$\n", "does not settle the multipl"),
        (record("O 0 0 0", "O 0 0 1.21", bonds="1-2",
                tail="M  RAD  2   1   2   2   2\nM  END\n$$$$\n"), "does not settle the multipl"),
    ],
)  # fmt: skip
def test_sd_records_that_leave_their_electrons_open_are_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read_molecules(put(tmp_path, text, "m.sdf"))
    assert "m.sdf:1: " in str(caught.value)


@pytest.mark.parametrize(("code", "multiplicity"), [(1, 1), (3, 3)])
def test_radicals_of_v3000_blocks(tmp_path, code, multiplicity):
    atoms = [
        f"M  V30 1 C 0 0 0 0 -\nM  V30 RAD={code}",
        "M  V30 2 H 0.86 0 0.7 0",
        "M  V30 3 H -0.86 0 0.7 0",
    ]
    text = "\n".join(
        ["m", "  tool    01012600003D", "", "  0  0  0     0  0            999 V3000",
         "M  V30 BEGIN CTAB", "M  V30 COUNTS 3 2 0 0 0", "M  V30 BEGIN ATOM", *atoms,
         "M  V30 END ATOM", "M  V30 BEGIN BOND", "M  V30 1 1 1 2", "M  V30 2 1 1 3",
         "M  V30 END BOND", "M  V30 END CTAB", "M  END", "$$$$", ""]
    )  # fmt: skip
    (molecule,) = read_molecules(put(tmp_path, text, "m.sdf"))
    assert molecule.multiplicity == multiplicity


def test_charges_of_v3000_blocks(tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles("C[NH3+]"))
    assert Chem.rdDistGeom.EmbedMolecule(mol, 1) == 0
    text = Chem.MolToV3KMolBlock(mol) + "$$$$\n"
    (molecule,) = read_molecules(put(tmp_path, text, "m.sdf"))
    assert (molecule.charge, molecule.multiplicity) == (1, 1)
    assert molecule.molecule_id == molecule_from_smiles("C[NH3+]").molecule_id


H2O = record("O 0 0 0", "H 0.9572 0 0", "H -0.24 0.9266 0", bonds="1-2 1-3", title="water")
NH3 = record("N 0 0 0.1", "H 0.94 0 -0.2", "H -0.47 0.81 -0.2", "H -0.47 -0.81 -0.2",
             bonds="1-2 1-3 1-4", title="ammonia")  # fmt: skip


@pytest.mark.parametrize(
    "separator", ["$$$$", "$$$$ ", "$$$$\t", "$$$$ end", "$$$$$", "$$$$\r", "$$$$;"]
)
def test_a_line_that_begins_with_four_dollars_separates_records(tmp_path, separator):
    path = tmp_path / "m.sdf"
    path.write_bytes(f"{H2O}{separator}\n{NH3}{separator}\n".encode())
    assert [molecule.name for molecule in read_molecules(path)] == ["water", "ammonia"]
    path.write_bytes(f"{H2O}{separator}\n{NH3}".encode())
    assert [molecule.name for molecule in read_molecules(path)] == ["water", "ammonia"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (H2O + NH3 + "$$$$\n", r"m\.sdf:1: .* has 2 mol blocks: put a line \$\$\$\$ between"),
        (H2O + "$$$$\n$$$$\n" + NH3 + "$$$$\n", r"m\.sdf:12: .* is empty"),
        (H2O + "$$$$\n\n\n$$$$\n", r"m\.sdf:12: .* is empty"),
        (H2O + " $$$$\n" + NH3 + "$$$$\n", "has 2 mol blocks"),
    ],
)
def test_records_that_would_be_lost_are_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        read_molecules(put(tmp_path, text, "m.sdf"))


def test_the_same_record_twice_is_one_molecule_with_two_geometries(tmp_path):
    (molecule,) = read_molecules(put(tmp_path, f"{H2O}$$$$\n{H2O}$$$$\n", "m.sdf"))
    assert len(molecule.geometries) == 2


def flat(name: str, code: str, **changes) -> str:
    atoms = {
        "water": ("O 0 0 0", "H 0.9572 0 0", "H -0.24 0.9266 0"),
        "stretched water": ("O 0 0 0", "H 1.1 0 0", "H -0.24 1.05 0"),
        "symmetric water": ("O 0 0 0", "H 0.757 0.586 0", "H -0.757 0.586 0"),
        "hydrogen cyanide": ("C 0 0 0", "N 1.156 0 0", "H -1.066 0 0"),
        "nitrogen": ("N 0 0 0", "N 1.1 0 0"),
        "hydrogen": ("H 0 0 0", "H 0.74 0 0"),
        "carbon dioxide": ("C 0 0 0", "O 1.16 0 0", "O -1.16 0 0"),
        "drawn carbon dioxide": ("C 0 0 0", "O 1.5 0 0", "O -1.5 0 0"),
        "drawn nitrogen": ("N 0 0 0", "N 1.5 0 0"),
        "drawn water": ("O 0 0 0", "H 1.5 0 0", "H -0.75 1.299 0"),
        "drawn hydrogen cyanide": ("C 0 0 0", "N 1.5 0 0", "H -1.5 0 0"),
        "drawn ethane": ("C 0 0 0", "C 1.5 0 0"),
    }[name]
    bonds = {"C": "1=2 1=3", "N": "1#2", "O": "1-2 1-3", "H": "1-2"}[atoms[0][0]]
    if "cyanide" in name:
        bonds = "1#2 1-3"
    if "ethane" in name:
        bonds = "1-2"
    return record(*atoms, bonds=bonds, code=code) + "$$$$\n"


@pytest.mark.parametrize("code", ["3D", "  "])
@pytest.mark.parametrize(
    "name",
    ["water", "stretched water", "symmetric water", "hydrogen cyanide", "nitrogen", "hydrogen",
     "carbon dioxide"],
)  # fmt: skip
def test_a_flat_geometry_is_kept(tmp_path, name, code):
    (molecule,) = read_molecules(put(tmp_path, flat(name, code), "m.sdf"))
    assert len(molecule.geometries) == 1


@pytest.mark.parametrize("name", ["stretched water", "hydrogen cyanide"])
def test_a_flat_geometry_that_calls_itself_a_drawing_is_kept_if_no_drawing_is_like_it(
    tmp_path, name
):
    (molecule,) = read_molecules(put(tmp_path, flat(name, "2D"), "m.sdf"))
    assert len(molecule.geometries) == 1


@pytest.mark.parametrize("code", ["2D", "  "])
@pytest.mark.parametrize(
    "name",
    ["drawn carbon dioxide", "drawn nitrogen", "drawn water", "drawn hydrogen cyanide",
     "drawn ethane"],
)  # fmt: skip
def test_a_drawing_is_no_geometry(tmp_path, name, code):
    (molecule,) = read_molecules(put(tmp_path, flat(name, code), "m.sdf"))
    assert molecule.geometries == ()


def test_a_flat_radical_that_is_not_said_is_no_drawing_of_the_closed_shell(tmp_path):
    atoms = ("C 0 0 0", "H 1.08 0 0", "H -0.54 0.935 0", "H -0.54 -0.935 0")
    text = record(*atoms, bonds="1-2 1-3 1-4", code="  ") + "$$$$\n"
    with pytest.raises(InputError, match="the geometry lacks 1 hydrogen"):
        read_molecules(put(tmp_path, text, "m.sdf"))


def test_a_drawing_that_is_called_three_dimensional_is_refused(tmp_path):
    with pytest.raises(InputError, match="called 3D, but flat with bonds of one length"):
        read_molecules(put(tmp_path, flat("drawn hydrogen cyanide", "3D"), "m.sdf"))


def test_another_isomer_of_known_atoms_is_asked_for_all_the_same(tmp_path):
    """Only what fell into pieces has the electrons of what it was before."""
    ethene, ethylidene = (ase_molecule(name) for name in ("C2H4", "C2H4"))
    ethylidene.positions[2] = ethylidene.positions[0] + [0.0, 0.9, 0.6]
    ethylidene.positions[3] = ethylidene.positions[0] + [0.0, -0.9, 0.6]
    ethylidene.positions[4] = ethylidene.positions[0] + [0.9, 0.0, 0.6]
    ethylidene.positions[5] = ethylidene.positions[1] + [0.0, 0.9, -0.6]
    frames = []
    for atoms in (ethene, ethylidene):
        rows = [f"{atom.symbol} {atom.x} {atom.y} {atom.z}" for atom in atoms]
        frames += [str(len(atoms)), "", *rows]
    with pytest.raises(InputError, match=r"m\.xyz:9: the bonds do not settle the multiplicity"):
        read_molecules(put(tmp_path, "\n".join([*frames, ""])))
