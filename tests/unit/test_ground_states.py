"""Which multiplicities a SMILES settles, and that all others are asked for."""

import pytest
from rdkit import Chem

from chemistry.errors import InputError
from chemistry.readers.ground_states import settled_multiplicity
from chemistry.readers.molecules import molecule_from_smiles, read_molecules

SETTLED = {
    1: "C O=C=O [C-]#[O+] [O-][O+]=O C[N+](=O)[O-] [NH4+] [CH3+] [OH-] [H-] [H][H] FF ClF B "
    "[C]1NC=CN1 CN1C=CN(C)[C]1 F[C]F Cl[C]Cl N[C]N CO[C]OC [SiH2] F[Si]F C[Si]C [GeH2] Cl[Sn]Cl "
    "[He] [Be] [Mg] [Ca] [Zn] [Hg] [Ne] [Pd] [Na+] [Cl-] [O-2] [Mg+2] [Al+3] [Al+] [Tl+] [Pb+2] "
    "[Cu+] [Ag+] [Zn+2] [Cd+2] [Ga+3] [Sc+3] [Ti+4] [AuH] [CuH] C[Zn]C F[Xe]F C[Al](C)C [NaH]",
    2: "[CH3] C[CH2] [OH] [NH2] [O-][O] O=[O+] [N]=O [O]N=O C[C]=O [C]#N [SiH3] C=[CH] Cl[Cu]Cl "
    "[H] [Li] [Na] [K] [B] [Al] [Ga] [F] [Cl] [Br] [I] [Cu] [Ag] [Au] [Sc] [Y] [O-] [S-] [C+] "
    "[Ca+] [Mg+] [He+]",
    3: "[C] [Si] [Ge] [Sn] [Pb] [O] [S] [Se] [Ti] [Ni] [N+] [B-] [F+] [P+]",
    4: "[N] [P] [As] [V] [Co] [C-] [O+] [S+] [Si-] [F+2]",
    5: "[Fe] [W] [Os]",
    6: "[Mn] [Nb]",
    7: "[Cr] [Mo]",
}
OPEN = (
    "[CH2] [O][O] O=O S=S O=S [N-]=O F[N] [NH] [CH] [BH] [AlH] [C]=O [C]=C [CH2][CH2] [O]CC[O] "
    "C[C]C C[CH] [NH2+] [PH] [C]#[C] [CH2]C[CH2] O=[Si] F[CH] C[N] [Fe+2] [Cu+2] [Ni+2] Cl[Fe]Cl "
    "Cl[Mn]Cl [TiH2] [U] Cl[Gd](Cl)Cl O=[Cr]"
)


@pytest.mark.parametrize(
    ("smiles", "multiplicity"), [(s, m) for m, line in SETTLED.items() for s in line.split()]
)
def test_what_a_formula_settles(smiles, multiplicity):
    assert molecule_from_smiles(smiles).multiplicity == multiplicity


@pytest.mark.parametrize("smiles", OPEN.split())
def test_what_it_leaves_open_is_asked_for(smiles):
    with pytest.raises(InputError, match=r"does not settle the multiplicity: state it"):
        molecule_from_smiles(smiles)


def test_what_was_asked_for_can_be_stated(tmp_path):
    assert molecule_from_smiles("O=O", multiplicity=3).multiplicity == 3
    path = tmp_path / "m.smi"
    path.write_text("O=O oxygen multiplicity=3\n[CH2] mult=1\nO water\n[OH] charge=-1 mult=1 ion\n")
    found = [(m.name, m.charge, m.multiplicity) for m in read_molecules(path)]
    assert found == [("oxygen", 0, 3), ("[CH2]", 0, 1), ("water", 0, 1), ("ion", -1, 1)]
    path.write_text("O=O\n[CH2]\n")
    assert [m.multiplicity for m in read_molecules(path, multiplicity=3)] == [3, 3]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("O=O spin=2", "m.smi:1: spin=2 behind O=O means 2S"),
        ("O=O multiplicity=3 mult=1", "m.smi:1: multiplicity=3 and mult=1 contradict"),
        ("O=O multiplicity=2", "does not fit the number of electrons, 16"),
        ("C charge=x", "m.smi:1: charge=x behind C is not a whole number"),
    ],
)
def test_a_line_that_states_nonsense_is_refused(tmp_path, line, words):
    (tmp_path / "m.smi").write_text(line + "\n")
    with pytest.raises(InputError, match=words):
        read_molecules(tmp_path / "m.smi")


def test_electrons_that_were_added_or_taken():
    methane = Chem.AddHs(Chem.MolFromSmiles("C"))
    assert [settled_multiplicity(methane, q) for q in (-2, -1, 0, 1, 2)] == [None, 2, 1, 2, None]
    methyl = Chem.AddHs(Chem.MolFromSmiles("[CH3]"))
    assert [settled_multiplicity(methyl, q) for q in (-1, 0, 1)] == [None, 2, None]


def test_of_several_molecules_at_most_one_open_shell_is_settled():
    for smiles, multiplicity in (
        ("O.O", 1),
        ("[Na+].[Cl-]", 1),
        ("[OH].O", 2),
        ("[O].O", 3),
        ("[OH].[OH]", None),
        ("O=O.O", None),
    ):
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        assert settled_multiplicity(mol, 0) == multiplicity
