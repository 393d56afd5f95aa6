"""Psi4Engine: the same levels as PySCF, by an independent program.

Grids are (99, 590) points; SCF energies converge to 1e-8 hartree. Where a level is density-fitted,
Hartree-Fock, MP2 and closed-shell coupled cluster take the same auxiliary bases as in the PySCF
engine. Density functionals take exact integrals, because Psi4 1.3 fits the long-range exchange of
wB97X with an error of 0.024 kcal/mol for water; so does open-shell coupled cluster, which it does
not fit.

Open shells of Hartree-Fock follow instabilities to a lower solution, and a closed shell with a
weak bond is compared with the unrestricted one; of density functionals Psi4 does neither.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, TypeAlias

import numpy as np

from chemistry.engines.base import Resources
from chemistry.engines.outcome import CalculationFailed, Outcome, attempt
from chemistry.engines.psi4.answer import (
    diagnostics_of,
    dipole_of,
    failure_of,
    is_of_the_mean_field,
)
from chemistry.engines.psi4.program import find_psi4
from chemistry.engines.psi4.refusal import reason_against
from chemistry.engines.psi4.request import request_of, symbol
from chemistry.geometries.valences import has_weak_bond
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LevelOfTheory
from chemistry.records.recipe import (
    Calculation,
    Component,
    Composite,
    FrozenNaturalOrbitals,
)
from chemistry.records.structure import Structure
from chemistry.units import (
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
)

LADDER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("DIIS", {"maxiter": 60}),
    ("damping 40 %", {"maxiter": 150, "damping_percentage": 40.0}),
    ("second order", {"maxiter": 150, "soscf": True, "soscf_max_iter": 20}),
    ("damping from a core guess", {"maxiter": 200, "guess": "core", "damping_percentage": 20.0}),
)
"""Name and keywords of each attempt to converge the SCF."""

_Keywords: TypeAlias = Mapping[str, Any]
_FOLLOWED: _Keywords = {"stability_analysis": "follow"}
_BROKEN_SYMMETRY: _Keywords = {"reference": "uhf", "guess_mix": True, **_FOLLOWED}
_OTHER_GUESS: _Keywords = {"guess": "gwh"}
"""Of a second opinion; the usual one superposes atomic densities."""


class Psi4Engine:
    """`Psi4Engine(level, Resources()).label(structure)`."""

    name: ClassVar[str] = "psi4"

    def __init__(self, level: LevelOfTheory, resources: Resources) -> None:
        self._level = level
        self._resources = resources

    @classmethod
    def version(cls) -> str:
        """Return the version of Psi4; raise EngineNotInstalled that says how to install it."""
        return find_psi4().version

    @classmethod
    def refuse(cls, level: LevelOfTheory) -> str | None:
        """Say why Psi4 cannot compute the level; raise EngineNotInstalled without Psi4."""
        psi4 = find_psi4()
        if level.gives_forces and not isinstance(level.recipe, Calculation):
            return f"Psi4 gives no forces of {level.name}; take engine pyscf"
        for calculation in level.calculations:
            reason = reason_against(psi4, calculation)
            if reason:
                return reason
        return None

    @classmethod
    def unsupported_elements(
        cls, level: LevelOfTheory, atomic_numbers: Iterable[int]
    ) -> tuple[int, ...]:
        """Return the elements that one of the level's bases lacks, or gives six d and f functions.

        Psi4 has either six d and ten f functions or five and seven, and the level six and seven.
        """
        psi4 = find_psi4()
        supported = [psi4.basis_elements(str(c.basis)) or frozenset() for c in level.calculations]
        mixed = {
            element
            for c in level.calculations
            if c.cartesian
            for element in psi4.elements_beyond_d(str(c.basis))
        }
        return tuple(
            sorted(
                {
                    int(z)
                    for z in atomic_numbers
                    if not all(symbol(int(z)) in elements - mixed for elements in supported)
                }
            )
        )

    def label(self, structure: Structure, *, is_second: bool = False) -> Label | LabelFailure:
        """Compute energy, forces of mean fields and MP2, and the dipole of mean fields."""
        program = (self.name, self.version())
        guess = _OTHER_GUESS if is_second else {}
        return attempt(
            structure,
            self._level,
            program,
            lambda steps: self._run(structure, steps, guess),
            {
                "settings": "neither ~/.psi4rc nor variables",
                "threads": str(self._resources.threads),
            },
        )

    def _run(self, structure: Structure, steps: list[str], guess: _Keywords) -> Outcome:
        recipe = self._level.recipe_for(structure)
        calculations = (recipe,) if isinstance(recipe, Calculation) else recipe.calculations
        self._check_input(structure)
        if isinstance(recipe, Composite):
            components, diagnostics = self._components(calculations, structure, steps, guess)
            diagnostics |= self._instability(calculations, components, structure, steps)
            return Outcome(
                energy=recipe.energy(components), components=components, diagnostics=diagnostics
            )
        if recipe.gives_forces:
            return self._with_forces(recipe, structure, steps, guess)
        components, diagnostics = self._components(calculations, structure, steps, guess)
        diagnostics |= self._instability(calculations, components, structure, steps)
        return Outcome(
            energy=_correlated_energy(recipe, components),
            components=components,
            diagnostics=diagnostics,
        )

    def _with_forces(
        self, calculation: Calculation, structure: Structure, steps: list[str], guess: _Keywords
    ) -> Outcome:
        """Compute a mean field or MP2, whose gradient brings the energies too."""
        answer = self._call(calculation, "gradient", structure, steps, guess)
        variables = answer["extras"]["qcvars"]
        if not calculation.correlated and not is_of_the_mean_field(variables):
            raise CalculationFailed(
                "input", f"{calculation.method} is more than a mean field in Psi4"
            )
        energy = float(variables["SCF TOTAL ENERGY"]) * EV_PER_HARTREE
        components = {f"hf/{calculation.basis}": energy}
        if calculation.correlated:
            correlation = Component(calculation=calculation, quantity="correlation").name
            components[correlation] = float(variables["MP2 CORRELATION ENERGY"]) * EV_PER_HARTREE
            energy = _correlated_energy(calculation, components)
        diagnostics = diagnostics_of(answer, structure)
        if calculation.kind != "dft":
            diagnostics |= self._instability([calculation], components, structure, steps)
        gradient = np.asarray(answer["return_result"], dtype=np.float64).reshape(-1, 3)
        return Outcome(
            energy=energy,
            forces=-gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
            dipole=None if calculation.correlated else dipole_of(variables),
            components=components if calculation.correlated else {},
            diagnostics=diagnostics,
        )

    def _check_input(self, structure: Structure) -> None:
        missing = self.unsupported_elements(self._level, structure.atomic_numbers)
        if missing:
            raise CalculationFailed("input", f"the basis has no functions for {symbol(missing[0])}")

    def _components(
        self,
        calculations: Iterable[Calculation],
        structure: Structure,
        steps: list[str],
        guess: _Keywords,
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return energies in eV by component name, and diagnostics.

        One call a basis where one brings all: MP2 brings Hartree-Fock, and canonical coupled
        cluster brings MP2, which is then the one to subtract from it. Truncated coupled cluster is
        completed by the MP2 energy that stands in the components.
        """
        energies: dict[str, float] = {}
        diagnostics: dict[str, float] = {}
        for calculation in sorted(calculations, key=_cheapest_last):
            total = f"hf/{calculation.basis}"
            mp2 = f"mp2/{calculation.basis} correlation"
            known = total if calculation.kind == "hf" else mp2
            if calculation.kind != "ccsd(t)" and known in energies:
                continue
            answer = self._call(calculation, "energy", structure, steps, guess)
            variables = answer["extras"]["qcvars"]
            diagnostics |= diagnostics_of(answer, structure)
            energies.setdefault(total, float(variables["SCF TOTAL ENERGY"]))
            if calculation.kind == "hf":
                continue
            found_mp2 = float(variables["MP2 CORRELATION ENERGY"])
            full_mp2 = energies.setdefault(mp2, found_mp2)
            if calculation.kind == "ccsd(t)":
                ccsd_t = float(variables["CCSD(T) CORRELATION ENERGY"])
                if isinstance(calculation.truncation, FrozenNaturalOrbitals):
                    ccsd_t += full_mp2 - found_mp2
                energies[f"{calculation.name} correlation"] = ccsd_t
        return {name: value * EV_PER_HARTREE for name, value in energies.items()}, diagnostics

    def _instability(
        self,
        calculations: Iterable[Calculation],
        energies_ev: Mapping[str, float],
        structure: Structure,
        steps: list[str],
    ) -> dict[str, float]:
        """Return, of a closed shell with a weak bond, how far UHF lies below RHF.

        In the basis of coupled cluster, the smallest, where there are several.
        """
        if structure.multiplicity > 1 or not has_weak_bond(structure):
            return {}
        first = min(calculations, key=_cheapest_last)
        hartree_fock = replace(first, method="hf", truncation=None, frozen_core=False)
        answer = self._call(hartree_fock, "energy", structure, steps, _BROKEN_SYMMETRY)
        unrestricted = float(answer["extras"]["qcvars"]["SCF TOTAL ENERGY"]) * EV_PER_HARTREE
        return {"uhf_lowering_ev": max(0.0, energies_ev[f"hf/{first.basis}"] - unrestricted)}

    def _call(
        self,
        calculation: Calculation,
        driver: str,
        structure: Structure,
        steps: list[str],
        guess: _Keywords,
    ) -> dict[str, Any]:
        """Walk the ladder of the SCF; raise CalculationFailed for everything else that fails."""
        psi4 = find_psi4()
        followed = _FOLLOWED if structure.multiplicity > 1 and calculation.kind != "dft" else {}
        for name, keywords in LADDER:
            steps.append(f"{calculation.name}: {name}")
            keywords = {**followed, **guess, **keywords}
            request = request_of(calculation, driver, structure, keywords)
            answer = psi4.call(request, self._resources)
            if answer["success"]:
                return answer
            kind, message, scf_failed = failure_of(answer, ways=len(LADDER))
            if not scf_failed:
                break
        raise CalculationFailed(kind, message)


def _correlated_energy(calculation: Calculation, components: Mapping[str, float]) -> float:
    correlation = Component(calculation=calculation, quantity="correlation").name
    return components[f"hf/{calculation.basis}"] + components[correlation]


def _cheapest_last(calculation: Calculation) -> tuple[bool, bool, bool]:
    """Canonical coupled cluster first, then MP2 and what builds on it, then Hartree-Fock."""
    canonical = calculation.kind == "ccsd(t)" and calculation.truncation is None
    return (not canonical, calculation.kind != "mp2", calculation.kind == "hf")
