"""A geometry is recognised by its bonds, in any order of atoms, and never as another isomer."""

import random
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from random_molecules import random_smiles
from rdkit import Chem
from rdkit.Chem.EnumerateStereoisomers import EnumerateStereoisomers, StereoEnumerationOptions

from chemistry.geometries.embedding import embed
from chemistry.geometries.rdkit_bridge import atomic_numbers_of, geometry_rules, to_rdkit
from chemistry.readers.molecules import merge_molecules, molecule_from_smiles, read_molecules
from chemistry.readers.recognition import Recogniser
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure


def words(text: str) -> list[str]:
    return text.split()


ORDINARY = words("""
C N O F Cl Br [H][H] [He] B CC C=C C#C CO OO NO NN CN CS CP C=O C=S C=N N=N C#N C#P CCO COC CC=O
C1CC1 C1CO1 C1CN1 C1=CC1 C1CCC1 C1=CCC1 C=C=C CC#N C(=O)O COC=O NC=O NC(=O)N CC(=O)O CC(C)=O C=CC=O
OC=CO CC(C)(C)C C1CCCCC1 c1ccccc1 c1ccncc1 c1cc[nH]c1 c1ccoc1 c1ccsc1 c1c[nH]cn1 OC=O O=C=O N#N
C[SiH3] C[Si](C)(C)C [SiH2] [Li]C [Na]Cl FCl OCl FB(F)F CB(O)O CSSC CPC CP(C)C C=P
""")
DRAWN_IN_SEVERAL_WAYS = words("""
CS(C)=O C[S+](C)[O-] CS(C)(=O)=O CCS(C)=O OS(C)=O OS(O)(=O)=O O=S=O O=S(=O)=O S=C=S FS(F)(F)(F)(F)F
FS(F)(F)F FP(F)(F)(F)F CP(C)(C)=O OP(O)(O)=O C[N+](=O)[O-] O=[N+]([O-])O ON=O CON=O [O-][N+]#N
CN=[N+]=[N-] C[N+]#[C-] C[N+](C)(C)[O-] [O-][n+]1ccccc1 C=[N+]=[N-] CN=C=O CN=C=S COC#N OC#N N=C=O
[O-][O+]=O O=C=C=C=O N#CC#N CC(=O)C=C=O C[N+]([O-])=NC
""")
IONS_AND_RADICALS = words("""
[NH4+] [OH3+] C[NH3+] [OH-] C[O-] CC(=O)[O-] [NH3+]CC(=O)[O-] [C-]#N [N-]=[N+]=[N-] C[N+]#N
[O-][N+](=O)[O-] C[C+](C)C [CH2+]C=C [CH2-]C=C [CH3] C[CH2] CC[O] C[NH] [OH] [NH2] C=[CH] [CH2]C=O
C[O] CO[O] [N]=O [O]N=O [O]c1ccccc1 [C]1NC=CN1 F[C]F [SiH3] C[C]=O
""")
UNMARKED_STEREO = words("""
CC(F)Cl CC=CC CC=N FC(Cl)Br CC(N)C(=O)O FC=CF CC=CF CC=NO CC(C)=NO N=CC CN=NC CC1CO1 CN1CC1 FC1CC1F
C[C@H](O)CC(O)C OC(F)C(F)O C1CC2CC12 C1C2CC12 C1C2CC1C2 C1C2C3C1C23 C12C3C4C1C5C2C3C45 CS(=O)CC
""")
MARKED_STEREO = words("""
C/C=C/C C/C=C\\C F/C=C/F F/C=C\\F C/C=N/O C/C=N\\O C/C=N/[H] C/C=N\\[H] C/N=N/C C/N=N\\C
C[C@H](N)C(=O)O C[S@](=O)CC C[C@H](F)[C@@H](Cl)C C[C@H](F)[C@H](Cl)C
F[C@H]1C[C@@H]1F F[C@H]1C[C@H]1F C[C@H]1CC[C@@H](C)CC1 C[C@H]1CC[C@H](C)CC1
C1C[C@H]2CC[C@@H]1C2 C[P@](N)SOO CC[N@]1C[C@H]1C
C[P@H][C@H](F)Cl C[P@@H][C@H](F)Cl O[C@H](C)[C@@H](F)[C@H](C)O O[C@H](C)[C@H](F)[C@H](C)O
C[C@@H]1O[C@H]1C C[C@@H]1O[C@@H]1C F/C=C/C=C/Cl F/C=C\\C=C/Cl
""")


