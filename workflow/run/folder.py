"""The folder of a run: where its files are, who holds it, and whether it may be gone on with."""

import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chemistry.errors import RunInUse


@dataclass(frozen=True)
class RunFolder:
    """runs/NAME: the resolved campaign, the store, the spool, models, exports and logs."""

    path: Path

    @property
    def store(self) -> Path:
        """The store: all that the campaign knows."""
        return self.path / "store.sqlite"

    @property
    def campaign(self) -> Path:
        """The campaign file as it was resolved: every default spelled out."""
        return self.path / "campaign.yaml"

    @property
    def spool(self) -> Path:
        """Results that workers have finished and the store does not hold yet."""
        return self.path / "spool"

    @property
    def models(self) -> Path:
        """Checkpoints of the committee, one for each training."""
        return self.path / "models"

    @property
    def exports(self) -> Path:
        """Data sets for others."""
        return self.path / "exports"

    @property
    def report(self) -> Path:
        """The report: one page for people."""
        return self.path / "report.html"

    @property
    def climb_report(self) -> Path:
        """What `rung climb-report` found, for the report."""
        return self.path / "climb-report.json"

    @property
    def logs(self) -> Path:
        """Logs of Parsl and of the engines."""
        return self.path / "logs"

    def checkpoint(self, rung: int, version: int) -> Path:
        """Return the path of a committee."""
        return self.path / checkpoint_name(rung, version)


def checkpoint_name(rung: int, version: int) -> str:
    """Return the path of a committee, relative to the run folder."""
    return f"models/rung{rung}-v{version:03d}.safetensors"


def is_locked(folder: RunFolder) -> bool:
    """Say whether a launch holds a run folder."""
    try:
        with (folder.path / "run.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold a run folder: the kernel lets go when the process ends, however it ends.

    Raises
    ------
    RunInUse
        Another launch holds it.
    """
    with (folder.path / "run.lock").open("a+") as file:
        try:
            _lock(file)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise RunInUse(
                f"{folder.path} is in use by {holder}: wait for it, or stop it with Ctrl-C there"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        yield


def _lock(file: IO[str]) -> None:
    """Lock a file; who only looks whether it is locked holds it for a moment."""
    for pause in (0.05, 0.2, 0.5):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(pause)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
