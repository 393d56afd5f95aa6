"""An engine as a Potential: Hessians and dynamics before a committee exists."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chemistry.engines.base import Engine
from chemistry.errors import InputError
from chemistry.records.label import LabelFailure
from chemistry.records.potential import Prediction
from chemistry.records.structure import Structure


@dataclass(frozen=True)
class EnginePotential:
    """A committee of one member that computes: `EnginePotential(TBLiteEngine(level, resources))`.

    Its predictions know no disagreement: `Prediction.rho_kcal_mol` of one member raises.
    """

    engine: Engine

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        """Return one single-member Prediction for each structure, in order.

        Raises
        ------
        InputError
            The engine refuses a structure or its level has no forces. What does not converge is
            `Prediction.not_computed`.
        """
        return [self._predict(structure) for structure in structures]

    def _predict(self, structure: Structure) -> Prediction:
        label = self.engine.label(structure)
        if isinstance(label, LabelFailure):
            if label.kind == "convergence":
                return Prediction.not_computed(len(structure))
            raise InputError(label.message)
        if label.forces is None:
            raise InputError(f"engine {self.engine.name} gives no forces at level {label.level_id}")
        return Prediction(
            member_energies=np.array([label.energy]), member_forces=label.forces[None]
        )
