"""Parsl's processes on a leash: none outlives the driver, whichever of them is killed.

    python -P -m workflow.leash tie DRIVER COMMAND…       for the interchange
    python -P -m workflow.leash hold DRIVER COMMAND…      for a pool of workers on this machine

`tie` becomes COMMAND, away from the terminal's Ctrl-C, and dies with the driver. `hold` starts
COMMAND and watches: when the driver is gone, when it is told to end, when COMMAND ends or when a
worker is lost, it ends all that is left of COMMAND and deletes its scratch folder. DRIVER is
written pid:birth (`workflow.processes.birth`).
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn, TypeVar

from workflow.processes import (
    adopt_orphans,
    birth,
    children,
    die_with_parent,
    end_children,
    has_ended,
    kill_tree,
)

T = TypeVar("T")

_LOOK_SECONDS = 0.25
_SOON_SECONDS = 60.0


def run_on_leash(
    function: Callable[..., T],
    arguments: tuple[Any, ...],
    parsl_resource_specification: object = None,  # noqa: ARG001 - Parsl hands its own keyword on
) -> T:
    """Call a task's function in a worker that from now on dies with its manager, amid a task too.

    Parsl's workers look for their manager only between tasks.
    """
    die_with_parent(os.getppid())
    return function(*arguments)


def this_process() -> str:
    """Name the calling process as DRIVER."""
    return f"{os.getpid()}:{birth(os.getpid())}"


def tie(driver: str, command: Sequence[str]) -> NoReturn:
    """Become `command`, in a session of its own, ended by SIGTERM when the driver ends."""
    if os.getpgrp() != os.getpid():
        os.setsid()
    die_with_parent(int(driver.partition(":")[0]), signal.SIGTERM)
    os.execvp(command[0], list(command))


def hold(driver: str, command: Sequence[str]) -> int:
    """Run `command` as long as it makes sense; return 0 unless it failed by itself.

    A worker that is killed while it waits for a task holds the lock of the task queue for ever: no
    other worker of its manager would get a task again. So the loss of one ends them all, and Parsl
    starts anew.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    adopt_orphans()
    leash = os.getpid()
    scratch = tempfile.mkdtemp(prefix="rung-")
    started = time.monotonic()
    pool = subprocess.Popen(
        command,
        env=os.environ | {"TMPDIR": scratch},
        preexec_fn=lambda: die_with_parent(leash),
    )
    try:
        seen: frozenset[int] = frozenset()
        while pool.poll() is None:
            if not is_alive(driver):
                return 0
            alive = frozenset(pid for pid in children(pool.pid) if not has_ended(pid))
            if seen - alive:
                print("a worker was lost: the pool ends and is started anew", file=sys.stderr)
                return int(time.monotonic() - started < _SOON_SECONDS)
            seen |= alive
            time.sleep(_LOOK_SECONDS)
        return pool.returncode
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if pool.returncode is None:
            kill_tree(pool.pid)
        end_children()
        shutil.rmtree(scratch, ignore_errors=True)


def is_alive(driver: str) -> bool:
    """Return whether the process that `this_process` named still runs."""
    pid, _, started = driver.partition(":")
    return birth(int(pid)) == int(started)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def main(arguments: Sequence[str]) -> int:
    """Run the command line that the module's docstring describes."""
    mode, driver, *command = arguments
    if mode == "tie":
        tie(driver, command)
    return hold(driver, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
