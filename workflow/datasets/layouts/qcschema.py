"""QCSchema: AtomicResults of version 1, one a line or in a list: hartree and bohr.

doi:10.1002/wcms.1491. What rung's own exports add stands in `extras["rung"]`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers as numbers_by_symbol

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray, Structure
from workflow.datasets.layouts.base import FileLabel, Labels, Reading
from workflow.datasets.layouts.units import ATOMIC, Units

_WRONG = (KeyError, TypeError, ValueError, AttributeError)


class QCSchema:
    """JSON lines, or one JSON document."""

    name = "QCSchema (.json, .jsonl)"

    def fits(self, path: Path) -> bool:
        """Say whether a path may be such a file."""
        return path.is_file() and path.suffix.lower() in (".json", ".jsonl", ".ndjson")

    def read(self, path: Path, reading: Reading) -> Labels:
        """Yield the labels that are wanted; an InputError in the place of each that is none."""
        for number, document in enumerate(_documents(path)):
            where = f"{path}, result {number}"
            if isinstance(document, InputError):
                yield document
                continue
            try:
                label = _label(document, where, reading)
            except InputError as error:
                yield error
            except _WRONG as error:
                said = f"there is no {error}" if isinstance(error, KeyError) else str(error)
                yield InputError(f"{where}: it is no AtomicResult of QCSchema: {said}")
            else:
                if label is not None:
                    yield label


def _documents(path: Path) -> Iterator[Any]:
    """Yield the results of a file; an InputError in the place of a line that is no JSON."""
    try:
        with path.open(encoding="utf-8") as file:
            if path.suffix.lower() == ".json":
                document = json.load(file)
                yield from document if isinstance(document, list) else [document]
                return
            for number, line in enumerate(line for line in file if line.strip()):
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield InputError(f"{path}, result {number}: it is no JSON ({error})")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error


def _label(document: Mapping[str, Any], where: str, reading: Reading) -> FileLabel | None:
    reading.seen.update(dict.fromkeys(document, 1))
    if not document.get("success", True):
        raise InputError(f"{where}: the calculation has no success, so that it is no label")
    model, own = document["model"], (document.get("extras") or {}).get("rung", {})
    basis = model.get("basis")
    level = own.get("level") or (f"{model['method']}/{basis}" if basis else model["method"])
    if not reading.wants(level):
        return None
    units = reading.units(ATOMIC)
    molecule = document["molecule"]
    if not all(molecule.get("real") or ()):
        raise InputError(f"{where}: it has ghost atoms (`real`), which rung's labels have not")
    symbols = [str(symbol).capitalize() for symbol in molecule["symbols"]]
    charge = molecule.get("molecular_charge", 0)
    multiplicity = molecule.get("molecular_multiplicity", 1)
    charge, multiplicity = reading.electrons(
        {"charge": charge, "multiplicity": multiplicity}, where
    )
    components = {n: float(e) * units.ev for n, e in own.get("components", {}).items()}
    dipole = own.get("dipole") or document.get("properties", {}).get("scf_dipole_moment")
    return FileLabel(
        where=where,
        level=level,
        structure=Structure(
            atomic_numbers=np.array([numbers_by_symbol[symbol] for symbol in symbols]),
            positions=_vectors(molecule["geometry"]) * units.angstrom,
            charge=charge,
            multiplicity=multiplicity,
        ),
        energy=_energy(document) * units.ev,
        forces=_forces(document, units, reading),
        dipole=None if dipole is None else np.array(dipole, dtype=float) * units.e_angstrom,
        components=components,
        diagnostics=own.get("diagnostics", {}),
        facts={**_provenance(document), **own},
        units=units,
    )


def _energy(document: Mapping[str, Any]) -> float:
    properties = document.get("properties") or {}
    energy = properties.get("return_energy")
    if energy is None and document["driver"] == "energy":
        energy = document["return_result"]
    if energy is None:
        raise ValueError("there is no `properties.return_energy`")
    return float(energy)


def _forces(document: Mapping[str, Any], units: Units, reading: Reading) -> FloatArray | None:
    gradient = (document.get("properties") or {}).get("return_gradient")
    if gradient is None and document.get("driver") == "gradient":
        gradient = document["return_result"]
    if gradient is None:
        return None
    sign = -1.0 if reading.are_gradients(True) else 1.0
    return _vectors(gradient) * (sign * units.ev_per_angstrom)


def _vectors(values: Any) -> FloatArray:
    return np.array(values, dtype=np.float64).reshape(-1, 3)


def _provenance(document: Mapping[str, Any]) -> dict[str, Any]:
    provenance = document.get("provenance") or {}
    return {
        "program": str(provenance.get("creator", "unknown")),
        "program_version": str(provenance.get("version") or ""),
    }
