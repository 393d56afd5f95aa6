"""Structure and basis to `pyscf.gto.Mole`, and the questions that have to be asked first."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from pyscf import gto

from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf.levels.library import core_potential, functions, why_unusable
from chemistry.engines.pyscf.levels.six_d import with_sixth_d
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
    symbols = [chemical_symbols[z] for z in structure.atomic_numbers]
    elements = sorted(set(symbols))
    for symbol in elements:
        reason = why_unusable(basis, symbol)
        if reason is not None:
            raise CalculationFailed("input", reason)
    shells = {symbol: functions(basis, symbol) for symbol in elements}
    # Six d beside seven f functions: only where an element has f, so that energies of all other
    # molecules are those of PySCF's own Cartesian functions.
    is_mixed = calculation.cartesian and any(s[0] > 2 for own in shells.values() for s in own)
    mol = gto.M(
        # PySCF's own conversion of Å is of an older CODATA: hand it bohr.
        atom=list(zip(symbols, (structure.positions / ANGSTROM_PER_BOHR).tolist(), strict=True)),
        unit="Bohr",
        basis={symbol: with_sixth_d(s) if is_mixed else list(s) for symbol, s in shells.items()},
        ecp={s: list(core) for s in elements if (core := core_potential(basis, s)) is not None},
        cart=calculation.cartesian and not is_mixed,
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
    """Return which elements the basis cannot describe, in increasing order."""
    return tuple(
        z
        for z in sorted({int(z) for z in atomic_numbers})
        if not 1 <= z < len(chemical_symbols) or why_unusable(basis, chemical_symbols[z])
    )
