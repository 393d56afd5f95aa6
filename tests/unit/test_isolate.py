"""A function call in a process of its own: every way that it can end, with real processes."""

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow.work.system.child import Limits
from workflow.work.system.isolate import IsolatedCalls, run_isolated
from workflow.work.system.outcomes import Died, Finished, Raised
from workflow.work.system.processes import children, has_ended

_LIMITS = Limits(wall_seconds=60, memory_gb=0.3)
_SHORT = Limits(wall_seconds=0.3, memory_gb=0.3)


def _run(tmp_path: Path, function: Callable[..., Any], *arguments: Any, **limits: Any) -> Any:
    outcome = run_isolated(
        function, *arguments, scratch_root=tmp_path, limits=limits.get("limits", _LIMITS)
    )
    assert list(tmp_path.iterdir()) == [], "the scratch folder is deleted"
    return outcome


def _wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _burn(seconds: float) -> int:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return os.getpid()


def test_a_value_comes_back_with_what_it_cost(tmp_path: Path) -> None:
    outcome = _run(tmp_path, _burn, 0.2)
    assert isinstance(outcome, Finished)
    assert outcome.value != os.getpid()
    assert 0.2 <= outcome.usage.cpu_seconds < 2
    assert outcome.usage.wall_seconds >= 0.2
    assert 0.005 < outcome.usage.max_rss_gb < 2


def test_without_a_limit_of_address_space_a_child_may_map_what_it_likes(tmp_path: Path) -> None:
    """As CUDA does, which maps far more than it uses."""

    def mapped() -> int:
        with mmap.mmap(-1, 2**30) as pages:
            return len(pages)

    refused = _run(tmp_path, mapped)
    assert isinstance(refused, Died)
    assert refused.kind == "resource"
    free = Limits(wall_seconds=60, memory_gb=0.3, limits_address_space=False)
    outcome = _run(tmp_path, mapped, limits=free)
    assert isinstance(outcome, Finished)
    assert outcome.value == 2**30


def test_a_big_value_comes_back(tmp_path: Path) -> None:
    outcome = _run(tmp_path, lambda: b"x" * 50_000_000)
    assert isinstance(outcome, Finished)
    assert outcome.value == b"x" * 50_000_000


def test_an_exception_is_told_with_its_traceback(tmp_path: Path) -> None:
    def faulty() -> float:
        return 1 / 0

    outcome = _run(tmp_path, faulty)
    assert isinstance(outcome, Raised)
    assert outcome.error == "ZeroDivisionError: division by zero"
    assert "in faulty" in outcome.traceback


def test_a_value_that_cannot_be_pickled_is_an_error(tmp_path: Path) -> None:
    outcome = _run(tmp_path, lambda: lambda: 1)
    assert isinstance(outcome, Raised)
    assert "pickle" in outcome.error.lower()


def test_sys_exit_is_no_result(tmp_path: Path) -> None:
    outcome = _run(tmp_path, sys.exit, 0)
    assert isinstance(outcome, Raised)
    assert outcome.error == "SystemExit: 0"


@pytest.mark.parametrize("status", [0, 3])
def test_an_exit_from_compiled_code_is_no_result(tmp_path: Path, status: int) -> None:
    outcome = _run(tmp_path, os._exit, status)
    assert isinstance(outcome, Died)
    assert outcome.kind == "infrastructure"
    assert f"exited with status {status} without an answer" in outcome.message


def test_a_hang_ends_at_the_limit(tmp_path: Path) -> None:
    outcome = _run(tmp_path, time.sleep, 60, limits=_SHORT)
    assert isinstance(outcome, Died)
    assert outcome.kind == "resource"
    assert "limit of 0.3 s" in outcome.message
    assert 0.3 <= outcome.usage.wall_seconds < 30


def test_a_hang_that_ignores_signals_ends_at_the_limit(tmp_path: Path) -> None:
    def stubborn() -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(60)

    outcome = _run(tmp_path, stubborn, limits=_SHORT)
    assert isinstance(outcome, Died)
    assert outcome.kind == "resource"


def test_a_python_allocation_over_the_limit_is_told(tmp_path: Path) -> None:
    outcome = _run(tmp_path, lambda: len(bytearray(1_000_000_000)))
    assert isinstance(outcome, Died)
    assert outcome.kind == "resource"
    assert "limit of 0.3 GB" in outcome.message


def test_memory_within_the_limit_is_had(tmp_path: Path) -> None:
    outcome = _run(tmp_path, lambda: len(bytearray(250_000_000)))
    assert isinstance(outcome, Finished)
    assert outcome.usage.max_rss_gb > 0.25


def test_a_pickle_that_does_not_fit_into_memory_is_told(tmp_path: Path) -> None:
    outcome = _run(tmp_path, lambda: bytes(200_000_000))
    assert isinstance(outcome, Died)
    assert outcome.kind == "resource"


