"""The charge that a SMILES of one or several molecules, with or without all hydrogens, states."""

from rdkit import Chem, rdBase

from chemistry.errors import InputError


def formal_charge(smiles: str, where: str) -> int:
    """Return the sum of formal charges in e.

    Raises
    ------
    InputError
        It is not a SMILES.
    """
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles, sanitize=False)
    if mol is None:
        raise InputError(f"{where}: {smiles!r} is not a SMILES")
    return int(Chem.GetFormalCharge(mol))
