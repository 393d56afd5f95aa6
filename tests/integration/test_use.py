"""What a potential is for, through the real command: a committee of methanol on GFN2-xTB labels."""

import json
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.vibrations import Vibrations
from rung_command import rung

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.engines.potential import EnginePotential
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import LabelledStructure
from chemistry.records.level import find_level
from chemistry.sampling import Conformers, NormalModes, TorsionScans
from model import CommitteeCalculator, save_committee, train_committee
from model.architectures.ani.settings import AniSettings
from workflow.cli import main

pytestmark = pytest.mark.slow

LEVEL = find_level("gfn2-xtb")
PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "ani_models" / "ani-1ccx_8x"


@pytest.fixture(scope="module")
def potential(tmp_path_factory) -> Path:
    """A checkpoint of three members that know methanol near its minimum and along its torsion."""
    torch.set_num_threads(1)
    engine = find_engine("tblite")(LEVEL, Resources())
    teacher, molecule = EnginePotential(engine), molecule_from_smiles("CO")
    [start] = Conformers(max_conformers=1).sample(molecule, (), teacher, seed=1).offers
    starts = [start.structure]
    samples = [
        NormalModes(temperature_k=t, made_per_start=24).sample(molecule, starts, teacher, seed=2)
        for t in (100.0, 400.0)
    ] + [TorsionScans(angles=24).sample(molecule, starts, teacher, seed=3)]
    data = [
        LabelledStructure(structure=o.structure, label=engine.label(o.structure))
        for sample in samples
        for o in sample.offers
    ]
    settings = AniSettings(members=3, folds=3, max_epochs=80)
    trained = train_committee(data, settings, elements=(1, 6, 8), level=LEVEL, seed=1)
    path = tmp_path_factory.mktemp("potential") / "methanol.safetensors"
    save_committee(trained.committee, path)
    return path


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs a command in `tmp_path` and in this process, where torch is loaded already."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr("sys.argv", ["rung", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(ended.value.code, said.out, said.err)

    return run


