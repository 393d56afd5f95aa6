"""The MMFF94 force field as a Potential: for Hessians and steps before a committee exists."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers

from chemistry.errors import InputError
from chemistry.geometries.rdkit_bridge import atomic_numbers_of, conformer_of, to_rdkit
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Prediction
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_KCAL_MOL


@dataclass(frozen=True)
class MMFF94:
    """MMFF94 (Halgren, doi:10.1002/(SICI)1096-987X(199604)17:5/6<490::AID-JCC1>3.0.CO;2-P).

    One molecule's bonds are fixed, so it predicts structures of this molecule only. It has one
    member and no disagreement.

    Parameters
    ----------
    molecule : Molecule

    Raises
    ------
    InputError
        The molecule has no bonds, or MMFF94 has no type for one of its atoms.
    """

    molecule: Molecule

    def __post_init__(self) -> None:
        if not mmff94_covers(self.molecule):
            raise InputError(
                f"MMFF94 has no parameters for molecule {self.molecule.name}: "
                "use another potential, for example gfn2-xtb"
            )

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        """Return energies and forces; InputError for a structure of another molecule."""
        mol = to_rdkit(self.molecule)
        numbers = atomic_numbers_of(mol)
        for structure in structures:
            if not np.array_equal(structure.atomic_numbers, numbers):
                raise InputError(
                    f"structure {structure.structure_id} is not of molecule {self.molecule.name}"
                )
        if not structures:
            return []
        mol.AddConformer(conformer_of(structures[0].positions))
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties)
        field.Initialize()
        predictions = []
        for structure in structures:
            flat = structure.positions.ravel().tolist()
            # Energy first: CalcGrad alone reuses the distances of the geometry before this one.
            energy = field.CalcEnergy(flat)
            gradient = np.array(field.CalcGrad(flat)).reshape(-1, 3)
            predictions.append(
                Prediction(
                    member_energies=np.array([energy * EV_PER_KCAL_MOL]),
                    member_forces=-gradient[None] * EV_PER_KCAL_MOL,
                )
            )
        return predictions


def mmff94_covers(molecule: Molecule) -> bool:
    """Say whether MMFF94 has parameters for every atom of a molecule, in its state.

    It knows closed shells whose charge is that of the bonds as they are drawn: an electron added,
    taken away or unpaired changes nothing that it sees.
    """
    if molecule.mol_block is None or molecule.multiplicity != 1:
        return False
    mol = to_rdkit(molecule)
    if Chem.GetFormalCharge(mol) != molecule.charge:
        return False
    with rdBase.BlockLogs():
        return bool(rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol))
