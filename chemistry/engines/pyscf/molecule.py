"""Structure and basis to `pyscf.gto.Mole`, and the questions that have to be asked first."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from pyscf import gto
from pyscf.lib.exceptions import BasisNotFoundError

from chemistry.engines.outcome import CalculationFailed
from chemistry.records.recipe import Calculation
from chemistry.records.structure import Structure
from chemistry.units import ANGSTROM_PER_BOHR

_SMALLEST_OVERLAP_EIGENVALUE = 1e-6
"""Below it PySCF drops basis functions, and the energy jumps from one geometry to the next."""


def build(structure: Structure, calculation: Calculation) -> Any:
    """Return the Mole of a structure in the basis of a calculation.

    Raises
    ------
    CalculationFailed
        The basis lacks an element, or is nearly linearly dependent at this geometry.
    """
    basis = str(calculation.basis)
    missing = elements_without(basis, structure.atomic_numbers)
    if missing:
        raise CalculationFailed(
            "input", f"basis {basis} has no functions for {chemical_symbols[missing[0]]}"
        )
    symbols = [chemical_symbols[z] for z in structure.atomic_numbers]
    mol = gto.M(
        # PySCF's own conversion of Å is of an older CODATA: hand it bohr.
        atom=list(zip(symbols, (structure.positions / ANGSTROM_PER_BOHR).tolist(), strict=True)),
        unit="Bohr",
        basis=basis,
        ecp={symbol: basis for symbol in set(symbols) if gto.basis.load_ecp(basis, symbol)},
        cart=calculation.cartesian,
        charge=structure.charge,
        spin=structure.multiplicity - 1,
        symmetry=False,
        verbose=0,
    )
    smallest = float(np.linalg.eigvalsh(mol.intor_symmetric("int1e_ovlp"))[0])
    if smallest < _SMALLEST_OVERLAP_EIGENVALUE:
        raise CalculationFailed(
            "input",
            f"basis {basis} is nearly linearly dependent here (smallest overlap eigenvalue "
            f"{smallest:.1e}); take a smaller or less diffuse basis",
        )
    return mol


def elements_without(basis: str, atomic_numbers: Iterable[int]) -> tuple[int, ...]:
    """Return which elements the basis lacks, in increasing order."""
    return tuple(sorted({int(z) for z in atomic_numbers if not has_basis(basis, int(z))}))


def knows_basis(basis: str) -> bool:
    """Whether PySCF has the basis for any element up to xenon."""
    return any(has_basis(basis, z) for z in range(1, 55))


def known_bases() -> list[str]:
    """Return the basis names that PySCF lists, in their usual spelling where it keeps it."""
    common = ("sto-3g", "3-21g", "6-31g", "6-31g*", "6-31g**", "6-31+g*", "6-311g**", "6-311++g**")
    families = [f"{a}cc-pv{x}z" for a in ("", "aug-") for x in "dtq5"]
    families += [f"def2-{s}" for s in ("svp", "svpd", "tzvp", "tzvpd", "tzvpp", "qzvp", "qzvpp")]
    return [*common, *families, *gto.basis.ALIAS]


def has_basis(basis: str, atomic_number: int) -> bool:
    """Whether PySCF has functions of this basis, orbital or auxiliary, for an element."""
    if not 1 <= atomic_number < len(chemical_symbols):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that another package may know the basis
            # An ECP basis may hold an empty list for an element that it does not describe.
            return len(gto.basis.load(basis, chemical_symbols[atomic_number])) > 0
    except (BasisNotFoundError, KeyError, AssertionError, OSError):
        return False
