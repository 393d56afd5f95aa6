"""PySCF and Psi4 at the same level, and what the Psi4 engine does with a Psi4 that is not right."""

import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyscf.data.elements import chemcore_atm

from chemistry.engines.base import Engine, Resources
from chemistry.engines.psi4 import program
from chemistry.engines.psi4.engine import Psi4Engine
from chemistry.engines.psi4.program import Psi4, find_psi4
from chemistry.engines.psi4.request import core_orbitals, request_of
from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.errors import EngineNotInstalled
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.recipe import Calculation
from chemistry.records.structure import Structure
from chemistry.units import (
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
    KCAL_MOL_PER_EV,
)

WATER = Structure(
    atomic_numbers=[8, 1, 1],
    positions=[[0.0, 0.02, 0.12], [0.03, 0.76, -0.48], [-0.02, -0.80, -0.47]],
)
AMINYL = Structure(
    atomic_numbers=[7, 1, 1],
    positions=[[0, 0, 0.14], [0, 0.80, -0.49], [0, -0.80, -0.49]],
    multiplicity=2,
)
METHANOL = Structure(
    atomic_numbers=[6, 8, 1, 1, 1, 1],
    positions=[
        [-0.047131, 0.664389, 0.0],
        [-0.047131, -0.758551, 0.0],
        [-1.092995, 0.969785, 0.0],
        [0.878534, -1.048458, 0.0],
        [0.437145, 1.080376, 0.891772],
        [0.437145, 1.080376, -0.891772],
    ],
)


def label_of(engine: Engine, structure: Structure) -> Label:
    label = engine.label(structure)
    assert isinstance(label, Label), label
    return label


def both(structure: Structure, level: LevelOfTheory) -> tuple[Label, Label]:
    return (
        label_of(PySCFEngine(level, Resources()), structure),
        label_of(Psi4Engine(level, Resources()), structure),
    )


def exact(method: str, basis: str = "cc-pvdz") -> LevelOfTheory:
    recipe = Calculation(method=method, basis=basis, frozen_core=True, density_fitting=False)
    return LevelOfTheory(name=f"exact {method}", recipe=recipe)


@pytest.mark.psi4
@pytest.mark.parametrize("structure", [METHANOL, AMINYL], ids=["methanol", "aminyl"])
def test_wb97x_agrees(structure: Structure) -> None:
    """With exact integrals in both programs; both grids are finer than the difference."""
    named = find_level("wb97x/6-31g*")
    assert isinstance(named.recipe, Calculation)
    exact_recipe = replace(named.recipe, density_fitting=False)
    ours, theirs = both(structure, LevelOfTheory(name="exact", recipe=exact_recipe))
    # Measured for methanol: 8e-8 hartree and 2e-5 hartree/bohr.
    assert ours.energy == pytest.approx(theirs.energy, abs=1e-5 * EV_PER_HARTREE)
    assert ours.forces is not None
    assert theirs.forces is not None
    difference = np.abs(ours.forces - theirs.forces).max()
    assert difference < 1e-4 * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR
    np.testing.assert_allclose(ours.dipole, theirs.dipole, atol=1e-4)
    # What density fitting costs in the level as it is named.
    fitted = label_of(PySCFEngine(named, Resources()), structure)
    assert abs(fitted.energy - theirs.energy) * KCAL_MOL_PER_EV < 0.015


@pytest.mark.psi4
@pytest.mark.parametrize("structure", [WATER, AMINYL], ids=["water", "aminyl"])
@pytest.mark.parametrize("method", ["hf", "mp2", "ccsd(t)"])
def test_methods_agree_without_density_fitting(structure: Structure, method: str) -> None:
    ours, theirs = both(structure, exact(method))
    assert ours.energy == pytest.approx(theirs.energy, abs=1e-6 * EV_PER_HARTREE)
    for name, value in theirs.components.items():
        assert ours.components[name] == pytest.approx(value, abs=1e-6 * EV_PER_HARTREE)
    if method == "ccsd(t)":
        assert ours.diagnostics["t1"] == pytest.approx(theirs.diagnostics["t1"], rel=1e-3)


