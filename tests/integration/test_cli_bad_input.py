"""The real command on bad input: one sentence, exit code 2, no traceback, nothing lost."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rung_command import SMALL, put_backend, put_campaign, rung

from workflow.cli import app
from workflow.run.folder import RunFolder, locked
from workflow.run.opened import open_run
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign, read_campaign


def refused(*arguments, folder: Path, code: int = 2) -> str:
    """Run a command that must fail, and return the one sentence that it says of it."""
    done = rung(*arguments, folder=folder)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith("rung: ")
    return sentence


def rung_of(**changes) -> list[dict]:
    return [{**SMALL["rungs"][0], **changes}]


# Campaign files


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"molecules": ["O", "C(("]}, "molecules, entry 2: 'C((' is not a SMILES"),
        (
            {"molecules": [{"smiles": "O", "multiplicity": 2}]},
            "molecules, entry 1: 'O': multiplicity 2 does not fit the number of electrons, 10",
        ),
        (
            {"molecules": ["[AuH]"], "rungs": rung_of(level="hf/sto-3g")},
            "hf/sto-3g has no Au, which molecule [AuH] contains: take another basis set",
        ),
        ({"sede": 1}, "campaign.yaml, line 1: sede is an unknown key: did you mean `seed`?"),
        ({"rungs": rung_of(level="gfn3-xtb")}, "rungs.0.level: unknown level of theory 'gfn3-xtb'"),
        ({"rungs": rung_of(engine="tblit")}, "the nearest known one is 'tblite'"),
        ({"molecules": [True]}, "molecules.0: YAML reads an unquoted NO or ON as a truth value"),
        ({"held_out": {"molecules": ["watr"]}}, "no molecule `watr`: did you mean `water`?"),
        ({"molecules": [{"file": "not-there.smi"}]}, "not-there.smi: there is no such file"),
    ],
)
def test_a_bad_campaign_is_refused_before_anything_is_made(tmp_path, change, said):
    put_campaign(tmp_path, {**SMALL, **change})
    assert said in refused("launch", "campaign.yaml", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["campaign.yaml"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.smi", "O water\nCO\nC(( broken\n", "m.smi:3: 'C((' is not a SMILES"),
        ("m.smi", "# nothing yet\n", "m.smi: there is no molecule in the file"),
        ("m.xyz", "", "m.xyz: there is no molecule in the file"),
        ("m.xyz", "2\ncharge=1\nH 0 0 0\nH 0 0 0.7\n", "m.xyz:1"),
        ("m.xyz", "2\nspin=3\nO 0 0 0\nO 0 0 1.2\n", "m.xyz:1: spin=3 in the comment means 2S"),
        ("m.xyz", "2\n\nO 0 0 0\nO 0 0 1.2\n", "m.xyz:1: the bonds do not settle"),
        (
            "m.xyz",
            "3\n\nO 0 0 0.2249\nH 0 1.4419 -0.9014\nH 0 -1.4419 -0.9014\n",
            "if the positions were in bohr",
        ),
        ("m.xyz", "2\n\nN 0 0 0\nN 0 0 2.07\n", "the bonds do not settle the multiplicity"),
        ("m.smi", "O\n[CH2]\n", "m.smi:2: '[CH2]': the formula does not settle the multiplicity"),
        ("m.mol2", "@<TRIPOS>MOLECULE\n", "read from .smi, .sdf, .xyz, .extxyz files only"),
    ],
)
def test_a_bad_molecule_file_is_named_with_its_line(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    put_campaign(tmp_path, {**SMALL, "molecules": [{"file": name}]})
    assert said in refused("launch", "campaign.yaml", "--dry-run", folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campaign.yaml", name]


def test_files_that_are_not_there_or_empty(tmp_path):
    (tmp_path / "empty.yaml").write_text("# later\n")
    put_campaign(tmp_path)
    for command, said in (
        (("launch", "nothing.yaml"), "nothing.yaml: there is no such file"),
        (("check", "empty.yaml"), "empty.yaml: the file is empty"),
        (("launch", "campaign.yaml", "--backend", "no.yaml"), "no.yaml: there is no such file"),
        (("label", "no.xyz", "--level", "gfn2-xtb"), "no.xyz: there is no such file"),
        (("status", "nowhere"), "nowhere is not a run folder"),
        (("export", "nowhere"), "nowhere is not a run folder"),
        (("evaluate", "nowhere", "data.xyz"), "nowhere"),
    ):
        assert said in refused(*command, folder=tmp_path)


def test_a_walltime_without_quotes_is_explained(tmp_path):
    put_campaign(tmp_path)
    (tmp_path / "backend.yaml").write_text("limits:\n  label_walltime: 1:30:00\n")
    said = refused("launch", "campaign.yaml", "--backend", "backend.yaml", folder=tmp_path)
    assert "backend.yaml, line 2: limits.label_walltime" in said
    assert 'YAML reads 1:30:00 as `5400`: quote it, "1:30:00"' in said


def test_a_level_an_engine_or_an_element_that_label_cannot_use(tmp_path):
    (tmp_path / "gold.xyz").write_text("2\n\nAu 0 0 0\nH 0 0 1.5\n")
    level = ("label", "gold.xyz", "--level")
    assert "take engine pyscf" in refused(*level, "hf/sto-3g", "--engine=tblite", folder=tmp_path)
    assert "hf/sto-3g has no Au" in refused(*level, "hf/sto-3g", folder=tmp_path)


def test_what_does_not_exist_is_offered_by_its_nearest_name(tmp_path):
    new_run(tmp_path)
    said = refused("export", "small", "--format", "extxzy", folder=tmp_path)
    assert "did you mean `extxyz`?" in said
    assert "no schema `campain`" in refused("schema", "campain", folder=tmp_path)


def test_an_engine_that_is_not_installed_says_how_to_install_it(tmp_path):
    """An engine of another package whose program is missing, found by its entry point."""
    put_campaign(tmp_path, {**SMALL, "rungs": rung_of(engine="absent")})
    info = tmp_path / "plugins" / "absent-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: absent\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[rung.engines]\nabsent = absent_program:Engine\n")
    done = subprocess.run(
        [sys.executable, "-c", "from workflow.cli import main; main()", "launch", "campaign.yaml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "plugins")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith("rung: rungs.0.engine: engine absent cannot be loaded")
    assert sentence.endswith("pip install absent")


# Run folders


def new_run(folder: Path) -> RunFolder:
    """A run that has been begun and has nothing yet."""
    campaign = read_campaign(put_campaign(folder))
    run = open_run(campaign, folder / "small")
    with Store.create(run.store, campaign.model_dump_json()):
        pass
    return run


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_a_run_folder_made_by_another_campaign_says_what_differs(tmp_path):
    run = new_run(tmp_path)
    (run.models / "kept").write_text("a model")
    put_campaign(tmp_path, {**SMALL, "seed": 4})
    before = files(tmp_path)
    said = refused("launch", "campaign.yaml", folder=tmp_path)
    assert "small was made by another campaign file (seed: 3 -> 4)" in said
    assert "--force-new" in said
    assert files(tmp_path) == before


def test_a_folder_that_is_no_run_folder_is_left_alone(tmp_path):
    put_campaign(tmp_path)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "thesis.tex").write_text("years of work")
    before = files(tmp_path)
    said = refused("launch", "campaign.yaml", folder=tmp_path)
    assert "small exists and is not a run folder (it holds thesis.tex)" in said
    assert files(tmp_path) == before


def test_a_locked_run_says_who_holds_it(tmp_path):
    run = new_run(tmp_path)
    with locked(run):
        for more in ((), ("--force-new",)):
            said = refused("launch", "campaign.yaml", *more, folder=tmp_path)
            assert f"small is in use by process {os.getpid()} on " in said
        assert rung("status", "small", folder=tmp_path).returncode == 0
    assert run.store.exists()


@pytest.mark.parametrize("damage", ["cut", "rubbish", "empty", "another version"])
def test_a_store_that_cannot_be_read_is_left_as_it_is(tmp_path, damage):
    run = new_run(tmp_path)
    content = run.store.read_bytes()
    match damage:
        case "cut":
            run.store.write_bytes(content[: len(content) // 2])
        case "rubbish":
            run.store.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        case "empty":
            run.store.write_bytes(b"")
        case "another version":
            with sqlite3.connect(run.store) as db:
                db.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
            db.close()
    before = run.store.read_bytes()
    for command in (("launch", "campaign.yaml"), ("export", "small")):
        said = refused(*command, folder=tmp_path)
        assert "small/store.sqlite" in said
        assert ("schema version 99" if damage == "another version" else "it is damaged") in said
    assert run.store.read_bytes() == before


# The disk


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 24 MB; `fill(disk, left_kb)` leaves so much of it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small disk can only be mounted by root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path, left_kb: int) -> None:
    (disk / "ballast").unlink(missing_ok=True)
    free = shutil.disk_usage(disk).free
    (disk / "ballast").write_bytes(bytes(free - left_kb * 1024))


@pytest.mark.parametrize("left_kb", [0, 16])
def test_a_full_disk_is_said_before_the_first_label_and_the_launch_can_be_repeated(
    tmp_path, small_disk, left_kb
):
    put_campaign(tmp_path)
    fill(small_disk, left_kb)
    where = ("--run-folder", small_disk / "run")
    said = refused("launch", "campaign.yaml", *where, folder=tmp_path)
    assert "full" in said
    assert str(small_disk / "run") in said
    (small_disk / "ballast").unlink()
    done = rung("launch", "campaign.yaml", *where, "--dry-run", folder=tmp_path)
    assert done.returncode == 0


@pytest.mark.slow
def test_a_disk_that_fills_up_amid_a_campaign_costs_no_label(tmp_path, small_disk):
    put_campaign(tmp_path)
    backend = put_backend(tmp_path)
    run = small_disk / "run"
    launch = ("launch", "campaign.yaml", "--backend", backend, "--run-folder", run)
    fill(small_disk, 420)
    done = rung(*launch, folder=tmp_path)
    assert done.returncode == 2
    # Parsl's own processes may have complained before of logs that they could not write.
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("rung: ")
    assert "full" in said
    assert "nothing that was computed is lost" in said or "all committed labels are kept" in said
    began = set(re.findall(r"(label-\S+) finished", (run / "logs" / "tasks.log").read_text()))
    (small_disk / "ballast").unlink()
    done = rung(*launch, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    finished = re.findall(r"(label-\S+) finished", (run / "logs" / "tasks.log").read_text())
    assert began <= set(finished)
    assert len(finished) == len(set(finished)) == 22


def test_an_export_that_cannot_be_written_leaves_nothing(tmp_path):
    new_run(tmp_path)
    for output in ("missing/data.extxyz", "campaign.yaml/data.extxyz"):
        said = refused("export", "small", "--output", output, folder=tmp_path)
        assert output.split("/")[0] in said
        assert "cannot be written" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campaign.yaml", "small"]


# The command line itself


def test_help_is_quick_because_it_loads_no_program(tmp_path):
    script = (
        "import sys; sys.argv = ['rung', '--help']\n"
        "from workflow.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'pyscf', 'rdkit', 'parsl', 'tblite', 'ase', 'h5py', 'scipy', 'numpy'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout


def test_every_command_has_an_example():
    commands = {
        command.callback.__name__: command.callback
        for group in app.registered_groups
        for command in group.typer_instance.registered_commands
    }
    known = {"init", "check", "schema", "launch", "status", "label", "export", "evaluate", "relax"}
    assert known <= set(commands)
    for name, callback in commands.items():
        command = name.rstrip("_").replace("_", "-")  # `import` is a word of Python
        assert f"Example: rung {command}" in callback.__doc__


def test_a_wrong_option_or_command_is_bad_input(tmp_path):
    assert rung("lanch", folder=tmp_path).returncode == 2
    assert rung("launch", "--dryrun", "campaign.yaml", folder=tmp_path).returncode == 2


def test_what_init_writes_can_be_launched(tmp_path):
    done = rung("init", "new", folder=tmp_path)
    assert done.returncode == 0
    assert "wrote new/campaign.yaml" in done.stdout
    done = rung(
        *("launch", "new/campaign.yaml", "--backend", "new/backend.yaml", "--dry-run"),
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "molecule  methanol" in done.stdout
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "backend.schema.json",
        "backend.yaml",
        "campaign.schema.json",
        "campaign.yaml",
    ]
    said = refused("init", "new", folder=tmp_path)
    assert "new/campaign.yaml exists already: it is not overwritten" in said


def test_the_schema_is_published(tmp_path):
    done = rung("schema", "campaign", folder=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout) == Campaign.model_json_schema()
