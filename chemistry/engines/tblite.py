"""GFN-xTB by the tblite library: energies, forces and dipoles in milliseconds.

GFN2-xTB: Bannwarth, Ehlert and Grimme, doi:10.1021/acs.jctc.8b01176.
"""

from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
from tblite.interface import Calculator

from chemistry.engines.base import Resources
from chemistry.engines.gap import smallest_gap_ev
from chemistry.engines.outcome import CalculationFailed, Outcome, attempt
from chemistry.engines.surroundings import Surroundings
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LevelOfTheory
from chemistry.records.recipe import Calculation
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import (
    ANGSTROM_PER_BOHR,
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
)

_SURROUNDINGS = Surroundings()
_VERSION = version("tblite")  # to look it up takes a millisecond, a label few
_METHODS = {"gfn2-xtb": "GFN2-xTB", "gfn1-xtb": "GFN1-xTB"}
_HEAVIEST_ELEMENT = 86
_EEQ_GUESS = 1
"""tblite's number of it; 0, the default, superposes atomic densities."""
_OCCUPIED = 0.5
"""Orbitals with more electrons count as occupied: at 300 K none is quite empty."""

LADDER = (("default mixing", 0.4, 250), ("mixing damped to 0.1", 0.1, 1000))
"""Name, mixer damping and cycles of each attempt to converge the charges."""


class TBLiteEngine:
    """`TBLiteEngine(level, Resources()).label(structure)`."""

    name: ClassVar[str] = "tblite"

    def __init__(self, level: LevelOfTheory, resources: Resources) -> None:
        self._level = level
        self._resources = resources

    @classmethod
    def version(cls) -> str:
        """Return the version of tblite."""
        return _VERSION

    @classmethod
    def refuse(cls, level: LevelOfTheory) -> str | None:
        """Say why tblite cannot compute the level: it knows GFN1-xTB and GFN2-xTB only."""
        if isinstance(level.recipe, Calculation) and level.recipe.method in _METHODS:
            return None
        return f"tblite computes {' and '.join(_METHODS)}, not {level.name}; take engine pyscf"

    @classmethod
    def unsupported_elements(
        cls,
        level: LevelOfTheory,  # noqa: ARG003 (both methods have the same elements)
        atomic_numbers: Iterable[int],
    ) -> tuple[int, ...]:
        """Return the elements beyond radon."""
        return tuple(sorted({int(z) for z in atomic_numbers if not 1 <= z <= _HEAVIEST_ELEMENT}))

    def label(self, structure: Structure, *, is_second: bool = False) -> Label | LabelFailure:
        """Compute energy, forces and dipole; the dipole of an ion is that about the origin."""
        program, threads = (self.name, self.version()), self._resources.threads
        with _SURROUNDINGS.limited(threads):
            return attempt(
                structure,
                self._level,
                program,
                lambda steps: self._run(structure, steps, is_second=is_second),
                _SURROUNDINGS.facts(threads),
            )

    def _run(self, structure: Structure, steps: list[str], *, is_second: bool) -> Outcome:
        unsupported = self.unsupported_elements(self._level, structure.atomic_numbers)
        if unsupported:
            raise CalculationFailed("input", f"no parameters for element {unsupported[0]}")
        calculator = self._calculator(structure, structure.positions)
        if is_second:
            steps.append("from charges of electronegativity equilibration")
            calculator.set("guess", _EEQ_GUESS)
        result = self._converge(calculator, steps)
        energy, forces = _energy_and_forces(result)
        return Outcome(
            energy=energy,
            forces=forces,
            dipole=np.asarray(result.get("dipole"), dtype=np.float64) * ANGSTROM_PER_BOHR,
            diagnostics=_diagnostics(result),
        )

    def moved(self, structure: Structure, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Compute geometries (R, N, 3) Å of a molecule without what a label needs, for dynamics.

        Where nothing converges that is said after a second or two, where a label takes minutes.

        Returns
        -------
        energies : (R,) float64, eV
            NaN where charges do not converge, or atoms coincide.
        forces : (R, N, 3) float64, eV/Å
        """
        energies, forces = np.full(len(positions), np.nan), np.full(positions.shape, np.nan)
        with _SURROUNDINGS.limited(self._resources.threads):
            for i, row in enumerate(positions):
                with suppress(RuntimeError, CalculationFailed):
                    calculator = self._calculator(structure, row)
                    result = self._converge(calculator, [], most_cycles=LADDER[0][2])
                    energies[i], forces[i] = _energy_and_forces(result)
        return energies, forces

    def _calculator(self, structure: Structure, positions: FloatArray) -> Calculator:
        (calculation,) = self._level.calculations
        calculator = Calculator(
            _METHODS[calculation.method],
            np.asarray(structure.atomic_numbers),
            positions / ANGSTROM_PER_BOHR,
            charge=float(structure.charge),
            uhf=structure.multiplicity - 1,
        )
        calculator.set("verbosity", 0)
        return calculator

    @staticmethod
    def _converge(calculator: Any, steps: list[str], most_cycles: int | None = None) -> Any:
        """Walk the ladder; tblite raises where it does not converge.

        The electronic temperature stays at its default of 300 K: it changes the energy.
        """
        for step, mixer_damping, cycles in LADDER:
            steps.append(step)
            calculator.set("mixer-damping", mixer_damping)
            calculator.set("max-iter", min(cycles, most_cycles or cycles))
            try:
                return calculator.singlepoint()
            except RuntimeError as error:
                message = str(error)
        raise CalculationFailed("convergence", f"{message}; try another geometry")


def _energy_and_forces(result: Any) -> tuple[float, FloatArray]:
    """Return eV and eV/Å."""
    gradient = np.asarray(result.get("gradient"), dtype=np.float64)
    return (
        float(result.get("energy")) * EV_PER_HARTREE,
        -gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    )


def _diagnostics(result: Any) -> dict[str, float]:
    """Return the gap between occupied and empty orbitals."""
    occupied = np.asarray(result.get("orbital-occupations")) > _OCCUPIED
    gap_ev = smallest_gap_ev(np.asarray(result.get("orbital-energies")), occupied)
    return {} if gap_ev is None else {"gap_ev": gap_ev}
