"""What a level of theory means, part by part, for a person to read before computing with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chemistry.records.level import LevelOfTheory
from chemistry.records.recipe import BySize, Calculation, Composite


@dataclass(frozen=True, kw_only=True)
class ElementBasis:
    """What a basis has for one element.

    Attributes
    ----------
    shells : str
        Contracted shells: "3s 2p 1d".
    functions : int
    core_potential_electrons : int
        Electrons that a core potential stands for; 0 where all are computed.
    frozen_orbitals : int
        Orbitals that are not correlated.
    """

    shells: str
    functions: int
    core_potential_electrons: int
    frozen_orbitals: int


@dataclass(frozen=True, kw_only=True)
class CalculationDescription:
    """One calculation of a level.

    Attributes
    ----------
    name : str
    facts : mapping of str to str
        Functional and its parts, exact exchange, dispersion, integrals, truncation.
    d_functions : str
        "six Cartesian" or "five spherical"; empty without a basis.
    elements : mapping of str to ElementBasis
        By symbol; empty where only the program knows.
    unusable : mapping of str to str
        Symbol -> why the basis does not describe it.
    """

    name: str
    facts: Mapping[str, str]
    d_functions: str = ""
    elements: Mapping[str, ElementBasis] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)


def describe(
    level: LevelOfTheory, engine: str, symbols: Sequence[str]
) -> list[CalculationDescription]:
    """Return what each calculation of a level is; details are those of the engine PySCF."""
    if engine == "pyscf":
        from chemistry.engines.pyscf.levels.description import described

        return [described(calculation, symbols) for calculation in level.calculations]
    return [
        CalculationDescription(
            name=calculation.name, facts=general_facts(calculation), d_functions=d_kind(calculation)
        )
        for calculation in level.calculations
    ]


def general_facts(calculation: Calculation) -> dict[str, str]:
    """Return what every program has to do the same."""
    facts = {"method": calculation.functional}
    if calculation.dispersion is not None:
        facts["dispersion"] = calculation.dispersion
    if calculation.basis is None:
        return facts
    facts["open shells"] = "refused" if calculation.closed_shells_only else "unrestricted"
    facts["integrals"] = "density-fitted" if calculation.density_fitting else "exact"
    if calculation.correlated:
        facts["core orbitals"] = "frozen" if calculation.frozen_core else "correlated"
    if calculation.truncation is not None:
        kept = ", ".join(f"{name} {value}" for name, value in vars(calculation.truncation).items())
        facts["truncation"] = f"{calculation.truncation.prefix}ccsd(t), {kept}"
    return facts


def d_kind(calculation: Calculation) -> str:
    """Return which d functions a calculation has."""
    if calculation.basis is None:
        return ""
    return "six Cartesian" if calculation.cartesian else "five spherical"


def open_shells(level: LevelOfTheory) -> str:
    """Return for which molecules with unpaired electrons there are labels."""
    if not any(calculation.closed_shells_only for calculation in level.calculations):
        return "all"
    if not isinstance(level.recipe, BySize) or level.recipe.small.closed_shells_only:
        return "none"
    return f"those of up to {level.recipe.heavy_atoms} heavy atoms"


def formula(level: LevelOfTheory) -> list[str]:
    """Return how the energies of a composite are put together; empty for a plain level."""
    recipe = level.recipe
    if isinstance(recipe, Calculation):
        return []
    if isinstance(recipe, Composite):
        return _terms(recipe)
    return [line for part in _sizes(recipe) for line in part]


def _sizes(recipe: BySize) -> list[list[str]]:
    most = f"{recipe.heavy_atoms} heavy atoms"
    choices = ((f"up to {most}", recipe.small), (f"beyond {most}", recipe.large))
    return [
        [f"{which}:"] + (_terms(choice) if isinstance(choice, Composite) else [choice.name])
        for which, choice in choices
    ]


def _terms(recipe: Composite) -> list[str]:
    lines = []
    for term in recipe.terms:
        names = ", ".join(component.name for component in term.components)
        rule = term.extrapolation
        limit = f" to the basis set limit by {rule.form}, a = {rule.exponent:g}" if rule else ""
        lines.append(f"{term.weight:+g} {names}{limit}")
    return lines
