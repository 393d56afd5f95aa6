"""Run one function call in a child process, with limits of time and memory that hold.

The child may hang, crash or be killed: its caller only waits, ends it and all that it started at
the limit, and says what happened. Python's own timeouts fire only between bytecodes, not within an
SCF.

The caller imports what the function needs, so that a child starts in milliseconds, but must not
have computed with OpenMP or touched a GPU: neither its threads nor CUDA survive a fork.
"""

import errno
import faulthandler
import gc
import math
import os
import pickle
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, Literal, NoReturn, TypeVar

from chemistry.units import BYTES_PER_GB
from workflow.work.system.processes import adopt_orphans, die_with_parent, end_children, kill_tree

T = TypeVar("T")

SCRATCH_VARIABLE = "RUNG_SCRATCH"

_OUTPUT_CHARACTERS = 4000
_POLL_SECONDS = 0.05
_POLL_SECONDS_AT_END = 0.001


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


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one call has used; `max_rss_gb` includes what it shares with its caller."""

    cpu_seconds: float
    wall_seconds: float
    max_rss_gb: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Finished(Generic[T]):
    """The function returned a value."""

    value: T
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class Raised:
    """The function raised an exception, which is a bug: its traceback as text."""

    error: str
    traceback: str
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class Died:
    """The child ended without an answer: over a limit (`resource`), or crashed or killed.

    `output` is the end of what it wrote to its standard output and error, with the Python stack of
    a crash in compiled code.
    """

    kind: Literal["resource", "infrastructure"]
    message: str
    output: str
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class _End:
    """How a child ended: its answer if it gave one, its wait status, its last words.

    `inherited_gb` is what its caller held when it was forked.
    """

    answer: bytes
    is_over_time: bool
    wait_status: int
    output: str
    inherited_gb: float
    usage: Usage


def run_isolated(
    function: Callable[..., T],
    *arguments: Any,
    limits: Limits,
    scratch_root: Path | None = None,
) -> Finished[T] | Raised | Died:
    """Call `function(*arguments)` in a child process and return how that went.

    The child works in an empty scratch folder of its own, made in `scratch_root` (default: what
    the environment names in RUNG_SCRATCH, else the system's temporary folder) and deleted
    afterwards: its current folder, what `tempfile` uses, and PYSCF_TMPDIR. Relative paths among the
    arguments therefore lead nowhere.

    KeyboardInterrupt and whatever else a signal handler raises in the caller ends the child and all
    that it started, then passes on. If the caller is killed, the kernel kills the child; what the
    child had started, and its scratch folder, are left to `workflow/work/pools/supervision.py`.
    """
    root = scratch_root or os.environ.get(SCRATCH_VARIABLE)
    try:
        scratch = Path(tempfile.mkdtemp(prefix="rung-", dir=root))
    except OSError as error:
        return _not_run(error)
    try:
        return _outcome(_run_child(function, arguments, limits, scratch), limits)
    except OSError as error:
        return _not_run(error)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run_child(
    function: Callable[..., Any], arguments: tuple[Any, ...], limits: Limits, scratch: Path
) -> _End:
    """Start the child, take its answer, end it and all that it started, and reap it."""
    with suppress(OSError, ValueError):  # what is buffered would be written by both processes
        sys.stdout.flush()
        sys.stderr.flush()
    caller = os.getpid()
    reading, writing = os.pipe()
    answer, answer_end = os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb")
    with tempfile.TemporaryFile(dir=scratch) as output, answer, answer_end:
        started = time.monotonic()
        inherited_gb = _own_memory("resident") / BYTES_PER_GB
        child = os.fork()
        if child == 0:
            _become_child(function, arguments, limits, scratch, answer_end, output.fileno(), caller)
        try:
            answer_end.close()
            content, is_over_time = _receive(answer, child, started + limits.wall_seconds)
        finally:
            kill_tree(child)
            _, wait_status, used = os.wait4(child, 0)
        return _End(
            answer=content,
            is_over_time=is_over_time,
            wait_status=wait_status,
            output=_last_words(output.fileno()),
            inherited_gb=inherited_gb,
            usage=Usage(
                cpu_seconds=used.ru_utime + used.ru_stime,
                wall_seconds=time.monotonic() - started,
                max_rss_gb=used.ru_maxrss * 1024 / BYTES_PER_GB,
            ),
        )


def _not_run(error: OSError) -> Died:
    nothing = Usage(cpu_seconds=0.0, wall_seconds=0.0, max_rss_gb=0.0)
    message = f"could not be run: {error.strerror or error}"
    return Died(kind="infrastructure", message=message, output="", usage=nothing)


def _outcome(end: _End, limits: Limits) -> Finished[Any] | Raised | Died:
    """Tell from its end what became of a call."""
    usage, output, status = end.usage, end.output, end.wait_status
    over_memory = f"needed more memory than its limit of {limits.memory_gb:g} GB"
    if end.is_over_time:
        message = f"ended at its limit of {limits.wall_seconds:g} s wall time"
        return Died(kind="resource", message=message, output=output, usage=usage)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        message = f"crashed with {name} at {usage.max_rss_gb:.1f} GB"
        # An allocation that fails under the limit may crash compiled code. A SIGKILL that is not
        # ours is the kernel's, when the machine is out of memory.
        if name == "SIGKILL":
            message += ", probably because the machine was out of memory"
        elif "bad_alloc" in output or usage.max_rss_gb - end.inherited_gb > 0.8 * limits.memory_gb:
            message += f", probably because it {over_memory}"
        else:
            return Died(kind="infrastructure", message=message, output=output, usage=usage)
        return Died(kind="resource", message=message, output=output, usage=usage)
    if os.WEXITSTATUS(status) != 0 or not end.answer:
        message = f"exited with status {os.WEXITSTATUS(status)} without an answer"
        return Died(kind="infrastructure", message=message, output=output, usage=usage)
    kind, content, text = pickle.loads(end.answer)
    if kind == "value":
        return Finished(value=content, usage=usage)
    if kind == "memory":
        return Died(kind="resource", message=over_memory, output=text, usage=usage)
    return Raised(error=content, traceback=text, usage=usage)


def _own_memory(what: Literal["size", "resident"]) -> int:
    """Return the bytes of address space, or of memory, that this process has."""
    pages = Path("/proc/self/statm").read_text().split()[("size", "resident").index(what)]
    return int(pages) * resource.getpagesize()


def _receive(answer: IO[bytes], child: int, deadline: float) -> tuple[bytes, bool]:
    """Return the child's answer once the child has ended, and whether it ran into its deadline."""
    poll = select.poll()
    poll.register(answer, select.POLLIN)
    chunks: list[bytes] = []
    pause = _POLL_SECONDS
    while (remaining := deadline - time.monotonic()) > 0:
        if poll.poll(math.ceil(min(remaining, pause) * 1e3)):
            chunks.append(os.read(answer.fileno(), 1 << 20))
            if not chunks[-1]:  # the child sent all it had and is about to end
                poll.unregister(answer)
                pause = _POLL_SECONDS_AT_END
        elif os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            # Ended, though something that it started may still hold the pipe open.
            return b"".join(chunks), False
    return b"", True


def _become_child(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    limits: Limits,
    scratch: Path,
    answer: IO[bytes],
    output: int,
    caller: int,
) -> NoReturn:
    """Set the limits, call the function, send the answer, and leave without the caller's clean-up.

    Whatever happens, the caller's stack must not go on in two processes.
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
        with answer:
            answer.write(_answer(function, arguments, hard_limit))
        end_children()
        status = 0
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _limit_memory(limits: Limits) -> int:
    """Limit this process to so much beyond what it has mapped; return the hard limit."""
    with suppress(OSError):  # when the machine runs out of memory, the kernel takes this one first
        Path("/proc/self/oom_score_adj").write_text("500")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if not limits.limits_address_space:
        return hard
    allowed = _own_memory("size") + int(limits.memory_gb * BYTES_PER_GB)
    soft = allowed if hard == resource.RLIM_INFINITY else min(allowed, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return hard


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...], hard_limit: int) -> bytes:
    """Return the pickled answer: a value, or an exception as text."""
    try:
        value = function(*arguments)
        return pickle.dumps(("value", value, ""), protocol=pickle.HIGHEST_PROTOCOL)
    except BaseException as error:  # noqa: BLE001 - sys.exit too must not pass for a result
        # The report of a lack of memory needs a little memory itself.
        resource.setrlimit(resource.RLIMIT_AS, (hard_limit, hard_limit))
        kind = "memory" if _is_lack_of_memory(error) else "error"
        told = "".join(traceback.format_exception_only(error)).strip()
        return pickle.dumps((kind, told, traceback.format_exc()))


def _is_lack_of_memory(error: BaseException) -> bool:
    """Tell a failed allocation, which torch raises as a RuntimeError and the system as OSError."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("can't allocate memory" in str(error) or "bad_alloc" in str(error))
    )


def _last_words(output: int) -> str:
    """Return the end of what the child wrote; of its stack, what lies above the caller's."""
    said = os.pread(output, os.fstat(output).st_size, 0).decode(errors="replace")
    return said.partition(f" in {_answer.__name__}")[0][-_OUTPUT_CHARACTERS:].strip()
