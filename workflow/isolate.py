"""Run one function call in a process of its own, with limits of time and memory that hold.

    caller ──fork──► keeper ──fork──► child: the function
       ▲                │ ▲               │
       └── the answer ──┘ └── the result ─┘

The child may hang, crash or be killed. The keeper computes nothing: it ends the child and all that
the child started, at the limit or when the caller is gone, deletes the scratch folder, and says
what happened. Python's own timeouts fire only between bytecodes, not within an SCF.

The caller imports what the function needs, so that a child starts in milliseconds, but must not
have computed with OpenMP, whose threads do not survive a fork.
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
from typing import Any, Generic, Literal, NoReturn, TypeVar

from workflow.processes import adopt_orphans, die_with_parent, end_children

T = TypeVar("T")

_BYTES_PER_GB = 1e9
_OUTPUT_CHARACTERS = 4000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one call may use.

    Attributes
    ----------
    wall_seconds : float
    memory_gb : float
        Address space that the child may take beyond what the caller has mapped.
    """

    wall_seconds: float
    memory_gb: float


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
class _Account:
    """What the keeper saw: the child's answer if there is one, and how it ended."""

    answer: bytes
    wait_status: int
    is_over_time: bool
    output: str
    usage: Usage


def run_isolated(
    function: Callable[..., T],
    *arguments: Any,
    limits: Limits,
    scratch_root: Path | None = None,
) -> Finished[T] | Raised | Died:
    """Call `function(*arguments)` in a child process and return how that went.

    The child works in an empty scratch folder of its own, made in `scratch_root` (default: the
    system's temporary folder) and deleted afterwards: its current folder, what `tempfile` uses, and
    PYSCF_TMPDIR. Relative paths among the arguments therefore lead nowhere. Whatever ends the call
    (KeyboardInterrupt too, or the caller's death) ends the child and all that it started.
    """
    try:
        scratch = Path(tempfile.mkdtemp(prefix="rung-", dir=scratch_root))
        try:
            report = _run_keeper(function, arguments, limits, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)  # the keeper did, unless it was killed
    except OSError as error:
        return _not_run(f"{error.strerror or error}")
    if not report:
        return _not_run("the process that watched it was killed")
    account: _Account = pickle.loads(report)
    return _outcome(account, limits)


def _run_keeper(
    function: Callable[..., Any], arguments: tuple[Any, ...], limits: Limits, scratch: Path
) -> bytes:
    """Start the keeper, wait until it and all that it started are gone, return its report."""
    report, report_end = os.pipe()
    lifeline_end, lifeline = os.pipe()
    with suppress(OSError, ValueError):  # what is buffered would be written by both processes
        sys.stdout.flush()
        sys.stderr.flush()
    try:
        keeper = os.fork()
    except OSError:
        for descriptor in (report, report_end, lifeline_end, lifeline):
            os.close(descriptor)
        raise
    if keeper == 0:
        os.close(lifeline)
        _forked(_keep, function, arguments, limits, scratch, report_end, lifeline_end)
    os.close(report_end)
    os.close(lifeline_end)
    try:
        with os.fdopen(report, "rb") as pipe:
            return pipe.read()
    finally:
        os.close(lifeline)  # tells the keeper to end the child, if it still runs
        os.waitpid(keeper, 0)


def _not_run(reason: str) -> Died:
    nothing = Usage(cpu_seconds=0.0, wall_seconds=0.0, max_rss_gb=0.0)
    message = f"could not be run: {reason}"
    return Died(kind="infrastructure", message=message, output="", usage=nothing)


def _outcome(account: _Account, limits: Limits) -> Finished[Any] | Raised | Died:
    """Tell from the account what became of a call."""
    usage, output, status = account.usage, account.output, account.wait_status
    over_memory = f"needed more memory than its limit of {limits.memory_gb:g} GB"
    if account.is_over_time:
        message = f"ended at its limit of {limits.wall_seconds:g} s wall time"
        return Died(kind="resource", message=message, output=output, usage=usage)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        message = f"crashed with {name} at {usage.max_rss_gb:.1f} GB"
        # An allocation that fails under the limit may crash compiled code. A SIGKILL that is not
        # the keeper's is the kernel's, when the machine is out of memory.
        if name == "SIGKILL":
            message += ", probably because the machine was out of memory"
        elif "bad_alloc" in output or usage.max_rss_gb > 0.8 * limits.memory_gb:
            message += f", probably because it {over_memory}"
        else:
            return Died(kind="infrastructure", message=message, output=output, usage=usage)
        return Died(kind="resource", message=message, output=output, usage=usage)
    if os.WEXITSTATUS(status) != 0 or not account.answer:
        message = f"exited with status {os.WEXITSTATUS(status)} without an answer"
        return Died(kind="infrastructure", message=message, output=output, usage=usage)
    kind, content, text = pickle.loads(account.answer)
    if kind == "value":
        return Finished(value=content, usage=usage)
    if kind == "memory":
        return Died(kind="resource", message=over_memory, output=text, usage=usage)
    return Raised(error=content, traceback=text, usage=usage)


