"""Molecular dynamics of one molecule, with the disagreement of the committee along the way."""

from dataclasses import dataclass

import numpy as np
from ase import units
from ase.constraints import FixCom
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet

from chemistry.records.structure import FloatArray, Structure
from chemistry.sampling.langevin import thermal_speeds
from chemistry.units import KCAL_MOL_PER_EV
from model.intervals import half_width
from workflow.use.relaxation import at_positions_of, spread
from workflow.use.subject import Subject


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """Frames of a trajectory.

    Attributes
    ----------
    times_fs : (T,) float64
    energies_kcal_mol, total_kcal_mol : (T,) float64
        Potential and potential plus kinetic energy, above the first frame's.
    temperatures_k : (T,) float64
        Of the kinetic energy.
    interval_kcal_mol : (T,) float64
        Half the width of the interval (`model.intervals`) of the potential energy above the first
        frame's; NaN where it is not known.
    rho_kcal_mol : (T,) float64
        Disagreement of the members over the square root of the number of atoms.
    structures : tuple of Structure
    """

    times_fs: FloatArray
    energies_kcal_mol: FloatArray
    total_kcal_mol: FloatArray
    temperatures_k: FloatArray
    interval_kcal_mol: FloatArray
    rho_kcal_mol: FloatArray
    structures: tuple[Structure, ...]


def run_dynamics(
    subject: Subject,
    *,
    temperature_k: float,
    timestep_fs: float,
    steps: int,
    friction_per_fs: float,
    frame_every: int,
    seed: int,
) -> Trajectory:
    """Run Langevin dynamics, or velocity Verlet without friction, from thermal velocities."""
    generator = np.random.default_rng(seed)
    atoms = subject.atoms()
    speeds = thermal_speeds(atoms.get_masses(), temperature_k)[:, None]
    atoms.set_velocities(speeds * generator.standard_normal((len(atoms), 3)) / units.fs)
    Stationary(atoms)
    if friction_per_fs:
        atoms.set_constraint(FixCom())
        motion = Langevin(
            atoms,
            timestep_fs * units.fs,
            temperature_K=temperature_k,
            friction=friction_per_fs / units.fs,
            rng=generator,
            fixcm=False,  # it would not sample the temperature exactly
        )
    else:
        motion = VelocityVerlet(atoms, timestep_fs * units.fs)
    rows: list[tuple[float, float, float, float, float]] = []
    structures: list[Structure] = []

    def keep() -> None:
        energy = atoms.get_potential_energy()
        rows.append(
            (
                motion.nsteps * timestep_fs,
                energy * KCAL_MOL_PER_EV,
                (energy + atoms.get_kinetic_energy()) * KCAL_MOL_PER_EV,
                atoms.get_temperature(),
                atoms.calc.results.get("rho_kcal_mol", float("nan")),
            )
        )
        structures.append(at_positions_of(subject.structure, atoms))

    motion.attach(keep, interval=frame_every)
    motion.run(steps)
    times, energies, totals, temperatures, rho = np.array(rows).T
    return Trajectory(
        times_fs=times,
        energies_kcal_mol=energies - energies[0],
        total_kcal_mol=totals - totals[0],
        temperatures_k=temperatures,
        interval_kcal_mol=_intervals(subject, structures),
        rho_kcal_mol=rho,
        structures=tuple(structures),
    )


def _intervals(subject: Subject, structures: list[Structure]) -> FloatArray:
    """Return half the widths (T,) kcal/mol of the energies above the first structure's."""
    members = np.array([p.member_energies for p in subject.committee.predict(structures)])
    sigma = np.array([spread(row) for row in (members - members[0]) * KCAL_MOL_PER_EV])
    return np.asarray(half_width(sigma, subject.factors.relative_energy))
