"""Read molecules: a SMILES, or a .smi, .sdf, .xyz or .extxyz file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from rdkit import Chem, rdBase

from chemistry.errors import InputError
from chemistry.geometries.geometry import check_geometry
from chemistry.geometries.rdkit_bridge import (
    atomic_numbers_of,
    bonds_of,
    from_rdkit,
    require_electrons_fit,
    sanitize,
    to_rdkit,
)
from chemistry.readers.perception import is_geometry_of, molecule_from_geometry
from chemistry.readers.sdf import read_sdf
from chemistry.readers.xyz import XYZFrame, read_xyz
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure

_ERRORS_SHOWN = 5


def molecule_from_smiles(
    smiles: str,
    *,
    name: str | None = None,
    charge: int | None = None,
    multiplicity: int | None = None,
    source: str = "",
) -> Molecule:
    """Read one molecule, hydrogens added.

    Parameters
    ----------
    smiles : str
    name : str or None
        For people; None takes the SMILES.
    charge : int or None, e
        None takes the sum of formal charges.
    multiplicity : int or None
        2S + 1; None takes it from the radical electrons (`[CH3]` is a doublet, `[O][O]` a triplet).
    source : str
        Where it stands, for messages: "campaign.yaml, molecule 3".

    Raises
    ------
    InputError
        Not a SMILES, more than one molecule, no element, or electrons that do not fit.
    """
    smiles = smiles.strip()
    where = f"{source}: {smiles!r}" if source else f"SMILES {smiles!r}"
    if not smiles:
        raise InputError(f"{source or 'SMILES'}: the SMILES is empty")
    mol = _parse_smiles(smiles, where)
    if len(Chem.GetMolFrags(mol)) > 1:
        raise InputError(f"{where} holds several molecules, separated by '.': give them one by one")
    molecule = from_rdkit(
        Chem.AddHs(mol),
        name=name or smiles,
        charge=charge,
        multiplicity=multiplicity,
        source=where,
    )
    return replace(molecule, source=source)


def read_molecules(
    path: Path | str,
    *,
    charge: int | None = None,
    multiplicity: int | None = None,
    skipped: list[InputError] | None = None,
) -> list[Molecule]:
    """Read all molecules of a file, each once, in the order of their first appearance.

    Where several entries are the same molecule, their geometries are collected in one Molecule.
    A `.smi` file has a SMILES and perhaps a name on each line, `#` starts a comment. In `.sdf` the
    data fields, in `.xyz` and `.extxyz` the keys of the comment line, `charge` and `multiplicity`
    say what they say; without them a `.sdf` has those of its atoms and an `.xyz` has 0 and 1.

    Parameters
    ----------
    path : Path or str
    charge, multiplicity : int or None
        Overrule what the file says, for all its molecules.
    skipped : list of InputError or None
        Entries that cannot be used are left out and told here; None refuses the file for them.

    Raises
    ------
    InputError
        No such file, another kind of file, nothing in it, or what cannot be used, with its line.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: molecules are read from {', '.join(READERS)} files only")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error
    bad: list[InputError] = []
    molecules = merge_molecules(reader(path, text, charge, multiplicity, bad))
    if bad and skipped is None:
        raise InputError(listed(bad))
    if skipped is not None:
        skipped.extend(bad)
    if not molecules:
        raise InputError(f"{path}: there is no molecule in the file")
    return molecules


def listed(bad: Sequence[InputError]) -> str:
    """Return what is wrong with the first entries that cannot be used, and how many more are."""
    more = len(bad) - _ERRORS_SHOWN
    shown = "; ".join(str(error) for error in bad[:_ERRORS_SHOWN])
    return shown + (f"; and {more} more entries that cannot be used" if more > 0 else "")


def merge_molecules(molecules: Iterable[Molecule]) -> list[Molecule]:
    """Return each molecule once, with the geometries of all that have its id.

    Name and order of atoms are those of the first.
    """
    merged: dict[str, Molecule] = {}
    for molecule in molecules:
        first = merged.setdefault(molecule.molecule_id, molecule)
        if first is not molecule:
            geometries = first.geometries + _in_atom_order_of(first, molecule)
            merged[molecule.molecule_id] = replace(first, geometries=geometries)
    return list(merged.values())


def smi_fields(line: str) -> tuple[str, str | None] | None:
    """Return SMILES and name of a line of a `.smi` file; None for an empty line or a comment."""
    # A `#` inside a SMILES is a triple bond: only one after white space starts a comment.
    fields = f" {line}".split(" #")[0].replace("\t", " ").split(maxsplit=1)
    if not fields:
        return None
    return fields[0], fields[1].strip() if len(fields) > 1 else None


