"""A disagreement that is not a number passed for certainty where candidates were ranked."""

import numpy as np
import pytest

from chemistry.errors import InputError
from chemistry.records.potential import Threshold
from chemistry.records.structure import Origin, Structure
from workflow.planning.records import Candidate
from workflow.planning.selection import excess

THRESHOLD = Threshold(rho_kcal_mol=0.2, force_sigma_kcal_mol_angstrom=1.0)


@pytest.mark.parametrize(("rho", "force"), [(np.nan, 0.0), (0.1, np.nan), (0.1, -np.nan)])
def test_a_candidate_with_such_a_disagreement_is_an_error(rho, force):
    structure = Structure(
        atomic_numbers=np.array([1, 1]),
        positions=np.array([[0.0, 0, 0], [0, 0, 0.74]]),
        molecule_id="hydrogen",
        origin=Origin(sampler="normal_modes"),
    )
    candidate = Candidate(
        structure=structure,
        purpose="active",
        rho_kcal_mol=rho,
        force_sigma_kcal_mol_angstrom=force,
        judged_by=1,
    )
    with pytest.raises(InputError, match="disagreement is not a number"):
        excess(candidate, THRESHOLD)
