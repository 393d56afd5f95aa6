"""Molecule: what a campaign is about; its geometries are Structures."""

from dataclasses import dataclass, field

from chemistry.records.structure import Structure


@dataclass(frozen=True, kw_only=True, eq=False)
class Molecule:
    """A molecule as a person gave it.

    Attributes
    ----------
    molecule_id : str
        Hash of elements, bonds, stereochemistry, charge and multiplicity: the same molecule from
        a SMILES and from an SD file has the same id, and so has its mirror image. Without bonds
        (an XYZ file whose bonds cannot be perceived) a hash of the first geometry.
    name : str
        For people: the given name, else the SMILES, else the formula.
    mol_block : str or None
        MDL V3000 block with all hydrogens, in the atom order of every Structure of the molecule;
        None where bonds are unknown, and then only `geometries` can be started from.
    charge : int, e
    multiplicity : int
        2S + 1.
    geometries : tuple of Structure
        The geometries that the file held; empty for a SMILES.
    source : str
        Where it was read, for messages: "molecules.smi:3".
    """

    molecule_id: str
    name: str
    mol_block: str | None
    charge: int
    multiplicity: int
    geometries: tuple[Structure, ...] = field(default=())
    source: str = ""
