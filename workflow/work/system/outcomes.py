"""What became of a call in a child process, told from its answer and from how the child ended."""

import os
import signal
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from workflow.work.system.child import Answer, Limits

T = TypeVar("T")


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
class End:
    """How a child ended.

    Attributes
    ----------
    status : int
        Its wait status.
    is_over_time : bool
        Whether it was ended at its limit of wall time.
    own_gb : float
        The most memory that it had beside what its caller had when it began.
    output : str
        The end of what it wrote.
    usage : Usage
        Of its last call.
    """

    status: int
    is_over_time: bool
    own_gb: float
    output: str
    usage: Usage


def outcome_of_answer(answer: Answer, usage: Usage) -> Finished[Any] | Raised:
    """Return what an answer says of a call."""
    if answer.kind == "value":
        return Finished(value=answer.content, usage=usage)
    return Raised(error=answer.content, traceback=answer.text, usage=usage)


def outcome_at_end(
    end: End, answer: Answer | None, limits: Limits
) -> Finished[Any] | Raised | Died:
    """Return what became of the last call of a child, which answered it or did not."""
    output, usage = end.output, end.usage
    over_memory = f"needed more memory than its limit of {limits.memory_gb:g} GB"
    if end.is_over_time:
        message = f"ended at its limit of {limits.wall_seconds:g} s wall time"
        return Died(kind="resource", message=message, output=output, usage=usage)
    if os.WIFSIGNALED(end.status):
        name = signal.Signals(os.WTERMSIG(end.status)).name
        message = f"crashed with {name} at {usage.max_rss_gb:.1f} GB"
        # An allocation that fails under the limit may crash compiled code. A SIGKILL that is
        # not ours is the kernel's, when the machine is out of memory.
        if name == "SIGKILL":
            message += ", probably because the machine was out of memory"
        elif "bad_alloc" in output or end.own_gb > 0.8 * limits.memory_gb:
            message += f", probably because it {over_memory}"
        else:
            return Died(kind="infrastructure", message=message, output=output, usage=usage)
        return Died(kind="resource", message=message, output=output, usage=usage)
    if os.WEXITSTATUS(end.status) != 0 or answer is None:
        message = f"exited with status {os.WEXITSTATUS(end.status)} without an answer"
        return Died(kind="infrastructure", message=message, output=output, usage=usage)
    if answer.kind == "memory":
        return Died(kind="resource", message=over_memory, output=answer.text, usage=usage)
    return outcome_of_answer(answer, usage)


def outcome_without_child(error: OSError) -> Died:
    """Return what became of a call for which no child could be started or asked."""
    nothing = Usage(cpu_seconds=0.0, wall_seconds=0.0, max_rss_gb=0.0)
    message = f"could not be run: {error.strerror or error}"
    return Died(kind="infrastructure", message=message, output="", usage=nothing)
