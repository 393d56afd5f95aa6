"""What an answer of Psi4 says: failures, dipoles, diagnostics."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chemistry.records.label import FailureKind
from chemistry.records.structure import Structure
from chemistry.units import ANGSTROM_PER_BOHR, E_ANGSTROM_PER_DEBYE

_SAME_ENERGY_HARTREE = 1e-9


def failure_of(answer: Mapping[str, Any], ways: int) -> tuple[FailureKind, str, bool]:
    """Return kind, message, and whether it was the SCF, which was tried in so many ways."""
    error = answer.get("error") or {}
    text = str(error.get("error_message", "no reason given")).strip()
    kind_of_error, last = str(error.get("error_type", "")), text.splitlines()[-1]
    reason = f"Psi4: {last[-200:]}"
    if kind_of_error == "SCFConvergenceError" or "SCFConvergenceError" in text:
        return "convergence", f"{reason} Tried {ways} ways; try another geometry", True
    if "onverge" in last:
        return "convergence", reason, False
    if kind_of_error in ("ValidationError", "BasisSetNotFound"):
        return "input", reason, False
    if "emory" in text:
        return "resource", reason, False
    return "infrastructure", reason, False


def dipole_of(variables: Mapping[str, Any]) -> Any:
    """Return the dipole in e Å: newer releases give an array in e bohr, older ones debye."""
    if "SCF DIPOLE" in variables:
        return np.asarray(variables["SCF DIPOLE"], dtype=np.float64).ravel() * ANGSTROM_PER_BOHR
    debye = [float(variables[f"SCF DIPOLE {axis}"]) for axis in "XYZ"]
    return np.array(debye) * E_ANGSTROM_PER_DEBYE


def diagnostics_of(answer: Mapping[str, Any], structure: Structure) -> dict[str, float]:
    """Return what Psi4 says of how a label came about."""
    variables = answer["extras"]["qcvars"]
    found = {"scf_cycles": float(variables["SCF ITERATIONS"])}
    if structure.multiplicity == 1:
        found["s2"] = 0.0  # of open shells the QCSchema answer has no S²
    if "CC T1 DIAGNOSTIC" in variables:
        # In open shells Psi4 does not halve the sum over spins as the closed-shell T1 does.
        scale = 1.0 if structure.multiplicity == 1 else math.sqrt(0.5)
        found["t1"] = scale * float(variables["CC T1 DIAGNOSTIC"])
    return found


def is_of_the_mean_field(variables: Mapping[str, Any]) -> bool:
    """Whether the energy that belongs to the gradient is the one that the SCF minimises."""
    total, mean_field = (float(variables[f"{name} ENERGY"]) for name in ("CURRENT", "SCF TOTAL"))
    return abs(total - mean_field) < _SAME_ENERGY_HARTREE
