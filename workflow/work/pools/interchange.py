"""The interchange, Parsl's process between driver and pool: a start that fails, and its end."""

import threading
import time
from typing import Any

import zmq
from parsl.executors import HighThroughputExecutor

_START_SECONDS = 30.0
_LOOK_MILLISECONDS = 100


class InterchangeLost(Exception):
    """The process between the driver and a pool has ended: nothing can be run any more."""


def expect_interchange(executor: HighThroughputExecutor) -> None:
    """Have the start of an executor fail as soon as its interchange does; Parsl waits two minutes.

    It raises InterchangeLost then.
    """
    start = executor._start_local_interchange_process

    def start_expecting() -> None:
        client = executor.command_client
        ask = client.run

        def ask_when_there(message: Any, **options: Any) -> Any:
            _wait_for(executor)
            return ask(message, **options)

        client.run = ask_when_there
        try:
            start()
        except BrokenPipeError:
            raise _lost_at_start(executor) from None
        finally:
            del client.run

    executor._start_local_interchange_process = start_expecting


def _wait_for(executor: HighThroughputExecutor) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not executor.command_client.zmq_socket.poll(_LOOK_MILLISECONDS, zmq.POLLOUT):
        if executor.interchange_proc.poll() is not None:
            raise _lost_at_start(executor)
        if time.monotonic() > deadline:
            executor.interchange_proc.kill()
            raise InterchangeLost(
                f"Parsl's interchange of pool `{executor.label}` does not answer "
                f"after {_START_SECONDS:.0f} s"
            )


def _lost_at_start(executor: HighThroughputExecutor) -> InterchangeLost:
    status = executor.interchange_proc.wait()
    return InterchangeLost(
        f"Parsl's interchange of pool `{executor.label}` ended as it was started (status {status})"
    )


def watch_interchange(executor: HighThroughputExecutor, is_closing: threading.Event) -> None:
    """Fail all tasks of a pool whose interchange ends; Parsl would wait for them for ever."""
    executor.interchange_proc.wait()
    if not is_closing.is_set():
        executor.set_bad_state_and_fail_all(InterchangeLost("Parsl's interchange was killed"))