@pytest.mark.psi4
@pytest.mark.parametrize("level", ["ccsd(t)*/cbs", "fno-ccsd(t)*/cbs"])
def test_composites_agree_in_every_part(level: str) -> None:
    """Also in the number of natural orbitals that are kept."""
    ours, theirs = both(WATER, find_level(level))
    assert set(theirs.components) <= set(ours.components)
    assert ours.energy == pytest.approx(theirs.energy, abs=1e-5 * EV_PER_HARTREE)
    for name, value in theirs.components.items():
        assert ours.components[name] == pytest.approx(value, abs=1e-5 * EV_PER_HARTREE), name


@pytest.mark.psi4
def test_the_second_row_has_the_same_core() -> None:
    hydrogen_chloride = Structure(atomic_numbers=[17, 1], positions=[[0, 0, 0], [0, 0, 1.27]])
    ours, theirs = both(hydrogen_chloride, exact("mp2"))
    assert ours.energy == pytest.approx(theirs.energy, abs=1e-6 * EV_PER_HARTREE)


def test_cores_are_those_of_the_other_engine() -> None:
    """Psi4's own frozen core of sodium is larger, so it is told a number."""
    assert [core_orbitals(z) for z in range(1, 39)] == chemcore_atm[1:39]


@pytest.mark.psi4
def test_bad_names_and_missing_elements_are_refused() -> None:
    assert "wb97x" in str(Psi4Engine.refuse(find_level("wb97xx/6-31g*")))
    assert "'cc-pvdz'" in str(Psi4Engine.refuse(find_level("hf/cc-pvdzz")))
    assert "1.11" in str(Psi4Engine.refuse(find_level("dlpno-ccsd(t)*/cbs")))
    assert "LNO" in str(Psi4Engine.refuse(find_level("lno-ccsd(t)/cc-pvdz")))
    assert Psi4Engine.refuse(find_level("wb97x/6-31g*")) is None
    assert Psi4Engine.unsupported_elements(find_level("hf/6-31g*"), [1, 6, 53]) == (53,)


@pytest.mark.psi4
def test_the_callers_environment_does_not_reach_psi4(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A decoy numpy on PYTHONPATH would break the system's Python that Psi4 runs under."""
    (tmp_path / "numpy.py").write_text("raise ImportError('decoy')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PSIDATADIR", "/nowhere")
    monkeypatch.chdir(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program._ask.cache_clear()
    engine = Psi4Engine(find_level("hf/sto-3g"), Resources(scratch=scratch))
    label_of(engine, WATER)
    assert list(scratch.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["numpy.py"]


def impostor(folder: Path, script: str) -> str:
    """Put a executable named psi4 into a folder and return the folder as a PATH."""
    executable = folder / "psi4"
    executable.write_text(f"#!/bin/sh\n{script}\n")
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:/usr/bin:/bin"


def test_without_psi4_the_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineNotInstalled, match="conda install"):
        Psi4Engine.version()


@pytest.mark.parametrize(
    ("says", "match"), [("echo 1.1", "1.3 or later"), ("exit 1", "no version")]
)
def test_an_unknown_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, match: str
) -> None:
    monkeypatch.setenv("PATH", impostor(tmp_path, says))
    with pytest.raises(EngineNotInstalled, match=match):
        Psi4Engine.version()


@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        ("echo boom >&2; exit 3", "infrastructure", "boom"),
        ("kill -9 $$", "resource", "code -9"),
        ("""echo '{"success": false}' > call.json""", "infrastructure", "no reason given"),
    ],
)
def test_a_psi4_that_dies_is_a_failure_that_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, kind: str, says: str
) -> None:
    start = 'if [ "$1" = "--version" ]; then echo 1.9.1; exit; fi\n'
    monkeypatch.setenv("PATH", impostor(tmp_path, start + script))
    monkeypatch.setattr(Psi4, "basis_elements", lambda self, basis: frozenset({"H", "O"}))
    failure = Psi4Engine(find_level("hf/sto-3g"), Resources()).label(WATER)
    assert isinstance(failure, LabelFailure)
    assert failure.kind == kind
    assert says in failure.message


