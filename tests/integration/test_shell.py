"""The command in a shell: pipes, NO_COLOR, completion, and what `--help` loads."""

import json
import os
import pty
import re
import subprocess
import sys
from typing import Any

import pytest
import typer
from rung_command import RUNG, environment, put_campaign, rung

from workflow.cli import app
from workflow.run.opened import open_run
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign

CAMPAIGN = Campaign.model_validate(
    {"name": "shell", "molecules": ["O"], "rungs": [{"level": "hf/sto-3g"}]}
)
READING = (
    "check",
    "launch",
    "status",
    "explain",
    "climb-report",
    "intervals",
    "evaluate",
    "relax",
    "vibrations",
    "torsion",
    "dynamics",
)
GROUP: Any = typer.main.get_command(app)
COMMANDS = GROUP.commands


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has been made and never launched."""
    folder = open_run(CAMPAIGN, tmp_path_factory.mktemp("shell") / "run")
    with Store.create(folder.store, CAMPAIGN.model_dump_json()):
        return folder.path


def in_a_terminal(*arguments, **more: str) -> str:
    """Return what a command writes to a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        given = {**environment(), "TERM": "xterm-256color", **more}
        os.execve(RUNG, [str(RUNG), *map(str, arguments)], given)
    written = b""
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # Linux says so of a terminal whose other side is closed
            break
        if not read:
            break
        written += read
    os.waitpid(pid, 0)
    os.close(terminal)
    return written.decode()


@pytest.mark.parametrize("name", READING)
def test_a_command_that_reads_has_json_for_programs(name):
    assert any("--json" in option.opts for option in COMMANDS[name].params)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_in_an_example(name):
    assert f"Example: rung {name}" in (COMMANDS[name].help or "")


def test_a_pipe_gets_no_control_characters_and_no_folded_lines(run):
    done = rung("status", run, folder=run)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    document = json.loads(rung("status", run, "--json", folder=run).stdout)
    assert document["name"] == "shell"


def test_what_a_launch_would_do_is_json_too(tmp_path):
    put_campaign(tmp_path)
    done = rung("launch", "campaign.yaml", "--dry-run", "--json", folder=tmp_path)
    told = json.loads(done.stdout)
    assert (told["campaign"], told["resumes"]) == ("small", False)
    assert told["molecules"] == ["water", "methanol"]
    assert told["rungs"][0] == {
        "level": "gfn2-xtb",
        "initial_labels": 8,
        "budget_labels": 18,
        "held_out_labels": 4,
    }
    refused = rung("launch", "campaign.yaml", "--json", folder=tmp_path)
    assert refused.returncode == 2
    assert "--dry-run" in refused.stderr


@pytest.mark.slow
def test_a_check_is_json_too(tmp_path):
    put_campaign(tmp_path)
    done = rung("check", "campaign.yaml", "--json", folder=tmp_path)
    told = json.loads(done.stdout)
    assert told["molecules"] == 2
    [pool] = told["pools"]
    assert set(pool["roles"]) >= {"label", "train", "explore"}
    assert pool["worker"]["cores"] >= 1
    [level] = told["levels"]
    assert (level["engine"], level["atoms"], level["labels"]) == ("tblite", 3, 22)
    assert level["forecast_cpu_seconds"] > 22 * level["cpu_seconds"] > 0


def test_no_color_means_none_in_a_terminal_either(run):
    colour = re.compile(r"\x1b\[(?:\d;)*(?:3[0-8]|9\d)")
    for arguments in (("status", run), ("status", run / "absent")):
        assert colour.search(in_a_terminal(*arguments))
        assert not colour.search(in_a_terminal(*arguments, NO_COLOR="1"))


def test_a_shell_completes_commands_and_options():
    def completed(line: str) -> list[str]:
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
        done = subprocess.run(
            [RUNG],
            env=environment() | {"_RUNG_COMPLETE": "complete_bash", **asked},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert "climb-report" in completed("rung cl")
    assert {"--format", "--where"} <= set(completed("rung export --"))


def test_help_loads_nothing_that_computes():
    asked = (
        "import sys\nfrom workflow.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "names = ('numpy', 'torch', 'rdkit', 'pydantic', 'parsl', 'ase', 'rich.markdown')\n"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_launch_loads_neither_torch_nor_formats_before_its_workers_start():
    asked = (
        "import sys, workflow.campaign.launch, workflow.campaign.observers.progress\n"
        "import workflow.report.summary, workflow.report.screen\n"
        "print([name for name in ('torch', 'ase.db', 'h5py', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_missing_is_said_with_the_command_that_makes_it(run):
    for command, next_command in {
        ("evaluate", run, "data.extxyz"): "rung launch",
        ("climb-report", run): "rung launch",
        ("intervals", run): "rung launch",
        ("status", run / "absent"): "rung launch",
        ("launch", "absent.yaml"): "rung init",
    }.items():
        done = rung(*command, folder=run)
        assert done.returncode == 2
        assert next_command in done.stderr
