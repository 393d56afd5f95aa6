"""The report of a running campaign, written anew after each training by a process of its own."""

import os
import shutil
import subprocess
import sys
from types import TracebackType
from typing import Self

import psutil

from chemistry.records.level import LevelOfTheory
from workflow.campaign.driver import Observer
from workflow.planning.state import RungState
from workflow.run.folder import RunFolder
from workflow.work.pools.supervision import this_process

_LOWEST_PRIORITY = 19
_ROOM_BYTES = 100_000_000


class Refresher:
    """Hands on what a driver says, and starts `rung report` after each training.

    One report at a time, of the lowest priority, ended with the driver: it takes neither labels nor
    the driver's time. A report that cannot be written is said once and harms nothing; on a disk
    that is nearly full none is tried.
    """

    def __init__(self, folder: RunFolder, observer: Observer) -> None:
        self._folder = folder
        self._observer = observer
        self._reported = (0, 0)
        self._writer: subprocess.Popen[bytes] | None = None
        self._log = folder.logs / "report.log"
        self._has_complained = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None and self._writer.poll() is None:
            self._writer.kill()
            self._writer.wait()

    def said(self, text: str) -> None:
        """Hand it on."""
        self._observer.said(text)

    def saw(self, state: RungState, level: LevelOfTheory) -> None:
        """Hand it on, and refresh the report if there is a new training."""
        self._observer.saw(state, level)
        if self._writer is not None:
            if self._writer.poll() is None:
                return
            self._complain(self._writer.returncode)
            self._writer = None
        trained = (state.index, len(state.trainings))
        if state.trainings and trained != self._reported and self._has_room():
            self._reported = trained
            self._writer = self._start()

    def _has_room(self) -> bool:
        return shutil.disk_usage(self._folder.path).free > _ROOM_BYTES

    def _start(self) -> "subprocess.Popen[bytes]":
        python = [sys.executable, "-E", "-P", "-m"]
        tied = [*python, "workflow.work.pools.supervision", "tie", this_process()]
        with self._log.open("w") as log:
            writer = subprocess.Popen(
                [*tied, *python, "workflow.cli", "report", str(self._folder.path.resolve())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        psutil.Process(writer.pid).nice(_LOWEST_PRIORITY)
        return writer

    def _complain(self, code: int) -> None:
        if code == 0 or self._has_complained:
            return
        self._has_complained = True
        lines = self._log.read_text(encoding="utf-8").strip().splitlines() or [f"exit code {code}"]
        self._observer.said(f"the report could not be written: {lines[-1]}")
