"""Labels and label failures as JSON, every float64 exact.

Python writes the shortest decimal that reads back as the same float64, so nothing is lost.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chemistry.errors import StoreError
from chemistry.records.label import Label, LabelFailure, Provenance
from chemistry.records.structure import FloatArray

SCHEMA_VERSION = 1


def label_to_json(record: Label | LabelFailure) -> dict[str, Any]:
    """Return a document that `json.dumps` takes and `label_from_json` reads back exactly."""
    if isinstance(record, LabelFailure):
        return {
            "schema": SCHEMA_VERSION,
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
        "schema": SCHEMA_VERSION,
        "type": "label",
        "structure_id": record.structure_id,
        "level_id": record.level_id,
        "energy_ev": float(record.energy),
        "forces_ev_angstrom": _to_list(record.forces),
        "dipole_e_angstrom": _to_list(record.dipole),
        "components_ev": _floats(record.components),
        "diagnostics": _floats(record.diagnostics),
        "provenance": {
            "program": provenance.program,
            "version": provenance.version,
            "host": provenance.host,
            "cpu_seconds": float(provenance.cpu_seconds),
            "wall_seconds": float(provenance.wall_seconds),
            "attempts": list(provenance.attempts),
            "finished_at": float(provenance.finished_at),
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
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"a label was written by a newer rung (schema {version}, this one reads "
            f"{SCHEMA_VERSION}): go on with the version of rung that began this run"
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
        diagnostics=_floats(document["diagnostics"]),
        provenance=Provenance(
            program=provenance["program"],
            version=provenance["version"],
            host=provenance["host"],
            cpu_seconds=float(provenance["cpu_seconds"]),
            wall_seconds=float(provenance["wall_seconds"]),
            attempts=tuple(provenance["attempts"]),
            finished_at=float(provenance["finished_at"]),
            surroundings=provenance.get("surroundings", {}),
        ),
    )


def _floats(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _to_list(array: FloatArray | None) -> Any:
    return None if array is None else np.asarray(array, dtype=np.float64).tolist()


def _to_array(values: Any) -> FloatArray | None:
    return None if values is None else np.array(values, dtype=np.float64)
