"""What the engine of teachers has to do, with a real potential: GFN2-xTB as an ASE calculator."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from chemistry.engines import default_engine, find_engine
from chemistry.engines.base import Resources
from chemistry.engines.teacher.calls import teacher_process
from chemistry.engines.teacher.program import TeacherProgram
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LEVELS, find_level
from chemistry.records.structure import Origin, Structure

XTB = TeacherProgram(
    name="xtb",
    calculator="tblite.ase:TBLite",
    arguments='{"method": "GFN2-xTB", "verbosity": 0}',
    license="LGPL-3.0-or-later",
    sha256="0" * 64,
    charges=(0,),
    multiplicities=(1,),
    elements=("H", "C", "N", "O"),
)
LEVEL = find_level("teacher:xtb")
WATER = Structure(
    atomic_numbers=[8, 1, 1],
    positions=[[0.0, 0.02, 0.12], [0.03, 0.76, -0.48], [-0.02, -0.80, -0.47]],
)


def engine(program: TeacherProgram | None = XTB):
    return find_engine("teacher")(LEVEL, Resources(teacher=program))


def label_of(structure: Structure, program: TeacherProgram = XTB) -> Label:
    found = engine(program).label(structure)
    assert isinstance(found, Label), found
    return found


def failure_of(structure: Structure, program: TeacherProgram | None = XTB) -> LabelFailure:
    found = engine(program).label(structure)
    assert isinstance(found, LabelFailure)
    assert "\n" not in found.message
    return found


def test_energy_and_forces_are_the_calculators_own():
    label = label_of(WATER)
    same = find_engine("tblite")(find_level("gfn2-xtb"), Resources()).label(WATER)
    assert isinstance(same, Label)
    assert same.forces is not None
    assert label.energy == pytest.approx(same.energy, abs=1e-5)
    np.testing.assert_allclose(label.forces, same.forces, atol=1e-5)


def test_forces_are_minus_the_derivative_of_the_energy():
    forces = label_of(WATER).forces
    assert forces is not None
    direction = np.random.default_rng(7).normal(size=forces.shape)
    energies = [
        label_of(WATER.moved_to(WATER.positions + s * direction, Origin())).energy
        for s in (0.002, -0.002)
    ]
    slope = (energies[0] - energies[1]) / 0.004
    assert slope == pytest.approx(-float((forces * direction).sum()), abs=1e-3)


def test_a_label_says_which_potential_it_is_of():
    label = label_of(WATER)
    assert label.structure_id == WATER.structure_id
    assert label.level_id == LEVEL.level_id
    assert label.provenance.program == "teacher:xtb"
    assert label.provenance.version.startswith("tblite ")
    assert label.provenance.cpu_seconds > 0
    assert label.provenance.surroundings == {
        "teacher_license": "LGPL-3.0-or-later",
        "teacher_sha256": "0" * 64,
    }


@pytest.mark.parametrize(
    ("structure", "says"),
    [
        (replace(WATER, charge=1, multiplicity=2), "teacher xtb knows charges 0, not 1"),
        (replace(WATER, multiplicity=3), "teacher xtb knows multiplicities 1, not 3"),
        (replace(WATER, atomic_numbers=[16, 1, 1]), "teacher xtb knows H, C, N, O, not S"),
        (replace(WATER, multiplicity=2), "multiplicity 2"),
        (replace(WATER, positions=WATER.positions * 0.05), "overlap"),
    ],
)
def test_what_it_cannot_do_is_a_failure_of_kind_input(structure, says):
    failure = failure_of(structure)
    assert failure.kind == "input"
    assert says in failure.message


def test_states_that_it_knows_are_told_to_the_calculator():
    program = replace(XTB, info=(("charge", "charge"), ("spin", "unpaired_electrons")))
    cation = replace(WATER, charge=1, multiplicity=2)
    assert program.state_of(cation) == {"charge": 1, "spin": 1}


def test_a_library_that_is_missing_is_said_in_one_sentence():
    failure = failure_of(WATER, replace(XTB, calculator="no_such_library:Calculator"))
    assert "teacher xtb answered ModuleNotFoundError: No module named 'no_such_library'" in (
        failure.message
    )


def test_a_python_that_cannot_run_it_is_said_in_one_sentence():
    failure = failure_of(WATER, replace(XTB, python="/bin/false"))
    assert failure.kind == "infrastructure"
    assert "teacher xtb ended: without a word" in failure.message


def test_what_the_calculator_raises_is_a_failure():
    arguments = '{"method": "GFN9-xTB", "verbosity": 0}'
    failure = failure_of(WATER, replace(XTB, arguments=arguments))
    assert "teacher xtb answered" in failure.message


def test_a_process_that_was_killed_is_started_again():
    before = label_of(WATER)
    running = teacher_process(XTB, 1)
    running.process.kill()
    running.process.wait()
    after = label_of(WATER)
    assert after.energy == before.energy
    assert teacher_process(XTB, 1).process.pid != running.process.pid


def test_one_process_serves_forked_children_though_one_is_killed_amid_a_request():
    running = teacher_process(XTB, 1)
    running.ask({})
    child = os.fork()
    if child == 0:
        connection = running._connected()
        connection.sendall(b'{"numbers": [8, 1')
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        found = engine().label(WATER)
        os.write(writing, repr(getattr(found, "energy", None)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert float(os.read(reading, 100)) == label_of(WATER).energy
    assert teacher_process(XTB, 1).process.pid == running.process.pid


def test_an_unknown_teacher_asks_to_be_configured():
    assert (
        "no teacher xtb is configured: name it under `teachers`" in failure_of(WATER, None).message
    )


def test_levels_of_teachers_are_computed_by_no_other_engine_and_no_others_by_it():
    assert default_engine(LEVEL) == "teacher"
    assert LEVEL.gives_forces
    assert find_engine("teacher").refuse(LEVEL) is None
    assert all(find_engine("teacher").refuse(level) for level in LEVELS.values())
    for other in ("pyscf", "tblite"):
        assert "teacher:xtb" in str(find_engine(other).refuse(LEVEL))
