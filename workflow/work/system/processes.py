"""What Linux offers so that no process outlives the one that it works for."""

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int, signal_number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when the thread that started it ends.

    `parent` is the process id of the parent: if it is gone already, the signal comes at once.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal_number))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children(pid: int) -> frozenset[int]:
    """Return the living and the unreaped children of a process; none if it is gone."""
    found: set[int] = set()
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found.update(map(int, (thread / "children").read_text().split()))
    return frozenset(found)


def has_ended(pid: int) -> bool:
    """Return whether a process is gone or waits only to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def kill_tree(child: int) -> None:
    """SIGKILL a child that is not reaped yet, its process group and all its descendants."""
    _kill(child, signal.SIGSTOP)  # it must not start others meanwhile
    while doomed := [pid for pid in _descendants(child) if not has_ended(pid)]:
        for pid in doomed:
            _kill(pid, signal.SIGKILL)
    _kill(child, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    found = list(children(pid))
    for descendant in found:
        found.extend(children(descendant))
    return found


def with_environment(variable: str, beginning: str) -> dict[int, str]:
    """Return the processes of this user that were started with a variable of such a beginning.

    By process id, with the value.
    """
    found: dict[int, str] = {}
    sought = f"{variable}={beginning}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it has ended, or is of another user
                for part in (entry / "environ").read_bytes().split(b"\0"):
                    if part.startswith(sought):
                        found[int(entry.name)] = os.fsdecode(part).partition("=")[2]
    return found


def kill(pid: int) -> None:
    """SIGKILL a process, if it is still there."""
    _kill(pid, signal.SIGKILL)


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def end_children(patience_seconds: float = 0.0) -> None:
    """Reap all children of this process, adopted ones included; SIGKILL those that stay.

    Returns when none is left. Descendants that are orphaned on the way are adopted and ended too,
    where `adopt_orphans` was called.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        if time.monotonic() >= deadline:
            for pid in children(os.getpid()):
                _kill(pid, signal.SIGKILL)
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if reaped == 0:
            time.sleep(0.005)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def birth(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since boot; None if it has ended.

    With it a process is told from a later one that was given the same id.
    """
    if has_ended(pid):
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