def _forked(body: Callable[..., None], *arguments: Any) -> NoReturn:
    """Run the body of a forked process and leave without the caller's clean-up."""
    status = 70
    try:
        body(*arguments)
        status = 0
    except BaseException:  # noqa: BLE001 - the caller's stack must not go on in two processes
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _keep(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    limits: Limits,
    scratch: Path,
    report: int,
    lifeline: int,
) -> None:
    """Be the keeper: start the child, watch it, clean up and report to the caller."""
    os.setsid()  # a Ctrl-C or a signal to the caller's group must not end the clean-up
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.freeze()
    gc.disable()
    adopt_orphans()
    try:
        account = _watch(function, arguments, limits, scratch, report, lifeline)
    finally:
        end_children()
        shutil.rmtree(scratch, ignore_errors=True)
    with suppress(BrokenPipeError), os.fdopen(report, "wb") as pipe:
        pickle.dump(account, pipe, protocol=pickle.HIGHEST_PROTOCOL)


def _watch(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    limits: Limits,
    scratch: Path,
    report: int,
    lifeline: int,
) -> _Account:
    """Start the child, take its answer, and end it and all that it started."""
    answer, answer_end = os.pipe()
    os.set_blocking(answer, False)
    output = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - it lives as long as the keeper
    keeper = os.getpid()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(report)
        os.close(lifeline)
        os.setsid()
        die_with_parent(keeper)
        _forked(_compute, function, arguments, limits, scratch, answer_end, output.fileno())
    os.close(answer_end)
    content, is_over_time = _receive(answer, child, lifeline, started + limits.wall_seconds)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, wait_status, used = os.wait4(child, 0)
    return _Account(
        answer=content,
        wait_status=wait_status,
        is_over_time=is_over_time,
        output=_last_words(output.fileno()),
        usage=Usage(
            cpu_seconds=used.ru_utime + used.ru_stime,
            wall_seconds=time.monotonic() - started,
            max_rss_gb=used.ru_maxrss * 1024 / _BYTES_PER_GB,
        ),
    )


def _receive(answer: int, child: int, lifeline: int, deadline: float) -> tuple[bytes, bool]:
    """Return the child's answer, and whether it ran into its deadline.

    Returns when the child has ended, at the deadline, or when the caller lets go of the lifeline.
    """
    child_end = os.pidfd_open(child)
    poll = select.poll()
    for descriptor in (answer, child_end, lifeline):
        poll.register(descriptor, select.POLLIN)
    chunks: list[bytes] = []
    while (remaining := deadline - time.monotonic()) > 0:
        ready = {descriptor for descriptor, _ in poll.poll(math.ceil(min(remaining, 1e5) * 1e3))}
        if lifeline in ready:
            return b"", False
        if answer in ready:
            with suppress(BlockingIOError):
                chunks.append(os.read(answer, 1 << 20))
                if not chunks[-1]:
                    poll.unregister(answer)
        elif child_end in ready:
            return b"".join(chunks), False
    return b"", True


def _compute(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    limits: Limits,
    scratch: Path,
    answer: int,
    output: int,
) -> None:
    """Be the child: set the limits, call the function, send the answer."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    gc.enable()
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    faulthandler.enable(file=2)
    os.environ["TMPDIR"] = os.environ["PYSCF_TMPDIR"] = str(scratch)
    tempfile.tempdir = None
    os.chdir(scratch)
    with suppress(OSError):  # when the machine runs out of memory, the kernel takes this one first
        Path("/proc/self/oom_score_adj").write_text("500")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    allowed = pages * resource.getpagesize() + int(limits.memory_gb * _BYTES_PER_GB)
    soft = allowed if hard == resource.RLIM_INFINITY else min(allowed, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(_answer(function, arguments, hard))


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
