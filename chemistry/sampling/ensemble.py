"""Trajectories of one molecule that advance together, and end where they are not to be believed."""

from collections import Counter
from collections.abc import Sequence
from itertools import compress, cycle

import numpy as np
import numpy.typing as npt

from chemistry.geometries.geometry import GeometryRules
from chemistry.records.potential import (
    Potential,
    Prediction,
    Threshold,
    disagreements_kcal_mol,
    replicas_of,
)
from chemistry.records.structure import FloatArray, Origin, Structure
from chemistry.sampling.base import Offer
from chemistry.sampling.bias import DisagreementBias
from chemistry.sampling.judging import disagreement
from chemistry.sampling.langevin import BAOAB, kinetic_energies, temperatures_k, thermal_speeds


class Ensemble:
    """The trajectories that are still going; row r of every array belongs to trajectory r.

    A trajectory ends where atoms clash or bonds are not those of the molecule, where the potential
    has no answer, and where energy or temperature pass their bounds. Which of these and how often
    is in `rejected`; the last structure before it can be offered (`last_sane`).

    Parameters
    ----------
    integrator : BAOAB
    rules : GeometryRules
    starts : sequence of Structure
        Trajectories begin from them in turn.
    trajectories : int
    potential : Potential
    temperature_k : float
        Of the first velocities.
    max_energy_ev_per_atom : float
        On potential and kinetic energy above the potential energy of the start.
    max_temperature_k : float
        On the kinetic energy.
    bias : DisagreementBias or None
        What trajectories follow beside the mean; no energy that is judged or bounded contains it.
    sampler : str
        Name for `Origin.sampler`.
    seed : int
    """

    def __init__(
        self,
        *,
        integrator: BAOAB,
        rules: GeometryRules,
        starts: Sequence[Structure],
        trajectories: int,
        potential: Potential,
        temperature_k: float,
        max_energy_ev_per_atom: float,
        max_temperature_k: float,
        bias: DisagreementBias | None,
        sampler: str,
        seed: int,
    ) -> None:
        self.rejected: Counter[str] = Counter()
        self._integrator = integrator
        self._rules = rules
        self._potential = potential
        self._bias = bias
        self._energy_limit = max_energy_ev_per_atom * len(starts[0])  # eV
        self._temperature_limit = max_temperature_k
        # A seed each: a trajectory is a block of its own (see `Origin.block`), and what happens to
        # one does not change the noise of another.
        seeds = np.random.default_rng(seed).integers(2**31, size=trajectories).tolist()
        self._begun = [
            start.moved_to(
                start.positions,
                Origin(sampler=sampler, parent_id=start.structure_id, seed=own_seed),
            )
            for own_seed, start in zip(seeds, cycle(starts), strict=False)
        ]
        self._replicas = replicas_of(potential, starts[0])
        self._generators = [np.random.default_rng(own_seed) for own_seed in seeds]
        self._positions = np.array([s.positions for s in self._begun])  # (R, N, 3)
        self._before = self._positions  # (R, N, 3), one step ago
        speeds = thermal_speeds(integrator.masses, temperature_k)
        self._velocities = speeds[:, None] * self._noise()  # (R, N, 3)
        self._forces = np.zeros_like(self._positions)  # (R, N, 3)
        self._member_energies = np.zeros((len(self._begun), 1))  # (R, M)
        self._start_energies = np.zeros(len(self._begun))  # (R,)
        self._ended: list[tuple[str, Structure]] = []
        self._keep_sane()
        self._compute()
        self._start_energies = self._energies
        self._keep_computed()
        self._ended.clear()  # before a start that is refused there is nothing

    def __len__(self) -> int:
        return len(self._begun)

    @property
    def _energies(self) -> FloatArray:
        return np.asarray(self._member_energies.mean(axis=1))

    def advance(self, temperature_k: float) -> None:
        """Take one step; trajectories that went wrong end and are counted as rejected."""
        self._before = self._positions
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

    def last_sane(self, when: str) -> list[Offer]:
        """Offer where trajectories that the last step ended had been before it.

        Few are over the threshold, for a committee that leads astray may be sure of itself.
        """
        structures = [structure for _, structure in self._ended]
        predictions = self._potential.predict(structures) if structures else []
        offers = [
            Offer(
                structure=structure,
                prediction=prediction,
                reason=f"last sane structure of a trajectory that ended {when} "
                f"({fault}), {disagreement(prediction)}",
            )
            for (fault, structure), prediction in zip(self._ended, predictions, strict=True)
        ]
        self._ended.clear()
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
        if not len(self):
            return
        if self._bias is None:
            found = self._replicas.predict_mean(self._positions)
        else:
            found = self._replicas.predict_weighted(self._positions, self._bias.weights)
        self._member_energies, self._forces = found

    def _keep_sane(self) -> None:
        """End trajectories whose atoms clash or whose bonds are not those of the molecule."""
        faults = self._rules.faults(self._positions)
        self._end([None if fault is None else fault.reason for fault in faults])

    def _keep_computed(self) -> None:
        """End trajectories where the potential has no answer."""
        computed = np.isfinite(self._energies) & np.isfinite(self._forces).all(axis=(1, 2))
        self._end([None if known else "not_computed" for known in computed])

    def _keep_bound(self) -> None:
        """End trajectories that gained more energy than a thermostat gives, or fell into a hole.

        In a hole of the potential the sum of energies stays what it was: atoms become hot.
        """
        kinetic = kinetic_energies(self._integrator.masses, self._velocities)
        rise = self._energies + kinetic - self._start_energies
        too_hot = temperatures_k(kinetic, self._positions.shape[1]) > self._temperature_limit
        self._end(
            [
                "energy" if not gain <= self._energy_limit else "temperature" if hot else None
                for gain, hot in zip(rise, too_hot, strict=True)
            ]
        )

    def _end(self, faults: Sequence[str | None]) -> None:
        """End the trajectories that have a fault; remember it and where they had been before."""
        for begun, before, fault in zip(self._begun, self._before, faults, strict=True):
            if fault is not None:
                self.rejected[fault] += 1
                if not np.array_equal(before, begun.positions):  # else nothing is new
                    self._ended.append((fault, begun.moved_to(before, begun.origin)))
        self._keep(np.array([fault is None for fault in faults], dtype=np.bool_))

    def _keep(self, rows: npt.NDArray[np.bool_]) -> None:
        if rows.all():
            return
        self._positions = self._positions[rows]
        self._before = self._before[rows]
        self._velocities = self._velocities[rows]
        self._forces = self._forces[rows]
        self._member_energies = self._member_energies[rows]
        self._start_energies = self._start_energies[rows]
        self._generators = list(compress(self._generators, rows))
        self._begun = list(compress(self._begun, rows))
