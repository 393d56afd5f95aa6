"""Langevin dynamics: the BAOAB integrator for many trajectories of one molecule at once."""

from dataclasses import dataclass

import numpy as np

from chemistry.records.structure import FloatArray
from chemistry.units import BOLTZMANN_EV_PER_K, EV_PER_DALTON_ANGSTROM2_PER_FS2


@dataclass(frozen=True, kw_only=True, eq=False)
class BAOAB:
    """The BAOAB splitting of Leimkuhler and Matthews, doi:10.1093/amrx/abs010, eq. 6 ff.

    One step is `drift`, then new forces at the new positions, then `kick`. Without friction it is
    velocity Verlet.

    Attributes
    ----------
    masses : (N,) float64, Da
    timestep_fs : float
    friction_per_fs : float
    """

    masses: FloatArray
    timestep_fs: float
    friction_per_fs: float

    def drift(
        self,
        positions: FloatArray,
        velocities: FloatArray,
        forces: FloatArray,
        noise: FloatArray,
        temperature_k: float,
    ) -> tuple[FloatArray, FloatArray]:
        """Half a kick (B), half a move (A), friction and noise (O), half a move (A).

        Parameters
        ----------
        positions, velocities, forces : (R, N, 3), Å, Å/fs, eV/Å
        noise : (R, N, 3)
            Standard normal numbers.
        temperature_k : float

        Returns
        -------
        positions, velocities : (R, N, 3), Å, Å/fs
        """
        velocities = self.kick(velocities, forces)
        positions = positions + velocities * (self.timestep_fs / 2.0)
        kept = np.exp(-self.friction_per_fs * self.timestep_fs)
        thermal = thermal_speeds(self.masses, temperature_k)[:, None]
        velocities = kept * velocities + np.sqrt(1.0 - kept**2) * thermal * noise
        return positions + velocities * (self.timestep_fs / 2.0), velocities

    def kick(self, velocities: FloatArray, forces: FloatArray) -> FloatArray:
        """Return the velocities after half a time step of the forces (B)."""
        accelerations = forces / (self.masses[:, None] * EV_PER_DALTON_ANGSTROM2_PER_FS2)
        return np.asarray(velocities + accelerations * (self.timestep_fs / 2.0))


def thermal_speeds(masses: FloatArray, temperature_k: float) -> FloatArray:
    """Return the standard deviation of a velocity component, sqrt(kT/m), (N,) Å/fs."""
    return np.asarray(
        np.sqrt(BOLTZMANN_EV_PER_K * temperature_k / (masses * EV_PER_DALTON_ANGSTROM2_PER_FS2))
    )


def kinetic_energies(masses: FloatArray, velocities: FloatArray) -> FloatArray:
    """Return the kinetic energy of each trajectory, (R,) eV, from (R, N, 3) Å/fs."""
    squared = (velocities**2).sum(axis=-1)  # (R, N)
    return np.asarray(0.5 * EV_PER_DALTON_ANGSTROM2_PER_FS2 * (squared @ masses))


def temperatures_k(kinetic_energies_ev: FloatArray, n_atoms: int) -> FloatArray:
    """Return the temperature whose mean kinetic energy, 3/2 N kT, each trajectory has, (R,) K."""
    return np.asarray(kinetic_energies_ev / (1.5 * n_atoms * BOLTZMANN_EV_PER_K))
