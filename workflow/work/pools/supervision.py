"""Parsl's processes, supervised: none outlives the driver, whichever of them is killed.

    python -E -P -m workflow.work.pools.supervision tie DRIVER COMMAND…       for the interchange
    python -E -P -m workflow.work.pools.supervision hold DRIVER COMMAND…      for a pool of workers

`tie` becomes COMMAND, away from the terminal's Ctrl-C, and dies with the driver. `hold` starts
COMMAND and watches: when the driver is gone, when it is told to end, when COMMAND ends or has lost
a worker, it ends all that is left of COMMAND and deletes its scratch folder. DRIVER is written
pid:birth (`workflow.work.system.processes.birth`).
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

from workflow.work.system.disk import own_folder
from workflow.work.system.isolate import SCRATCH_VARIABLE
from workflow.work.system.processes import (
    adopt_orphans,
    birth,
    children,
    die_with_parent,
    end_children,
    has_ended,
    kill,
    kill_tree,
    with_environment,
)

T = TypeVar("T")

NOBODY = "nobody"
"""The DRIVER of a pool on another machine than its driver's, which cannot be watched there."""

_SUPERVISOR_VARIABLE = "RUNG_SUPERVISOR"

_LOOK_SECONDS = 0.25
_SOON_SECONDS = 60.0
_REST_SECONDS = 5.0
_ENDING_SECONDS = 2.0


def run_supervised(
    function: Callable[..., T],
    arguments: tuple[Any, ...],
    parsl_resource_specification: object = None,  # noqa: ARG001 - Parsl hands its own keyword on
) -> T:
    """Call a task's function in a worker that from now on dies with its manager, amid a task too.

    Parsl's workers look for their manager only every other second: one that was orphaned meanwhile
    ends here, before another pool computes the same task.
    """
    die_with_parent(os.getppid())
    supervisor = os.environ.get(_SUPERVISOR_VARIABLE)
    if supervisor is not None and not is_alive(supervisor):
        os.kill(os.getpid(), signal.SIGKILL)
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
    """Run `command` as long as it makes sense; return 0 unless it failed by itself."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    adopt_orphans()
    end_left_behind()
    supervisor = os.getpid()
    scratch = _own_folder(Path(tempfile.gettempdir()))
    # Python's multiprocessing puts sockets there, whose paths must not exceed 107 characters.
    sockets = _own_folder(Path("/tmp"))
    pool = subprocess.Popen(
        command,
        env=os.environ
        | {
            _SUPERVISOR_VARIABLE: this_process(),
            SCRATCH_VARIABLE: str(scratch),
            "TMPDIR": str(sockets),
        },
        preexec_fn=lambda: die_with_parent(supervisor),
    )
    try:
        return _watch(pool, driver)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if pool.returncode is None:
            kill_tree(pool.pid)
        end_children()
        for folder in (scratch, sockets):
            shutil.rmtree(folder, ignore_errors=True)


def _watch(pool: "subprocess.Popen[bytes]", driver: str) -> int:
    """Return when the pool has ended or should end, with an exit status.

    A worker that is killed while it waits for a task mostly holds the lock of Parsl's task queue,
    which is then held for ever: no worker of the pool would get a task again. So the loss of a
    waiting worker ends the pool, and Parsl starts another one. The loss of a busy worker Parsl can
    answer itself: only that task is lost. But the worker may just have finished, so the pool ends
    as soon as all its workers rest.
    """
    started = resting_since = time.monotonic()
    workers: dict[int, bool] = {}  # pid: whether it was busy when it was last seen
    has_lost_one = False
    while pool.poll() is None:
        if not is_alive(driver):
            return 0
        now = {pid: bool(children(pid)) for pid in children(pool.pid) if not has_ended(pid)}
        lost = workers.keys() - now.keys()
        if any(not workers[pid] for pid in lost):
            with suppress(subprocess.TimeoutExpired):
                return pool.wait(_ENDING_SECONDS)  # it is ending, and its workers go first
            print("a waiting worker was lost: this pool ends for another one", file=sys.stderr)
            return int(time.monotonic() - started < _SOON_SECONDS)
        has_lost_one = has_lost_one or bool(lost)
        workers = now
        if any(now.values()):
            resting_since = time.monotonic()
        elif has_lost_one and time.monotonic() - resting_since > _REST_SECONDS:
            print("a busy worker was lost: this pool ends for another one", file=sys.stderr)
            return 0
        time.sleep(_LOOK_SECONDS)
    return pool.returncode


def end_left_behind() -> None:
    """End what killed supervisors of this host have left: Parsl's helpers, which none else ends."""
    prefix = _prefix()
    for pid, scratch in with_environment(SCRATCH_VARIABLE, "/").items():
        name = Path(scratch).name
        if name.startswith(prefix) and not is_alive(name.removeprefix(prefix)):
            kill(pid)


def _prefix() -> str:
    """Return how the names of this host's folders begin, which may be shared with other hosts."""
    return f"rung-{hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]}-"


def _own_folder(parent: Path) -> Path:
    """Return this process's folder in `parent`, and delete those that killed ones have left."""
    prefix = _prefix()
    for folder in parent.glob(f"{prefix}*:*"):
        if not is_alive(folder.name.removeprefix(prefix)):
            shutil.rmtree(folder, ignore_errors=True)
    own = parent / f"{prefix}{this_process()}"
    own_folder(own)
    return own


def is_alive(driver: str) -> bool:
    """Return whether the process that `this_process` named still runs; NOBODY always does."""
    if driver == NOBODY:
        return True
    pid, _, started = driver.partition(":")
    return pid.isdecimal() and str(birth(int(pid))) == started


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
