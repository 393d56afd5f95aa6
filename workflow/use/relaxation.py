"""Relaxation of a molecule to the nearest minimum of a committee's mean energy."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.optimize import BFGS

from chemistry.records.potential import Prediction
from chemistry.records.structure import Structure
from chemistry.units import KCAL_MOL_PER_EV
from model.intervals import half_width
from workflow.use.subject import Subject


@dataclass(frozen=True, kw_only=True, eq=False)
class Relaxation:
    """Where a relaxation ended.

    Attributes
    ----------
    structure : Structure
    energy_ev : float
    gain_kcal_mol, gain_sigma_kcal_mol, gain_interval_kcal_mol : float
        How far below the start, the members' standard deviation of that, and half the width of its
        interval (`model.intervals`); NaN where that is not known.
    max_force_ev_per_angstrom : float
        On the atom with the largest.
    rho_kcal_mol : float
        Disagreement of the members over the square root of the number of atoms.
    steps : int
    converged : bool
    """

    structure: Structure
    energy_ev: float
    gain_kcal_mol: float
    gain_sigma_kcal_mol: float
    gain_interval_kcal_mol: float
    max_force_ev_per_angstrom: float
    rho_kcal_mol: float
    steps: int
    converged: bool


def relax_subject(
    subject: Subject, *, max_force_ev_per_angstrom: float, max_steps: int
) -> Relaxation:
    """Relax by BFGS, until no atom's force is larger."""
    atoms = subject.atoms()
    optimizer = BFGS(atoms, logfile=None)
    converged = bool(optimizer.run(fmax=max_force_ev_per_angstrom, steps=max_steps))
    end = at_positions_of(subject.structure, atoms)
    before, after = subject.committee.predict([subject.structure, end])
    gains = (before.member_energies - after.member_energies) * KCAL_MOL_PER_EV
    return Relaxation(
        structure=end,
        energy_ev=after.energy,
        gain_kcal_mol=float(gains.mean()),
        gain_sigma_kcal_mol=spread(gains),
        gain_interval_kcal_mol=half_width(spread(gains), subject.factors.relative_energy),
        max_force_ev_per_angstrom=float(np.linalg.norm(after.forces, axis=1).max()),
        rho_kcal_mol=rho(after),
        steps=int(optimizer.nsteps),
        converged=converged,
    )


def at_positions_of(structure: Structure, atoms: Atoms) -> Structure:
    """Return a structure moved to where atoms are."""
    return structure.moved_to(atoms.get_positions(), structure.origin)


def spread(values: np.ndarray) -> float:
    """Return the standard deviation over the members; NaN for a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def rho(prediction: Prediction) -> float:
    """Return the disagreement of the members; NaN for a single one."""
    return prediction.rho_kcal_mol if len(prediction.member_energies) > 1 else float("nan")
