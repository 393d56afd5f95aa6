"""Teachers for real: so3lr in an environment of its own, a committee, a campaign that distils."""

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import so3lr_environment
from model_examples import committee
from rung_command import SMALL, put_campaign, rung

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.engines.teacher.program import KNOWN, TeacherProgram
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.structure import Origin, Structure
from workflow.run.store.store import StoreReader

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

METHANETHIOL = Structure(
    atomic_numbers=[6, 16, 1, 1, 1, 1],
    positions=[
        [-0.048, 1.149, 0.0],
        [-0.048, -0.665, 0.0],
        [1.283, -0.824, 0.0],
        [-1.093, 1.461, 0.0],
        [0.432, 1.551, 0.892],
        [0.432, 1.551, -0.892],
    ],
)
XTB = {
    "calculator": "tblite.ase:TBLite",
    "arguments": {"method": "GFN2-xTB", "verbosity": 0},
    "license": "CC-BY-NC-4.0",
}


def put_backend(folder: Path, teachers: dict) -> None:
    pools = {"main": {"kind": "local", "workers": 2, "memory_per_task_gb": 4}}
    (folder / "backend.yaml").write_text(json.dumps({"pools": pools, "teachers": teachers}))


@pytest.fixture(scope="module")
def so3lr(tmp_path_factory) -> TeacherProgram:
    python = so3lr_environment.make(tmp_path_factory.mktemp("so3lr") / "environment")
    return TeacherProgram(**{**vars(KNOWN["so3lr"]), "python": str(python)})


def label_of(structure: Structure, program: TeacherProgram) -> Label:
    level = find_level(f"teacher:{program.name}")
    found = find_engine("teacher")(level, Resources(teacher=program)).label(structure)
    assert isinstance(found, Label), found
    return found


def test_so3lr_gives_forces_that_are_the_derivative_of_its_energy(so3lr):
    label = label_of(METHANETHIOL, so3lr)
    assert label.provenance.version.lower().startswith("so3krates-torch 0.2.1")
    assert label.provenance.surroundings["teacher_license"] == "MIT"
    assert label.forces is not None
    direction = np.random.default_rng(1).normal(size=label.forces.shape)
    energies = [
        label_of(METHANETHIOL.moved_to(METHANETHIOL.positions + s * direction, Origin()), so3lr)
        for s in (0.001, -0.001)
    ]
    slope = (energies[0].energy - energies[1].energy) / 0.002
    assert slope == pytest.approx(-float((label.forces * direction).sum()), abs=0.01)


def test_so3lr_hears_of_the_charge(so3lr):
    thiolate = Structure(
        atomic_numbers=METHANETHIOL.atomic_numbers[[0, 1, 3, 4, 5]],
        positions=METHANETHIOL.positions[[0, 1, 3, 4, 5]],
        charge=-1,
    )
    blind = TeacherProgram(**{**vars(so3lr), "info": ()})
    heard, unheard = label_of(thiolate, so3lr), label_of(thiolate, blind)
    assert abs(heard.energy - unheard.energy) > 0.1


def test_rung_label_asks_a_committee_of_its_own(tmp_path):
    committee(2, precision="float32").save(tmp_path / "mine.safetensors")
    put_backend(tmp_path, {"mine": {"path": "mine.safetensors", "license": "MIT"}})
    (tmp_path / "w.xyz").write_text("3\n\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n")
    command = ("label", "w.xyz", "--level", "teacher:mine", "--backend", "backend.yaml")
    done = rung(*command, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    [atoms] = ase.io.read(tmp_path / "w.labels.extxyz", ":")
    structure = Structure(atomic_numbers=atoms.numbers, positions=atoms.positions)
    [prediction] = committee(2, precision="float32").predict([structure])
    assert atoms.get_potential_energy() == pytest.approx(prediction.energy, abs=1e-3)
    np.testing.assert_allclose(atoms.get_forces(), prediction.forces, atol=1e-4)


@pytest.mark.parametrize(
    ("teachers", "says"),
    [
        ({}, "no teacher `xtb`|teachers.xtb needs"),
        ({"xtb": {"calculator": "not_here:X"}}, "No module named 'not_here'"),
        ({"xtb": {**XTB, "charges": [1]}}, "teacher xtb knows charges 1, not 0"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_computed(tmp_path, teachers, says):
    put_campaign(tmp_path, {**SMALL, "rungs": [{"level": "teacher:xtb"}]})
    put_backend(tmp_path, teachers)
    done = rung("launch", "campaign.yaml", "--backend", "backend.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert any(part in done.stderr for part in says.split("|"))
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "small").exists()


@pytest.mark.timeout(1200)
def test_a_first_rung_distils_a_potential_and_the_data_say_so(tmp_path):
    put_campaign(tmp_path, {**SMALL, "rungs": [{**SMALL["rungs"][0], "level": "teacher:xtb"}]})
    put_backend(tmp_path, {"xtb": XTB})
    done = rung(
        "launch", "campaign.yaml", "--backend", "backend.yaml", folder=tmp_path, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with StoreReader.open(tmp_path / "small" / "store.sqlite") as store:
        rows = list(store.labels.export_rows())
    assert len(rows) == 22
    assert all(row.label.forces is not None for row in rows)
    assert {row.label.provenance.program for row in rows} == {"teacher:xtb"}
    card = (tmp_path / "small" / "exports" / "small.extxyz.README.md").read_text()
    assert "labels of `teacher:xtb` are predictions of a potential, licence CC-BY-NC-4.0" in card
    assert "Not for commercial use" in card