def _read_smi(
    path: Path, text: str, charge: int | None, multiplicity: int | None, bad: list[InputError]
) -> list[Molecule]:
    molecules: list[Molecule] = []
    for line_number, line in enumerate(text.splitlines(), start=1):
        fields = smi_fields(line)
        if fields is None:
            continue
        smiles, name = fields
        source = f"{path}:{line_number}"
        try:
            molecules.append(
                molecule_from_smiles(
                    smiles,
                    name=name,
                    charge=charge,
                    multiplicity=multiplicity,
                    source=source,
                )
            )
        except InputError as error:
            bad.append(error)
    return molecules


def _parse_smiles(smiles: str, where: str) -> Any:
    """Return the sanitized RDKit Mol of a SMILES; InputError says what RDKit says."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles, sanitize=False)
        if mol is None:
            raise InputError(f"{where} is not a SMILES: correct its syntax")
        sanitize(mol, where)
        # Reading again lets RDKit do what it does after sanitizing (stereo, merging hydrogens).
        return Chem.MolFromSmiles(smiles)


def _read_xyz(
    path: Path, text: str, charge: int | None, multiplicity: int | None, bad: list[InputError]
) -> list[Molecule]:
    molecules: list[Molecule] = []
    # Where molecules of the same atoms and electrons stand: only these can be the same.
    alike: dict[tuple[bytes, int, int], list[int]] = {}
    for frame in read_xyz(path, text, bad):
        try:
            structure = _structure_of(frame, charge, multiplicity)
        except InputError as error:
            bad.append(error)
            continue
        key = (structure.atomic_numbers.tobytes(), structure.charge, structure.multiplicity)
        for index in alike.setdefault(key, []):
            if is_geometry_of(structure, molecules[index]):
                known = replace(structure, molecule_id=molecules[index].molecule_id)
                geometries = (*molecules[index].geometries, known)
                molecules[index] = replace(molecules[index], geometries=geometries)
                break
        else:
            alike[key].append(len(molecules))
            name = frame.info.get("name")
            molecules.append(molecule_from_geometry(structure, name=name, source=frame.source))
    return molecules


def _structure_of(frame: XYZFrame, charge: int | None, multiplicity: int | None) -> Structure:
    charge = frame.integer("charge") if charge is None else charge
    multiplicity = frame.integer("multiplicity") if multiplicity is None else multiplicity
    structure = Structure(
        atomic_numbers=frame.atomic_numbers,
        positions=frame.positions,
        charge=0 if charge is None else charge,
        multiplicity=1 if multiplicity is None else multiplicity,
    )
    require_electrons_fit(
        structure.atomic_numbers, structure.charge, structure.multiplicity, frame.source
    )
    fault = check_geometry(structure)
    if fault:
        raise InputError(f"{frame.source}: {fault.message}: is the geometry in Å?")
    return structure


def _in_atom_order_of(first: Molecule, other: Molecule) -> tuple[Structure, ...]:
    """Return geometries of `other`, the same molecule, with atoms in the order of `first`."""
    if first.mol_block is None or not other.geometries:
        return other.geometries
    first_mol, other_mol = to_rdkit(first), to_rdkit(other)
    same_order = np.array_equal(
        atomic_numbers_of(first_mol), atomic_numbers_of(other_mol)
    ) and _bond_set(first_mol) == _bond_set(other_mol)
    if same_order:
        return other.geometries
    order = other_mol.GetSubstructMatch(first_mol, useChirality=True)
    # Mirror images are one molecule, and then only the bonds can be matched.
    order = list(order or other_mol.GetSubstructMatch(first_mol))
    return tuple(
        replace(
            geometry,
            atomic_numbers=geometry.atomic_numbers[order],
            positions=geometry.positions[order],
        )
        for geometry in other.geometries
    )


def _bond_set(mol: Any) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in bonds_of(mol).tolist()}


class _Reader(Protocol):
    """Reads a text; entries that cannot be used go to `bad`, in the order of the file."""

    def __call__(
        self,
        path: Path,
        text: str,
        charge: int | None,
        multiplicity: int | None,
        bad: list[InputError],
        /,
    ) -> list[Molecule]: ...


READERS: Final[Mapping[str, _Reader]] = MappingProxyType(
    {".smi": _read_smi, ".sdf": read_sdf, ".xyz": _read_xyz, ".extxyz": _read_xyz}
)
"""How each kind of file is read."""
