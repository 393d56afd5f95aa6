"""The threshold on a committee's disagreement."""

import numpy as np
import pytest

from chemistry.errors import InputError
from chemistry.records.potential import Prediction, Threshold

THRESHOLD = Threshold(rho_kcal_mol=0.2, force_sigma_kcal_mol_angstrom=1.0)


@pytest.mark.parametrize(
    ("rho", "force", "exceeded"),
    [(0.2, 1.0, False), (0.21, 0.0, True), (0.0, 1.1, True), (np.inf, 0.0, True)],
)
def test_either_limit_can_be_exceeded(rho, force, exceeded):
    assert THRESHOLD.is_exceeded(rho, force) is exceeded


def test_without_a_limit_on_forces_only_energies_count():
    assert not Threshold(rho_kcal_mol=0.2).is_exceeded(0.1, 1e9)


@pytest.mark.parametrize("broken", ["energies", "forces"])
def test_disagreement_that_is_not_a_number_is_an_error_and_never_certainty(broken):
    energies, forces = np.zeros(2), np.zeros((2, 3, 3))
    (energies if broken == "energies" else forces).flat[0] = np.nan
    prediction = Prediction(member_energies=energies, member_forces=forces)
    with pytest.raises(InputError, match="disagreement is not a number"):
        THRESHOLD.exceeded_by(prediction)
