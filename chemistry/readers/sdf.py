"""Read SD files record by record, with the line number in every message."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, rdBase

from chemistry.errors import InputError
from chemistry.geometries.geometry import check_geometry
from chemistry.geometries.rdkit_bridge import (
    atomic_numbers_of,
    from_rdkit,
    geometry_rules,
    sanitize,
    to_rdkit,
)
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure


def read_sdf(
    path: Path, text: str, charge: int | None, multiplicity: int | None, bad: list[InputError]
) -> list[Molecule]:
    """Return one Molecule for each record, with its geometry where that is three-dimensional.

    A flat drawing may leave out hydrogens; a geometry may not. A record that cannot be used goes
    to `bad`, with the line at which it starts.
    """
    molecules: list[Molecule] = []
    line_number = 1
    for record in text.replace("\r\n", "\n").split("$$$$\n"):
        if record.strip().removesuffix("$$$$").strip():
            source = f"{path}:{line_number}"
            try:
                molecules.append(_read_sdf_record(record, source, charge, multiplicity))
            except InputError as error:
                bad.append(error)
        line_number += record.count("\n") + 1
    return molecules


def _read_sdf_record(
    record: str, source: str, charge: int | None, multiplicity: int | None
) -> Molecule:
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs():
        supplier.SetData(record, removeHs=False, sanitize=False)
        mol = next(iter(supplier), None)
        if mol is None:
            raise InputError(f"{source}: the record that starts here is not a mol block")
        sanitize(mol, f"{source}: the record that starts here")
        has_geometry = mol.GetNumConformers() and mol.GetConformer().Is3D()
        if has_geometry:
            Chem.AssignStereochemistryFrom3D(mol)
        else:
            Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
        missing = sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    if has_geometry and missing:
        raise InputError(f"{source}: the geometry lacks {missing} hydrogen atoms: add them")
    if not has_geometry and len(Chem.GetMolFrags(mol)) > 1:
        raise InputError(f"{source}: several molecules without a geometry: give them one by one")
    molecule = from_rdkit(
        Chem.AddHs(mol),
        name=mol.GetProp("_Name").strip() or None,
        charge=_sdf_integer(mol, "charge", source) if charge is None else charge,
        multiplicity=(
            _sdf_integer(mol, "multiplicity", source) if multiplicity is None else multiplicity
        ),
        source=source,
    )
    if not has_geometry:
        return molecule
    return _with_geometry(molecule, mol.GetConformer().GetPositions())


def _sdf_integer(mol: Any, key: str, source: str) -> int | None:
    """Return a data field of an SD record, whatever the case of its name."""
    for name in mol.GetPropNames():
        if name.lower() == key:
            text = mol.GetProp(name).strip()
            try:
                return int(text)
            except ValueError as error:
                raise InputError(f"{source}: field <{name}> is {text!r}, not a number") from error
    return None


def _with_geometry(molecule: Molecule, positions: Any) -> Molecule:
    structure = Structure(
        atomic_numbers=atomic_numbers_of(to_rdkit(molecule)),
        positions=np.asarray(positions, dtype=np.float64),
        charge=molecule.charge,
        multiplicity=molecule.multiplicity,
        molecule_id=molecule.molecule_id,
    )
    fault = check_geometry(structure, geometry_rules(molecule))
    if fault:
        raise InputError(f"{molecule.source}: {fault.message}: is the geometry in Å?")
    return replace(molecule, geometries=(structure,))
