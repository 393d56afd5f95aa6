"""A committee as programs that simulate use it: checked before the first step, watched at each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from chemistry.errors import InputError, TooUncertain
from chemistry.records.structure import FloatArray, IntArray, Structure
from model.committees import load_committee
from model.protocol import Committee
from model.systems import Precision, Systems, SystemsPrediction, in_precision, systems_of


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedSystems:
    """Systems that a program moves.

    Attributes
    ----------
    systems : Systems
    max_rho_kcal_mol : float or None
        The disagreement on a system, over sqrt(atoms), at which a simulation ends.
    """

    systems: Systems
    max_rho_kcal_mol: float | None

    def check_cells(self, cells: FloatArray) -> None:
        """Raise InputError for boxes (B, 3, 3) Å that cannot be computed."""
        self.systems.check_cells(cells)

    def predict(self, positions: FloatArray, cells: FloatArray | None = None) -> SystemsPrediction:
        """Return energies and mean forces at positions (A, 3) Å in boxes (B, 3, 3) Å, or in none.

        Raises
        ------
        InputError
            As `model.systems.Systems.predict_mean`.
        TooUncertain
            The members disagree by more than they are allowed to.
        """
        found = self.systems.predict_mean(positions, cells)
        if self.max_rho_kcal_mol is not None:
            rho = found.rho_kcal_mol
            worst = int(rho.argmax())
            if rho[worst] > self.max_rho_kcal_mol:
                raise TooUncertain(
                    f"the committee disagrees on system {worst + 1} by {rho[worst]:.3f} kcal/mol "
                    f"over sqrt(atoms), and {self.max_rho_kcal_mol:g} is allowed: it has not "
                    f"learned such structures, so label some of them and train again"
                )
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedPotential:
    """A committee, and what a simulation with it is allowed to.

    Attributes
    ----------
    committee : Committee
    max_rho_kcal_mol : float or None
        As in `SimulatedSystems`.
    """

    committee: Committee
    max_rho_kcal_mol: float | None = None

    @classmethod
    def read(
        cls,
        potential: Committee | str | Path,
        *,
        precision: Precision | None = None,
        device: str = "cpu",
        max_disagreement_kcal_mol: float | None = None,
    ) -> Self:
        """Read a checkpoint for a simulation.

        Parameters
        ----------
        potential : Committee, or path of a checkpoint
        precision : "single", "double" or None
            Of the networks; None: as the checkpoint has it, which is single.
        device : str
            Where it computes.
        max_disagreement_kcal_mol : float or None
            `max_rho_kcal_mol` of `SimulatedSystems`.

        Raises
        ------
        InputError
            It cannot be read, or cannot disagree.
        """
        committee = (
            load_committee(Path(potential), device)
            if isinstance(potential, str | Path)
            else potential
        )
        if max_disagreement_kcal_mol is not None and committee.n_members < 2:
            raise InputError("a single member cannot disagree: set no largest disagreement")
        return cls(
            committee=in_precision(committee, precision),
            max_rho_kcal_mol=max_disagreement_kcal_mol,
        )

    def systems(
        self, atomic_numbers: Sequence[IntArray], *, charge: int = 0, multiplicity: int = 1
    ) -> SimulatedSystems:
        """Return what computes systems of molecules.

        Parameters
        ----------
        atomic_numbers : sequence of (N,) int
            Of the atoms of each system.
        charge, multiplicity : int
            Of each system as a whole.

        Raises
        ------
        InputError
            The committee does not know an element, or a state.
        """
        # Where the atoms are comes with each step: here they are but apart.
        structures = [
            Structure(
                atomic_numbers=numbers,
                positions=np.arange(3.0 * len(numbers)).reshape(-1, 3),
                charge=charge,
                multiplicity=multiplicity,
            )
            for numbers in atomic_numbers
        ]
        return SimulatedSystems(
            systems=systems_of(self.committee, structures), max_rho_kcal_mol=self.max_rho_kcal_mol
        )
