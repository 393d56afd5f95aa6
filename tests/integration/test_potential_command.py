"""`rung potential`: what a potential is, and lines for other programs that work as printed."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from neurochem_files import put_ensemble
from rung_command import environment, rung
from simulated import CHECKPOINT

from chemistry.errors import InputError
from model import CommitteeCalculator, load_committee
from model.architectures.ani.states import with_states
from model.checkpoint import add_to_record
from model.simulation.snippets import PROGRAMS
from workflow.use.description import use_in


@pytest.fixture
def checkpoint(tmp_path):
    """A copy of a checkpoint that a campaign of today might have written."""
    path = tmp_path / "alcohol.safetensors"
    with_states(load_committee(CHECKPOINT), [(0, 1)]).save(path)
    add_to_record(path, license="CC-BY-4.0")
    return path


def test_it_says_what_a_potential_is(checkpoint, tmp_path):
    said = rung("potential", checkpoint, folder=tmp_path)
    assert said.returncode == 0, said.stderr
    for part in (
        "gfn2-xtb",
        "H C O",
        "charge 0, multiplicity 1",
        "40 structures",
        "CC-BY-4.0",
        "--for NAME",
    ):
        assert part in said.stdout
    document = json.loads(rung("potential", checkpoint, "--json", folder=tmp_path).stdout)
    assert document["level"] == "gfn2-xtb"
    assert document["elements"] == ["H", "C", "O"]
    assert document["states"] == [[0, 1]]
    assert (document["members"], document["n_structures"]) == (2, 40)
    assert document["calibration_factor"] > 0
    assert document["license"] == "CC-BY-4.0"


def test_a_file_of_an_older_version_says_what_it_does_not_know(tmp_path):
    said = rung("potential", CHECKPOINT, folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("not in its file") == 2  # states and licence


MARKS = {
    "openmm": pytest.mark.openmm,
    "torchsim": pytest.mark.torchsim,
    "lammps": pytest.mark.lammps,
}


@pytest.mark.parametrize(
    "program", [pytest.param(p, marks=[MARKS[p]] if p in MARKS else []) for p in PROGRAMS]
)
def test_the_lines_work_as_printed(program, checkpoint, tmp_path):
    if program == "torchani":
        pytest.importorskip("torchani")
    told = rung("potential", checkpoint.name, "--for", program, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    (tmp_path / "simulate.py").write_text(told.stdout, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "simulate.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    check = {"torchani": _energy, "openmm": _doubt, "lammps": _log}.get(program, _numbers)
    check(tmp_path, done.stdout)


def _energy(folder, printed):
    """The energy is the calculator's."""
    atoms = molecule("CH3OH")
    atoms.calc = CommitteeCalculator(folder / "alcohol.safetensors")
    assert float(printed) == pytest.approx(atoms.get_potential_energy(), abs=1e-5)


def _doubt(folder, _printed):
    """There is a frame and a line on the disagreement for each ten steps."""
    lines = (folder / "disagreement.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [str(10 * n) for n in range(1, 11)]
    assert (folder / "openmm.dcd").stat().st_size > 0


def _log(folder, _printed):
    """The log of LAMMPS ends at the last step."""
    rows = [line.split() for line in (folder / "lammps.log").read_text().splitlines()]
    last = [row for row in rows if row[:1] == ["100"]]
    assert last
    assert all(np.isfinite(float(word)) for word in last[-1])


def _numbers(_folder, printed):
    assert printed.strip()
    assert "nan" not in printed


def test_what_cannot_be_used_is_said_in_a_sentence(checkpoint, tmp_path):
    said = rung("potential", checkpoint, "--for", "opnmm", folder=tmp_path)
    assert said.returncode == 2
    assert said.stderr == "rung: rung knows no program `opnmm`: did you mean `openmm`?\n"
    for arguments, sentence in (
        ([tmp_path / "none"], "there is no committee at"),
        ([checkpoint, "--output", "x"], "--output goes with --for"),
        ([checkpoint, "--for", "ase", "--output", "x"], "--for ase writes no file"),
        ([checkpoint, "--for", "torchani", "--output", "not/there.pt"], "not/there.pt"),
    ):
        said = rung("potential", *arguments, folder=tmp_path)
        assert said.returncode == 2
        assert "Traceback" not in said.stderr
        assert sentence in said.stderr
    said = rung("potential", tmp_path, folder=tmp_path)
    assert said.returncode == 2
    assert "Traceback" not in said.stderr


def test_a_published_ensemble_is_written_as_a_checkpoint(tmp_path, monkeypatch):
    put_ensemble(tmp_path / "ani-1x_2x", members=2)
    monkeypatch.chdir(tmp_path)
    text, [written] = use_in("ase", Path("ani-1x_2x"), None)
    assert written == Path("ani-1x_2x.safetensors")
    assert f'CommitteeCalculator("{written}")' in text
    assert load_committee(written).n_members == 2


def test_a_path_with_quotes_stays_a_path(checkpoint, tmp_path):
    odd = tmp_path / 'a "b".safetensors'
    checkpoint.rename(odd)
    text, _ = use_in("ase", odd, None)
    [call] = [line for line in text.splitlines() if "CommitteeCalculator(" in line]
    literal = call.partition("CommitteeCalculator(")[2].rstrip(")")
    assert Path(ast.literal_eval(literal)) == odd


def test_a_file_of_another_version_is_refused(checkpoint, tmp_path, monkeypatch):
    import model.checkpoint

    monkeypatch.setattr(model.checkpoint, "_VERSION", 2)
    with pytest.raises(InputError, match="format version 1, and this rung reads version 2"):
        use_in("openmm", checkpoint, None)
