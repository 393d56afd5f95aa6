"""Langevin dynamics that stops where the committee disagrees."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Threshold
from chemistry.records.structure import Structure
from chemistry.sampling.base import Offer, Sample, SamplerSettings
from chemistry.sampling.bias import DisagreementBias
from chemistry.sampling.ensemble import Ensemble
from chemistry.sampling.langevin import BAOAB
from chemistry.units import EV_PER_KCAL_MOL


class Dynamics(SamplerSettings):
    """Langevin trajectories, each heated along a ramp of temperature.

    With a threshold each trajectory ends at the first structure over it, which is offered (Smith
    et al., doi:10.1063/1.5023802). Without one, frames at regular spacing are offered. All
    trajectories of all starts advance together. They follow the mean forces, which come with the
    energy of every member: these are judged at each step. The forces of every member cost as much
    as several steps: they are asked for where they are judged or offered.

    A trajectory that explodes or whose molecule falls apart ends. With a threshold the structure
    one step before it is offered, however sure the committee is of it.
    """

    kind: str
    temperature_k: tuple[PositiveFloat, PositiveFloat] = Field(
        default=(300.0, 1000.0), description="First and last temperature; linear in between."
    )
    timestep_fs: float = Field(default=0.5, gt=0, le=5, description="Time step.")
    steps: int = Field(default=2000, ge=1, description="Steps of a trajectory, at most.")
    friction_per_fs: float = Field(default=0.02, ge=0, description="Friction; 0: no thermostat.")
    trajectories: int = Field(
        default=8, ge=1, description="Trajectories in all, begun from the starts in turn."
    )
    judge_every: int = Field(
        default=5,
        ge=1,
        description="Steps from one judgement of the forces to the next, where they have a "
        "threshold; energies are judged at every step.",
    )
    frames: int = Field(
        default=5,
        ge=1,
        description="Structures taken from each trajectory, at regular spacing, where there is no "
        "threshold (initial and held-out sets).",
    )
    max_energy_ev_per_atom: float = Field(
        default=1.0,
        gt=0,
        description="A trajectory whose potential and kinetic energy exceed the start's potential "
        "energy by more has exploded and ends.",
    )
    max_temperature_k: float = Field(
        default=5000.0,
        gt=0,
        description="A trajectory whose kinetic energy is that of a higher temperature has fallen "
        "into a hole of the potential and ends.",
    )

    @model_validator(mode="after")
    def _frames_within_steps(self) -> Self:
        if self.frames > self.steps:
            raise ValueError(f"{self.frames} frames do not fit into {self.steps} steps")
        return self

    def sample(
        self,
        molecule: Molecule,
        starts: Sequence[Structure],
        potential: Potential,
        *,
        seed: int,
        threshold: Threshold | None = None,
    ) -> Sample:
        """Return first structures over the threshold; see `chemistry.sampling.base.Sampler`."""
        # RDKit is loaded here: whoever only reads settings need not wait for it.
        from chemistry.geometries.rdkit_bridge import geometry_rules

        if not starts or len(starts[0]) == 1:  # an atom has one geometry only
            return Sample(offers=())
        ensemble = Ensemble(
            integrator=BAOAB(
                masses=starts[0].masses,
                timestep_fs=self.timestep_fs,
                friction_per_fs=self.friction_per_fs,
            ),
            rules=geometry_rules(molecule),
            starts=starts,
            trajectories=self.trajectories,
            potential=potential,
            temperature_k=self.temperature_k[0],
            max_energy_ev_per_atom=self.max_energy_ev_per_atom,
            max_temperature_k=self.max_temperature_k,
            bias=self._bias(len(starts[0]), threshold),
            sampler=self.kind,
            seed=seed,
        )
        frame_steps = {round(k * self.steps / self.frames) for k in range(1, self.frames + 1)}
        offers: list[Offer] = []
        over_threshold = 0
        for step in range(1, self.steps + 1):
            if not len(ensemble):
                break
            temperature_k = self._temperature_k(step)
            ensemble.advance(temperature_k)
            when = f"after {step * self.timestep_fs:g} fs at {temperature_k:.0f} K"
            if threshold is not None:
                with_forces = step % self.judge_every == 0 or step == self.steps
                over = ensemble.over(threshold, with_forces=with_forces)
                offers += ensemble.stop(over, f"first over the threshold {when}")
                offers += ensemble.last_sane(when)
                over_threshold += int(over.sum())
            elif step in frame_steps:
                offers += ensemble.offers(f"Langevin dynamics {when}")
        return Sample(
            offers=tuple(offers),
            judged=0 if threshold is None else over_threshold + len(ensemble),
            over_threshold=over_threshold,
            rejected=dict(+ensemble.rejected),
        )

    def _bias(self, n_atoms: int, threshold: Threshold | None) -> DisagreementBias | None:  # noqa: ARG002
        """Return what trajectories follow beside the mean of the members."""
        return None

    def _temperature_k(self, step: int) -> float:
        first, last = self.temperature_k
        return first + (last - first) * step / self.steps


class LangevinDynamics(Dynamics):
    """Langevin trajectories on the mean of the members."""

    kind: Literal["langevin"] = "langevin"


class BiasedDynamics(Dynamics):
    """Langevin trajectories that a bias along the members' disagreement draws to where it is large.

    Where the committee is sure they go as without bias, and without a threshold (a first or a
    held-out set) there is none. A step takes as long as without bias. See `chemistry.sampling.bias`
    for the formula and its source.
    """

    kind: Literal["biased_langevin"] = "biased_langevin"
    amplitude_kcal_mol_per_atom: float = Field(
        default=1.0,
        gt=0,
        description="By how much the bias lowers the energy for each atom, at most.",
    )
    width_kcal_mol: float | None = Field(
        default=None,
        gt=0,
        description="Disagreement / sqrt(atoms) at which the bias pulls hardest; default: the "
        "threshold's.",
    )

    def _bias(self, n_atoms: int, threshold: Threshold | None) -> DisagreementBias | None:
        if threshold is None:
            return None
        width = self.width_kcal_mol or threshold.rho_kcal_mol
        return DisagreementBias(
            amplitude_ev=self.amplitude_kcal_mol_per_atom * n_atoms * EV_PER_KCAL_MOL,
            width_ev=width * EV_PER_KCAL_MOL,
            n_atoms=n_atoms,
        )


class AnchorDynamics(Dynamics):
    """Langevin trajectories at room temperature: what dynamics with a potential will see."""

    kind: Literal["anchor_langevin"] = "anchor_langevin"
    temperature_k: tuple[PositiveFloat, PositiveFloat] = Field(
        default=(300.0, 300.0), description="First and last temperature; linear in between."
    )
    steps: int = Field(default=1000, ge=1, description="Steps of a trajectory, at most.")
    trajectories: int = Field(
        default=4, ge=1, description="Trajectories in all, begun from the starts in turn."
    )
