"""What is left of a calculation: geometries with the committee's energies and forces."""

from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from chemistry.records.structure import Structure
from model.intervals import half_width
from workflow.use.subject import Subject
from workflow.work.system.disk import disk_errors_explained


def write_geometries(
    path: Path, subject: Subject, structures: Sequence[Structure], **each: Sequence[float]
) -> None:
    """Write extended XYZ: energies and forces in eV and eV/Å, error bars, and what is in `each`.

    `energy_sigma` is the members' standard deviation in eV, `energy_interval` half the width of
    the interval (`model.intervals`) of the total energy in eV, where that is known.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    frames = []
    for row, (structure, p) in enumerate(
        zip(structures, subject.committee.predict(structures), strict=True)
    ):
        atoms = Atoms(numbers=structure.atomic_numbers, positions=structure.positions)
        atoms.info = {
            "molecule": subject.molecule.name,
            "level": subject.committee.level_name,
            "charge": structure.charge,
            "multiplicity": structure.multiplicity,
        }
        if len(p.member_energies) > 1:
            sigma = float(np.std(p.member_energies, ddof=1))
            atoms.info["energy_sigma"] = sigma
            if subject.factors.energy is not None:
                atoms.info["energy_interval"] = half_width(sigma, subject.factors.energy)
        atoms.info |= {name: float(values[row]) for name, values in each.items()}
        atoms.calc = SinglePointCalculator(atoms, energy=p.energy, forces=p.forces)
        frames.append(atoms)
    with disk_errors_explained(path):
        ase.io.write(path, frames, format="extxyz")
