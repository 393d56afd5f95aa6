"""What the radicals of a mol block say of spin, which RDKit reduces to counts of electrons.

Codes as in BIOVIA's "CTfile Formats": 1 a singlet (two paired electrons), 2 a doublet, 3 a triplet.
"""

import re
from typing import Any

_ATOM_LINE = re.compile(r"M  V30\s+(?P<index>\d+)\s+\S+(\s+\S+){4}.*?\bRAD=(?P<code>\d+)")
_OLD_DOUBLET = "4"
"""In the charge column of an atom of a V2000 block."""


def multiplicity_of_radicals(mol: Any, record: str) -> int | None:
    """Return the multiplicity that a mol block states, None without one or with several.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Of the record, sanitized.
    record : str
    """
    codes = _codes(record)
    open_shells = [code for code in codes.values() if code > 1]
    # How the spins of several radicals couple is not said, nor that of atoms without a code.
    others = sum(
        atom.GetNumRadicalElectrons() for atom in mol.GetAtoms() if atom.GetIdx() not in codes
    )
    if not codes or len(open_shells) > 1 or others:
        return None
    return open_shells[0] if open_shells else 1


def set_old_radicals(mol: Any, record: str) -> None:
    """Set the radicals of the charge column of a V2000 block, which RDKit leaves out."""
    for index in _old_doublets(record):
        atom = mol.GetAtomWithIdx(index)
        atom.SetNumRadicalElectrons(1)


def _codes(record: str) -> dict[int, int]:
    """Return the code of each atom that has one, by the index of the atom from 0."""
    codes: dict[int, int] = {}
    # A line of a V3000 block goes on in the next where it ends with a dash.
    for line in re.sub(r"-\nM  V30 ", " ", record).split("\n"):
        if line.startswith("M  RAD"):
            numbers = [int(text) for text in line[9:].split()]
            codes |= {
                atom - 1: code for atom, code in zip(numbers[::2], numbers[1::2], strict=False)
            }
        elif match := _ATOM_LINE.match(line):
            codes[int(match["index"]) - 1] = int(match["code"])
    codes |= dict.fromkeys(_old_doublets(record), 2)
    return {index: code for index, code in codes.items() if code}


def _old_doublets(record: str) -> list[int]:
    """Return the atoms whose charge column says doublet, unless lines M  CHG or M  RAD rule."""
    lines = record.split("\n")
    if len(lines) < 4 or "V2000" not in lines[3] or re.search(r"^M  (CHG|RAD)", record, re.M):
        return []
    atoms = lines[4 : 4 + int(lines[3][:3])]
    return [index for index, line in enumerate(atoms) if line[36:39].strip() == _OLD_DOUBLET]
