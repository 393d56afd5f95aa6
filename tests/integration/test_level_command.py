"""`rung level`: what will be computed under a name."""

import json
from pathlib import Path

import pytest
from rung_command import rung

from chemistry.records.level import find_level


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["B3LYP-D3(BJ)/6-31G(2df,p)"],
            ["hyb_gga_xc_b3lyp", "20 %", "d3bj", "six Cartesian", "3s 2p 2d 1f = 28", "forces"],
        ),
        (["wb97m-v/def2-svp"], ["vv10", "omega 0.3", "five spherical", "32 s for glycine"]),
        (["hf/ccecp-cc-pvdz"], ["core potential for 2 electrons"]),
        (["pbe0/def2-svp", "--molecule", "CI"], ["I: 4s 4p 2d", "for 28 electrons", "s for CI"]),
        (["ccsd(t)*/cbs"], ["energies only", "basis set limit", "1 frozen", "beyond 8 heavy"]),
        (["ccsd(t)*/cbs"], ["open shells: those of up to 8 heavy atoms"]),
        (["fno-ccsd(t)/cc-pvtz"], ["open shells: none", "open shells: refused"]),
        (["ccsd*/cc-pvtz"], ["energies and forces", "-1 mp2/cc-pvdz correlation"]),
        (["gfn2-xtb"], ["tblite", "2daa696c629d"]),
    ],
)
def test_level_prints_what_is_computed(
    arguments: list[str], says: list[str], tmp_path: Path
) -> None:
    done = rung("level", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in says:
        assert words in done.stdout


def test_level_as_json(tmp_path: Path) -> None:
    done = rung("level", "PBE0-D4/def2SVP", "--json", folder=tmp_path)
    document = json.loads(done.stdout)
    assert document["name"] == "pbe0-d4/def2-svp"
    assert document["level_id"] == find_level("pbe0-d4/def2-svp").level_id
    assert document["gives_forces"] is True
    assert document["open_shells"] == "all"
    (calculation,) = document["calculations"]
    assert calculation["facts"]["dispersion"] == "d4"
    assert calculation["elements"]["C"]["functions"] == 14


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pbe0-2/sto-3g", "double hybrid"),
        ("b97-d/def2-svp", "take b97-d3bj"),
        ("hf/def2-universal-jkfit", "no orbital basis"),
        ("0.5*b3lyp/sto-3g", "one name"),
        ("b3lyp", "unknown level"),
    ],
)
def test_level_refuses_in_one_sentence(name: str, says: str, tmp_path: Path) -> None:
    done = rung("level", name, folder=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
