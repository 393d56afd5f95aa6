"""A potential that pulls a torsion straight ended `rung torsion` with a traceback of ASE."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.morse import MorsePotential

from chemistry.geometries.held_torsions import degrees_off, torsion_angles_degree
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.potential import Prediction
from workflow.settings.molecules import one_geometry
from workflow.use.subject import Subject
from workflow.use.torsion import torsion_profile


class Poor:
    """Two members that agree on a Morse potential between all atoms."""

    record: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, epsilon_ev: float, r0_angstrom: float) -> None:
        self._morse = MorsePotential(epsilon=epsilon_ev, r0=r0_angstrom, rcut1=20, rcut2=30)

    def predict(self, structures):
        found = []
        for structure in structures:
            atoms = Atoms(numbers=structure.atomic_numbers, positions=structure.positions)
            atoms.calc = self._morse
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
            found.append(
                Prediction(
                    member_energies=np.array([energy] * 2), member_forces=np.array([forces] * 2)
                )
            )
        return found


@pytest.mark.parametrize(
    ("epsilon_ev", "r0_angstrom"),
    [
        pytest.param(5, 1.2, id="the-constraint-cannot-be-kept"),
        pytest.param(50, 2.5, id="three-atoms-in-a-line"),
    ],
)
def test_angles_that_cannot_be_relaxed_are_reported_as_not_at_rest(epsilon_ev, r0_angstrom):
    molecule = molecule_from_smiles("CO")
    profile = torsion_profile(
        Subject(
            molecule=molecule,
            structure=one_geometry(molecule, seed=1),
            committee=Poor(epsilon_ev, r0_angstrom),
        ),
        torsion=None,
        points=4,
        max_force_ev_per_angstrom=0.02,
        max_steps=200,
    )
    assert not all(profile.converged)
    positions = np.array([structure.positions for structure in profile.structures])
    assert np.isfinite(positions).all()
    angles = torsion_angles_degree(positions, np.repeat(profile.torsion[None], 4, axis=0))
    off = np.abs(degrees_off(angles, profile.angles_degree))
    assert (off[list(profile.converged)] <= 0.5).all()
