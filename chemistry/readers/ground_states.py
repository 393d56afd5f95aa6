"""Which multiplicity a molecule has, where its formula settles it.

A Lewis structure counts electrons that are not in bonds; whether two of them are paired it does
not say. So a multiplicity is returned for what is known, and None where somebody has to say it.
"""

from typing import Any, Final

from ase.data import atomic_numbers as numbers_by_symbol
from rdkit import Chem

from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import atomic_numbers_of, require_an_electron

_ATOMS: Final = (
    "2H 1He 2Li 1Be 2B 3C 4N 3O 2F 1Ne 2Na 1Mg 2Al 3Si 4P 3S 2Cl 1Ar "
    "2K 1Ca 2Sc 3Ti 4V 7Cr 6Mn 5Fe 4Co 3Ni 2Cu 1Zn 2Ga 3Ge 4As 3Se 2Br 1Kr "
    "2Rb 1Sr 2Y 3Zr 6Nb 7Mo 6Tc 5Ru 4Rh 1Pd 2Ag 1Cd 2In 3Sn 4Sb 3Te 2I 1Xe "
    "2Cs 1Ba 2La 1Ce 4Pr 5Nd 6Pm 7Sm 8Eu 9Gd 6Tb 5Dy 4Ho 3Er 2Tm 1Yb 2Lu "
    "3Hf 4Ta 5W 6Re 5Os 4Ir 3Pt 2Au 1Hg 2Tl 3Pb 4Bi 3Po 2At 1Rn"
)
_ATOM_MULTIPLICITIES: Final = {numbers_by_symbol[text[1:]]: int(text[0]) for text in _ATOMS.split()}
"""Of neutral atoms in their ground states, by atomic number: NIST Atomic Spectra Database,
doi:10.18434/T4W30F."""

_FULL_D_SHELLS: Final = frozenset({28, 46, 78})
"""Electrons of closed-shell cations such as Cu+, Zn2+, Ag+, Cd2+ and Hg2+."""
_NOBLE_GASES: Final = frozenset({2, 10, 18, 36, 54, 86})

_CARBENE_DONORS: Final = frozenset({7, 8, 9, 17})
"""Two neighbours of these elements make a carbene a singlet, by pi donation and electronegativity:
Bourissou, Guerret, Gabbaï and Bertrand, doi:10.1021/cr940472u."""
_HEAVY_CARBENES: Final = frozenset({14, 32, 50, 82})
"""Divalent Si, Ge, Sn and Pb are singlets beside neighbours such as these: Mizuhata, Sasamori and
Tokitoh, doi:10.1021/cr900093s."""
_HEAVY_CARBENE_NEIGHBOURS: Final = frozenset({1, 6, 7, 8, 9, 16, 17, 35, 53})


def multiplicity_of(mol: Any, charge: int, where: str) -> int:
    """Return what `settled_multiplicity` does.

    Raises
    ------
    InputError
        It is not settled, or no electron is left.
    """
    require_an_electron(atomic_numbers_of(mol), charge, where)
    multiplicity = settled_multiplicity(mol, charge)
    if multiplicity is None:
        raise InputError(
            f"{where}: the formula does not settle the multiplicity: state it, with "
            "multiplicity=… behind the SMILES or in the comment, a field <multiplicity>, "
            "`multiplicity` in the campaign file or --multiplicity"
        )
    return multiplicity


