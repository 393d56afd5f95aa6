"""Make function calls in a child process, with limits of time and memory that hold.

The child may hang, crash or be killed: its caller only waits, ends it and all that it started at
the limit, and says what happened. Python's own timeouts fire only between bytecodes, not within an
SCF.

The caller imports what the function needs, so that a child starts in milliseconds, but must not
have computed with OpenMP or touched a GPU: neither its threads nor CUDA survive a fork.
"""

import math
import os
import pickle
import select
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from chemistry.units import BYTES_PER_GB
from workflow.work.system.child import (
    Answer,
    Call,
    Limits,
    answer_of,
    become_child,
    framed,
    own_memory,
    unframed,
)
from workflow.work.system.outcomes import (
    Died,
    End,
    Finished,
    Raised,
    Usage,
    outcome_at_end,
    outcome_of_answer,
    outcome_without_child,
)
from workflow.work.system.processes import kill_tree

T = TypeVar("T")

SCRATCH_VARIABLE = "RUNG_SCRATCH"

_OUTPUT_CHARACTERS = 4000
_POLL_SECONDS = 0.05
_POLL_SECONDS_AT_END = 0.001


class IsolatedCalls:
    """Makes calls one after the other, in one child process for as long as that answers.

    A child works in an empty scratch folder of its own, made in `scratch_root` (default: what the
    environment names in RUNG_SCRATCH, else the system's temporary folder) and deleted afterwards:
    its current folder, what `tempfile` uses, and PYSCF_TMPDIR. Relative paths among the arguments
    therefore lead nowhere. A call that ends a child which has answered others is made once more, in
    a child of its own, so that nothing is blamed for what others left behind.

    KeyboardInterrupt and whatever else a signal handler raises in the caller ends the child and all
    that it started, then passes on. If the caller is killed, the kernel kills the child; what the
    child had started, and its scratch folder, are left to `workflow/work/pools/supervision.py`.
    """

    def __init__(self, limits: Limits, scratch_root: Path | None = None) -> None:
        self._limits = limits
        self._root = scratch_root or os.environ.get(SCRATCH_VARIABLE)
        self._child: _Child | None = None

    def __enter__(self) -> "IsolatedCalls":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._child is not None:
            self._child.end(at_once=error is not None)

    def run(
        self, function: Callable[..., T], *arguments: Any, is_last: bool = False
    ) -> Finished[T] | Raised | Died:
        """Call `function(*arguments)` in the child and return how that went.

        A child that is told the last call ends with it, and all that it still takes is counted to
        that call. Function and arguments of all calls but a child's first must be picklable.
        """
        while True:
            has_served = self._child is not None
            outcome = self._try((function, arguments), is_last=is_last)
            if not (has_served and isinstance(outcome, Died)):
                return outcome

    def _try(self, call: Call, *, is_last: bool) -> Finished[Any] | Raised | Died:
        try:
            if self._child is None:
                self._child = _Child(call, self._limits, self._root)
            else:
                self._child.ask(call)
            answer = self._child.answer()
            if answer is None or answer.kind == "memory" or is_last:
                child, self._child = self._child, None
                return child.last_outcome(answer)
            return self._child.outcome(answer)
        except OSError as error:
            if self._child is not None:  # it may still have an answer to this call
                child, self._child = self._child, None
                child.end(at_once=True)
            return outcome_without_child(error)


def run_isolated(
    function: Callable[..., T],
    *arguments: Any,
    limits: Limits,
    scratch_root: Path | None = None,
) -> Finished[T] | Raised | Died:
    """Make a single call of `IsolatedCalls`."""
    with IsolatedCalls(limits, scratch_root) as calls:
        return calls.run(function, *arguments, is_last=True)


