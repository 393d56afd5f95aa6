"""Geometry rules: what is refused, why, and how geometries are told apart."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase.data import atomic_numbers

from chemistry.geometries.geometry import (
    GeometryRules,
    bonds_by_distance,
    check_geometry,
    distance_fingerprints,
    distinct_rows,
    farthest_rows,
)
from chemistry.records.structure import Origin, Structure

WATER = Structure(
    atomic_numbers=np.array([8, 1, 1]),
    positions=np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]),
)
WATER_RULES = GeometryRules(atomic_numbers=WATER.atomic_numbers, bonds=np.array([[0, 1], [0, 2]]))


def with_hydrogen_at(*position: float) -> Structure:
    positions = WATER.positions.copy()
    positions[1] = position
    return WATER.moved_to(positions, Origin())


def test_a_sane_geometry_has_no_fault():
    assert check_geometry(WATER) is None
    assert check_geometry(WATER, WATER_RULES) is None


@pytest.mark.parametrize(
    ("structure", "reason", "words"),
    [
        (with_hydrogen_at(0.3, 0.0, 0.0), "clash", r"1 \(O\) and 2 \(H\) are 0.30 Å apart"),
        (with_hydrogen_at(1.6, 0.0, 0.0), "bond broken", r"1 \(O\) and 2 \(H\) are 1.60 Å apart"),
        (with_hydrogen_at(0.3, 0.93, 0.0), "bond formed", r"2 \(H\) and 3 \(H\) are 0.54 Å apart"),
        (with_hydrogen_at(np.nan, 0.0, 0.0), "not finite", r"atom 2 \(H\)"),
        (with_hydrogen_at(np.inf, 0.0, 0.0), "not finite", r"atom 2 \(H\)"),
    ],
)
def test_faults_name_reason_and_atoms(structure, reason, words):
    fault = check_geometry(structure, WATER_RULES)
    assert fault is not None
    assert fault.reason == reason
    assert re.search(words, fault.message)


def test_without_bonds_only_clashes_and_numbers_matter():
    assert check_geometry(with_hydrogen_at(5.0, 0.0, 0.0)) is None
    assert check_geometry(with_hydrogen_at(0.3, 0.0, 0.0)).reason == "clash"
    assert check_geometry(with_hydrogen_at(0.0, np.nan, 0.0)).reason == "not finite"


def test_atoms_at_the_same_place_clash():
    assert check_geometry(with_hydrogen_at(0.0, 0.0, 0.0), WATER_RULES).reason == "clash"


def test_many_geometries_are_judged_like_one():
    batch = [WATER, with_hydrogen_at(0.3, 0, 0), with_hydrogen_at(1.6, 0, 0), WATER]
    together = WATER_RULES.faults(np.array([s.positions for s in batch]))
    assert together == [check_geometry(s, WATER_RULES) for s in batch]
    assert WATER_RULES.faults(np.zeros((0, 3, 3))) == []


def test_an_atom_has_no_faults():
    atom = Structure(atomic_numbers=np.array([2]), positions=np.zeros((1, 3)))
    assert check_geometry(atom) is None


@pytest.mark.parametrize("length", [0.74, 0.60, 0.90])
def test_dihydrogen_vibrates_without_fault(length):
    rules = GeometryRules(atomic_numbers=np.array([1, 1]), bonds=np.array([[0, 1]]))
    assert rules.faults(np.array([[[0.0, 0, 0], [0, 0, length]]])) == [None]


def test_bonds_by_distance_are_those_of_water():
    assert bonds_by_distance(WATER).tolist() == [[0, 1], [0, 2]]


def test_fingerprints_see_shape_and_not_place_or_order_in_a_class():
    generator = np.random.default_rng(1)
    positions = generator.normal(size=(5, 3))
    classes = np.array([0, 1, 2, 2, 2])
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    same = [positions, positions @ turn + 3.0, positions[[0, 1, 4, 2, 3]]]
    rows = distance_fingerprints(np.array(same), classes)
    assert np.allclose(rows, rows[0], atol=1e-12)
    swapped = distance_fingerprints(positions[None, [1, 0, 2, 3, 4]], classes)
    assert not np.allclose(swapped[0], rows[0], atol=1e-3)


def test_near_duplicates_are_dropped_and_the_first_kept():
    rows = np.array([[1.0, 2.0], [1.0, 2.01], [1.5, 2.0], [1.0, 1.99]])
    assert distinct_rows(rows, tolerance_angstrom=0.05) == [0, 2]
    assert distinct_rows(rows, tolerance_angstrom=1e-9) == [0, 1, 2, 3]
    assert distinct_rows(np.zeros((3, 0)), tolerance_angstrom=0.05) == [0]


def test_maxmin_takes_the_most_different_rows_first():
    rows = np.array([[0.1], [5.0], [4.9], [-2.0]])
    assert farthest_rows(rows, 2, known=np.array([[0.0]])) == [1, 3]
    assert farthest_rows(rows, 9, known=np.array([[0.0]])) == [1, 3, 0, 2]


DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.parametrize(
    ("name", "count"),
    [("ani_wb97x631gd_gdb11_s01.h5", 4366), ("comp6_s66x8_wb97x631gd.h5", 528)],
)
def test_no_published_geometry_is_refused(name, count):
    # Thermal displacements of CH4, NH3 and H2O; dimers at eight distances.
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not on this machine")
    judged = []

    def judge(_: str, group: object) -> None:
        if not (isinstance(group, h5py.Group) and "coordinates" in group):
            return
        symbols = [symbol.decode() for symbol in np.ravel(group["species"])]
        positions = np.array(group["coordinates"], dtype=np.float64)
        numbers = np.array([atomic_numbers[symbol] for symbol in symbols[: positions.shape[1]]])
        first = Structure(atomic_numbers=numbers, positions=positions[-1])
        rules = GeometryRules(atomic_numbers=numbers, bonds=bonds_by_distance(first))
        judged.extend(rules.faults(positions))

    with h5py.File(DATA / name) as file:
        file.visititems(judge)
    assert len(judged) == count
    assert [fault for fault in judged if fault] == []
