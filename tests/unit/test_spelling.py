"""Levels compare as levels, however they are written."""

import pytest

from chemistry.errors import InputError
from chemistry.records.level import LEVELS, find_level
from chemistry.records.recipe import Calculation
from chemistry.records.spelling import split_dispersion, usual_spelling


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        ("HF/STO-3G", "hf/sto-3g"),
        ("hf/sto3g", "hf/sto-3g"),
        ("ωB97X/6-31G(d)", "wb97x/6-31g*"),
        ("wB97X/631G*", "wb97x/6-31g*"),
        ("wb97x/6-31gs", "wb97x/6-31g*"),
        ("HYB_GGA_XC_WB97X/6-31g*", "wb97x/6-31g*"),
        ("b3lyp/6-31G(d,p)", "b3lyp/6-31g**"),
        ("b3lyp/6-31+G(d, p)", "b3lyp/6-31+g**"),
        ("b3lyp/6311++g(3df,3pd)", "b3lyp/6-311++g(3df,3pd)"),
        ("B3LYP/6-31G(2df,p)", "b3lyp/6-31g(2df,p)"),
        ("b3lyp/321g", "b3lyp/3-21g"),
        ("hf/ccpvdz", "hf/cc-pvdz"),
        ("hf/aug_cc_pVTZ", "hf/aug-cc-pvtz"),
        ("pbe/def2SVP", "pbe/def2-svp"),
        ("pbe/ma-def2-TZVPP", "pbe/ma-def2-tzvpp"),
        ("hf/pcseg1", "hf/pcseg-1"),
        ("hf/ccECP-cc-pVDZ", "hf/ccecp-cc-pvdz"),
        ("CAMB3LYP/def2-svp", "cam-b3lyp/def2-svp"),
        ("M062X/def2-svp", "m06-2x/def2-svp"),
        ("m06_2x/def2-svp", "m06-2x/def2-svp"),
        ("PBE1PBE/def2-svp", "pbe0/def2-svp"),
        ("wb97xd/def2-svp", "wb97x-d/def2-svp"),
        ("B3LYP-D3(BJ)/def2-svp", "b3lyp-d3bj/def2-svp"),
        ("b3lyp-d3-bj/def2-svp", "b3lyp-d3bj/def2-svp"),
        ("B3LYP-GD3BJ/def2-svp", "b3lyp-d3bj/def2-svp"),
        ("pbe0-D3(0)/def2-svp", "pbe0-d3zero/def2-svp"),
        ("PBE0-D4/def2-svp", "pbe0-d4/def2-svp"),
        ("GFN2-xTB", "gfn2-xtb"),
        (" CCSD(T)*/CBS ", "ccsd(t)*/cbs"),
        ("ccsd(t)/cc-pvdz", "ccsd(t)/cc-pvdz"),
    ],
)
def test_one_spelling(written: str, usual: str) -> None:
    assert usual_spelling(written) == usual
    assert find_level(written).level_id == find_level(usual).level_id


@pytest.mark.parametrize("name", LEVELS)
def test_known_names_are_in_their_usual_spelling(name: str) -> None:
    assert usual_spelling(name) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("wb97x-d3/def2-svp", "wb97x-d3bj/def2-svp"),
        ("b97-d3bj/def2-svp", "b97-d/def2-svp"),
        ("b3lyp/def2-svp", "b3lyp-d3bj/def2-svp"),
        ("b3lyp-d3bj/def2-svp", "b3lyp-d4/def2-svp"),
        ("b3lyp-d3bj/def2-svp", "b3lyp-d3zero/def2-svp"),
        ("hf/6-31g*", "hf/6-311g*"),
        ("hf/def2-svp", "hf/def2-svpd"),
        ("hf/6-31g(2df,p)", "hf/6-31g(2d,p)"),
    ],
)
def test_different_levels_stay_different(one: str, other: str) -> None:
    assert find_level(one).level_id != find_level(other).level_id


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("b3lyp-d3bj", ("b3lyp", "d3bj")),
        ("hf-d4", ("hf", "d4")),
        ("wb97x-d3", ("wb97x-d3", None)),
        ("b3lyp", ("b3lyp", None)),
    ],
)
def test_functional_and_dispersion(method: str, parts: tuple[str, str | None]) -> None:
    assert split_dispersion(method) == parts
    calculation = Calculation(method=method, basis="def2-svp")
    assert (calculation.functional, calculation.dispersion) == parts


def test_hartree_fock_with_dispersion_is_hartree_fock() -> None:
    assert Calculation(method="hf-d3bj", basis="def2-svp").kind == "hf"


@pytest.mark.parametrize(
    "method", ["0.5*b3lyp", "b3lyp+pbe", "pbe,pbe", "101", "101,130", "-b3lyp", ".2*hf+pbe", ",vwn"]
)
def test_a_functional_is_a_name_and_no_sum(method: str) -> None:
    with pytest.raises(InputError, match="one name without numbers or operators"):
        find_level(f"{method}/sto-3g")


@pytest.mark.parametrize("method", ["b3lyp-d3", "pbe0-d3", "b3lyp-d3atm"])
def test_damping_has_to_be_said(method: str) -> None:
    with pytest.raises(InputError, match=r"write \w+-d3bj or"):
        find_level(f"{method}/sto-3g")
