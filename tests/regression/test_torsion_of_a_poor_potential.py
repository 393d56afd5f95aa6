"""A potential that pulls a torsion straight ended `rung torsion` with a traceback of ASE."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.morse import MorsePotential
from model_examples import committee

from chemistry.readers.molecules import molecule_from_smiles
from workflow.settings.molecules import one_geometry
from workflow.use.subject import Subject
from workflow.use.torsion import torsion_profile


@pytest.mark.parametrize(
    ("epsilon_ev", "r0_angstrom"),
    [
        pytest.param(5, 1.2, id="the-constraint-cannot-be-kept"),
        pytest.param(50, 2.5, id="three-atoms-in-a-line"),
    ],
)
def test_angles_that_cannot_be_relaxed_are_told_as_not_at_rest(epsilon_ev, r0_angstrom):
    class Poor(Subject):
        def atoms(self, structure=None) -> Atoms:
            atoms = super().atoms(structure)
            atoms.calc = MorsePotential(epsilon=epsilon_ev, r0=r0_angstrom, rcut1=20, rcut2=30)
            return atoms

    molecule = molecule_from_smiles("CO")
    profile = torsion_profile(
        Poor(
            molecule=molecule,
            structure=one_geometry(molecule, seed=1),
            committee=committee(members=2),
        ),
        torsion=None,
        points=4,
        max_force_ev_per_angstrom=0.02,
        max_steps=200,
    )
    assert not all(profile.converged)
    assert all(np.isfinite(structure.positions).all() for structure in profile.structures)
