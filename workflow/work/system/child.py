"""The child's side of `isolate`: it sets its limits, makes the calls and sends their answers."""

import errno
import faulthandler
import gc
import os
import pickle
import resource
import signal
import struct
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NoReturn, TypeAlias

from chemistry.units import BYTES_PER_GB
from workflow.work.system.processes import adopt_orphans, die_with_parent, end_children

Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments."""

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one call may use.

    Attributes
    ----------
    wall_seconds : float
    memory_gb : float
        Address space that the child may take beyond what the caller has mapped.
    limits_address_space : bool
        Whether that holds. Without it nothing but the machine limits memory: what a GPU maps says
        nothing of what it uses.
    """

    wall_seconds: float
    memory_gb: float
    limits_address_space: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a call came to.

    Attributes
    ----------
    kind : "value", "error" or "memory"
    content : object
        The value; or what was raised, in one line.
    text : str
        The traceback of what was raised.
    cpu_seconds : float
        Of the child so far, all its calls and all that it started and reaped.
    max_rss_bytes : int
        The most memory that it has had so far.
    """

    kind: Literal["value", "error", "memory"]
    content: Any
    text: str
    cpu_seconds: float
    max_rss_bytes: int


def own_memory(what: Literal["size", "resident"]) -> int:
    """Return the bytes of address space, or of memory, that this process has."""
    pages = Path("/proc/self/statm").read_text().split()[("size", "resident").index(what)]
    return int(pages) * resource.getpagesize()


def framed(content: bytes) -> bytes:
    """Return what is sent through a pipe so that its reader knows where it ends."""
    return _LENGTH.pack(len(content)) + content


def unframed(received: bytes | bytearray) -> bytes | None:
    """Return what was framed once all of it has come, else None."""
    if len(received) < _LENGTH.size:
        return None
    [length] = _LENGTH.unpack_from(received)
    if len(received) < _LENGTH.size + length:
        return None
    return bytes(received[_LENGTH.size :])


def become_child(
    first: Call,
    limits: Limits,
    scratch: Path,
    *,
    requests: int,
    answers: int,
    output: int,
    caller: int,
) -> NoReturn:
    """Set the limits, make the first call and those requested, leave without the caller's clean-up.

    Whatever happens, the caller's stack must not return in two processes. Requests, answers and
    output are descriptors.
    """
    status = 70
    try:
        os.setsid()  # a Ctrl-C is the caller's business
        adopt_orphans()  # what a descendant leaves behind is found and ended too
        die_with_parent(caller)
        gc.freeze()  # what the caller holds is not this process's to clean up
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        faulthandler.enable(file=2)
        os.environ["TMPDIR"] = os.environ["PYSCF_TMPDIR"] = str(scratch)
        tempfile.tempdir = None
        os.chdir(scratch)
        hard_limit = _limit_memory(limits)
        with os.fdopen(answers, "wb") as answering, os.fdopen(requests, "rb") as asking:
            for function, arguments in _calls(first, asking):
                answering.write(framed(answer_of(function, arguments, hard_limit)))
                answering.flush()
                end_children()
        status = 0
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _calls(first: Call, requests: IO[bytes]) -> Iterator[Call]:
    """Yield calls until the caller closes its end."""
    yield first
    while header := requests.read(_LENGTH.size):
        [length] = _LENGTH.unpack(header)
        yield pickle.loads(requests.read(length))


def _limit_memory(limits: Limits) -> int:
    """Limit this process to so much beyond what it has mapped; return the hard limit."""
    with suppress(OSError):  # when the machine runs out of memory, the kernel takes this one first
        Path("/proc/self/oom_score_adj").write_text("500")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if not limits.limits_address_space:
        return hard
    allowed = own_memory("size") + int(limits.memory_gb * BYTES_PER_GB)
    soft = allowed if hard == resource.RLIM_INFINITY else min(allowed, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return hard


def answer_of(function: Callable[..., Any], arguments: tuple[Any, ...], hard_limit: int) -> bytes:
    """Make a call and return its pickled answer: a value, or an exception as text."""
    try:
        return _pickled("value", function(*arguments), "")
    except BaseException as error:  # noqa: BLE001 - sys.exit too must not pass for a result
        # The report of a lack of memory needs a little memory itself.
        resource.setrlimit(resource.RLIMIT_AS, (hard_limit, hard_limit))
        kind: Literal["memory", "error"] = "memory" if _is_lack_of_memory(error) else "error"
        words = "".join(traceback.format_exception_only(error)).strip()
        return _pickled(kind, words, traceback.format_exc())


def _pickled(kind: Literal["value", "error", "memory"], content: Any, text: str) -> bytes:
    own, reaped = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    answer = Answer(
        kind=kind,
        content=content,
        text=text,
        cpu_seconds=own.ru_utime + own.ru_stime + reaped.ru_utime + reaped.ru_stime,
        max_rss_bytes=1024 * max(own.ru_maxrss, reaped.ru_maxrss),
    )
    return pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)


def _is_lack_of_memory(error: BaseException) -> bool:
    """Tell a failed allocation, which torch raises as a RuntimeError and the system as OSError."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("can't allocate memory" in str(error) or "bad_alloc" in str(error))
    )
