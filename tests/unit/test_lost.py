"""A committee from elsewhere is asked where it is at home, and nowhere else."""

import numpy as np
import pytest

from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.potential import Prediction
from workflow.work.lost import is_lost

ETHANOL = molecule_from_smiles("CCO", name="ethanol")


class Disagreeing:
    """A fake committee of two members that are so far apart on each structure, kcal/mol."""

    def __init__(self, rho_kcal_mol: float) -> None:
        self.rho = rho_kcal_mol
        self.seen = []

    def predict(self, structures):
        self.seen += structures
        return [
            Prediction(
                member_energies=np.array([0.0, self.rho * np.sqrt(2 * len(s)) / 23.060548]),
                member_forces=np.zeros((2, len(s), 3)),
            )
            for s in structures
        ]


@pytest.mark.parametrize(("rho", "lost"), [(0.2, False), (0.9, False), (1.1, True), (30.0, True)])
def test_it_is_lost_where_members_are_far_apart(rho, lost):
    potential = Disagreeing(rho)
    assert is_lost(potential, ETHANOL, (), seed=1) is lost
    assert potential.seen[0].molecule_id == ETHANOL.molecule_id


def test_conformers_that_are_there_are_judged_rather_than_embedded():
    potential = Disagreeing(0.1)
    is_lost(potential, ETHANOL, (), seed=1)
    starts = tuple(potential.seen[:1])
    again = Disagreeing(0.1)
    is_lost(again, ETHANOL, starts, seed=1)
    assert again.seen == list(starts)
