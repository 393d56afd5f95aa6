"""Hartree-Fock solutions up to 240 kcal/mol above the lowest were labels without a word.

A gap below 10 eV was asked for before anything was looked for, of Hartree-Fock too, whose gaps are
larger; and of open shells one guess was tried.
"""

import pytest

from chemistry.engines.base import Resources
from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.gates import Gates, examine
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE, KCAL_MOL_PER_EV


def diatomic(one: int, other: int, distance_angstrom: float, **state: int) -> Structure:
    return Structure(
        atomic_numbers=[one, other], positions=[[0, 0, 0], [0, 0, distance_angstrom]], **state
    )


@pytest.mark.parametrize(
    ("structure", "level", "lowering_kcal_mol"),
    [
        (diatomic(9, 9, 1.7), "hf/6-31g*", 63.1),
        (diatomic(7, 7, 1.5), "hf/6-31g*", 84.5),
        (diatomic(7, 7, 1.9), "hf/6-31g*", 238.2),
        (diatomic(9, 9, 1.7), "mp2/6-31g*", 63.1),
        (diatomic(9, 9, 1.7), "wb97x/6-31g*", 3.5),
        (diatomic(7, 7, 1.5), "wb97x/6-31g*", 7.6),
    ],
)
def test_a_stretched_closed_shell_is_suspect(structure, level, lowering_kcal_mol):
    label = PySCFEngine(find_level(level), Resources()).label(structure)
    assert isinstance(label, Label)
    found = {f.gate: f for f in examine(structure, label, Gates())}["instability_kcal_mol"]
    assert found.refused
    assert found.value == pytest.approx(lowering_kcal_mol, abs=0.2)


def test_the_lower_state_of_a_radical_is_found():
    anion = diatomic(6, 6, 1.27, charge=-1, multiplicity=2)
    label = PySCFEngine(find_level("hf/6-31g*"), Resources()).label(anion)
    assert isinstance(label, Label)
    lowest_of_four_guesses_hartree = -75.532024
    above = label.energy - lowest_of_four_guesses_hartree * EV_PER_HARTREE
    assert abs(above * KCAL_MOL_PER_EV) < 0.1
