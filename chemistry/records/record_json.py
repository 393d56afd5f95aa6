"""Molecules, structures and labels as JSON and back, every float64 exact.

Python writes the shortest decimal that reads back as the same float64, so nothing is lost. Without
RDKit, whose import takes longer than a look at a run.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from chemistry.errors import InputError, StoreError
from chemistry.records.label import Label, LabelFailure, Provenance
from chemistry.records.molecule import Molecule
from chemistry.records.structure import FloatArray, Origin, Structure

_MOLECULE_SCHEMA = 1
_LABEL_SCHEMA = 1


def molecule_to_json(molecule: Molecule) -> str:
    """Write a molecule as JSON, from which `molecule_from_json` makes it again, bit for bit."""
    return json.dumps(
        {
            "schema": _MOLECULE_SCHEMA,
            "molecule_id": molecule.molecule_id,
            "name": molecule.name,
            "mol_block": molecule.mol_block,
            "charge": molecule.charge,
            "multiplicity": molecule.multiplicity,
            "geometries": [
                {
                    "atomic_numbers": geometry.atomic_numbers.tolist(),
                    "positions": geometry.positions.tolist(),
                    "origin": asdict(geometry.origin),
                }
                for geometry in molecule.geometries
            ],
            "source": molecule.source,
        }
    )


def molecule_from_json(text: str) -> Molecule:
    """Read what `molecule_to_json` wrote; InputError for a version of it that is not known."""
    record = json.loads(text)
    schema = record.pop("schema", None)
    if schema != _MOLECULE_SCHEMA:
        raise InputError(f"a molecule of schema {schema} needs a newer rung: this one reads 1")
    electrons = {"charge": record["charge"], "multiplicity": record["multiplicity"]}
    geometries = tuple(
        Structure(
            atomic_numbers=np.array(geometry["atomic_numbers"], dtype=np.int64),
            positions=np.array(geometry["positions"], dtype=np.float64).reshape(-1, 3),
            molecule_id=record["molecule_id"],
            origin=Origin(**geometry["origin"]),
            **electrons,
        )
        for geometry in record.pop("geometries")
    )
    return Molecule(geometries=geometries, **record)


def structure_to_json(structure: Structure) -> dict[str, Any]:
    """Return a structure as a JSON document."""
    return {
        "atomic_numbers": structure.atomic_numbers.tolist(),
        "positions_angstrom": structure.positions.tolist(),
        "charge": structure.charge,
        "multiplicity": structure.multiplicity,
        "molecule_id": structure.molecule_id,
        "origin": asdict(structure.origin),
    }


def structure_from_json(document: Any) -> Structure:
    """Read what `structure_to_json` made."""
    return Structure(
        atomic_numbers=np.array(document["atomic_numbers"], dtype=np.int64),
        positions=np.array(document["positions_angstrom"], dtype=np.float64).reshape(-1, 3),
        charge=document["charge"],
        multiplicity=document["multiplicity"],
        molecule_id=document["molecule_id"],
        origin=Origin(**document["origin"]),
    )


def label_to_json(record: Label | LabelFailure) -> dict[str, Any]:
    """Return a document that `json.dumps` takes and `label_from_json` reads back exactly."""
    if isinstance(record, LabelFailure):
        return {
            "schema": _LABEL_SCHEMA,
            "type": "failure",
            "structure_id": record.structure_id,
            "level_id": record.level_id,
            "kind": record.kind,
            "message": record.message,
            "attempts": list(record.attempts),
            "cpu_seconds": float(record.cpu_seconds),
        }
    provenance = record.provenance
    return {
        "schema": _LABEL_SCHEMA,
        "type": "label",
        "structure_id": record.structure_id,
        "level_id": record.level_id,
        "energy_ev": float(record.energy),
        "forces_ev_angstrom": _to_list(record.forces),
        "dipole_e_angstrom": _to_list(record.dipole),
        "components_ev": _floats(record.components),
        "force_components_ev_angstrom": {
            name: _to_list(forces) for name, forces in record.force_components.items()
        },
        "diagnostics": _floats(record.diagnostics),
        "provenance": {
            "program": provenance.program,
            "version": provenance.version,
            "host": provenance.host,
            "cpu_seconds": float(provenance.cpu_seconds),
            "wall_seconds": float(provenance.wall_seconds),
            "attempts": list(provenance.attempts),
            "finished_at": float(provenance.finished_at),
            "checked": provenance.checked,
            "surroundings": dict(provenance.surroundings),
        },
    }


def label_from_json(document: Any) -> Label | LabelFailure:
    """Read what `label_to_json` made.

    Raises
    ------
    StoreError
        The document was written by a newer version of rung.
    KeyError, TypeError, ValueError
        It is not such a document.
    """
    version = document["schema"]
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"no schema version of a label: {version!r}")
    if version > _LABEL_SCHEMA:
        raise StoreError(
            f"a label was written by a newer rung (schema {version}, this one reads "
            f"{_LABEL_SCHEMA}): use the version of rung that began this run"
        )
    if document["type"] == "failure":
        return LabelFailure(
            structure_id=document["structure_id"],
            level_id=document["level_id"],
            kind=document["kind"],
            message=document["message"],
            attempts=tuple(document["attempts"]),
            cpu_seconds=float(document["cpu_seconds"]),
        )
    if document["type"] != "label":
        raise ValueError(f"neither a label nor a failure: {document['type']!r}")
    provenance = document["provenance"]
    return Label(
        structure_id=document["structure_id"],
        level_id=document["level_id"],
        energy=float(document["energy_ev"]),
        forces=_to_array(document["forces_ev_angstrom"]),
        dipole=_to_array(document["dipole_e_angstrom"]),
        components=_floats(document["components_ev"]),
        force_components={
            name: np.array(forces, dtype=np.float64).reshape(-1, 3)
            for name, forces in document.get("force_components_ev_angstrom", {}).items()
        },
        diagnostics=_floats(document["diagnostics"]),
        provenance=Provenance(
            program=provenance["program"],
            version=provenance["version"],
            host=provenance["host"],
            cpu_seconds=float(provenance["cpu_seconds"]),
            wall_seconds=float(provenance["wall_seconds"]),
            attempts=tuple(provenance["attempts"]),
            finished_at=float(provenance["finished_at"]),
            checked=provenance.get("checked", "computed"),
            surroundings=provenance.get("surroundings", {}),
        ),
    )


def _floats(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _to_list(array: FloatArray | None) -> Any:
    return None if array is None else np.asarray(array, dtype=np.float64).tolist()


def _to_array(values: Any) -> FloatArray | None:
    return None if values is None else np.array(values, dtype=np.float64)
