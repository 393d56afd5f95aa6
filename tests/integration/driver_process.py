"""A driver of workers in a process of its own, and all processes that it starts.

All of them inherit the driver's folder and a mark in their environment, by which they are found
whatever becomes of their parents.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

_PRELUDE = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from chemistry.errors import CampaignFailed, PoisonTask
from workflow.settings.backend import Backend, Roles, WalltimeLimits
from workflow.settings.pools.local import LocalPool
from workflow.settings.pools.sge import SgePool
from workflow.settings.pools.slurm import SlurmPool
from workflow.work.system.child import Limits
from workflow.work.system.isolate import run_isolated
from workflow.work.pools.workers import start_workers

folder = Path(sys.argv[1])
one = Backend(pools={"main": LocalPool(workers=1)})
two = Backend(pools={"main": LocalPool(workers=2)})

def tell(what):
    (folder / "told.json").write_text(json.dumps(what))

# Functions for workers travel by value and therefore import what they need.

def hang(folder, number):
    import os, subprocess, time
    from pathlib import Path
    from workflow.work.system.child import Limits
    from workflow.work.system.isolate import run_isolated

    def task():
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        Path("scratch").write_bytes(b"x" * 100000)
        (folder / f"busy{number}").touch()
        time.sleep(600)

    return str(run_isolated(task, limits=Limits(wall_seconds=600, memory_gb=1)))

def wait_for(file):
    import time
    while not file.exists():
        time.sleep(0.01)

def note(file, line):
    with file.open("a") as opened:
        opened.write(line + "\\n")
"""


class Driver:
    """A driver in a process of its own, and all processes that bear its mark."""

    def __init__(
        self, folder: Path, body: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.temporary = folder / "temporary"
        self.temporary.mkdir(exist_ok=True)
        script = folder / "driver.py"
        script.write_text(_PRELUDE + body)
        self._output = (folder / "output.txt").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(script), str(folder)],
            cwd=folder,
            env={
                **os.environ,
                **(environment or {}),
                "RUNG_TEST_MARK": self.mark,
                "TMPDIR": str(self.temporary),
            },
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def told(self) -> Any:
        return json.loads((self.folder / "told.json").read_text())

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def others(self, words: str = "") -> list[psutil.Process]:
        """Return the living processes of this driver, without itself, whose command has words."""
        found = []
        for process in psutil.process_iter():
            try:
                # Parsl's interchange writes its title over its environment.
                if (
                    process.pid != self.process.pid
                    and process.status() != psutil.STATUS_ZOMBIE
                    and words in " ".join(process.cmdline())
                    and (
                        process.cwd().startswith(str(self.folder))
                        or process.environ().get("RUNG_TEST_MARK") == self.mark
                    )
                ):
                    found.append(process)
            except (psutil.AccessDenied, psutil.NoSuchProcess):
                continue
        return found

    def until(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.output
            assert self.process.poll() is None, self.output
            time.sleep(0.05)

    def ends(self, seconds: float = 60) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the driver does not end: {self.output}")

    def leaves_nothing(self, seconds: float = 10) -> bool:
        deadline = time.monotonic() + seconds
        while self.others() or list(self.temporary.iterdir()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def close(self) -> None:
        for process in [*self.others(), self.process]:
            process.kill()
        self.process.wait()
        self._output.close()
