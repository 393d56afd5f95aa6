"""Levels of theory: names, identity, and the arithmetic of composites."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chemistry.errors import InputError
from chemistry.records.level import (
    CORRELATION_CBS,
    HF_CBS,
    LEVELS,
    LevelOfTheory,
    find_level,
    gold_standard,
)
from chemistry.records.recipe import (
    Calculation,
    Component,
    Composite,
    Extrapolation,
    FrozenNaturalOrbitals,
    LocalNaturalOrbitals,
    Term,
)
from chemistry.records.structure import Structure


def test_ani_level_has_cartesian_d_functions() -> None:
    recipe = find_level("wb97x/6-31g*").recipe
    assert isinstance(recipe, Calculation)
    assert recipe.cartesian


@pytest.mark.parametrize(
    ("basis", "cartesian"),
    [("6-31g*", True), ("6-31++g**", True), ("3-21g", True), ("6-311g**", False), ("sv", False)],
)
def test_cartesian_as_the_basis_is_defined(basis: str, cartesian: bool) -> None:
    recipe = find_level(f"pbe0/{basis}").recipe
    assert isinstance(recipe, Calculation)
    assert recipe.cartesian is cartesian


@pytest.mark.parametrize("spelling", ["wB97X/6-31G*", "ωB97X/6-31G(d)", " wb97x/6-31g(d) "])
def test_spellings_of_one_level_are_one_level(spelling: str) -> None:
    assert find_level(spelling).level_id == LEVELS["wb97x/6-31g*"].level_id


@pytest.mark.parametrize("spec", ["", "wb97x", "a/b/c", "wb97x /6-31g*", "gfn2-xtb/sto-3g", "/x"])
def test_nonsense_is_refused_with_the_nearest_name(spec: str) -> None:
    with pytest.raises(InputError, match="nearest known one is"):
        find_level(spec)


def test_nearest_name() -> None:
    with pytest.raises(InputError, match="'gfn2-xtb'"):
        find_level("gfn2xtb")


def test_level_ids_are_distinct_and_ignore_the_name() -> None:
    assert len({level.level_id for level in LEVELS.values()}) == len(LEVELS)
    level = LEVELS["wb97x/6-31g*"]
    assert replace(level, name="mine").level_id == level.level_id


def test_level_id_does_not_change_between_versions() -> None:
    """Stores on disk are keyed by it."""
    assert LEVELS["wb97x/6-31g*"].level_id == "45acecbe9322"
    assert LEVELS["gfn2-xtb"].level_id == "2daa696c629d"


@pytest.mark.parametrize(
    "change",
    [
        {"basis": "cc-pvtz"},
        {"cartesian": True},
        {"frozen_core": True},
        {"density_fitting": False},
        {"truncation": FrozenNaturalOrbitals()},
        {"truncation": FrozenNaturalOrbitals(occupation=0.98)},
        {"truncation": LocalNaturalOrbitals()},
    ],
)
def test_what_changes_the_number_changes_the_id(change: dict[str, object]) -> None:
    calculation = Calculation(method="ccsd(t)", basis="cc-pvdz")
    changed = replace(calculation, **change)  # type: ignore[arg-type]
    ids = {LevelOfTheory(name="x", recipe=r).level_id for r in (calculation, changed)}
    assert len(ids) == 2


def test_truncated_hartree_fock_is_nonsense() -> None:
    with pytest.raises(ValueError, match="for coupled cluster"):
        Calculation(method="hf", basis="cc-pvdz", truncation=FrozenNaturalOrbitals())


@pytest.mark.parametrize(("form", "exponent"), [("exp(-a sqrt(X))", 5.46), ("X^-a", 2.51)])
def test_extrapolation_finds_the_limit_of_its_own_law(form: str, exponent: float) -> None:
    def law(x: int) -> float:
        return -76.5 + 3.7 * (x**-exponent if form == "X^-a" else math.exp(-exponent * x**0.5))

    rule = Extrapolation(form=form, exponent=exponent, cardinals=(3, 4), source="")  # type: ignore[arg-type]
    assert rule.limit(law(3), law(4)) == pytest.approx(-76.5, abs=1e-12)


def test_composite_is_the_signed_sum_of_its_terms() -> None:
    small = Calculation(method="mp2", basis="cc-pvdz")
    big = Calculation(method="mp2", basis="cc-pvtz")
    better = Calculation(method="ccsd(t)", basis="cc-pvdz")
    terms = tuple(
        Term(weight=w, components=(Component(calculation=c, quantity="total"),))
        for c, w in ((big, 1.0), (small, -1.0), (better, 1.0))
    )
    composite = Composite(terms=terms)
    energies = {"mp2/cc-pvtz": -10.0, "mp2/cc-pvdz": -7.0, "ccsd(t)/cc-pvdz": -7.5}
    assert composite.energy(energies) == pytest.approx(-10.5)
    level = LevelOfTheory(name="x", recipe=composite)
    assert level.calculations == (big, small, better)
    assert not level.gives_forces
    two = LevelOfTheory(name="y", recipe=Composite(terms=terms[:2]))
    assert two.gives_forces


def test_extrapolation_needs_two_components() -> None:
    with pytest.raises(ValueError, match="two components"):
        Term(weight=1.0, components=())


def test_gold_standard_has_the_form_of_ani_1ccx() -> None:
    """Written out as in doi:10.1038/s41467-019-10827-4, with made-up energies."""
    energies = {
        "hf/cc-pvtz": -76.05,
        "hf/cc-pvqz": -76.06,
        "mp2/cc-pvtz correlation": -0.26,
        "mp2/cc-pvqz correlation": -0.28,
        "mp2/cc-pvdz correlation": -0.20,
        "ccsd(t)/cc-pvdz correlation": -0.22,
    }
    e3, e4 = math.exp(-5.46 * 3**0.5), math.exp(-5.46 * 4**0.5)
    hartree_fock = (-76.06 * e3 - -76.05 * e4) / (e3 - e4)
    mp2 = (4**2.51 * -0.28 - 3**2.51 * -0.26) / (4**2.51 - 3**2.51)
    expected = hartree_fock + mp2 + (-0.22 - -0.20)
    assert gold_standard("cc-pvdz").energy(energies) == pytest.approx(expected, abs=1e-12)
    assert HF_CBS.limit(-76.05, -76.06) < -76.06
    assert CORRELATION_CBS.limit(-0.26, -0.28) < -0.28


def test_recipe_by_size_is_chosen_by_heavy_atoms_and_says_so_in_its_components() -> None:
    level = find_level("ccsd(t)*/cbs")
    chain = np.arange(9.0)[:, None] * [1.5, 0, 0]
    for atoms, name in ((8, "ccsd(t)/cc-pvdz"), (9, "lno-ccsd(t)/cc-pvdz")):
        recipe = level.recipe_for(
            Structure(atomic_numbers=[6] * atoms + [1], positions=[*chain[:atoms], [0, 9, 0]])
        )
        assert isinstance(recipe, Composite)
        assert f"{name} correlation" in {component.name for component in recipe.components}
    assert {c.name for c in level.calculations} >= {"ccsd(t)/cc-pvdz", "lno-ccsd(t)/cc-pvdz"}


@pytest.mark.parametrize(
    ("spec", "gives_forces"),
    [
        ("mp2/cc-pvqz", True),
        ("ccsd/cc-pvtz", True),
        ("ccsd(t)/cc-pvtz", False),
        ("fno-ccsd(t)/cc-pvqz", False),
    ],
)
def test_correlated_methods_are_spelled_out_like_others(spec: str, gives_forces: bool) -> None:
    level = find_level(spec)
    assert level.name == spec
    assert isinstance(level.recipe, Calculation)
    assert level.recipe.frozen_core
    assert level.gives_forces is gives_forces


@pytest.mark.parametrize(
    ("level", "heavy_atoms", "is_refused"),
    [
        ("ccsd(t)*/cbs", 8, False),
        ("ccsd(t)*/cbs", 9, True),
        ("fno-ccsd(t)/cc-pvtz", 1, True),
        ("lno-ccsd(t)*/cbs", 1, True),
        ("dlpno-ccsd(t)*/cbs", 1, True),
        ("ccsd*/cc-pvtz", 9, False),
        ("mp2/cc-pvtz", 9, False),
    ],
)
def test_truncated_coupled_cluster_is_for_closed_shells(
    level: str, heavy_atoms: int, is_refused: bool
) -> None:
    found = find_level(level)
    assert found.refuse_shell(multiplicity=1, heavy_atoms=heavy_atoms) is None
    reason = found.refuse_shell(multiplicity=2, heavy_atoms=heavy_atoms)
    assert (reason is not None) is is_refused
    assert reason is None or reason.startswith(f"{level} is for closed shells")


def test_forces_combine_as_energies_do() -> None:
    """A composite is linear in its parts, extrapolated ones too: one number at a time."""
    recipe = gold_standard("cc-pvdz")
    rng = np.random.default_rng(5)
    forces = {component.name: rng.normal(size=(3, 3)) for component in recipe.components}
    combined = recipe.forces(forces)
    for atom, axis in np.ndindex(3, 3):
        energies = {name: float(f[atom, axis]) for name, f in forces.items()}
        assert combined[atom, axis] == pytest.approx(recipe.energy(energies), abs=1e-12)


def test_levels_that_give_forces() -> None:
    energies_only = {name for name, level in LEVELS.items() if not level.gives_forces}
    assert energies_only == {name for name in LEVELS if "(t)" in name}


def test_middle_rung_is_mp2_and_what_ccsd_adds_in_the_smaller_basis() -> None:
    recipe = LEVELS["ccsd*/cc-pvtz"].recipe
    assert isinstance(recipe, Composite)
    energies = {
        "hf/cc-pvtz": -76.0,
        "mp2/cc-pvtz correlation": -0.3,
        "mp2/cc-pvdz correlation": -0.2,
        "ccsd/cc-pvdz correlation": -0.21,
    }
    assert recipe.energy(energies) == pytest.approx(-76.0 - 0.3 - 0.21 + 0.2, abs=1e-12)
    assert all(c.frozen_core for c in recipe.calculations if c.correlated)
