"""Harmonic vibrations of a molecule, with what the members of a committee disagree on."""

from dataclasses import dataclass

import numpy as np

from chemistry.engines.level_potential import LevelPotential
from chemistry.records.structure import FloatArray, Structure
from chemistry.sampling.modes import vibrations
from chemistry.units import EV_PER_KCAL_MOL, HBAR_EV_FS, PER_FS_PER_INVERSE_CM
from model import Committee
from model.intervals import half_width
from workflow.use.relaxation import Relaxation, relax_subject
from workflow.use.subject import Subject

_STEP_ANGSTROM = 0.005
# A tight minimum: soft modes are sensitive to the forces that are left.
_MAX_FORCE_EV_PER_ANGSTROM = 1e-3
_MAX_STEPS = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class VibrationsFound:
    """Vibrations at a minimum of the mean energy.

    Attributes
    ----------
    relaxation : Relaxation
        How the minimum was found.
    wavenumbers_per_cm, sigma_per_cm, interval_per_cm : (V,) float64
        Harmonic, of the mean, ascending, imaginary ones negative; the standard deviation of the
        members' own, in the same order; and that times the factor of forces (`model.intervals`),
        from which wavenumbers come; NaN where it is not known.
    zero_point_kcal_mol, zero_point_sigma_kcal_mol, zero_point_interval_kcal_mol : float
        Half the sum of the real ones.
    """

    relaxation: Relaxation
    wavenumbers_per_cm: FloatArray
    sigma_per_cm: FloatArray
    interval_per_cm: FloatArray
    zero_point_kcal_mol: float
    zero_point_sigma_kcal_mol: float
    zero_point_interval_kcal_mol: float

    @property
    def error_bars_per_cm(self) -> FloatArray:
        """The intervals, or the standard deviations where there are none."""
        known = np.isfinite(self.interval_per_cm).all()
        return self.interval_per_cm if known else self.sigma_per_cm


def vibrations_of(subject: Subject) -> VibrationsFound:
    """Relax a molecule and diagonalise the Hessians of the mean and of every member."""
    relaxation = relax_subject(
        subject, max_force_ev_per_angstrom=_MAX_FORCE_EV_PER_ANGSTROM, max_steps=_MAX_STEPS
    )
    minimum = relaxation.structure
    hessians = _hessians(subject.committee, minimum)
    mean = _wavenumbers(hessians.mean(axis=0), minimum)
    members = np.array([_wavenumbers(hessian, minimum) for hessian in hessians])  # (M, V)
    zero_points = _zero_point_kcal_mol(members)
    several, factor = len(members) > 1, subject.factors.force
    sigma = members.std(axis=0, ddof=1) if several else np.full(len(mean), np.nan)
    zero_point_sigma = float(zero_points.std(ddof=1)) if several else float("nan")
    return VibrationsFound(
        relaxation=relaxation,
        wavenumbers_per_cm=mean,
        sigma_per_cm=sigma,
        interval_per_cm=half_width(sigma, factor),
        zero_point_kcal_mol=float(_zero_point_kcal_mol(mean)),
        zero_point_sigma_kcal_mol=zero_point_sigma,
        zero_point_interval_kcal_mol=half_width(zero_point_sigma, factor),
    )


def _hessians(committee: Committee | LevelPotential, structure: Structure) -> FloatArray:
    """Return the Hessian of each member, (M, 3N, 3N) eV/Å²."""
    found = committee.hessian(structure) if isinstance(committee, LevelPotential) else None
    return _member_hessians(committee, structure) if found is None else found[None]


def _member_hessians(committee: Committee | LevelPotential, structure: Structure) -> FloatArray:
    """Return each member's Hessian, (M, 3N, 3N) eV/Å², by central differences of its forces."""
    size = 3 * len(structure)
    steps = _STEP_ANGSTROM * np.eye(size).reshape(size, -1, 3)
    displaced = [
        structure.moved_to(structure.positions + sign * step, structure.origin)
        for step in steps
        for sign in (1.0, -1.0)
    ]
    forces = np.array([p.member_forces.reshape(-1, size) for p in committee.predict(displaced)])
    hessians = (forces[1::2] - forces[0::2]).swapaxes(0, 1) / (2.0 * _STEP_ANGSTROM)
    return np.asarray((hessians + hessians.swapaxes(1, 2)) / 2.0)


def _wavenumbers(hessian: FloatArray, structure: Structure) -> FloatArray:
    return vibrations(hessian, structure.positions, structure.masses).wavenumbers_per_cm


def _zero_point_kcal_mol(wavenumbers_per_cm: FloatArray) -> FloatArray:
    """Return half the sum of the real wavenumbers, over the last axis."""
    energies = HBAR_EV_FS * PER_FS_PER_INVERSE_CM * np.clip(wavenumbers_per_cm, 0.0, None)
    return np.asarray(0.5 * energies.sum(axis=-1) / EV_PER_KCAL_MOL)
