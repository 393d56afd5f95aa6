"""A molecule as JSON and back: without RDKit, whose import takes longer than a look at a run."""

import json
from dataclasses import asdict

import numpy as np

from chemistry.errors import InputError
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Origin, Structure

_SCHEMA = 1
"""Version of the JSON of a molecule."""


def molecule_to_json(molecule: Molecule) -> str:
    """Write a molecule as JSON, from which `molecule_from_json` makes it again, bit for bit."""
    return json.dumps(
        {
            "schema": _SCHEMA,
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
    if schema != _SCHEMA:
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
