"""Langevin dynamics that stops where the committee disagrees."""

from collections import Counter
from collections.abc import Sequence
from itertools import compress, cycle
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat, model_validator

from chemistry.geometry import GeometryRules
from chemistry.molecule import Molecule
from chemistry.potential import (
    Potential,
    Prediction,
    Threshold,
    disagreements_kcal_mol,
    replicas_of,
)
from chemistry.sampling.base import Offer, Sample, SamplerSettings
from chemistry.sampling.judging import disagreement
from chemistry.sampling.langevin import BAOAB, kinetic_energies, thermal_speeds
from chemistry.structure import FloatArray, Origin, Structure


class LangevinDynamics(SamplerSettings):
    """Trajectories on the potential's mean forces, each heated along a ramp of temperature.

    With a threshold each trajectory ends at the first structure over it, which is offered (Smith
    et al., doi:10.1063/1.5023802). Without one, frames at regular spacing are offered. All
    trajectories of all starts advance together. They follow the mean forces, which come with the
    energy of every member: these are judged at each step. The forces of every member cost as much
    as several steps: they are asked for where they are judged or offered.
    """

    kind: Literal["langevin"] = "langevin"
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
        "energy by more has exploded and ends without an offer.",
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
        from chemistry.rdkit_bridge import geometry_rules

        if not starts or len(starts[0]) == 1:  # an atom has one geometry only
            return Sample(offers=())
        ensemble = _Ensemble(self, geometry_rules(molecule), starts, potential, seed)
        frame_steps = {round(k * self.steps / self.frames) for k in range(1, self.frames + 1)}
        offers: list[Offer] = []
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
            elif step in frame_steps:
                offers += ensemble.offers(f"Langevin dynamics {when}")
        stopped = 0 if threshold is None else len(offers)
        return Sample(
            offers=tuple(offers),
            judged=0 if threshold is None else stopped + len(ensemble),
            over_threshold=stopped,
            rejected=dict(+ensemble.rejected),
        )

    def _temperature_k(self, step: int) -> float:
        first, last = self.temperature_k
        return first + (last - first) * step / self.steps


