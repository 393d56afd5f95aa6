"""What PySCF computes for a level, from the tables of libxc and of its library of bases."""

from collections.abc import Sequence

from ase.data import atomic_numbers
from pyscf.data.elements import chemcore_atm

from chemistry.engines.description import (
    CalculationDescription,
    ElementBasis,
    d_kind,
    general_facts,
)
from chemistry.engines.pyscf.levels.functional import functional_of
from chemistry.engines.pyscf.levels.library import (
    core_electrons,
    functions_by_momentum,
    why_unusable,
)
from chemistry.records.recipe import Calculation

_LETTERS = "spdfghi"


def described(calculation: Calculation, symbols: Sequence[str]) -> CalculationDescription:
    """Return what a calculation is for some elements.

    Raises
    ------
    InputError
        The functional is none.
    """
    basis = str(calculation.basis)
    unusable = {s: reason for s in symbols if (reason := why_unusable(basis, s)) is not None}
    return CalculationDescription(
        name=calculation.name,
        facts=general_facts(calculation) | _functional(calculation),
        d_functions=d_kind(calculation),
        elements={s: _element(calculation, s) for s in symbols if s not in unusable},
        unusable=unusable,
    )


def _functional(calculation: Calculation) -> dict[str, str]:
    if calculation.kind != "dft":
        return {"exact exchange": "100 %"}
    functional = functional_of(calculation.method)
    parts = " + ".join(
        name.lower() if factor == 1 else f"{factor:g} {name.lower()}"
        for name, factor in functional.parts
    )
    short, long = functional.short_range_exchange, functional.long_range_exchange
    exchange = f"{100 * short:.4g} %"
    if functional.omega_per_bohr:
        exchange = (
            f"{exchange} at short range, {100 * long:.4g} % at long range, "
            f"omega {functional.omega_per_bohr:g} per bohr"
        )
    correction = calculation.dispersion or ("vv10" if functional.is_nonlocal else "none")
    return {"libxc": parts, "exact exchange": exchange, "dispersion": correction}


def _element(calculation: Calculation, symbol: str) -> ElementBasis:
    basis = str(calculation.basis)
    shells = functions_by_momentum(basis, symbol)
    sizes = [2 * momentum + 1 for momentum in range(len(shells))]
    if calculation.cartesian and len(shells) > 2:
        sizes[2] = 6
    core = core_electrons(basis, symbol)
    frozen = int(chemcore_atm[atomic_numbers[symbol]]) - core // 2
    return ElementBasis(
        shells=" ".join(f"{n}{_LETTERS[i]}" for i, n in enumerate(shells) if n),
        functions=sum(n * size for n, size in zip(shells, sizes, strict=True)),
        core_potential_electrons=core,
        frozen_orbitals=max(0, frozen) if calculation.frozen_core else 0,
    )