def geometry(molecule: Molecule, seed: int = 1) -> Structure | None:
    """Return a geometry shaken as at room temperature, in the order of the molecule."""
    embedded = embed(molecule, 1, seed)
    if embedded is None:
        return None
    rules = geometry_rules(molecule)
    generator = np.random.default_rng(seed)
    for scale_angstrom in (0.06, 0.04, 0.02, 0.0):
        positions = embedded[0] + generator.normal(scale=scale_angstrom, size=embedded[0].shape)
        # What breaks the rules is no geometry of the molecule to a campaign either.
        if rules.faults(positions[None])[0] is None:
            return Structure(
                atomic_numbers=rules.atomic_numbers,
                positions=positions,
                charge=molecule.charge,
                multiplicity=molecule.multiplicity,
            )
    return None


def shuffled(structure: Structure, seed: int = 1) -> Structure:
    order = np.random.default_rng(seed).permutation(len(structure))
    return replace(
        structure,
        atomic_numbers=structure.atomic_numbers[order],
        positions=structure.positions[order],
    )


def xyz_of(structure: Structure, comment: str = "") -> str:
    rows = [
        f"{z} {x} {y} {w}"
        for z, (x, y, w) in zip(structure.atomic_numbers, structure.positions, strict=True)
    ]
    return "\n".join([str(len(structure)), comment, *rows, ""])


def require_recognised(molecule: Molecule, structure: Structure) -> None:
    recogniser = Recogniser([molecule])
    for seed in (1, 2):
        other = shuffled(structure, seed)
        recognised = recogniser.recognise(other)
        assert recognised is not None, molecule.name
        found, order = recognised
        assert found.molecule_id == molecule.molecule_id
        np.testing.assert_array_equal(found.positions, other.positions[order])
        np.testing.assert_array_equal(found.atomic_numbers, atomic_numbers_of(to_rdkit(molecule)))
        # Whatever the order that was found, these are the bonds of the molecule.
        assert geometry_rules(molecule).faults(found.positions[None]) == [None]


@pytest.mark.parametrize(
    "smiles",
    [*ORDINARY, *DRAWN_IN_SEVERAL_WAYS, *IONS_AND_RADICALS, *UNMARKED_STEREO, *MARKED_STEREO],
)
def test_a_molecule_is_recognised_in_any_order_of_atoms(smiles):
    molecule = molecule_from_smiles(smiles)
    structure = geometry(molecule)
    assert structure is not None
    require_recognised(molecule, structure)


@pytest.mark.parametrize(
    "smiles",
    [*ORDINARY, *DRAWN_IN_SEVERAL_WAYS, *IONS_AND_RADICALS, *UNMARKED_STEREO, *MARKED_STEREO],
)
def test_a_closed_shell_in_an_xyz_file_needs_no_multiplicity_and_neutral_no_charge(
    smiles, tmp_path
):
    molecule = molecule_from_smiles(smiles)
    if molecule.multiplicity > 1:
        stated = f"charge={molecule.charge} multiplicity={molecule.multiplicity}"
    else:
        stated = f"charge={molecule.charge}" if molecule.charge else ""
    path = tmp_path / "m.xyz"
    path.write_text(xyz_of(geometry(molecule), stated))
    (read,) = read_molecules(path)
    assert (read.charge, read.multiplicity) == (molecule.charge, molecule.multiplicity)


@pytest.mark.parametrize("seed", range(10))
def test_random_molecules_are_recognised(seed):
    """Three hundred of up to eight heavy atoms, half of them with their stereochemistry marked."""
    generator = random.Random(seed)
    count = 0
    for smiles in islice(random_smiles(seed), 33):
        if generator.random() < 0.5:
            options = StereoEnumerationOptions(maxIsomers=8)
            isomers = EnumerateStereoisomers(Chem.MolFromSmiles(smiles), options=options)
            smiles = Chem.MolToSmiles(generator.choice(list(isomers)))
        molecule = molecule_from_smiles(smiles)
        structure = geometry(molecule)
        if structure is not None:
            require_recognised(molecule, structure)
            count += 1
    assert count >= 30


