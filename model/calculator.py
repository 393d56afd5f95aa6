"""The committee as an ASE calculator."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray, Structure
from model.committees import load_committee
from model.conformal import force_deviations
from model.intervals import half_width, intervals_of
from model.protocol import Committee
from model.states import State
from model.systems import Systems, systems_of


class CommitteeCalculator(Calculator):  # type: ignore[misc]  # ASE has no types
    """Mean energy and forces of a committee, for ASE.

    `results` also holds the disagreement: `energy_sigma` (eV), `rho_kcal_mol` (the sample standard
    deviation over sqrt(N)) and `force_sigma_kcal_mol_angstrom` (of the worst atom); and, where the
    checkpoint knows them, half the widths of intervals that hold nine of ten errors
    (`model.intervals`): `energy_interval` (eV), and `force_interval` (N,) eV/Å, how far the vector
    of each atom's force may be off.

    In a periodic box, twice as wide as the cutoff at least, `results` has the stress, and nothing
    of the disagreement on forces.

    Parameters
    ----------
    committee : Committee, or path of a checkpoint
    charge, multiplicity : int or None
        Of the molecule; None takes `atoms.info["charge"]` and `atoms.info["multiplicity"]`. Without
        any of them it is in the state of a committee that knows one alone, else a neutral singlet.
    molecule_id : str or None
        Which molecule it is, where that is known; else it counts as one never seen, whose
        intervals are wider.
    force_disagreement : bool
        False leaves out `force_sigma_kcal_mol_angstrom` and `force_interval`: without the forces of
        each member a step takes less time.

    Examples
    --------
    >>> from model import CommitteeCalculator
    >>> atoms.calc = CommitteeCalculator("runs/water/models/committee.safetensors")
    >>> atoms.get_potential_energy()
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self,
        committee: Committee | str | Path,
        *,
        charge: int | None = None,
        multiplicity: int | None = None,
        molecule_id: str | None = None,
        force_disagreement: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.committee = (
            load_committee(Path(committee)) if isinstance(committee, str | Path) else committee
        )
        self._charge, self._multiplicity = charge, multiplicity
        self._state: State | None = None
        self._force_disagreement = force_disagreement
        self._systems: tuple[tuple[bytes, State], Systems] | None = None
        intervals = intervals_of(self.committee.record)
        self._factors = None if intervals is None else intervals.of_molecule(molecule_id)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """Return what has changed since the last call: charge and multiplicity are among it."""
        changes: list[str] = super().check_state(atoms, tol)
        return changes if self._state == self._state_of(atoms) else [*changes, "state"]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,  # noqa: ARG002 (energy and forces come together)
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy, forces and disagreement.

        Raises
        ------
        InputError
            What `Committee.predict` refuses, or a box that is periodic in some directions alone or
            less than twice as wide as the cutoff.
        """
        super().calculate(atoms, ["energy"], system_changes)
        self._state = self._state_of(self.atoms)
        structure = Structure(
            atomic_numbers=self.atoms.get_atomic_numbers(),
            positions=self.atoms.get_positions(),
            charge=self._state[0],
            multiplicity=self._state[1],
        )
        if self._force_disagreement and not self.atoms.pbc.any():
            self.results = self._of_all_members(structure)
        else:
            self.results = self._of_the_mean(structure)

    def _of_all_members(self, structure: Structure) -> dict[str, Any]:
        [prediction] = self.committee.predict([structure])
        if not prediction.is_computed:
            raise InputError(f"the potential has no answer for structure {structure.structure_id}")
        results = self._energies(prediction.member_energies, prediction.rho_kcal_mol)
        results["forces"] = prediction.forces
        if self.committee.n_members > 1:
            sigma = prediction.force_sigma_kcal_mol_angstrom
            results["force_sigma_kcal_mol_angstrom"] = sigma
            if self._factors is not None and self._factors.force is not None:
                deviations = force_deviations(prediction.member_forces)
                results["force_interval"] = half_width(deviations, self._factors.force)
        return results

    def _of_the_mean(self, structure: Structure) -> dict[str, Any]:
        cells = None
        if self.atoms.pbc.any():
            if not self.atoms.pbc.all():
                raise InputError(
                    "the box is periodic in some directions alone: set atoms.pbc to one"
                )
            cells = np.array(self.atoms.cell[:], dtype=np.float64)[None]
        found = self._systems_of(structure).predict_mean(structure.positions, cells)
        results = self._energies(found.member_energies[0], float(found.rho_kcal_mol[0]))
        results["forces"] = found.forces
        if found.strain_derivatives is not None:
            stress = found.strain_derivatives[0] / self.atoms.get_volume()
            results["stress"] = full_3x3_to_voigt_6_stress(stress)
        return results

    def _energies(self, members_ev: FloatArray, rho_kcal_mol: float) -> dict[str, Any]:
        """Return what is told of energies (M,) of one structure."""
        energy = float(members_ev.mean())
        results: dict[str, Any] = {"energy": energy, "free_energy": energy}
        if self.committee.n_members > 1:
            sigma = float(members_ev.std(ddof=1))
            results |= {"energy_sigma": sigma, "rho_kcal_mol": rho_kcal_mol}
            if self._factors is not None and self._factors.energy is not None:
                results["energy_interval"] = half_width(sigma, self._factors.energy)
        return results

    def _systems_of(self, structure: Structure) -> Systems:
        """Return what computes these atoms in this state, of the last call where it is the same."""
        asked = (structure.atomic_numbers.tobytes(), (structure.charge, structure.multiplicity))
        if self._systems is None or self._systems[0] != asked:
            self._systems = asked, systems_of(self.committee, [structure])
        return self._systems[1]

    def _state_of(self, atoms: Atoms) -> State:
        charge = _whole_number(atoms, "charge") if self._charge is None else self._charge
        multiplicity = self._multiplicity or _whole_number(atoms, "multiplicity")
        if charge is None and multiplicity is None and len(self.committee.states) == 1:
            return self.committee.states[0]
        return charge or 0, multiplicity or 1


def _whole_number(atoms: Atoms, key: str) -> int | None:
    value = atoms.info.get(key)
    if value is None:
        return None
    try:
        if float(value) == int(value):
            return int(value)
    except (TypeError, ValueError):
        pass
    raise InputError(f"atoms.info[{key!r}] is {value!r}: give a whole number")
