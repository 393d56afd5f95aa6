"""An architecture of a few lines: energies of elements and harmonic pairs, fitted by ridge.

Energy = sum of an energy for each atom + a r + b r^2 for each pair of atoms, with a and b for each
pair of elements. It is linear in its coefficients, so each member is one ridge regression, on a
draw of the data with replacement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, combinations_with_replacement
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from chemistry.errors import InputError
from chemistry.records.potential import Prediction, Replicas, replicas_of
from chemistry.records.structure import FloatArray, Structure
from model.calibration import Calibration
from model.checkpoint import Checkpoint, write_checkpoint
from model.protocol import (
    Architecture,
    Committee,
    MeanPrediction,
    TrainingRequest,
    TrainingResult,
)
from model.self_energies import element_counts, fit_self_energies
from model.settings import TrainingSettings
from model.structures import check_structures


class ToySettings(TrainingSettings):
    """How springs are fitted."""

    architecture: Literal["springs"] = Field(default="springs", description="Kind of potential.")
    ridge_ev2: float = Field(default=1e-6, gt=0, description="Weight of the coefficients' squares.")


@dataclass(frozen=True, kw_only=True, eq=False)
class ToyCommittee:
    """Coefficients of M members, (M, F) eV, of `features`; self-energies (E,) eV."""

    elements: tuple[int, ...]
    coefficients: FloatArray
    self_energies_ev: FloatArray
    level_id: str
    level_name: str
    record: Mapping[str, Any]
    states = ()

    @property
    def n_members(self) -> int:
        return len(self.coefficients)

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        check_structures(structures, self.elements)
        predictions = []
        for structure in structures:
            values, slopes = features(structure, self.elements)
            own = element_counts([structure], self.elements)[0] @ self.self_energies_ev
            forces = -np.einsum("mf,nkf->mnk", self.coefficients, slopes)
            if not np.isfinite(forces).all():
                raise InputError(f"structure {structure.structure_id}: two atoms coincide")
            predictions.append(
                Prediction(member_energies=self.coefficients @ values + own, member_forces=forces)
            )
        return predictions

    def predict_mean(self, structures: Sequence[Structure]) -> list[MeanPrediction]:
        return [
            MeanPrediction(member_energies=p.member_energies, forces=p.forces)
            for p in self.predict(structures)
        ]

    def replicas(self, structure: Structure) -> Replicas:
        check_structures([structure], self.elements)

        class Plain:
            predict = self.predict

        return replicas_of(Plain(), structure)

    def first(self, members: int) -> "ToyCommittee":
        return replace(self, coefficients=self.coefficients[:members])

    def calibrated(self, calibration: Calibration | None) -> "ToyCommittee":
        found = None if calibration is None else asdict(calibration)
        return replace(self, record={**self.record, "calibration": found})

    def save(self, path: Path) -> None:
        write_checkpoint(
            Checkpoint(
                architecture="springs",
                shape={"elements": self.elements},
                level_id=self.level_id,
                level_name=self.level_name,
                record=self.record,
                tensors={
                    "coefficients": self.coefficients,
                    "self_energies": self.self_energies_ev,
                },
            ),
            path,
        )


def features(structure: Structure, elements: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """Return sums of r and r^2 by pair of elements, (F,), and their slopes, (N, 3, F)."""
    pairs = list(combinations_with_replacement(sorted(elements), 2))
    values = np.zeros(2 * len(pairs))
    slopes = np.zeros((len(structure), 3, 2 * len(pairs)))
    numbers = structure.atomic_numbers.tolist()
    for i, j in combinations(range(len(structure)), 2):
        column = 2 * pairs.index(tuple(sorted((numbers[i], numbers[j]))))
        vector = structure.positions[i] - structure.positions[j]
        distance = np.linalg.norm(vector)
        with np.errstate(invalid="ignore"):
            direction = vector / distance
        for power in (1, 2):
            values[column + power - 1] += distance**power
            slope = power * distance ** (power - 1) * direction
            slopes[i, :, column + power - 1] += slope
            slopes[j, :, column + power - 1] -= slope
    return values, slopes


class Springs(Architecture):
    """Fitted at once: there are no epochs, and nothing to go on from."""

    name = "springs"
    settings = ToySettings
    ways: ClassVar[Mapping[str, str]] = {
        "scratch": "springs anew",
        "correct": "springs for the difference",
    }
    default_way = "correct"
    default_way_with_forces = "correct"

    def train(
        self, request: TrainingRequest, start: Committee | None = None
    ) -> TrainingResult[ToyCommittee]:
        elements = tuple(sorted(request.elements)) if start is None else start.elements
        return self._fitted(request, elements, None)

    def climb(
        self, request: TrainingRequest, below: Committee, way: str
    ) -> TrainingResult[ToyCommittee]:
        return self._fitted(request, below.elements, below if way == "correct" else None)

    def shifted(self, request: TrainingRequest, below: Any) -> ToyCommittee:
        structures = [row.structure for row in request.data]
        known = [p.energy for p in below.predict(structures)]
        missing = np.array([row.label.energy for row in request.data]) - known
        shift = fit_self_energies(structures, missing, below.elements)
        return replace(
            below,
            self_energies_ev=below.self_energies_ev + shift,
            level_id=request.level.level_id,
            level_name=request.level.name,
        )

    def load(self, checkpoint: Checkpoint, device: str) -> ToyCommittee:
        return ToyCommittee(
            elements=tuple(checkpoint.shape["elements"]),
            coefficients=checkpoint.tensors["coefficients"],
            self_energies_ev=checkpoint.tensors["self_energies"],
            level_id=checkpoint.level_id,
            level_name=checkpoint.level_name,
            record=checkpoint.record,
        )

    def _fitted(
        self, request: TrainingRequest, elements: tuple[int, ...], baseline: ToyCommittee | None
    ) -> TrainingResult[ToyCommittee]:
        """Fit every member to its draw of the data, less what the baseline predicts of them."""
        settings: Any = request.settings
        began = perf_counter()
        if not request.data:
            raise InputError("there is nothing to train on: label some structures first")
        rows = sorted(request.data, key=lambda row: row.structure.structure_id)
        if any(row.label.level_id != request.level.level_id for row in rows):
            raise InputError(f"a label is not of level {request.level.name}")
        structures = [row.structure for row in rows]
        check_structures(structures, elements)
        energies = np.array([row.label.energy for row in rows])
        own = fit_self_energies(structures, energies, elements)
        known = np.zeros((settings.members, len(elements) * (len(elements) + 1)))
        if baseline is not None:
            known = baseline.coefficients
        blocks = [
            _equations(row, elements, energy)
            for row, energy in zip(
                rows, energies - element_counts(structures, elements) @ own, strict=True
            )
        ]
        members = []
        for member in range(settings.members):
            draw = np.random.default_rng([request.seed, member]).integers(0, len(rows), len(rows))
            left = np.concatenate([blocks[i][0] for i in draw])
            right = np.concatenate([blocks[i][1] for i in draw]) - left @ known[member]
            square = left.T @ left + settings.ridge_ev2 * np.eye(left.shape[1])
            members.append(known[member] + np.linalg.solve(square, left.T @ right))
        committee = ToyCommittee(
            elements=elements,
            coefficients=np.array(members),
            self_energies_ev=own,
            level_id=request.level.level_id,
            level_name=request.level.name,
            record={"seed": request.seed, "n_structures": len(rows)},
        )
        return TrainingResult(
            committee=committee,
            members=(),
            n_structures=len(rows),
            n_with_forces=sum(row.label.forces is not None for row in rows),
            notes=(),
            seconds=perf_counter() - began,
        )


def _equations(row, elements, energy) -> tuple[FloatArray, FloatArray]:
    """Return the rows of a linear system: the energy, and the forces where there are some."""
    values, slopes = features(row.structure, elements)
    if row.label.forces is None:
        return values[None], np.array([energy])
    left = np.concatenate([values[None], -slopes.reshape(-1, len(values))])
    return left, np.concatenate([[energy], row.label.forces.ravel()])