def settled_multiplicity(mol: Any, charge: int) -> int | None:
    """Return the multiplicity of a molecule, None where its formula does not settle it.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Sanitized, with all hydrogens.
    charge : int, e
        May differ from the sum of formal charges: then electrons were added or taken away.

    Returns
    -------
    int or None
        Atoms and their ions have their ground state from a table. Of molecules those without
        radical electrons are singlets, those with one are doublets, and so are closed shells that
        gained or lost one electron; two at one atom are paired in carbenes with two donors and in
        silylenes and their like. Several radical electrons otherwise, open d and f shells, and
        the likes of O=O, a triplet that is drawn as a closed shell, are not settled.
    """
    moved = charge - int(Chem.GetFormalCharge(mol))
    fragments = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    if len(fragments) == 1:
        return _of_one(mol, moved)
    found = [_of_one(fragment, 0) for fragment in fragments]
    known = [multiplicity for multiplicity in found if multiplicity is not None]
    open_shells = [multiplicity for multiplicity in known if multiplicity > 1]
    # How the spins of several open shells couple is not settled either.
    if moved or len(known) < len(found) or len(open_shells) > 1:
        return None
    return open_shells[0] if open_shells else 1


def _of_one(mol: Any, moved: int) -> int | None:
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    electrons = int(sum(numbers) - Chem.GetFormalCharge(mol) - moved)
    if len(numbers) == 1:
        return _of_atom(numbers[0], electrons)
    if any(has_open_inner_shell(number) for number in numbers) or _is_like_dioxygen(mol, moved):
        return None
    counts = [atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()]
    # RDKit counts none, or an impossible number, at metals.
    closed = not sum(counts) or (not moved and (electrons - sum(counts)) % 2)
    if closed and abs(moved) <= 1:
        return electrons % 2 + 1
    if moved or sum(counts) > 2:
        return None
    if sum(counts) == 1:
        return 2
    (*_, (count, index)) = sorted((count, index) for index, count in enumerate(counts))
    return 1 if count == 2 and _is_singlet_carbene(mol.GetAtomWithIdx(index)) else None


def _of_atom(number: int, electrons: int) -> int | None:
    if electrons == number:
        return _ATOM_MULTIPLICITIES.get(number)
    if electrons in _NOBLE_GASES or (electrons in _FULL_D_SHELLS and number > electrons):
        return 1
    # Ions of the main groups have the terms of the neutral atom with as many electrons.
    alike = electrons if _is_main_group(number) else 0
    return _ATOM_MULTIPLICITIES.get(alike) if _is_main_group(alike, zinc_too=True) else None


def _is_main_group(number: int, *, zinc_too: bool = False) -> bool:
    """Say whether an element is of groups 1, 2 or 13 to 18, or if so wanted of group 12."""
    d_blocks = ((21, 30), (39, 48), (57, 80), (89, 112))
    return number > 0 and not any(first <= number <= last - zinc_too for first, last in d_blocks)


def has_open_inner_shell(number: int) -> bool:
    """Say whether an element forms compounds with open d or f shells: groups 3 to 10, 4f, 5f."""
    return 21 <= number <= 28 or 39 <= number <= 46 or 57 <= number <= 78 or number >= 89


def _is_like_dioxygen(mol: Any, moved: int) -> bool:
    """Say whether these are two atoms with the twelve valence electrons of O2: S2, SO, NO-, NF."""
    if mol.GetNumAtoms() != 2:
        return False
    table = Chem.GetPeriodicTable()
    outer = sum(table.GetNOuterElecs(atom.GetAtomicNum()) for atom in mol.GetAtoms())
    hydrogens = sum(atom.GetAtomicNum() == 1 for atom in mol.GetAtoms())
    return not hydrogens and outer - Chem.GetFormalCharge(mol) - moved == 12


def _is_singlet_carbene(atom: Any) -> bool:
    neighbours = [neighbour.GetAtomicNum() for neighbour in atom.GetNeighbors()]
    single = all(bond.GetBondTypeAsDouble() < 2 for bond in atom.GetBonds())
    if len(neighbours) != 2 or not single or atom.GetFormalCharge():
        return False
    if atom.GetAtomicNum() == 6:
        return set(neighbours) <= _CARBENE_DONORS
    return atom.GetAtomicNum() in _HEAVY_CARBENES and set(neighbours) <= _HEAVY_CARBENE_NEIGHBOURS
