"""Every force that a named level gives is minus the derivative of the energy that it gives."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest

from chemistry.engines import ENGINES, find_engine
from chemistry.engines.base import Engine, Resources
from chemistry.records.label import Label
from chemistry.records.level import LEVELS, find_level
from chemistry.records.structure import Origin, Structure
from chemistry.units import EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR

_TOLERANCE_HARTREE_BOHR = 1e-5
# Psi4's gradient of a functional leaves out how the grid moves with the atoms: of the sulfanyl
# cation the net force is 7e-5.
_TOLERANCE_WITHOUT_GRID_RESPONSE_HARTREE_BOHR = 1e-4
_STEP_ANGSTROM = 0.0025

MOLECULES = {
    "hypofluorous acid": Structure(
        atomic_numbers=[1, 8, 9], positions=[[0.0, 0.93, -0.2], [0.0, 0.0, 0.0], [0.1, 0.02, 1.44]]
    ),
    "chloramine": Structure(
        atomic_numbers=[17, 7, 1, 1],
        positions=[[0.0, 0.0, 1.72], [0.05, 0.0, 0.0], [0.93, -0.2, -0.28], [-0.48, 0.86, -0.31]],
    ),
    "aminyl": Structure(
        atomic_numbers=[7, 1, 1],
        positions=[[0.0, 0.02, 0.14], [0.03, 0.80, -0.48], [-0.02, -0.84, -0.47]],
        multiplicity=2,
    ),
    "sulfanyl cation": Structure(
        atomic_numbers=[16, 1],
        positions=[[0.0, 0.0, 0.1], [0.3, 0.2, 1.4]],
        charge=1,
        multiplicity=3,
    ),
}
QUICK = ("hypofluorous acid", "aminyl")


@dataclass(frozen=True)
class Case:
    """An engine and a level of which it gives forces."""

    engine: str
    level: str
    is_slow: bool = False

    @property
    def tolerance_hartree_bohr(self) -> float:
        """How far a force may be from the differences."""
        calculations = find_level(self.level).calculations
        if self.engine == "psi4" and any(c.kind == "dft" for c in calculations):
            return _TOLERANCE_WITHOUT_GRID_RESPONSE_HARTREE_BOHR
        return _TOLERANCE_HARTREE_BOHR

    def make(self) -> Engine:
        return find_engine(self.engine)(find_level(self.level), Resources())


NAMED = [
    Case("tblite", "gfn2-xtb"),
    Case("tblite", "gfn1-xtb"),
    Case("pyscf", "hf/sto-3g"),
    Case("pyscf", "hf/cc-pvtz"),
    Case("pyscf", "wb97x/6-31g*", is_slow=True),
    Case("pyscf", "mp2/cc-pvtz"),
    Case("pyscf", "ccsd/cc-pvdz"),
    Case("pyscf", "ccsd*/cc-pvtz", is_slow=True),
    Case("psi4", "hf/sto-3g"),
    Case("psi4", "hf/cc-pvtz", is_slow=True),
    Case("psi4", "wb97x/6-31g*", is_slow=True),
    Case("psi4", "mp2/cc-pvtz", is_slow=True),
]
SPELLED_OUT = [
    Case("pyscf", "b3lyp-d3bj/6-31g*", is_slow=True),
    Case("pyscf", "pbe0-d4/def2-svp", is_slow=True),
    Case("pyscf", "hf-d3zero/sto-3g"),
    Case("pyscf", "wb97m-v/def2-svp", is_slow=True),
    Case("pyscf", "mp2/6-31g*"),
    Case("pyscf", "mp2/def2-svp"),
    Case("psi4", "mp2/cc-pvdz"),
    Case("pyscf", "ccsd/aug-cc-pvdz", is_slow=True),
]


def _parameters() -> list[Any]:
    found = []
    for case, molecule in product(NAMED + SPELLED_OUT, MOLECULES):
        marks = [pytest.mark.psi4] if case.engine == "psi4" else []
        if case.is_slow or (molecule not in QUICK and case.engine != "tblite"):
            marks.append(pytest.mark.slow)
        found.append(
            pytest.param(case, molecule, id=f"{case.engine}:{case.level}:{molecule}", marks=marks)
        )
    return found


def label_of(engine: Engine, structure: Structure) -> Label:
    label = engine.label(structure)
    assert isinstance(label, Label), label
    return label


@pytest.mark.psi4
def test_every_engine_and_named_level_with_forces_is_tested() -> None:
    given = {
        (engine, name)
        for engine, (name, level) in product(ENGINES.ours, LEVELS.items())
        if level.gives_forces and find_engine(engine).refuse(level) is None
    }
    assert given == {(case.engine, case.level) for case in NAMED}


@pytest.mark.parametrize(("case", "molecule"), _parameters())
def test_a_force_is_minus_the_derivative_of_the_energy(case: Case, molecule: str) -> None:
    engine, structure = case.make(), MOLECULES[molecule]
    forces = label_of(engine, structure).forces
    assert forces is not None
    direction = np.random.default_rng(11).normal(size=forces.shape)
    direction /= np.linalg.norm(direction)

    def energy(step: float) -> float:
        moved = structure.positions + step * direction
        return label_of(engine, structure.moved_to(moved, Origin())).energy

    slope = (energy(_STEP_ANGSTROM) - energy(-_STEP_ANGSTROM)) / (2 * _STEP_ANGSTROM)
    error = slope + float((forces * direction).sum())
    assert abs(error) < case.tolerance_hartree_bohr * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR


@pytest.mark.parametrize("level", [name for name in LEVELS if not LEVELS[name].gives_forces])
def test_levels_of_energies_alone_have_triples(level: str) -> None:
    assert any(c.kind == "ccsd(t)" for c in LEVELS[level].calculations)
