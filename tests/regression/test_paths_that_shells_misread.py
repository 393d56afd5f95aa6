"""A blank in a path kept all workers from starting, without a word; `;` in one ran what follows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chemistry.errors import InputError
from workflow.work.pools.shell_safe import shell_safe

NAMES = [
    "my folder",
    "a;touch pwned;b",
    "$HOME `touch pwned` $(touch pwned)",
    'it\'s "quoted"',
    "{block_id} %j &",
    "Wässer\nund Öl",
    "-x *",
]

_USE = """
import os, sys
from pathlib import Path
from workflow.settings.backend import Backend
from workflow.settings.pools.local import LocalPool
from workflow.work.pools.workers import start_workers

folder = Path(sys.argv[1])
with start_workers(Backend(pools={"main": LocalPool(workers=1)}), folder) as workers:
    print(workers.submit("label", abs, -3).result())
"""


@pytest.mark.parametrize("name", NAMES)
def test_workers_start_and_nothing_else_does(tmp_path, name):
    folder = tmp_path / name / "run"
    folder.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _USE, str(folder)],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    assert list(elsewhere.iterdir()) == []
    assert not list(tmp_path.rglob("pwned"))
    assert list((folder / "logs" / "parsl").iterdir()), "logs lie in the run folder itself"


def test_a_plain_path_is_taken_as_it_is(tmp_path):
    plain = Path("/var/runs/x-1_2@a+b=c,d:e")
    with shell_safe(plain, is_shared=True) as safe:
        assert safe == plain


def test_where_no_link_can_help_the_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    with (
        pytest.raises(InputError, match="put the campaign into another folder"),
        shell_safe(tmp_path / "my run", is_shared=True),
    ):
        pass


def test_a_link_is_gone_when_the_workers_are(tmp_path):
    folder = tmp_path / "my run"
    folder.mkdir()
    with shell_safe(folder, is_shared=False) as safe:
        assert safe.resolve() == folder
        assert " " not in str(safe)
        assert safe.parent.stat().st_uid == os.geteuid()
        # A launch that was killed has left its own.
        with shell_safe(folder, is_shared=False) as again:
            assert again == safe
    assert not safe.is_symlink()
