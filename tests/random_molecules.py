"""Random molecules by the rules of valence: rings, ions, radicals, charges side by side."""

import random
from collections.abc import Iterator

from rdkit import Chem, rdBase

_ELEMENTS = ["C"] * 9 + ["N"] * 4 + ["O"] * 4 + ["S"] * 2 + ["F", "Cl", "P", "Si"]
_GROUPS = [
    "[N+](=O)[O-]",
    "N=[N+]=[N-]",
    "S(=O)C",
    "S(=O)(=O)C",
    "[N+](C)(C)[O-]",
    "[N+]#[C-]",
    "C#N",
    "C(=O)[O-]",
    "[NH3+]",
    "[O]",
    "[CH2]",
    "[NH]",
    "[O-]",
    "C=N",
    "C=C",
    "C(F)Cl",
    "N=C=O",
    "C=[N+]=[N-]",
    "[S-]",
    "P(=O)(C)C",
]


def random_smiles(seed: int, heavy_atoms: int = 8) -> Iterator[str]:
    """Yield SMILES of different molecules with at most so many heavy atoms, without end."""
    generator = random.Random(seed)
    seen = set()
    while True:
        mol = _random_molecule(generator, heavy_atoms)
        smiles = None if mol is None else Chem.MolToSmiles(mol)
        if smiles and smiles not in seen:
            seen.add(smiles)
            yield smiles


def _random_molecule(generator: random.Random, heavy_atoms: int):
    """Return a sanitized Mol, None where the draw led to none."""
    mol = Chem.RWMol(Chem.MolFromSmiles(generator.choice(_ELEMENTS).replace("Si", "[SiH4]")))
    for _ in range(generator.randrange(heavy_atoms)):
        _grow(mol, generator)
    if generator.random() < 0.5:
        _add_group(mol, generator)
    if mol.GetNumAtoms() > heavy_atoms or mol.GetNumAtoms() < 2:
        return None
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(mol)
        except Chem.MolSanitizeException:
            return None
    # What has to be told its multiplicity, and what nobody could embed, is left to other tests.
    rings = mol.GetRingInfo().AtomRings()
    flat = {a.GetIdx() for a in mol.GetAtoms() if a.GetHybridization() == Chem.HybridizationType.SP}
    n_radicals = sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
    silenes = mol.HasSubstructMatch(Chem.MolFromSmarts("[Si]=*"))
    if (
        silenes
        or mol.GetNumAtoms() == 2
        or n_radicals > 1
        or any(flat & set(ring) for ring in rings)
        or len(rings) > 2
    ):
        return None
    return mol


def _grow(mol, generator: random.Random) -> None:
    """Add an atom, close a ring or make a bond one order higher, where valences allow it."""
    mol.UpdatePropertyCache(strict=False)
    free = [a.GetIdx() for a in mol.GetAtoms() if a.GetTotalNumHs() > 0]
    if not free:
        return
    first, kind = generator.choice(free), generator.random()
    if kind < 0.75:
        added = Chem.Atom(generator.choice(_ELEMENTS))
        mol.AddBond(first, mol.AddAtom(added), Chem.BondType.SINGLE)
    else:
        second = generator.choice(free)
        bond = mol.GetBondBetweenAtoms(first, second)
        if bond is None and second != first:
            mol.AddBond(first, second, Chem.BondType.SINGLE)
        elif bond is not None and bond.GetBondType() == Chem.BondType.SINGLE:
            bond.SetBondType(Chem.BondType.DOUBLE)
    for atom in mol.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)


def _add_group(mol, generator: random.Random) -> None:
    mol.UpdatePropertyCache(strict=False)
    free = [a.GetIdx() for a in mol.GetAtoms() if a.GetTotalNumHs() > 0]
    if free:
        place = mol.GetNumAtoms()
        mol.InsertMol(Chem.MolFromSmiles(generator.choice(_GROUPS), sanitize=False))
        mol.AddBond(generator.choice(free), place, Chem.BondType.SINGLE)
