"""Fluorine, silicon to chlorine, and bromine: at DFT and at gold, one small molecule each.

Bond lengths are compared with experiment (equilibrium values, Huber and Herzberg; Herzberg), frozen
cores with PySCF told how many orbitals to freeze.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from pyscf import cc, gto, scf

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.engines.description import describe
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.structure import Origin, Structure
from chemistry.units import EV_PER_HARTREE

pytestmark = pytest.mark.slow


@dataclass(frozen=True, kw_only=True, eq=False)
class Hydride:
    """One heavy atom at the origin, its hydrogens at the experimental distance.

    Attributes
    ----------
    structure : Structure
    core : int
        Orbitals that correlated methods freeze: the noble gas before the element.
    """

    structure: Structure
    core: int

    def scaled(self, factor: float) -> Structure:
        """Return it with all bonds longer by a factor."""
        return self.structure.moved_to(self.structure.positions * factor, Origin())


def hydride(number: int, distance: float, directions: list[list[float]], core: int) -> Hydride:
    unit = [np.array(d) / np.linalg.norm(d) for d in directions]
    return Hydride(
        structure=Structure(
            atomic_numbers=[number, *[1] * len(unit)],
            positions=np.array([np.zeros(3), *(distance * u for u in unit)]),
        ),
        core=core,
    )


def _pyramid(angle_degrees: float) -> list[list[float]]:
    """Return three directions with an angle between each two."""
    sine = math.sqrt(2 * (1 - math.cos(math.radians(angle_degrees))) / 3)
    height = -math.sqrt(1 - sine**2)
    turns = (0.0, 2 * math.pi / 3, 4 * math.pi / 3)
    return [[sine * math.cos(t), sine * math.sin(t), height] for t in turns]


def _bent(angle_degrees: float) -> list[list[float]]:
    half = math.radians(angle_degrees) / 2
    return [[math.sin(half), 0.0, math.cos(half)], [-math.sin(half), 0.0, math.cos(half)]]


HYDRIDES = {
    "HF": hydride(9, 0.9168, [[0, 0, 1]], core=1),
    "SiH4": hydride(14, 1.4741, [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], core=5),
    "PH3": hydride(15, 1.4116, _pyramid(93.3), core=5),
    "H2S": hydride(16, 1.3356, _bent(92.1), core=5),
    "HCl": hydride(17, 1.2746, [[0, 0, 1]], core=5),
    "HBr": hydride(35, 1.4144, [[0, 0, 1]], core=9),
}


def label_of(level: str, structure: Structure) -> Label:
    found = find_engine("pyscf")(find_level(level), Resources()).label(structure)
    assert isinstance(found, Label), found
    return found


def best_scale(level: str, molecule: Hydride) -> float:
    """Return by which factor bonds are longer at the level than in experiment."""
    factors = np.array([0.98, 1.0, 1.02])
    energies = [label_of(level, molecule.scaled(factor)).energy for factor in factors]
    curve = np.polynomial.Polynomial.fit(factors, energies, 2).convert()
    assert curve.coef[2] > 0
    return float(-curve.coef[1] / (2 * curve.coef[2]))


@pytest.mark.parametrize("name", HYDRIDES)
def test_dft_has_bonds_and_forces_of_the_element(name):
    molecule = HYDRIDES[name]
    longer, shorter = (label_of("wb97x/6-31g*", molecule.scaled(f)) for f in (1.01, 0.99))
    slopes = []
    for label in (longer, shorter):
        assert label.forces is not None
        slopes.append(-float((label.forces * molecule.structure.positions).sum()))
        assert np.abs(label.forces.sum(axis=0)).max() < 0.01
    scale = 0.99 + 0.02 * slopes[1] / (slopes[1] - slopes[0])
    assert scale == pytest.approx(1.0, abs=0.02)  # 6-31G* has HF 1.3 % too long


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", HYDRIDES)
def test_gold_has_the_bonds_of_the_element(name):
    # Core and valence together, which gold leaves out, shorten them by up to 0.3 %. The 3d shell of
    # Br is no core, and has no functions of its own in the basis: its bond is 0.4 % short.
    expected = 0.996 if name == "HBr" else 1.001
    assert best_scale("ccsd(t)*/cbs", HYDRIDES[name]) == pytest.approx(expected, abs=0.0045)


@pytest.mark.parametrize("name", HYDRIDES)
def test_the_core_that_is_frozen_is_the_conventional_one(name):
    molecule = HYDRIDES[name]
    label = label_of("ccsd(t)/cc-pvdz", molecule.structure)
    symbols = {1: "H", 9: "F", 14: "Si", 15: "P", 16: "S", 17: "Cl", 35: "Br"}
    atoms = [
        (symbols[int(z)], tuple(xyz))
        for z, xyz in zip(
            molecule.structure.atomic_numbers, molecule.structure.positions, strict=True
        )
    ]
    mean_field = scf.RHF(gto.M(atom=atoms, basis="cc-pvdz", verbose=0)).run(conv_tol=1e-10)
    correlated = cc.CCSD(mean_field, frozen=molecule.core).run()
    expected = correlated.e_tot + correlated.ccsd_t()
    assert label.energy / EV_PER_HARTREE == pytest.approx(expected, abs=5e-6)
    [described] = describe(find_level("ccsd(t)/cc-pvdz"), "pyscf", [atoms[0][0]])
    assert described.elements[atoms[0][0]].frozen_orbitals == molecule.core


@pytest.mark.parametrize(
    ("basis", "symbol", "potential", "frozen"),
    [("cc-pvtz-pp", "Br", 10, 4), ("def2-svp", "Br", 0, 9), ("def2-svp", "I", 28, 4)],
)
def test_a_core_potential_takes_its_electrons_from_the_frozen_core(
    basis, symbol, potential, frozen
):
    [described] = describe(find_level(f"mp2/{basis}"), "pyscf", [symbol])
    element = described.elements[symbol]
    assert element.core_potential_electrons == potential
    assert element.frozen_orbitals == frozen


def test_a_molecule_with_a_core_potential_has_its_bond():
    iodide = hydride(53, 1.6092, [[0, 0, 1]], core=4)
    assert best_scale("b3lyp/def2-svp", iodide) == pytest.approx(1.0, abs=0.025)
