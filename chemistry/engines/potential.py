"""An engine as a Potential: Hessians and dynamics before a committee exists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from chemistry.engines.base import Engine
from chemistry.errors import InputError
from chemistry.records.label import LabelFailure
from chemistry.records.potential import MemberWeights, Prediction, Replicas, predicted_replicas
from chemistry.records.structure import FloatArray, Structure


@runtime_checkable
class MovingEngine(Protocol):
    """An engine that computes geometries without what a label needs besides."""

    def moved(self, structure: Structure, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return energies (R,) eV and forces (R, N, 3) eV/Å at (R, N, 3) Å; NaN: no answer."""
        ...


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

    def replicas(self, structure: Structure) -> Replicas:
        """Return what computes geometries of the molecule that a structure is one of."""
        if isinstance(self.engine, MovingEngine):
            return _MovedReplicas(self.engine, structure)
        return predicted_replicas(self, structure)

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


@dataclass(frozen=True)
class _MovedReplicas:
    """Replicas of an engine that need no labels: of small molecules the half of their cost."""

    engine: MovingEngine
    structure: Structure

    def predict_mean(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        energies, forces = self.engine.moved(self.structure, positions)
        return energies[:, None], forces

    def predict_weighted(
        self, positions: FloatArray, weigh: MemberWeights
    ) -> tuple[FloatArray, FloatArray]:
        energies, forces = self.predict_mean(positions)
        return energies, weigh(energies)[:, :, None] * forces
