"""Whether a bond is stretched, from distances alone."""

import numpy as np
import pytest
from ase.build import molecule

from chemistry.geometries.valences import (
    bond_orders,
    has_stretched_bond,
    has_twisted_bond,
    has_weak_bond,
    main_group_valences,
)
from chemistry.records.structure import Structure


def structure_of(name: str) -> Structure:
    atoms = molecule(name)
    return Structure(atomic_numbers=atoms.numbers, positions=atoms.positions)


def diatomic(numbers: tuple[int, int], distance_angstrom: float) -> Structure:
    return Structure(atomic_numbers=numbers, positions=[[0, 0, 0], [0, 0, distance_angstrom]])


AT_REST = """H2 H2O CH4 NH3 HF N2 C2H2 C2H4 C2H6 HCN H2CO CH3OH N2H4 H2O2 CO2 butadiene C6H6
C4H4NH C5H5N HCOOH CH3CONH2 CH3NO2 CH3SH PH3 CH3Cl Cl2 C4H4S CF4 bicyclobutane"""


@pytest.mark.parametrize("name", AT_REST.split())
def test_molecules_at_rest_have_whole_valences(name: str) -> None:
    assert not has_weak_bond(structure_of(name))


@pytest.mark.parametrize(
    ("numbers", "distance_angstrom"),
    [((1, 1), 1.1), ((9, 9), 1.7), ((7, 7), 1.3), ((6, 8), 1.4), ((1, 9), 1.4), ((1, 17), 1.9)],
)
def test_stretched_diatomics_lack_a_bond(numbers, distance_angstrom: float) -> None:
    assert has_stretched_bond(diatomic(numbers, distance_angstrom))


def test_one_stretched_bond_of_many_is_seen() -> None:
    methanol = molecule("CH3OH")
    methanol.positions[[1, 3]] += 0.4 * (methanol.positions[1] - methanol.positions[0])
    assert has_stretched_bond(
        Structure(atomic_numbers=methanol.numbers, positions=methanol.positions)
    )


@pytest.mark.parametrize(
    ("degrees", "is_twisted"), [(0, False), (15, False), (25, True), (90, True)]
)
def test_a_double_bond_is_twisted_beyond_twenty_degrees(degrees: float, is_twisted: bool) -> None:
    ethylene = molecule("C2H4")
    ethylene.rotate(degrees, "z", center=(0, 0, 0))
    turned = molecule("C2H4")
    upper = turned.positions[:, 2] > 0
    turned.positions[upper] = ethylene.positions[upper]
    structure = Structure(atomic_numbers=turned.numbers, positions=turned.positions)
    assert has_twisted_bond(structure) == is_twisted
    assert not has_stretched_bond(structure)


def test_single_bonds_turn_freely() -> None:
    assert not has_twisted_bond(structure_of("C3H4_D2d"))  # allene: two double bonds at an atom
    assert not has_twisted_bond(structure_of("N2H4"))


def test_orders_of_single_double_and_triple_bonds() -> None:
    orders = [bond_orders(structure_of(n))[0, 1] for n in ("C2H6", "C2H4", "C2H2")]
    np.testing.assert_allclose(orders, [1, 2, 3], atol=0.25)


def test_valences_of_the_main_groups_and_of_no_others() -> None:
    numbers = np.array([1, 2, 3, 5, 6, 7, 8, 9, 10, 14, 17, 26, 35, 53, 57, 79, 82, 118])
    valences = [1, 0, 1, 3, 4, 3, 2, 1, 0, 4, 1, 0, 1, 1, 0, 0, 4, 0]
    assert main_group_valences(numbers).tolist() == valences