def test_a_crash_of_compiled_code_is_told_with_its_signal(tmp_path: Path) -> None:
    def crash() -> None:
        ctypes.string_at(0)

    outcome = _run(tmp_path, crash)
    assert isinstance(outcome, Died)
    assert outcome.kind == "infrastructure"
    assert "SIGSEGV" in outcome.message
    assert "in crash" in outcome.output, "faulthandler says where"


def test_a_failed_allocation_of_compiled_code_counts_as_lack_of_memory(tmp_path: Path) -> None:
    def abort() -> None:
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'")
        os.abort()

    outcome = _run(tmp_path, abort)
    assert isinstance(outcome, Died)
    assert outcome.kind == "resource"
    assert "SIGABRT" in outcome.message


def test_a_kill_from_outside_counts_as_lack_of_memory(tmp_path: Path) -> None:
    outcome = _run(tmp_path, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert isinstance(outcome, Died)
    assert outcome.kind == "resource"
    assert "SIGKILL" in outcome.message


@pytest.mark.parametrize("hangs", [True, False])
@pytest.mark.parametrize("leaves_session", [True, False])
def test_grandchildren_end_with_the_call(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, hangs: bool, leaves_session: bool
) -> None:
    pid_file = tmp_path_factory.mktemp("pids") / "pid"

    def start_another() -> None:
        other = subprocess.Popen(["sleep", "600"], start_new_session=leaves_session)
        pid_file.write_text(str(other.pid))
        if hangs:
            time.sleep(600)

    limits = Limits(wall_seconds=1.0, memory_gb=0.3) if hangs else _LIMITS
    outcome = _run(tmp_path, start_another, limits=limits)
    assert isinstance(outcome, Died if hangs else Finished)
    assert has_ended(int(pid_file.read_text()))


def test_a_forked_grandchild_that_holds_the_pipe_does_not_hold_the_caller(tmp_path: Path) -> None:
    def daemonise() -> str:
        if os.fork() == 0:
            time.sleep(600)
        return "done"

    outcome = _run(tmp_path, daemonise)
    assert isinstance(outcome, Finished)
    assert outcome.value == "done"


def test_the_child_works_in_a_scratch_folder_of_its_own(tmp_path: Path) -> None:
    def where() -> tuple[str, str, str]:
        Path("litter").write_bytes(b"x" * 1000)
        return str(Path.cwd()), tempfile.gettempdir(), os.environ["PYSCF_TMPDIR"]

    outcome = _run(tmp_path, where)
    assert isinstance(outcome, Finished)
    cwd, temporary, pyscf = outcome.value
    assert cwd == temporary == pyscf
    assert Path(cwd).parent == tmp_path
    assert tempfile.gettempdir() != temporary


def test_scratch_is_deleted_after_a_kill(tmp_path: Path) -> None:
    def fill_and_hang() -> None:
        Path("big").write_bytes(b"x" * 1_000_000)
        time.sleep(600)

    assert isinstance(_run(tmp_path, fill_and_hang, limits=_SHORT), Died)


def test_a_scratch_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    outcome = run_isolated(len, "abc", limits=_LIMITS, scratch_root=tmp_path / "absent")
    assert isinstance(outcome, Died)
    assert outcome.kind == "infrastructure"
    assert "No such file" in outcome.message


def test_ctrl_c_in_the_caller_ends_the_child(tmp_path: Path) -> None:
    pids: set[int] = set()
    others = children(os.getpid())  # of other tests: a resource tracker, for example

    def interrupt() -> None:
        _wait_until(lambda: bool(children(os.getpid()) - others))
        pids.update(children(os.getpid()) - others)
        time.sleep(0.5)  # what interrupts the hooks that Python runs after a fork is lost
        os.kill(os.getpid(), signal.SIGINT)

    helper = threading.Thread(target=interrupt)
    helper.start()
    with pytest.raises(KeyboardInterrupt):
        run_isolated(time.sleep, 600, limits=_LIMITS, scratch_root=tmp_path)
    helper.join()
    assert len(pids) == 1
    assert all(map(has_ended, pids))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_child_does_not_outlive_a_killed_caller(tmp_path: Path, number: signal.Signals) -> None:
    caller = os.fork()
    if caller == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        run_isolated(time.sleep, 600, limits=_LIMITS, scratch_root=tmp_path)
        os._exit(0)
    assert _wait_until(lambda: bool(children(caller)))
    (child,) = children(caller)
    os.kill(caller, number)
    os.waitpid(caller, 0)
    assert _wait_until(lambda: has_ended(child))


def test_what_the_caller_holds_does_not_make_a_crash_a_lack_of_memory(tmp_path: Path) -> None:
    held = bytearray(500_000_000)
    outcome = _run(tmp_path, lambda: ctypes.string_at(0))
    assert isinstance(outcome, Died)
    assert outcome.kind == "infrastructure"
    assert outcome.usage.max_rss_gb > 0.5
    assert len(held) == 500_000_000


def _count_and_remember(counts: list[int] = []) -> tuple[int, int]:  # noqa: B006 - that is the point
    counts.append(1)
    return os.getpid(), len(counts)


def _die_unless_first() -> int:
    if _count_and_remember()[1] > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def _leak(megabytes: int, kept: list[bytearray] = []) -> int:  # noqa: B006 - that is the point
    kept.append(bytearray(megabytes * 1_000_000))
    return os.getpid()


def test_calls_one_after_the_other_share_a_child(tmp_path: Path) -> None:
    with IsolatedCalls(_LIMITS, tmp_path) as calls:
        outcomes = [calls.run(_count_and_remember, is_last=i == 2) for i in range(3)]
        assert list(tmp_path.iterdir()) == [], "the child has ended with its last call"
    values = [o.value for o in outcomes if isinstance(o, Finished)]
    assert [n for _, n in values] == [1, 2, 3]
    assert len({pid for pid, _ in values}) == 1
    assert has_ended(values[0][0])


def test_what_each_call_took_is_its_own(tmp_path: Path) -> None:
    with IsolatedCalls(_LIMITS, tmp_path) as calls:
        outcomes = [calls.run(_burn, seconds) for seconds in (0.3, 0.0, 0.2)]
    long, none, short = (o.usage for o in outcomes if isinstance(o, Finished))
    assert 0.3 <= long.cpu_seconds < 0.5
    assert none.cpu_seconds < 0.1
    assert 0.2 <= short.cpu_seconds < 0.4
    assert none.wall_seconds < 0.2


def test_a_child_that_was_not_told_its_last_call_ends_all_the_same(tmp_path: Path) -> None:
    with IsolatedCalls(_LIMITS, tmp_path) as calls:
        outcome = calls.run(_count_and_remember)
    assert isinstance(outcome, Finished)
    assert has_ended(outcome.value[0])
    assert list(tmp_path.iterdir()) == []


def test_a_call_is_not_blamed_for_the_end_of_a_child_that_others_used(tmp_path: Path) -> None:
    with IsolatedCalls(_LIMITS, tmp_path) as calls:
        first, second = calls.run(_die_unless_first), calls.run(_die_unless_first)
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert first.value != second.value


def test_nor_for_the_memory_that_others_left_behind(tmp_path: Path) -> None:
    with IsolatedCalls(_LIMITS, tmp_path) as calls:
        outcomes = [calls.run(_leak, 200) for _ in range(3)]
        too_much = calls.run(_leak, 400)
        again = calls.run(_count_and_remember)
    assert all(isinstance(outcome, Finished) for outcome in outcomes)
    assert isinstance(too_much, Died)
    assert too_much.kind == "resource"
    assert isinstance(again, Finished)


def test_each_call_has_the_whole_time(tmp_path: Path) -> None:
    limits = Limits(wall_seconds=1.0, memory_gb=0.3)
    with IsolatedCalls(limits, tmp_path) as calls:
        outcomes = [calls.run(time.sleep, 0.6) for _ in range(3)]
        hang = calls.run(time.sleep, 60)
        assert isinstance(calls.run(_count_and_remember), Finished)
    assert all(isinstance(outcome, Finished) for outcome in outcomes)
    assert isinstance(hang, Died)
    assert "limit of 1 s" in hang.message


def test_an_exception_does_not_end_the_child(tmp_path: Path) -> None:
    with IsolatedCalls(_LIMITS, tmp_path) as calls:
        before, error, after = (
            calls.run(_count_and_remember),
            calls.run(int, "x"),
            calls.run(_count_and_remember),
        )
    assert isinstance(error, Raised)
    assert "invalid literal" in error.error
    assert isinstance(before, Finished)
    assert isinstance(after, Finished)
    assert before.value[0] == after.value[0]
    assert after.value[1] == 2


def test_big_arguments_and_values_go_through(tmp_path: Path) -> None:
    with IsolatedCalls(_LIMITS, tmp_path) as calls:
        outcomes = [calls.run(bytes.upper, b"x" * n) for n in (1, 20_000_000, 0)]
    assert [len(o.value) for o in outcomes if isinstance(o, Finished)] == [1, 20_000_000, 0]


def test_an_error_between_two_calls_ends_the_child(tmp_path: Path) -> None:
    def faulty() -> None:
        with IsolatedCalls(_LIMITS, tmp_path) as calls:
            outcome = calls.run(_count_and_remember)
            assert isinstance(outcome, Finished)
            pids.append(outcome.value[0])
            raise KeyboardInterrupt

    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        faulty()
    assert has_ended(pids[0])
    assert list(tmp_path.iterdir()) == []


def test_a_child_whose_pipe_fails_has_no_say_in_later_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        monkeypatch.undo()
        raise OSError(5, "Input/output error")

    with IsolatedCalls(_LIMITS, tmp_path) as calls:
        monkeypatch.setattr("workflow.work.system.isolate.os.read", fail)
        failed = calls.run(_burn, 0.0)
        after = calls.run(len, "abc")
    assert isinstance(failed, Died)
    assert "Input/output error" in failed.message
    assert isinstance(after, Finished)
    assert after.value == 3
    assert list(tmp_path.iterdir()) == []
