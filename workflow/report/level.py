"""`rung level`: what will be computed under a level's name, and at what cost."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ase.data import chemical_symbols

from chemistry.engines import default_engine, find_engine
from chemistry.engines.description import CalculationDescription, describe, formula, open_shells
from chemistry.errors import InputError
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.structure import Structure
from workflow.planning.cost import PowerLaw, n_electrons
from workflow.settings.molecules import one_geometry

_USUAL = ("H", "C", "N", "O")
_EXAMPLES = {"water": 10, "glycine": 40}
"""Molecule -> electrons, for the cost where no molecule is given."""


@dataclass(frozen=True, kw_only=True)
class LevelReport:
    """What `rung level` prints.

    Attributes
    ----------
    level : LevelOfTheory
    engine, engine_version : str
    calculations : list of CalculationDescription
    formula : list of str
        How a composite is put together.
    cpu_seconds : dict of str to float
        Molecule -> expected CPU seconds of a label, before any label has been timed.
    exponent : float
        Of the number of electrons in that cost.
    """

    level: LevelOfTheory
    engine: str
    engine_version: str
    calculations: list[CalculationDescription]
    formula: list[str]
    cpu_seconds: dict[str, float]
    exponent: float

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "name": self.level.name,
            "level_id": self.level.level_id,
            "engine": self.engine,
            "engine_version": self.engine_version,
            "gives_forces": self.level.gives_forces,
            "open_shells": open_shells(self.level),
            "formula": self.formula,
            "calculations": [asdict(calculation) for calculation in self.calculations],
            "expected_cpu_seconds": self.cpu_seconds,
            "cost_exponent": self.exponent,
        }

    def lines(self) -> Iterator[str]:
        """Return it for a terminal."""
        level = self.level
        gives = "energies and forces" if level.gives_forces else "energies only"
        yield f"{level.name}  (level_id {level.level_id})"
        yield f"  {self.engine} {self.engine_version} computes {gives}"
        yield f"  open shells: {open_shells(level)}"
        yield from (f"  {line}" for line in self.formula)
        for calculation in self.calculations:
            yield from _calculation_lines(calculation)
        costs = ", ".join(f"{s:.2g} s for {name}" for name, s in self.cpu_seconds.items())
        yield f"  expected cost: {costs} of CPU, growing as electrons^{self.exponent:g}"
        yield "  (before any label has been timed; `rung check` times one)"


def report_level(name: str, engine_name: str | None, smiles: str | None) -> LevelReport:
    """Return what will be computed at a level.

    Raises
    ------
    InputError
        There is no such level, the engine refuses it, or the molecule cannot be described.
    """
    level = find_level(name)
    engine = find_engine(engine_name or default_engine(level))
    if (refusal := engine.refuse(level)) is not None:
        raise InputError(refusal)
    molecule = None if smiles is None else one_geometry(molecule_from_smiles(smiles), seed=0)
    cost = PowerLaw()
    return LevelReport(
        level=level,
        engine=engine.name,
        engine_version=engine.version(),
        calculations=describe(level, engine.name, _symbols(molecule)),
        formula=formula(level),
        cpu_seconds=(
            {example: cost.seconds(electrons) for example, electrons in _EXAMPLES.items()}
            if molecule is None
            else {str(smiles): cost.seconds(n_electrons(molecule))}
        ),
        exponent=cost.exponent,
    )


def _symbols(molecule: Structure | None) -> Sequence[str]:
    if molecule is None:
        return _USUAL
    return [chemical_symbols[z] for z in sorted(set(molecule.atomic_numbers.tolist()))]


def _calculation_lines(calculation: CalculationDescription) -> Iterator[str]:
    yield f"  {calculation.name}"
    yield from (f"    {name}: {fact}" for name, fact in calculation.facts.items())
    if calculation.d_functions:
        yield f"    d functions: {calculation.d_functions}; f functions: seven"
    for symbol, element in calculation.elements.items():
        core = element.core_potential_electrons
        potential = f", core potential for {core} electrons" if core else ""
        frozen = f", {element.frozen_orbitals} frozen" if element.frozen_orbitals else ""
        yield f"    {symbol}: {element.shells} = {element.functions} functions{potential}{frozen}"
    yield from (f"    {symbol}: {reason}" for symbol, reason in calculation.unusable.items())
