"""A committee in OpenMM, through OpenMM-ML: `MLPotential("rung", path="committee.safetensors")`.

OpenMM-ML finds the factory by its entry point, "openmmml.potentials", and loads it with all others:
nothing here may be slow to import. What computes is OpenMM's PythonForce, so nothing is needed that
pip does not install.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openmm
from openmm import unit
from openmmml.mlpotential import MLPotentialImpl, MLPotentialImplFactory

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray
from chemistry.units import KJ_MOL_PER_EV

if TYPE_CHECKING:
    from model.protocol import Committee
    from model.simulation.potential import SimulatedPotential, SimulatedSystems
    from model.systems import SystemsPrediction

_ANGSTROM_PER_NM = 10.0


class RungPotentialFactory(MLPotentialImplFactory):  # type: ignore[misc]  # OpenMM-ML has no types
    """What OpenMM-ML makes `MLPotential("rung", path=...)` by."""

    def createImpl(  # noqa: N802 (OpenMM-ML's name)
        self, name: str, *, path: "Committee | str | Path | None" = None, **settings: Any
    ) -> "RungPotential":
        """Read a potential; the settings are those of `SimulatedPotential.read`.

        Raises InputError where no path is given, or it cannot be read.
        """
        from model.simulation.potential import SimulatedPotential

        if path is None:
            raise InputError(
                f'name the checkpoint: MLPotential("{name}", path="committee.safetensors")'
            )
        return RungPotential(SimulatedPotential.read(path, **settings))


class RungPotential(MLPotentialImpl):  # type: ignore[misc]
    """Adds the mean energy and forces of a committee to a System.

    Attributes
    ----------
    computation : Computation or None
        Of the System that was made last.
    """

    def __init__(self, potential: "SimulatedPotential") -> None:
        self._potential = potential
        self.computation: Computation | None = None

    def addForces(  # noqa: N802
        self,
        topology: Any,
        system: Any,
        atoms: Iterable[int] | None,
        forceGroup: int,  # noqa: N803
        *,
        charge: int = 0,
        multiplicity: int = 1,
        **_others: Any,
    ) -> None:
        """Add the force; `charge` and `multiplicity` are those of its atoms as a whole.

        Raises
        ------
        InputError
            An atom without an element, an element or state that the potential does not know, or a
            periodic box that is less than twice as wide as its cutoff.
        """
        everyone = list(topology.atoms())
        chosen = range(len(everyone)) if atoms is None else [int(index) for index in atoms]
        numbers = np.array([_atomic_number(everyone[index]) for index in chosen])
        boxed = topology.getPeriodicBoxVectors() is not None
        periodic = boxed or system.usesPeriodicBoundaryConditions()
        systems = self._potential.systems([numbers], charge=charge, multiplicity=multiplicity)
        self.computation = Computation(systems, None if atoms is None else list(chosen), periodic)
        if periodic:
            systems.check_cells(_box(system.getDefaultPeriodicBoxVectors()))
        force = openmm.PythonForce(self.computation)
        force.setName("rung")
        force.setForceGroup(forceGroup)
        force.setUsesPeriodicBoundaryConditions(periodic)
        if atoms is not None:
            force.setParticles(list(chosen))
        system.addForce(force)

    def getMLLongRange(self) -> bool:  # noqa: N802
        """Say that no interaction reaches beyond the cutoff."""
        return False


class Computation:
    """What OpenMM calls at each step; it can be pickled, so that a System can be serialised.

    Parameters
    ----------
    systems : SimulatedSystems
        Of one system.
    atoms : list of int or None
        Those atoms of the System that it is; None: all.
    periodic : bool
    """

    def __init__(
        self, systems: "SimulatedSystems", atoms: list[int] | None, periodic: bool
    ) -> None:
        self._systems = systems
        self._atoms = atoms
        self._periodic = periodic

    def __call__(self, state: Any) -> tuple[float, FloatArray]:
        """Return the energy (kJ/mol) and forces (N, 3) kJ/mol/nm of a state of these atoms."""
        found = self._predict(state.getPositions(asNumpy=True), state)
        scale = KJ_MOL_PER_EV * _ANGSTROM_PER_NM
        return float(found.energies[0]) * KJ_MOL_PER_EV, found.forces * scale

    def of_all(self, state: Any) -> "SystemsPrediction":
        """Return energies and forces of a state of all atoms of the System."""
        positions = state.getPositions(asNumpy=True)
        return self._predict(positions if self._atoms is None else positions[self._atoms], state)

    def _predict(self, positions: Any, state: Any) -> "SystemsPrediction":
        cells = _box(state.getPeriodicBoxVectors(asNumpy=True)) if self._periodic else None
        return self._systems.predict(positions.value_in_unit(unit.angstrom), cells)


class DisagreementReporter:
    """Writes how much the members of a committee disagree, for `Simulation.reporters`.

    Each line of the file has the step, the time (ps), the mean energy (eV) and the disagreement
    (kcal/mol over sqrt(atoms), as `Prediction.rho_kcal_mol`).

    Parameters
    ----------
    file : path
    reportInterval : int
        Steps from line to line.
    potential : MLPotential
        After it has made the System.
    """

    def __init__(self, file: str | Path, reportInterval: int, potential: Any) -> None:  # noqa: N803
        computation = potential._impl.computation
        if computation is None:
            raise InputError("make the System by the potential before its reporter")
        self._computation = computation
        self._interval = reportInterval
        self._file = Path(file).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115
        self._file.write("step,time_ps,energy_ev,rho_kcal_mol\n")

    def describeNextReport(self, simulation: Any) -> dict[str, Any]:  # noqa: N802
        """Say when and from what the next line is written."""
        left = self._interval - simulation.currentStep % self._interval
        return {"steps": left, "periodic": False, "include": ["positions"]}

    def report(self, simulation: Any, state: Any) -> None:
        """Write a line."""
        found = self._computation.of_all(state)
        time_ps = state.getTime().value_in_unit(unit.picosecond)
        self._file.write(
            f"{simulation.currentStep},{time_ps:.6g},{found.energies[0]:.6f},"
            f"{found.rho_kcal_mol[0]:.4f}\n"
        )


def _atomic_number(atom: Any) -> int:
    if atom.element is None:
        raise InputError(
            f"atom {atom.index + 1} ({atom.name}) of the topology has no element: leave it out of "
            f"what the potential describes"
        )
    return int(atom.element.atomic_number)


def _box(vectors: Iterable[Any]) -> FloatArray:
    """Return one box (1, 3, 3) Å, of three box vectors with units."""
    return np.array([[row.value_in_unit(unit.angstrom) for row in vectors]], dtype=np.float64)
