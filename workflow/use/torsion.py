"""Relaxed torsion profiles: the energy as a bond turns and all else gives way."""

from dataclasses import dataclass

import numpy as np

from chemistry.errors import InputError
from chemistry.geometries.held_torsions import relax_held
from chemistry.geometries.torsions import rotatable_torsions, turned
from chemistry.records.potential import replicas_of
from chemistry.records.structure import FloatArray, IntArray, Structure
from chemistry.units import KCAL_MOL_PER_EV
from model.intervals import half_width
from workflow.use.subject import Subject

_FORCE_FIELD_STEPS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class TorsionProfile:
    """The energy of a molecule by one torsion angle.

    Attributes
    ----------
    torsion : (4,) int64
        Atoms, counted from 0.
    angles_degree : (P,) float64
    energies_kcal_mol, sigma_kcal_mol, interval_kcal_mol : (P,) float64
        Mean of the members above the lowest point, their standard deviation of that, and half the
        width of its interval (`model.intervals`); NaN where that is not known.
    structures : tuple of Structure
    converged : (P,) bool
        Whether the rest came to rest and the torsion has its angle.
    """

    torsion: IntArray
    angles_degree: FloatArray
    energies_kcal_mol: FloatArray
    sigma_kcal_mol: FloatArray
    interval_kcal_mol: FloatArray
    structures: tuple[Structure, ...]
    converged: tuple[bool, ...]

    @property
    def error_bars_kcal_mol(self) -> FloatArray:
        """The intervals, or the standard deviations where there are none."""
        known = np.isfinite(self.interval_kcal_mol).all()
        return self.interval_kcal_mol if known else self.sigma_kcal_mol

    @property
    def barrier_kcal_mol(self) -> float:
        """The highest point above the lowest."""
        return float(self.energies_kcal_mol.max())


def torsion_profile(
    subject: Subject,
    *,
    torsion: tuple[int, int, int, int] | None,
    points: int,
    max_force_ev_per_angstrom: float,
    max_steps: int,
) -> TorsionProfile:
    """Turn a bond by 360 degrees in even steps and relax everything but the torsion.

    Parameters
    ----------
    subject : Subject
    torsion : four atoms, counted from 0, or None
        None takes the first bond that turns, of heavy atoms if there is one.
    points : int
    max_force_ev_per_angstrom : float
        Below it, along what may move, a geometry is at rest.
    max_steps : int
        Of the relaxation at each angle.

    Raises
    ------
    InputError
        No bond turns, or the four atoms are not a torsion of the molecule.
    """
    atoms = _torsion_of(subject, torsion)
    angles = np.linspace(-180.0, 180.0, points, endpoint=False)
    # MMFF94 opens the way, so that no relaxation starts from a clash.
    geometries = turned(
        subject.molecule,
        subject.structure.positions,
        atoms,
        angles,
        relaxation_steps=_FORCE_FIELD_STEPS,
    )
    found = relax_held(
        replicas_of(subject.committee, subject.structure),
        geometries,
        np.repeat(atoms[None], points, axis=0),
        angles,
        max_force_ev_per_angstrom=max_force_ev_per_angstrom,
        max_steps=max_steps,
    )
    structures = [
        subject.structure.moved_to(positions, subject.structure.origin)
        for positions in found.positions
    ]
    members = np.array([p.member_energies for p in subject.committee.predict(structures)])  # (P, M)
    lowest = int(members.mean(axis=1).argmin())
    relative = (members - members[lowest]) * KCAL_MOL_PER_EV
    several = members.shape[1] > 1
    sigma = relative.std(axis=1, ddof=1) if several else np.full(points, np.nan)
    return TorsionProfile(
        torsion=atoms,
        angles_degree=angles,
        energies_kcal_mol=relative.mean(axis=1),
        sigma_kcal_mol=sigma,
        interval_kcal_mol=half_width(sigma, subject.factors.relative_energy),
        structures=tuple(structures),
        converged=tuple(found.converged.tolist()),
    )


def _torsion_of(subject: Subject, torsion: tuple[int, int, int, int] | None) -> IntArray:
    if torsion is None:
        found = rotatable_torsions(subject.molecule)
        if not len(found):
            raise InputError(f"no bond of {subject.molecule.name} turns: there is no torsion")
        n_heavy = (subject.structure.atomic_numbers[found] > 1).sum(axis=1)
        return np.asarray(found[n_heavy.argmax()])
    if len(set(torsion)) < 4 or not all(0 <= atom < len(subject.structure) for atom in torsion):
        raise InputError(
            f"a torsion is four different atoms of the {len(subject.structure)}, counted from 1"
        )
    return np.array(torsion)
