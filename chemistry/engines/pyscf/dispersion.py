"""D3 and D4 dispersion corrections by pyscf-dispersion, an extra of rung.

D3: Grimme, Antony, Ehrlich and Krieg, doi:10.1063/1.3382344, without three-body terms; its damping
"d3bj": doi:10.1002/jcc.21759. D4 with them: Caldeweyher and others, doi:10.1063/1.5090222.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from pyscf import gto

from chemistry.engines.outcome import CalculationFailed
from chemistry.errors import InputError
from chemistry.records.recipe import Calculation
from chemistry.records.structure import FloatArray

_MODULES = {"d3bj": "dftd3", "d3zero": "dftd3", "d4": "dftd4"}
_PARAMETERS = {"b97": "b97d"}
"""Where the libraries have another name: `b97-d3bj` is Grimme's functional, not Becke's."""


def dispersion_is_installed() -> bool:
    """Whether pyscf-dispersion is there."""
    return find_spec("pyscf.dispersion") is not None


def refuse_dispersion(calculation: Calculation) -> str | None:
    """Say why there is no such correction; None where there is, or where none is asked for."""
    if calculation.dispersion is None:
        return None
    if not dispersion_is_installed():
        return f"{calculation.name} needs pyscf-dispersion: pip install rung[dispersion]"
    hydrogen = gto.M(atom="H 0 0 0; H 0 0 0.74", basis="sto-3g", verbose=0)
    try:
        _model(hydrogen, calculation)
    except InputError as error:
        return str(error)
    return None


def dispersion(mol: Any, calculation: Calculation) -> tuple[float, FloatArray]:
    """Return the energy in hartree and its gradient, (N, 3) hartree/bohr.

    Raises
    ------
    CalculationFailed
        An element has no parameters.
    """
    try:
        found = _model(mol, calculation).get_dispersion(grad=True)
    except (InputError, RuntimeError) as error:
        raise CalculationFailed("input", str(error)) from error
    return float(found["energy"]), np.array(found["gradient"], dtype=np.float64)


def _model(mol: Any, calculation: Calculation) -> Any:
    kind = str(calculation.dispersion)
    module = import_module(f"pyscf.dispersion.{_MODULES[kind]}")
    parameters = _PARAMETERS.get(calculation.functional, calculation.functional)
    try:
        if kind == "d4":
            return module.DFTD4Dispersion(mol, xc=parameters, atm=True)
        return module.DFTD3Dispersion(mol, xc=parameters, version=kind, atm=False)
    except RuntimeError as error:
        raise InputError(
            f"there are no {kind} parameters for {calculation.functional} ({error}); "
            "take b3lyp, pbe0 or pbe with it"
        ) from error
