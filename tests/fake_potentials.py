"""Potentials with known answers for tests of samplers; none of them is a model."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chemistry.records.potential import Prediction
from chemistry.records.structure import FloatArray, Structure, interatomic_distances


@dataclass
class Springs:
    """A spring between each two atoms, at rest in one structure; one member.

    Parameters
    ----------
    rest : Structure
    stiffness : float, eV/Å²
    """

    rest: Structure
    stiffness: float = 20.0
    calls: list[int] = field(default_factory=list)
    """How many structures each call of `predict` was given."""

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        self.calls.append(len(structures))
        return [self._predict(structure.positions) for structure in structures]

    def _predict(self, positions: FloatArray) -> Prediction:
        difference = positions[:, None] - positions[None]
        distances = interatomic_distances(positions)
        stretch = distances - interatomic_distances(self.rest.positions)
        np.fill_diagonal(distances, 1.0)
        forces = -self.stiffness * (stretch / distances)[:, :, None] * difference
        return Prediction(
            member_energies=np.array([0.25 * self.stiffness * (stretch**2).sum()]),
            member_forces=forces.sum(axis=1)[None],
        )


@dataclass
class Wells:
    """Each atom in a harmonic well of its own; one member. Not invariant under translation."""

    centres: FloatArray
    stiffness: float = 5.0

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        shifts = [structure.positions - self.centres for structure in structures]
        return [
            Prediction(
                member_energies=np.array([0.5 * self.stiffness * (shift**2).sum()]),
                member_forces=-self.stiffness * shift[None],
            )
            for shift in shifts
        ]


@dataclass
class FakeCommittee:
    """Two members that differ in energy the more, the more the shape differs.

    Parameters
    ----------
    mean : Springs
        Mean energy and forces; where it is at rest the members agree.
    disagreement : float, eV/Å
        Difference of the two energies for 1 Å of root-mean-square change of distances.
    force_disagreement : float, eV/Å
        Difference of each force component.
    """

    mean: Springs
    disagreement: float = 1.0
    force_disagreement: float = 0.0

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        rest = interatomic_distances(self.mean.rest.positions)
        predictions = []
        for structure, mean in zip(structures, self.mean.predict(structures), strict=True):
            change = interatomic_distances(structure.positions) - rest
            half = 0.5 * self.disagreement * float(np.sqrt((change**2).mean()))
            predictions.append(
                Prediction(
                    member_energies=mean.member_energies[0] + np.array([half, -half]),
                    member_forces=mean.member_forces
                    + 0.5 * self.force_disagreement * np.array([1.0, -1.0])[:, None, None],
                )
            )
        return predictions


@dataclass
class Defiant:
    """A method that does not converge where an atom's coordinate exceeds a bound; one member."""

    mean: Springs
    beyond_angstrom: float

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        return [
            Prediction.not_computed(len(structure))
            if structure.positions.max() > self.beyond_angstrom
            else prediction
            for structure, prediction in zip(structures, self.mean.predict(structures), strict=True)
        ]