ISOMERS = {
    "C3H6O": "CCC=O CC(C)=O C=CCO C/C=C/O C/C=C\\O C=C(C)O COC=C C1CCO1 CC1CO1 C1CC1O",
    "C2H5NO": "CC(N)=O CNC=O NCC=O C/C=N/O C/C=N\\O C=NCO CN=CO C=CNO C1CN1O NC1CO1 CC=[NH+][O-]",
    "C2H4O2": "CC(=O)O COC=O OCC=O O/C=C/O O/C=C\\O C1OCO1 C1COO1 C=COO OC1CO1",
    "C4H6": "C1C2CC12 C1=CCC1 C=CC=C CC#CC CCC#C CC1=CC1 C=C1CC1 C=C=CC CC1C=C1",
    "C3H5N": "CCC#N CC[N+]#[C-] C=CC=N C#CCN C1CC1=N CC1=NC1 N1C=CC1 C1CC=N1 CC=C=N",
    "CH3NO2": "C[N+](=O)[O-] CON=O NC(=O)O ONC=O OCN=O NOC=O",
    "HCNO": "N=C=O OC#N C#[N+][O-] [C-]#[N+]O",
    "C2H6OS": "CS(C)=O CSCO COSC CCSO OCCS CSOC",
    "C4H8": "C/C=C/C C/C=C\\C C=CCC C=C(C)C C1CCC1 CC1CC1",
    "C5H10": "C[C@H]1C[C@H]1C C[C@H]1C[C@@H]1C CC1(C)CC1 CCC1CC1 CC1CCC1 C1CCCC1 CC=C(C)C",
    "C5H11FO2": "O[C@H](C)[C@@H](F)[C@H](C)O O[C@H](C)[C@H](F)[C@H](C)O",
    "C2H5O radical": "CC[O] C[CH]O [CH2]CO CO[CH2]",
    "C2H5O+": "C[CH+]O CC=[OH+] C[O+]=C C1C[OH+]1",
    "N-oxides": "C[N+](C)(C)[O-] CON(C)C CN(C)CO C[NH+](C)C[O-]",
    "C3H7P": "C[P@H][C@H]1CO1 C[P@@H][C@H]1CO1 CC[P@H]C1CO1",
}


@pytest.mark.parametrize("family", ISOMERS)
def test_no_isomer_is_taken_for_another(family):
    molecules = [molecule_from_smiles(smiles) for smiles in ISOMERS[family].split()]
    one_drawing_each = merge_molecules(molecules)
    for molecule in one_drawing_each:
        structure = geometry(molecule)
        assert structure is not None
        require_recognised(molecule, structure)
        others = [other for other in one_drawing_each if other is not molecule]
        recognised = Recogniser(others).recognise(shuffled(structure))
        assert recognised is None, (molecule.name, recognised[0].molecule_id)


def test_isomers_of_one_formula_are_told_apart_with_all_known():
    smiles = ISOMERS["C3H6O"].split()
    molecules = [molecule_from_smiles(text) for text in smiles]
    recogniser = Recogniser(molecules)
    for molecule in molecules:
        structure = geometry(molecule)
        assert structure is not None
        recognised = recogniser.recognise(shuffled(structure))
        assert recognised is not None
        assert recognised[0].molecule_id == molecule.molecule_id


def test_a_stereoisomer_goes_before_the_molecule_without_stereochemistry():
    unmarked, marked = molecule_from_smiles("CC=CC"), molecule_from_smiles("C/C=C/C")
    other = molecule_from_smiles("C/C=C\\C")
    for molecules in ([unmarked, marked], [marked, unmarked]):
        recogniser = Recogniser(molecules)
        for molecule, found in ((marked, marked), (other, unmarked)):
            recognised = recogniser.recognise(shuffled(geometry(molecule)))
            assert recognised[0].molecule_id == found.molecule_id


