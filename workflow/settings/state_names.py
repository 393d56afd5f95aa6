"""Names for people where several states of a molecule are in one campaign."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from chemistry.records.molecule import Molecule


def named_by_state(molecules: Sequence[Molecule]) -> list[Molecule]:
    """Return molecules whose names tell the states of one name apart.

    A neutral singlet keeps its name; of others that share it charge and multiplicity stand behind
    it, as they may be written behind a SMILES: "C=O charge=1 multiplicity=2".
    """
    counts = Counter(molecule.name for molecule in molecules)
    return [
        replace(molecule, name=_with_state(molecule)) if counts[molecule.name] > 1 else molecule
        for molecule in molecules
    ]


def _with_state(molecule: Molecule) -> str:
    if (molecule.charge, molecule.multiplicity) == (0, 1):
        return molecule.name
    return f"{molecule.name} charge={molecule.charge} multiplicity={molecule.multiplicity}"
