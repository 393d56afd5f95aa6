"""A level of theory where a potential is asked for, through the real command."""

import json
from dataclasses import dataclass

import ase.io
import numpy as np
import pytest

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.engines.differences import forces_by_differences, hessian_by_differences
from chemistry.engines.level_potential import LevelPotential
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from chemistry.sampling.modes import hessians, vibrations
from workflow.cli import main

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs a command in `tmp_path` and in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr("sys.argv", ["rung", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(ended.value.code, said.out, said.err)

    return run


@pytest.fixture
def answer(command):
    """Runs a command and returns its JSON."""

    def run(*arguments: str) -> dict:
        done = command(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    return run


def test_a_level_of_theory_answers_like_a_potential_of_one_member(answer, tmp_path):
    found = answer("vibrations", "gfn2-xtb", "CO")
    assert (found["level"], found["members"], found["molecule"]) == ("gfn2-xtb", 1, "CO")
    assert found["relaxation"]["converged"]
    assert found["sigma_per_cm"] == [None] * 12
    profile = answer("torsion", "gfn2-xtb", "CO", "--points", "6")
    energies = np.array(profile["energies_kcal_mol"]).reshape(3, 2)
    assert np.ptp(energies, axis=0).max() < 0.02
    assert 0.4 < np.ptp(energies) < 2.5
    [frame, *_] = ase.io.read(tmp_path / "torsion.extxyz", index=":")
    assert frame.info["level"] == "gfn2-xtb"
    assert "energy_sigma" not in frame.info
    motion = answer("dynamics", "gfn2-xtb", "CO", "--steps", "20", "--friction-per-fs", "0")
    assert np.ptp(motion["total_kcal_mol"]) < 0.05


def test_a_level_without_forces_relaxes_and_vibrates_by_differences(answer):
    found = answer("vibrations", "ccsd(t)/sto-3g", "O")
    assert found["relaxation"]["converged"]
    assert found["relaxation"]["max_force_ev_per_angstrom"] <= 1e-3
    assert found["sigma_per_cm"] == [None] * 3
    # Correlation softens the bonds of HF/STO-3G, which has forces of its own.
    reference = answer("vibrations", "hf/sto-3g", "O")
    softer = np.array(reference["wavenumbers_per_cm"]) - found["wavenumbers_per_cm"]
    assert (softer[1:] > 100).all()
    assert abs(softer[0]) < 200


def test_differences_of_a_real_level_are_its_own_forces_and_curvatures():
    level = find_level("hf/6-31g*")
    potential = LevelPotential(level, find_engine("pyscf")(level, Resources()))
    # The minimum of water to 0.001 Å.
    water = Structure(
        atomic_numbers=np.array([8, 1, 1]),
        positions=np.array([[0.0, 0.0, 0.0], [0.7541, 0.5735, 0.0], [-0.7541, 0.5735, 0.0]]),
    )
    stretched = water.moved_to(1.1 * water.positions, water.origin)
    [known] = potential.predict([stretched])
    found = forces_by_differences(potential.energy, stretched)
    np.testing.assert_allclose(found, known.forces, atol=2e-3)
    [ours, theirs] = (
        vibrations(hessian, water.positions, water.masses).wavenumbers_per_cm
        for hessian in (
            hessian_by_differences(potential.energy, water),
            hessians([water], potential, 0.003)[0],
        )
    )
    np.testing.assert_allclose(ours, theirs, atol=2.0)


def test_a_level_keeps_charge_and_multiplicity_of_the_molecule(answer):
    radical = answer("relax", "hf/sto-3g", "[OH]")
    oxygen, hydrogen = np.array(radical["structure"]["positions_angstrom"])
    # HF/STO-3G, Hehre et al., Ab Initio Molecular Orbital Theory (1986): 1.014 Å.
    assert np.linalg.norm(oxygen - hydrogen) == pytest.approx(1.014, abs=0.002)


def test_what_people_read_of_a_level_names_it_and_no_members(command):
    done = command("vibrations", "gfn2-xtb", "O")
    assert done.code == 0, done.err
    assert "Vibrations of O by gfn2-xtb\n" in done.out
    assert "members" not in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("relax", "runs/demo", "CO"), "there is no committee at runs/demo; as a level of theory"),
        (("vibrations", "hf/sto-4g", "CO"), "PySCF knows no basis 'sto-4g'"),
        (("relax", "hf/cc-pvtz", "[Cs]O"), "hf/cc-pvtz has no Cs"),
        (("relax", "ccsd(t)/sto-3g", "CCCCC"), "17 atoms are too many"),
    ],
)
def test_bad_input_gets_one_sentence(command, tmp_path, arguments, said):
    done = command(*arguments)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not [*tmp_path.iterdir()]
