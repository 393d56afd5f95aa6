"""Read SD files record by record, with the line number in every message."""

from collections.abc import Iterator
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
from chemistry.readers.files.flat import is_drawing
from chemistry.readers.files.sdf_radicals import multiplicity_of_radicals, set_old_radicals
from chemistry.readers.given import Given
from chemistry.readers.ground_states import multiplicity_of
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure

_SEPARATOR = "$$$$"


def read_sdf(path: Path, text: str, given: Given, bad: list[InputError]) -> list[Molecule]:
    """Return one Molecule for each record, with its geometry where that is not a drawing.

    A flat drawing may leave out hydrogens; a geometry may not. A record that cannot be used goes
    to `bad`, with the line at which it starts.
    """
    molecules: list[Molecule] = []
    for line_number, record in _records(text):
        try:
            molecules.append(_read_record(record, f"{path}:{line_number}", given))
        except InputError as error:
            bad.append(error)
    return molecules


def _records(text: str) -> Iterator[tuple[int, str]]:
    """Yield the records of a file and the lines at which they start."""
    start, record = 1, list[str]()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if line.startswith(_SEPARATOR):
            yield start, "\n".join([*record, ""])
            start, record = number + 1, []
        else:
            record.append(line)
    if any(line.strip() for line in record):  # the last separator may be missing
        yield start, "\n".join(record)


def _read_record(record: str, source: str, given: Given) -> Molecule:
    mol = _parse(record, source)
    charge, multiplicity = _electrons(mol, record, source, given)
    with rdBase.BlockLogs():
        has_geometry = mol.GetNumConformers() > 0 and not is_drawing(mol, source)
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
        charge=charge,
        multiplicity=multiplicity,
        source=source,
    )
    if not has_geometry:
        return molecule
    return _with_geometry(molecule, mol.GetConformer().GetPositions())


def _parse(record: str, source: str) -> Any:
    """Return the sanitized RDKit Mol of a record; InputError where it is not one mol block."""
    if not record.strip():
        raise InputError(f"{source}: the record that starts here is empty")
    n_blocks = sum(line.startswith("M  END") for line in record.split("\n"))
    if n_blocks > 1:
        raise InputError(
            f"{source}: the record that starts here has {n_blocks} mol blocks: put a line "
            f"{_SEPARATOR} between them"
        )
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs():
        supplier.SetData(record, removeHs=False, sanitize=False)
        mol = next(iter(supplier), None)
        if mol is None:
            raise InputError(f"{source}: the record that starts here is not a mol block")
        set_old_radicals(mol, record)
        sanitize(mol, f"{source}: the record that starts here")
    return mol


def _electrons(mol: Any, record: str, source: str, given: Given) -> tuple[int, int]:
    """Return charge and multiplicity, by a person, the data fields or the mol block."""
    fields = {name: mol.GetProp(name).strip() for name in mol.GetPropNames()}
    charge, multiplicity = given.or_stated(fields, source, place="in the data fields")
    drawn_charge = int(Chem.GetFormalCharge(mol))
    if given.charge is None and drawn_charge and charge not in (None, drawn_charge):
        raise InputError(
            f"{source}: the data fields say charge {charge:+d}, the mol block {drawn_charge:+d}: "
            "correct one of them"
        )
    charge = drawn_charge if charge is None else charge
    # With another charge than that of its formula a molecule has other open shells, too.
    drawn = None if charge != drawn_charge else multiplicity_of_radicals(mol, record)
    if given.multiplicity is None and None not in (drawn, multiplicity) and drawn != multiplicity:
        raise InputError(
            f"{source}: the data fields say multiplicity {multiplicity}, the radicals of the mol "
            f"block {drawn}: correct one of them"
        )
    if multiplicity is None:
        multiplicity = drawn or multiplicity_of(Chem.AddHs(mol), charge, source)
    return charge, multiplicity


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