@pytest.fixture
def answer(command):
    """Runs a command and returns its JSON."""

    def run(*arguments: str | Path) -> dict:
        done = command(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    return run


def test_a_relaxation_ends_at_a_minimum_and_leaves_its_geometry(answer, potential, tmp_path):
    found = answer("relax", potential, "CO", "--output", "at_rest")
    assert found["converged"]
    assert found["max_force_ev_per_angstrom"] <= 0.01
    assert found["gain_kcal_mol"] > 0
    assert found["gain_sigma_kcal_mol"] >= 0
    atoms = ase.io.read(tmp_path / "at_rest.extxyz")
    assert atoms.get_potential_energy() == pytest.approx(found["energy_ev"], abs=1e-5)
    assert np.linalg.norm(atoms.get_forces(), axis=1).max() <= 0.01
    # GFN2-xTB's own minimum: C-O 1.40 Å, O-H 0.96 Å.
    assert atoms.get_distance(0, 1) == pytest.approx(1.40, abs=0.03)


def test_wavenumbers_are_those_that_ase_finds(answer, potential, tmp_path):
    found = answer("vibrations", potential, "CO")
    atoms = ase.io.read(tmp_path / "vibrations.extxyz")
    atoms.calc = CommitteeCalculator(potential)
    oracle = Vibrations(atoms, delta=0.005, nfree=2, name=str(tmp_path / "modes"))
    oracle.run()
    # Ours are without the six of translation and rotation, which ASE leaves in.
    theirs = np.sort(oracle.get_frequencies().real)[-len(found["wavenumbers_per_cm"]) :]
    np.testing.assert_allclose(found["wavenumbers_per_cm"], theirs, atol=3.0)
    assert len(found["sigma_per_cm"]) == 12
    assert all(sigma > 0 for sigma in found["sigma_per_cm"])
    assert found["zero_point_kcal_mol"] == pytest.approx(
        0.5 * sum(found["wavenumbers_per_cm"]) * 2.859144e-3, rel=1e-5
    )
    assert "<svg" in (tmp_path / "vibrations.svg").read_text(encoding="utf-8")


def test_a_torsion_profile_holds_its_angles_and_has_the_barriers_of_a_methyl_group(
    answer, potential, tmp_path
):
    found = answer("torsion", potential, "CO", "--points", "12")
    frames = ase.io.read(tmp_path / "torsion.extxyz", index=":")
    torsion = found["torsion"]
    assert [frame.info["torsion_degree"] for frame in frames] == found["angles_degree"]
    for frame, angle in zip(frames, found["angles_degree"], strict=True):
        off = (frame.get_dihedral(*torsion) - angle + 180) % 360 - 180
        assert off == pytest.approx(0, abs=0.5)
    energies = np.array(found["energies_kcal_mol"])
    assert energies.min() == 0
    # Three barriers, alike, and about 1 kcal/mol high.
    rises = energies.reshape(3, 4)
    assert np.ptp(rises, axis=0).max() < 0.5
    assert 0.4 < energies.max() < 2.5
    assert found["sigma_kcal_mol"][int(energies.argmin())] == 0


def test_dynamics_conserve_energy_without_a_thermostat_and_have_a_temperature_with_one(
    answer, potential, tmp_path
):
    free = answer(
        *("dynamics", potential, "CO", "--steps", "100", "--friction-per-fs", "0"),
        *("--timestep-fs", "0.25", "--output", "free"),
    )
    assert np.ptp(free["total_kcal_mol"]) < 0.1
    assert np.ptp(free["energies_kcal_mol"]) > 1
    held = answer(
        *("dynamics", potential, "CO", "--steps", "500", "--friction-per-fs", "0.1"),
    )
    # Some 25 relaxation times of 15 degrees of freedom: the mean is within 40 % of 300 K.
    assert 180 < np.mean(held["temperatures_k"][10:]) < 420
    assert len(ase.io.read(tmp_path / "dynamics.extxyz", index=":")) == 51
    assert held["times_fs"][-1] == 250


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("relax", "POTENTIAL", "CN"), "contains N, which this potential does not know"),
        (("torsion", "POTENTIAL", "O"), "no bond of O turns"),
        (("torsion", "POTENTIAL", "CO", "--atoms", "1", "2", "3", "9"), "four different atoms"),
        (("relax", "absent.safetensors", "CO"), "there is no committee at absent.safetensors"),
        (("relax", "POTENTIAL", "two.smi"), "two.smi holds 2 molecules"),
        (("vibrations", "POTENTIAL", "C(C"), "is not a SMILES"),
    ],
)
def test_bad_input_gets_one_sentence(command, potential, tmp_path, arguments, said):
    (tmp_path / "two.smi").write_text("C\nCO\n", encoding="utf-8")
    done = command(*(potential if a == "POTENTIAL" else a for a in arguments))
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["two.smi"]


def test_what_people_read_says_what_the_error_bar_is(potential, tmp_path):
    done = rung("vibrations", potential, "CO", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "by 3 members (gfn2-xtb); ± is their standard deviation" in done.stdout
    assert "zero point" in done.stdout
    assert "\x1b" not in done.stdout  # no colours in a pipe


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"no published ensemble in {PUBLISHED}")
def test_a_published_ensemble_meets_experiment(answer):
    ethane = answer("torsion", PUBLISHED, "CC", "--points", "6")
    # Weiss and Leroi, J. Chem. Phys. 48, 962 (1968): it lies within the error bar.
    barrier = max(ethane["energies_kcal_mol"])
    assert barrier == pytest.approx(2.9, abs=0.4)
    assert abs(barrier - 2.9) < max(ethane["sigma_kcal_mol"])
    water = answer("vibrations", PUBLISHED, "O")
    # Harmonic wavenumbers from experiment: Benedict et al., J. Chem. Phys. 24, 1139 (1956).
    np.testing.assert_allclose(water["wavenumbers_per_cm"], [1648, 3832, 3943], rtol=0.06)
    found = answer("evaluate", PUBLISHED, "vibrations.extxyz")
    assert found["potential"] == str(PUBLISHED)
    assert found["errors"]["energy_mae_kcal_mol"] == pytest.approx(0.0, abs=1e-3)
    assert found["errors"]["force_mae_kcal_mol_angstrom"] == pytest.approx(0.0, abs=1e-3)