class _Child:
    """A child process, from its fork until it is reaped; OSError where it cannot be started."""

    def __init__(self, first: Call, limits: Limits, scratch_root: str | Path | None) -> None:
        self._limits = limits
        self._scratch = Path(tempfile.mkdtemp(prefix="rung-", dir=scratch_root))
        try:
            self._output = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115
            self._fork(first)
        except OSError:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise

    def _fork(self, first: Call) -> None:
        with suppress(OSError, ValueError):  # what is buffered would be written by both processes
            sys.stdout.flush()
            sys.stderr.flush()
        caller = os.getpid()
        (self._answers, answers), (requests, self._requests) = os.pipe(), os.pipe()
        self._began, self._counted_cpu_seconds = time.monotonic(), 0.0
        self._is_over_time = False
        self._inherited_gb = own_memory("resident") / BYTES_PER_GB
        try:
            self._pid = os.fork()
        except OSError:
            for end in (self._answers, answers, requests, self._requests):
                os.close(end)
            raise
        if self._pid == 0:
            os.close(self._requests)
            become_child(
                first,
                self._limits,
                self._scratch,
                requests=requests,
                answers=answers,
                output=self._output.fileno(),
                caller=caller,
            )
        os.close(answers)
        os.close(requests)

    def ask(self, call: Call) -> None:
        """Have another call made."""
        self._began = time.monotonic()
        request = memoryview(framed(pickle.dumps(call, protocol=pickle.HIGHEST_PROTOCOL)))
        with suppress(BrokenPipeError):  # it has ended, and `answer` says so
            while request:
                request = request[os.write(self._requests, request) :]

    def answer(self) -> Answer | None:
        """Wait for the answer to a call; None if the child ends without or is over its time."""
        deadline = self._began + self._limits.wall_seconds
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        received, pause = bytearray(), _POLL_SECONDS
        while (remaining := deadline - time.monotonic()) > 0:
            if poll.poll(math.ceil(min(remaining, pause) * 1e3)):
                part = os.read(self._answers, 1 << 20)
                if not part:  # no process has the pipe any more: the child is about to end
                    poll.unregister(self._answers)
                    pause = _POLL_SECONDS_AT_END
                received += part
                if (content := unframed(received)) is not None:
                    answer: Answer = pickle.loads(content)
                    return answer
            elif self._has_ended():
                # Though something that it started may still hold the pipe open.
                return None
        self._is_over_time = True
        return None

    def outcome(self, answer: Answer) -> Finished[Any] | Raised:
        """Return what an answer says, while the child goes on."""
        usage = Usage(
            cpu_seconds=answer.cpu_seconds - self._counted_cpu_seconds,
            wall_seconds=time.monotonic() - self._began,
            max_rss_gb=answer.max_rss_bytes / BYTES_PER_GB,
        )
        self._counted_cpu_seconds = answer.cpu_seconds
        return outcome_of_answer(answer, usage)

    def last_outcome(self, answer: Answer | None) -> Finished[Any] | Raised | Died:
        """End the child and tell from its end what became of its last call."""
        end = self.end(at_once=answer is None)
        return outcome_at_end(end, answer, self._limits)

    def end(self, *, at_once: bool) -> End:
        """End the child, and all that it started, and return how it ended.

        Unless at once, it is given the rest of its time to end by itself.
        """
        try:
            os.close(self._requests)
            deadline = self._began + self._limits.wall_seconds
            while not (at_once or self._has_ended()):
                if time.monotonic() >= deadline:
                    self._is_over_time = True
                    break
                time.sleep(_POLL_SECONDS_AT_END)
        finally:
            kill_tree(self._pid)
            _, status, used = os.wait4(self._pid, 0)
            output = _last_words(self._output.fileno())
            self._output.close()
            os.close(self._answers)
            shutil.rmtree(self._scratch, ignore_errors=True)
        usage = Usage(
            cpu_seconds=used.ru_utime + used.ru_stime - self._counted_cpu_seconds,
            wall_seconds=time.monotonic() - self._began,
            max_rss_gb=used.ru_maxrss * 1024 / BYTES_PER_GB,
        )
        return End(
            status=status,
            is_over_time=self._is_over_time,
            own_gb=usage.max_rss_gb - self._inherited_gb,
            output=output,
            usage=usage,
        )

    def _has_ended(self) -> bool:
        return bool(os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))


def _last_words(output: int) -> str:
    """Return the end of what the child wrote; of its stack, what lies above the caller's."""
    said = os.pread(output, os.fstat(output).st_size, 0).decode(errors="replace")
    return said.partition(f" in {answer_of.__name__}")[0][-_OUTPUT_CHARACTERS:].strip()