def test_charge_and_multiplicity_are_part_of_a_molecule():
    singlet = molecule_from_smiles("[CH2]", multiplicity=1)
    triplet = molecule_from_smiles("[CH2]", multiplicity=3)
    structure = geometry(triplet)
    assert Recogniser([singlet]).recognise(structure) is None
    assert Recogniser([singlet, triplet]).recognise(structure)[0].molecule_id == triplet.molecule_id
    assert Recogniser([triplet]).recognise(replace(structure, charge=1, multiplicity=2)) is None


def test_a_stretched_bond_longer_than_the_diagonal_of_a_ring_is_still_one():
    molecule = molecule_from_smiles("C1CCC1")
    structure = geometry(molecule)
    positions = structure.positions.copy()
    bond = positions[4] - positions[0]  # a hydrogen, which the bonds list last
    positions[4] = positions[0] + bond * (1.55 / np.linalg.norm(bond))
    require_recognised(molecule, replace(structure, positions=positions))


def test_what_broke_or_clashes_is_of_no_molecule():
    molecule = molecule_from_smiles("CCO")
    structure = geometry(molecule)
    for distance_angstrom in (0.3, 3.0):
        positions = structure.positions.copy()
        bond = positions[8] - positions[2]
        positions[8] = positions[2] + bond * (distance_angstrom / np.linalg.norm(bond))
        broken = replace(structure, positions=positions)
        assert Recogniser([molecule]).recognise(shuffled(broken)) is None


def test_a_molecule_without_perceived_bonds_is_recognised_in_any_order(tmp_path):
    path = tmp_path / "m.xyz"
    path.write_text("4\n\nCl 0 0 0.38\nF 0 0 -1.26\nF 0 1.71 0.27\nF 0 -1.71 0.27\n")
    (molecule,) = read_molecules(path)
    assert molecule.mol_block is None
    (structure,) = molecule.geometries
    recognised = Recogniser([molecule]).recognise(shuffled(structure, 5))
    assert recognised is not None
    np.testing.assert_array_equal(recognised[0].atomic_numbers, structure.atomic_numbers)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CS(C)=O", "C[S+](C)[O-]"),
        ("CN=[N+]=[N-]", "C[N-][N+]#N"),
        ("[CH2]C=O", "C=C[O]"),
        ("CP(C)(C)=O", "C[P+](C)(C)[O-]"),
        ("S=C=S", "[S-]C#[S+]"),
        ("NC=[NH2+]", "[NH2+]=CN"),
        ("[N-]=[N+]=O", "N#[N+][O-]"),
    ],
)
def test_one_molecule_drawn_in_two_ways_is_one(one, other):
    molecules = [molecule_from_smiles(one), molecule_from_smiles(other)]
    (merged,) = merge_molecules(molecules)
    assert merged.molecule_id == molecules[0].molecule_id


def test_a_file_drawn_otherwise_gives_its_geometry_to_the_molecule(tmp_path):
    """RDKit draws what it perceives in an XYZ file of a sulfoxide with two charges."""
    molecule = molecule_from_smiles("CC[S@](C)=O")
    structure = shuffled(geometry(molecule))
    path = tmp_path / "m.xyz"
    path.write_text(xyz_of(structure))
    (merged,) = merge_molecules([molecule, *read_molecules(path)])
    assert merged.molecule_id == molecule.molecule_id
    (read,) = merged.geometries
    assert read.molecule_id == molecule.molecule_id
    assert geometry_rules(molecule).faults(read.positions[None]) == [None]


def test_isomers_are_not_merged():
    for family in ("C4H8", "C2H4O2", "HCNO"):
        molecules = [molecule_from_smiles(smiles) for smiles in ISOMERS[family].split()]
        assert len(merge_molecules(molecules)) == len(molecules)


def test_frames_of_one_molecule_in_any_order_are_its_geometries(tmp_path):
    molecule = molecule_from_smiles("CS(C)=O")
    path = tmp_path / "m.xyz"
    frames = [xyz_of(shuffled(geometry(molecule, seed), seed)) for seed in range(4)]
    path.write_text("".join(frames))
    (found,) = read_molecules(path)
    assert len(found.geometries) == 4
    for read in found.geometries:
        assert geometry_rules(found).faults(read.positions[None]) == [None]
