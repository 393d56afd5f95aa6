"""QCSchema, one AtomicResult (version 1) a line: hartree and bohr, as MolSSI's schema says.

A label with forces is the result of a `gradient`, one without of an `energy`. What the schema has
no field for (split, sampler, parts of composite levels) stands in `extras["rung"]`.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from chemistry.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE
from workflow.datasets.export.facts import row_facts
from workflow.run.store.records import ExportRow


class QCSchema:
    """JSON lines."""

    suffix = ".qcschema.jsonl"
    units = "hartree, bohr, hartree/bohr (gradients, not forces); e·bohr"
    how_to_read = (
        "[qcelemental.models.AtomicResult.parse_raw(line) "
        'for line in open("{path}", encoding="utf-8")]'
    )

    def write(self, rows: Iterable[ExportRow], path: Path) -> int:
        """Write all rows and return how many."""
        count = 0
        with path.open("w", encoding="utf-8") as file:
            for row in rows:
                count += 1
                file.write(json.dumps(atomic_result(row), ensure_ascii=False) + "\n")
        return count


QCSCHEMA = QCSchema()


def atomic_result(row: ExportRow) -> dict[str, Any]:
    """Return a label as an AtomicResult of QCSchema."""
    label = row.label
    method, _, basis = row.level_name.partition("/")
    energy = float(label.energy) / EV_PER_HARTREE
    properties: dict[str, Any] = {"return_energy": energy, "calcinfo_natom": len(row.structure)}
    result: Any = energy
    if label.forces is not None:
        result = (-label.forces * (ANGSTROM_PER_BOHR / EV_PER_HARTREE)).ravel().tolist()
        properties["return_gradient"] = result
    return {
        "schema_name": "qcschema_output",
        "schema_version": 1,
        "id": f"{row.structure.structure_id}-{label.level_id}",
        "molecule": _molecule(row),
        "driver": "energy" if label.forces is None else "gradient",
        "model": {"method": method, "basis": basis or None},
        "keywords": {},
        "properties": properties,
        "return_result": result,
        "success": True,
        "provenance": {
            "creator": label.provenance.program,
            "version": label.provenance.version,
            "routine": "rung",
            "wall_time": float(label.provenance.wall_seconds),
        },
        "extras": {"rung": _extras(row)},
    }


def _molecule(row: ExportRow) -> dict[str, Any]:
    structure = row.structure
    return {
        "schema_name": "qcschema_molecule",
        "schema_version": 2,
        "name": row.molecule_name,
        "symbols": [chemical_symbols[number] for number in structure.atomic_numbers],
        "geometry": (structure.positions / ANGSTROM_PER_BOHR).ravel().tolist(),
        "molecular_charge": structure.charge,
        "molecular_multiplicity": structure.multiplicity,
        "fix_com": True,
        "fix_orientation": True,
    }


def _extras(row: ExportRow) -> dict[str, Any]:
    label = row.label
    components = {name: energy / EV_PER_HARTREE for name, energy in label.components.items()}
    dipole = None if label.dipole is None else (label.dipole / ANGSTROM_PER_BOHR).tolist()
    return {
        **row_facts(row),
        "components": components,
        "dipole": dipole,
        "diagnostics": dict(label.diagnostics),
    }