class _Ensemble:
    """The trajectories that are still going; row r of every array belongs to trajectory r."""

    def __init__(
        self,
        settings: LangevinDynamics,
        rules: GeometryRules,
        starts: Sequence[Structure],
        potential: Potential,
        seed: int,
    ) -> None:
        self.rejected: Counter[str] = Counter()
        self._rules = rules
        self._potential = potential
        self._integrator = BAOAB(
            masses=starts[0].masses,
            timestep_fs=settings.timestep_fs,
            friction_per_fs=settings.friction_per_fs,
        )
        self._energy_limit = settings.max_energy_ev_per_atom * len(starts[0])  # eV
        # A seed each: a trajectory is a block of its own (see `Origin.block`), and what happens to
        # one does not change the noise of another.
        seeds = np.random.default_rng(seed).integers(2**31, size=settings.trajectories).tolist()
        self._begun = [
            start.moved_to(
                start.positions,
                Origin(sampler=settings.kind, parent_id=start.structure_id, seed=own_seed),
            )
            for own_seed, start in zip(seeds, cycle(starts), strict=False)
        ]
        self._replicas = replicas_of(potential, starts[0])
        self._generators = [np.random.default_rng(own_seed) for own_seed in seeds]
        self._positions = np.array([s.positions for s in self._begun])  # (R, N, 3)
        speeds = thermal_speeds(self._integrator.masses, settings.temperature_k[0])
        self._velocities = speeds[:, None] * self._noise()  # (R, N, 3)
        self._forces = np.zeros_like(self._positions)  # (R, N, 3)
        self._member_energies = np.zeros((len(self._begun), 1))  # (R, M)
        self._start_energies = np.zeros(len(self._begun))  # (R,)
        self._keep_sane()
        self._compute()
        self._start_energies = self._energies
        self._keep_computed()

    def __len__(self) -> int:
        return len(self._begun)

    @property
    def _energies(self) -> FloatArray:
        return np.asarray(self._member_energies.mean(axis=1))

    def advance(self, temperature_k: float) -> None:
        """Take one step; trajectories that went wrong end and are counted as rejected."""
        self._positions, self._velocities = self._integrator.drift(
            self._positions, self._velocities, self._forces, self._noise(), temperature_k
        )
        self._keep_sane()
        self._compute()
        self._keep_computed()
        self._velocities = self._integrator.kick(self._velocities, self._forces)
        self._keep_bound()

    def over(self, threshold: Threshold, *, with_forces: bool) -> npt.NDArray[np.bool_]:
        """Hold what all trajectories are at now against the threshold, (R,)."""
        rho = disagreements_kcal_mol(self._member_energies, self._positions.shape[1])
        over = np.array([threshold.is_exceeded(one, 0.0) for one in rho.tolist()], dtype=np.bool_)
        if with_forces and threshold.force_sigma_kcal_mol_angstrom is not None:
            rows = np.flatnonzero(~over)
            over[rows] = [threshold.exceeded_by(p) for p in self._predict(rows)]
        return over

    def offers(self, reason: str) -> list[Offer]:
        """Offer the structures where all trajectories are now."""
        rows = np.arange(len(self))
        return [
            Offer(structure=structure, prediction=prediction, reason=reason)
            for structure, prediction in zip(
                self._structures(rows), self._predict(rows), strict=True
            )
        ]

    def stop(self, ends: npt.NDArray[np.bool_], reason: str) -> list[Offer]:
        """End some of the trajectories and offer the structures where they are now."""
        rows = np.flatnonzero(ends)
        offers = [
            Offer(
                structure=structure,
                prediction=prediction,
                reason=f"{reason}, {disagreement(prediction)}",
            )
            for structure, prediction in zip(
                self._structures(rows), self._predict(rows), strict=True
            )
        ]
        self._keep(~ends)
        return offers

    def _noise(self) -> FloatArray:
        shape = self._positions.shape[1:]
        return np.array([g.standard_normal(shape) for g in self._generators]).reshape(-1, *shape)

    def _structures(self, rows: npt.NDArray[np.intp]) -> list[Structure]:
        return [
            self._begun[row].moved_to(self._positions[row], self._begun[row].origin) for row in rows
        ]

    def _predict(self, rows: npt.NDArray[np.intp]) -> list[Prediction]:
        return self._potential.predict(self._structures(rows)) if len(rows) else []

    def _compute(self) -> None:
        """Compute energies and forces where the atoms are now."""
        if len(self):
            self._member_energies, self._forces = self._replicas.predict_mean(self._positions)

    def _keep_sane(self) -> None:
        """End trajectories whose atoms clash or whose bonds are not those of the molecule."""
        faults = self._rules.faults(self._positions)
        self.rejected.update(str(fault.reason) for fault in faults if fault)
        self._keep(np.array([fault is None for fault in faults], dtype=np.bool_))

    def _keep_computed(self) -> None:
        """End trajectories where the potential has no answer."""
        computed = np.isfinite(self._energies)
        self.rejected["not_computed"] += int((~computed).sum())
        self._keep(computed)

    def _keep_bound(self) -> None:
        """End trajectories that gained more energy than a thermostat gives."""
        kinetic = kinetic_energies(self._integrator.masses, self._velocities)
        bound = self._energies + kinetic - self._start_energies <= self._energy_limit
        self.rejected["energy"] += int((~bound).sum())
        self._keep(bound)

    def _keep(self, rows: npt.NDArray[np.bool_]) -> None:
        if rows.all():
            return
        self._positions = self._positions[rows]
        self._velocities = self._velocities[rows]
        self._forces = self._forces[rows]
        self._member_energies = self._member_energies[rows]
        self._start_energies = self._start_energies[rows]
        self._generators = list(compress(self._generators, rows))
        self._begun = list(compress(self._begun, rows))
