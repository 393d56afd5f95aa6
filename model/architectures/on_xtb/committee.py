"""A committee on top of GFN2-xTB: members disagree about what is above it alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chemistry.errors import InputError
from chemistry.records.potential import MemberWeights, Prediction, Replicas
from chemistry.records.structure import FloatArray, Structure
from model.architectures.ani.committee import AniCommittee
from model.architectures.on_xtb.baseline import beneath, beneath_at
from model.architectures.on_xtb.settings import NAME
from model.architectures.on_xtb.systems import OnXtbSystems
from model.calibration import Calibration
from model.checkpoint import write_checkpoint
from model.protocol import MeanPrediction
from model.states import State
from model.systems import Precision


@dataclass(frozen=True, kw_only=True, eq=False)
class OnXtbCommittee:
    """A `model.protocol.Committee` whose energies and forces are networks' plus GFN2-xTB's.

    Attributes
    ----------
    networks : AniCommittee
        Of what its level of theory is above GFN2-xTB.
    """

    networks: AniCommittee

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that it knows."""
        return self.networks.elements

    @property
    def states(self) -> tuple[State, ...]:
        """States that it was made for."""
        return self.networks.states

    @property
    def n_members(self) -> int:
        """Number of members."""
        return self.networks.n_members

    @property
    def level_id(self) -> str:
        """The level of theory of the sum."""
        return self.networks.level_id

    @property
    def level_name(self) -> str:
        """What people call that level."""
        return self.networks.level_name

    @property
    def record(self) -> Mapping[str, Any]:
        """How it came about, as JSON."""
        return self.networks.record

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        """Return energies and forces of every member, in order.

        `Prediction.not_computed` where GFN2-xTB does not converge. Raises InputError as
        `AniCommittee.predict` does.
        """
        above = self.networks.predict(structures)
        return [
            Prediction(
                member_energies=own.member_energies + below.energy,
                member_forces=own.member_forces + below.forces,
            )
            if below.is_computed
            else below
            for own, below in zip(above, beneath(structures), strict=True)
        ]

    def predict_mean(self, structures: Sequence[Structure]) -> list[MeanPrediction]:
        """Return energies of every member but only the mean forces.

        Raises
        ------
        InputError
            As `AniCommittee.predict` does, or GFN2-xTB does not converge.
        """
        above, found = self.networks.predict_mean(structures), []
        for structure, own, below in zip(structures, above, beneath(structures), strict=True):
            if not below.is_computed:
                raise InputError(
                    f"GFN2-xTB does not converge for structure {structure.structure_id}, and this "
                    f"potential stands on it: try another geometry"
                )
            found.append(
                MeanPrediction(
                    member_energies=own.member_energies + below.energy,
                    forces=own.forces + below.forces,
                )
            )
        return found

    def replicas(self, structure: Structure) -> "OnXtbReplicas":
        """Return what computes energies and mean forces of one molecule's geometries.

        Raises InputError for an element or a state that the committee does not know.
        """
        return OnXtbReplicas(above=self.networks.replicas(structure), structure=structure)

    def in_precision(self, precision: Precision) -> "OnXtbCommittee":
        """Return the same committee whose networks compute in single or double precision."""
        return OnXtbCommittee(networks=self.networks.in_precision(precision))

    def systems(self, structures: Sequence[Structure]) -> OnXtbSystems:
        """Return what computes systems of which each structure is one geometry.

        Raises InputError for an element or a state that the committee does not know.
        """
        return OnXtbSystems(above=self.networks.systems(structures), structures=tuple(structures))

    def first(self, members: int) -> "OnXtbCommittee":
        """Return the committee of the first members alone."""
        return OnXtbCommittee(networks=self.networks.first(members))

    def calibrated(self, calibration: Calibration | None) -> "OnXtbCommittee":
        """Return the same committee whose record says how its errors go with its disagreement."""
        return OnXtbCommittee(networks=self.networks.calibrated(calibration))

    def save(self, path: Path) -> None:
        """Write a checkpoint: that of the networks under the name of this architecture."""
        write_checkpoint(replace(self.networks.checkpoint, architecture=NAME), path)


@dataclass(frozen=True, kw_only=True, eq=False)
class OnXtbReplicas:
    """Geometries of one molecule by networks and GFN2-xTB.

    Attributes
    ----------
    above : Replicas
        By the networks.
    structure : Structure
        One geometry of the molecule.
    """

    above: Replicas
    structure: Structure

    def predict_mean(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return members' energies (R, M) eV and mean forces (R, N, 3) eV/Å at (R, N, 3) Å.

        NaN where networks or GFN2-xTB have no answer.
        """
        return self._with_baseline(self.above.predict_mean(positions), positions)

    def predict_weighted(
        self, positions: FloatArray, weigh: MemberWeights
    ) -> tuple[FloatArray, FloatArray]:
        """Return what `predict_mean` does with the weighted sum of the members' forces."""
        return self._with_baseline(self.above.predict_weighted(positions, weigh), positions)

    def _with_baseline(
        self, found: tuple[FloatArray, FloatArray], positions: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        (energies, forces), (below, pull) = found, beneath_at(self.structure, positions)
        return energies + below[:, None], forces + pull