def test_later_releases_are_called_through_qcschema(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The call of Psi4 1.4 and later, as its manual has it; an impostor records its arguments."""
    record = tmp_path / "arguments"
    script = f'echo "$@" >> {record}; if [ "$1" = "--version" ]; then echo 1.11; fi'
    monkeypatch.setenv("PATH", impostor(tmp_path, script))
    monkeypatch.setattr(Psi4, "basis_elements", lambda self, basis: frozenset({"H", "O"}))
    Psi4Engine(find_level("hf/sto-3g"), Resources(threads=2, memory_gb=3)).label(WATER)
    call = record.read_text().splitlines()[1]
    assert call.startswith("--qcschema ")
    assert "--nthread 2 --memory 3000 MB" in call
    assert find_psi4().release == (1, 11)
    assert Psi4Engine.refuse(find_level("dlpno-ccsd(t)*/cbs")) is None
    (tight,) = [c for c in find_level("dlpno-ccsd(t)*/cbs").calculations if "tight" in c.name]
    request = request_of(tight, "energy", WATER, {})
    assert request["model"] == {"method": "dlpno-ccsd(t)", "basis": "cc-pvdz"}
    assert request["keywords"]["pno_convergence"] == "tight"


def test_open_shells_are_refused_where_the_level_is_truncated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", impostor(tmp_path, "echo 1.9.1"))
    monkeypatch.setattr(Psi4, "basis_elements", lambda self, basis: frozenset({"H", "N"}))
    level = find_level("fno-ccsd(t)/cc-pvtz")
    failure = Psi4Engine(level, Resources()).label(replace(AMINYL, multiplicity=2))
    assert isinstance(failure, LabelFailure)
    assert failure.kind == "input"


@pytest.mark.psi4
@pytest.mark.parametrize("method", ["b2plyp", "pbe0-2", "mp3", "b3lyp-d3bj"])
def test_psi4_refuses_what_is_more_than_a_mean_field(method: str) -> None:
    """It would give the energy of the mean field alone, and forces of the whole."""
    assert Psi4Engine.refuse(find_level(f"{method}/sto-3g")) is not None


@pytest.mark.psi4
def test_psi4_cannot_have_six_d_beside_seven_f() -> None:
    assert Psi4Engine.unsupported_elements(find_level("wb97x/6-31g*"), [1, 6, 17, 26]) == (26,)


def test_split_polarisation_is_gaussians(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", impostor(tmp_path, "echo 1.9.1"))
    assert "take engine pyscf" in str(Psi4Engine.refuse(find_level("hf/6-31g(2df,p)")))


@pytest.mark.psi4
def test_hartree_fock_states_are_asked_for_as_by_pyscf() -> None:
    level = find_level("hf/6-31g*")
    cation = Structure(
        atomic_numbers=[7, 7], positions=[[0, 0, 0], [0, 0, 1.12]], charge=1, multiplicity=2
    )
    pyscf, psi4 = both(cation, level)
    assert abs(pyscf.energy - psi4.energy) * KCAL_MOL_PER_EV < 0.1
    stretched = replace(cation, positions=cation.positions * 1.34, charge=0, multiplicity=1)
    pyscf, psi4 = both(stretched, level)
    lowerings = [label.diagnostics["uhf_lowering_ev"] for label in (pyscf, psi4)]
    assert lowerings[0] == pytest.approx(lowerings[1], abs=0.005)
    assert lowerings[0] > 3.0
