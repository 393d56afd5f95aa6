"""A calculation on a structure as a QCSchema request with Psi4's keywords."""

import re
from collections.abc import Mapping
from typing import Any

from ase.data import chemical_symbols

from chemistry.engines.outcome import CalculationFailed
from chemistry.records.recipe import Calculation, FrozenNaturalOrbitals, PairNaturalOrbitals
from chemistry.records.structure import Structure
from chemistry.units import ANGSTROM_PER_BOHR

# Orbitals that are not correlated, up to each atomic number: PySCF's definition, given to Psi4 as a
# number, because its own differs for alkali and alkaline earth metals.
_CORE_ORBITALS = ((4, 0), (12, 1), (30, 5), (38, 9))


def request_of(
    calculation: Calculation, driver: str, structure: Structure, keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a QCSchema (version 1) request; the frame is kept, so forces need no turning."""
    prefix = "" if calculation.truncation is None else calculation.truncation.prefix
    return {
        "schema_name": "qcschema_input",
        "schema_version": 1,
        "molecule": {
            "schema_name": "qcschema_molecule",
            "schema_version": 2,
            "symbols": [symbol(int(z)) for z in structure.atomic_numbers],
            "geometry": (structure.positions / ANGSTROM_PER_BOHR).ravel().tolist(),
            "molecular_charge": float(structure.charge),
            "molecular_multiplicity": structure.multiplicity,
            "fix_com": True,
            "fix_orientation": True,
            "fix_symmetry": "c1",
        },
        "driver": driver,
        "model": {
            "method": prefix.removeprefix("tight-") + calculation.method,
            "basis": calculation.basis,
        },
        "keywords": _keywords(calculation, structure) | dict(keywords),
    }


def _keywords(calculation: Calculation, structure: Structure) -> dict[str, Any]:
    open_shell = structure.multiplicity > 1
    dft = calculation.kind == "dft"
    keywords: dict[str, Any] = {
        "reference": ("u" if open_shell else "r") + ("ks" if dft else "hf"),
        "puream": not calculation.cartesian,
        "e_convergence": 1e-8,
        "d_convergence": 1e-8,
    }
    if dft:
        keywords |= {"dft_radial_points": 99, "dft_spherical_points": 590}
    core = sum(core_orbitals(int(z)) for z in structure.atomic_numbers)
    if calculation.correlated and calculation.frozen_core and core:
        keywords["num_frozen_docc"] = core
    if isinstance(calculation.truncation, FrozenNaturalOrbitals):
        keywords["occ_percentage"] = 100 * calculation.truncation.occupation
    if isinstance(calculation.truncation, PairNaturalOrbitals):
        keywords["pno_convergence"] = calculation.truncation.thresholds
    exact = calculation.kind == "dft" or (calculation.coupled_cluster and open_shell)
    return keywords | (
        {"scf_type": "pk", "mp2_type": "conv", "cc_type": "conv"}
        if exact or not calculation.density_fitting
        else _fitting(calculation)
    )


def _fitting(calculation: Calculation) -> dict[str, Any]:
    """Return the auxiliary bases where Psi4's own choice is another than the PySCF engine's."""
    keywords = {"scf_type": "df", "mp2_type": "df", "cc_type": "df"}
    cardinal = re.fullmatch(r"(aug-)?cc-pv([dtq5])z", str(calculation.basis))
    if cardinal is None:
        return keywords | {"df_basis_scf": "cc-pvtz-jkfit"}
    diffuse, x = cardinal[1] or "", cardinal[2]
    if x == "d":
        keywords["df_basis_scf"] = f"{diffuse}cc-pvtz-jkfit"
    # MP2 of open shells with forces is of the coupled-cluster module, with the basis of that.
    following = {"d": "t", "t": "q"}.get(x, "5") if calculation.coupled_cluster else x
    return keywords | {"df_basis_cc": f"{diffuse}cc-pv{following}z-ri"}


def core_orbitals(atomic_number: int) -> int:
    """Return how many orbitals of an element are not correlated."""
    for last, orbitals in _CORE_ORBITALS:
        if atomic_number <= last:
            return orbitals
    raise CalculationFailed(
        "input",
        f"the frozen core of {symbol(atomic_number)} is not defined here; take engine pyscf",
    )


def symbol(atomic_number: int) -> str:
    """Return the chemical symbol."""
    return str(chemical_symbols[atomic_number])
