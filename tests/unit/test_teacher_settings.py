"""`teachers:` of a backend file, and levels of the name teacher:NAME."""

from pathlib import Path

import numpy as np
import pytest
from store_examples import COST

from chemistry.engines.teacher.program import is_non_commercial
from chemistry.errors import InputError
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, Provenance
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from workflow.datasets.export.card import Tally, _distilled
from workflow.run.store.records import ExportRow
from workflow.settings.backend import Backend, read_backend
from workflow.work.teachers import with_teachers

WATER = molecule_from_smiles("O", name="water")
HYDROXIDE = molecule_from_smiles("[OH-]", name="hydroxide")
ELSEWHERE = "pools: {far: {kind: slurm, walltime: '24:00:00', cores_per_node: 4}}\n"
"""Labels are not made here: no teacher is asked to answer."""


def backend(folder: Path, teachers: str) -> Backend:
    (folder / "backend.yaml").write_text(f"{ELSEWHERE}teachers: {teachers}\n")
    return read_backend(folder / "backend.yaml")


def refused(folder: Path, teachers: str, name: str, *molecules) -> str:
    with pytest.raises(InputError) as caught:
        with_teachers(backend(folder, teachers), [find_level(f"teacher:{name}")], molecules)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_level_of_a_teacher_is_its_name():
    level = find_level(" Teacher:SO3LR ")
    assert level.name == "teacher:so3lr"
    assert level.level_id != find_level("teacher:other").level_id
    for wrong in ("teacher:", "teacher:a/b", "teacher:../x"):
        with pytest.raises(InputError, match="the name of a teacher is letters"):
            find_level(wrong)


def test_a_checkpoint_is_a_teacher_with_its_hash(tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    found = with_teachers(
        backend(tmp_path, "{mine: {path: mine.safetensors, license: MIT}}"),
        [find_level("teacher:mine")],
    )
    program = found.teacher_of(find_level("teacher:mine"))
    assert program is not None
    assert program.calculator == "model.teacher:committee_calculator"
    assert str(tmp_path / "mine.safetensors") in program.arguments
    assert len(program.sha256 or "") == 64
    assert found.teacher_of(find_level("hf/sto-3g")) is None


def test_what_is_known_of_a_teacher_holds_where_nothing_is_said(tmp_path):
    program = backend(tmp_path, "{so3lr: {python: env/bin/python, charges: [0]}}").teacher_of(
        find_level("teacher:so3lr")
    )
    assert program is not None
    assert program.calculator.endswith(":SO3LRCalculator")
    assert program.license == "MIT"
    assert program.charges == (0,)
    assert program.multiplicities == (1,)
    assert program.python == str(tmp_path / "env" / "bin" / "python")


def test_a_calculator_gets_its_path_and_what_it_reads(tmp_path):
    text = (
        "{big: {calculator: 'mace.calculators:MACECalculator', path: big.model,"
        " arguments: {model_paths: '{path}', device: cpu},"
        " info: {charge: charge, spin: multiplicity}}}"
    )
    program = backend(tmp_path, text).teacher_of(find_level("teacher:big"))
    assert program is not None
    assert f'"model_paths": "{tmp_path / "big.model"}"' in program.arguments
    assert program.info == (("charge", "charge"), ("spin", "multiplicity"))


def test_another_file_than_was_meant_is_refused(tmp_path):
    (tmp_path / "mine").write_bytes(b"weights")
    said = refused(tmp_path, f"{{mine: {{path: mine, sha256: '{'0' * 64}'}}}}", "mine")
    assert "teachers.mine.sha256" in said
    assert "is another file than was meant" in said


@pytest.mark.parametrize(
    ("teachers", "name", "says"),
    [
        ("{mine: {path: nowhere}}", "mine", "teachers.mine.path: there is no"),
        ("{}", "so3l", "did you mean `so3lr`?"),
        ("{mine: {license: MIT}}", "mine", "teachers.mine needs a `path`"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path, teachers, name, says):
    assert says in refused(tmp_path, teachers, name)


def test_a_state_that_it_cannot_do_is_refused_before_anything_is_computed(tmp_path):
    said = refused(tmp_path, "{}", "ani-1x", WATER, HYDROXIDE)
    assert said.startswith("molecule hydroxide: teacher ani-1x knows charges 0, not -1")


@pytest.mark.parametrize(
    ("teachers", "says"),
    [
        ("{a: {calculator: 'os.system'}}", "should be text that matches"),
        ("{a: {arguments: {x: 1}}}", "`arguments` are of a `calculator`"),
        (f"{{a: {{sha256: '{'0' * 64}'}}}}", "`sha256` is of a `path`"),
        ("{a: {calculater: 'x:y'}}", "did you mean `calculator`?"),
    ],
)
def test_a_wrong_backend_file_is_refused(tmp_path, teachers, says):
    with pytest.raises(InputError) as caught:
        backend(tmp_path, teachers)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "bars"),
    [
        ("MIT", False),
        ("CC-BY-4.0", False),
        ("LGPL-3.0-or-later", False),
        ("CC-BY-NC-4.0", True),
        ("ASL", True),
        ("Academic Software License", True),
        ("non-commercial research only", True),
    ],
)
def test_licences_that_bar_commercial_use(name, bars):
    assert is_non_commercial(name) is bars


@pytest.mark.parametrize(("license_", "bars"), [("MIT", False), ("CC-BY-NC-4.0", True)])
def test_the_data_card_says_what_was_distilled_from_what(license_, bars):
    structure = Structure(atomic_numbers=np.array([1]), positions=np.zeros((1, 3)))
    label = Label(
        structure_id=structure.structure_id,
        level_id=find_level("teacher:big").level_id,
        energy=0.0,
        forces=None,
        provenance=Provenance(
            program="teacher:big",
            version="1",
            host="here",
            cpu_seconds=COST.cpu_seconds,
            wall_seconds=1.0,
            attempts=(),
            finished_at=0.0,
            surroundings={"teacher_license": license_, "teacher_sha256": "ab" * 32},
        ),
    )
    row = ExportRow(
        structure=structure,
        label=label,
        level_name="teacher:big",
        molecule_name="h",
        split="train",
        purpose="initial",
    )
    tally = Tally()
    list(tally.watch([row]))
    said = "\n".join(_distilled(tally))
    assert f"licence {license_}, sha256 of its file: {'ab' * 32}" in said
    assert ("Not for commercial use" in said) is bars
