"""The documentation: it builds without a warning, and every command in it works.

A page is a session: its files (blocks with a title) are written and its commands carried out, in
order, in a folder of their own. Commands for a cluster are only checked against the command line.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from workflow.cli import app

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
_BLOCK = re.compile(r"^``` ?(?P<info>[^\n]*)\n(?P<text>.*?)^```$", flags=re.M | re.S)
# The tutorial as it stands would take a quarter of an hour.
_QUICKER = {
    "wb97x/6-31g*": "gfn2-xtb",
    "ccsd(t)*/cbs": "hf/sto-3g",
    "budget: {labels: 130}": "budget: {labels: 40}",
    "budget: {labels: 40}\nheld": "budget: {labels: 16}\nheld",
    "train: {members: 4, folds: 4": "train: {members: 2, folds: 2, max_epochs: 20",
    ", max_epochs: 80}": "}",
    "--points 24": "--points 4",
    "--points 12": "--points 4",
}


def quicker(text: str) -> str:
    for slow, quick in _QUICKER.items():
        text = text.replace(slow, quick)
    return text


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    info: str
    text: str

    @property
    def title(self) -> str | None:
        """The file that it is."""
        found = re.search(r'title="([^"]+)"', self.info)
        return found and found[1]

    @property
    def commands(self) -> list[str]:
        """What a person types."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks(page: Path) -> list[Block]:
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["info"], match["text"]) for match in found]


def is_session(page: Path) -> bool:
    return any(block.info == "console" for block in blocks(page))


def test_the_pages_have_commands_to_run():
    names = {page.stem for page in PAGES if is_session(page)}
    assert {"quick-start", "tutorial", "restart", "failures", "grow", "data", "cluster"} <= names


@pytest.mark.parametrize("page", [p for p in PAGES if is_session(p)], ids=lambda page: page.stem)
def test_every_command_of_a_page_works(page, tmp_path):
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    for block in blocks(page):
        if block.title is not None:
            (tmp_path / block.title).write_text(quicker(block.text), encoding="utf-8")
        commands = [quicker(c) for c in block.commands] if block.info == "console" else []
        if block.info == "python":
            (tmp_path / "example.py").write_text(block.text, encoding="utf-8")
            commands = ["python example.py"]
        for command in commands:
            done = subprocess.run(
                ["bash", "-e", "-c", command],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=480,
            )
            assert done.returncode == 0, f"$ {command}\n{done.stdout[-2000:]}{done.stderr}"
            assert "Traceback" not in done.stderr


def known_options() -> dict[str, set[str]]:
    group: Any = typer.main.get_command(app)
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in group.commands.items()
    }


def test_commands_that_only_a_cluster_can_run_exist():
    known = known_options()
    commands = [
        shlex.split(command)
        for page in PAGES
        for block in blocks(page)
        if ".cluster" in block.info
        for command in block.commands
    ]
    assert commands
    for program, name, *arguments in commands:
        assert program == "rung"
        assert {a for a in arguments if a.startswith("--")} <= known[name]


def test_the_readme_names_commands_and_options_that_exist():
    known = known_options()
    lines = re.findall(r"^\.venv/bin/rung (.*?)(?: +#.*)?$", (ROOT / "README.md").read_text(), re.M)
    assert len(lines) > 10
    for line in lines:
        name, *arguments = shlex.split(line)
        assert {a for a in arguments if a.startswith("--")} <= known[name], line


def test_the_documentation_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=480,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    campaign = (tmp_path / "site/reference/campaign/index.html").read_text(encoding="utf-8")
    assert "labels_per_training" in campaign
    python = (tmp_path / "site/reference/python/index.html").read_text(encoding="utf-8")
    assert "CommitteeCalculator" in python
    commands = (tmp_path / "site/reference/commands/index.html").read_text(encoding="utf-8")
    assert "rung torsion" in commands
