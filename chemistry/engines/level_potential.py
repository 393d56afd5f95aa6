"""A level of theory as the potential of a molecule: what a committee is held against."""

from collections.abc import Sequence

import numpy as np

from chemistry.engines.base import Engine
from chemistry.engines.differences import forces_by_differences, hessian_by_differences
from chemistry.errors import InputError
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LevelOfTheory
from chemistry.records.potential import Prediction
from chemistry.records.structure import FloatArray, Structure

MOST_ATOMS_WITHOUT_FORCES = 12
"""Beyond, one step of a relaxation takes 66 energies, which only a level with forces can afford."""


class LevelPotential:
    """One member that computes; forces that the level does not give come from differences.

    No geometry is computed twice.

    Parameters
    ----------
    level : LevelOfTheory
    engine : Engine
        Of that level.
    """

    n_members = 1

    def __init__(self, level: LevelOfTheory, engine: Engine) -> None:
        self.level_name = level.name
        self._engine = engine
        self._labels: dict[bytes, Label] = {}

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        """Return one single-member Prediction for each structure, in order.

        Raises
        ------
        InputError
            A structure cannot be computed, or has too many atoms for forces by differences.
        """
        return [self._predict(structure) for structure in structures]

    def energy(self, structure: Structure) -> float:
        """Return the energy in eV; raises InputError where there is none."""
        return self._label(structure).energy

    def hessian(self, structure: Structure) -> FloatArray | None:
        """Return the Hessian at rest, (3N, 3N) eV/Å², by second differences of energies.

        None where labels have forces, whose first differences are the better way.
        Raises InputError as `predict` does.
        """
        if self._label(structure).forces is not None:
            return None
        self._require_few_atoms(structure)
        return hessian_by_differences(self.energy, structure)

    def _predict(self, structure: Structure) -> Prediction:
        label = self._label(structure)
        forces = label.forces
        if forces is None:
            self._require_few_atoms(structure)
            forces = forces_by_differences(self.energy, structure)
        return Prediction(member_energies=np.array([label.energy]), member_forces=forces[None])

    def _label(self, structure: Structure) -> Label:
        # Differences need what a structure_id rounds away: the positions to the last bit.
        key = structure.structure_id.encode() + structure.positions.tobytes()
        if key not in self._labels:
            label = self._engine.label(structure)
            if isinstance(label, LabelFailure):
                raise InputError(label.message)
            self._labels[key] = label
        return self._labels[key]

    def _require_few_atoms(self, structure: Structure) -> None:
        if len(structure) > MOST_ATOMS_WITHOUT_FORCES:
            raise InputError(
                f"{self.level_name} gives no forces, and {len(structure)} atoms are too many to "
                f"have them by differences of energies ({MOST_ATOMS_WITHOUT_FORCES} at most): "
                "take a level with forces"
            )
