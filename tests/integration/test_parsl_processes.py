"""Workers on real Parsl: what they see, what runs first, and that no process outlives a driver.

Each test runs a driver of its own in a process of its own.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from driver_process import Driver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], Driver]]:
    drivers: list[Driver] = []

    def start(body: str) -> Driver:
        drivers.append(Driver(tmp_path, body))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.close()


def _name_of(command: str) -> str:
    """Return which process of a campaign a command line is; the command itself if none."""
    known = {
        "driver.py": "driver",
        "HTEX interchange": "interchange",
    }
    return next((name for words, name in known.items() if words in command), command)


def test_workers_compute_in_a_clean_environment(run: Callable[[str], Driver]) -> None:
    driver = run(
        """
# The driver's current folder: whoever imports from there gets these.
for name in ("model", "workflow", "chemistry", "parsl"):
    (folder / f"{name}.py").write_text("raise RuntimeError('the decoy was imported')")
os.environ["PYTHONPATH"] = str(folder)

def look():
    import os, sys
    import model, workflow, chemistry
    return {
        "model": model.__file__,
        "path": sys.path,
        "threads": os.environ["OMP_NUM_THREADS"],
        "kernel": os.environ.get("OPENBLAS_CORETYPE"),
        "pythonpath": os.environ.get("PYTHONPATH"),
    }

backend = Backend(pools={"main": LocalPool(workers=1, cores_per_task=3)})
with start_workers(backend, folder / "run") as workers:
    seen = workers.submit("label", look).result()
    import psutil
    sockets = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(folder)):
                sockets += [
                    (" ".join(process.cmdline()), connection.laddr.ip)
                    for connection in process.net_connections("inet")
                    if connection.status == psutil.CONN_LISTEN
                ]
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
    tell({"seen": seen, "sockets": sockets})
"""
    )
    assert driver.ends() == 0, driver.output
    seen, sockets = driver.told["seen"], driver.told["sockets"]
    assert str(driver.folder) not in seen["model"]
    assert str(driver.folder) not in seen["path"]
    assert "" not in seen["path"]
    assert seen["threads"] == "3"
    assert seen["pythonpath"] is None
    if "avx2" in Path("/proc/cpuinfo").read_text():
        assert seen["kernel"] == os.environ.get("OPENBLAS_CORETYPE", "Haswell")
    listening = {_name_of(command) for command, _ in sockets}
    assert listening == {"driver", "interchange"}, "managers and workers only connect"
    elsewhere = [(c, ip) for c, ip in sockets if ip.removeprefix("::ffff:") != "127.0.0.1"]
    assert elsewhere == []
    assert driver.leaves_nothing()
    modes = [p.stat().st_mode & 0o077 for p in (driver.folder / "run").rglob("certificates")]
    assert modes == [0], "the keys of the sockets are closed to other users"


def test_urgent_and_long_tasks_go_first_and_errors_pass(run: Callable[[str], Driver]) -> None:
    driver = run(
        """
def fail(tries):
    with tries.open("a") as file:
        file.write("try\\n")
    raise ZeroDivisionError("mine")

with start_workers(one, folder / "run") as workers:
    first = workers.submit("label", wait_for, folder / "go")
    futures = [
        workers.submit("label", note, folder / "order", "short label", expected_seconds=1),
        workers.submit("label", note, folder / "order", "long label", expected_seconds=100),
        workers.submit("explore", note, folder / "order", "explore"),
        workers.submit("judge", note, folder / "order", "judge"),
        workers.submit("train", note, folder / "order", "train"),
    ]
    time.sleep(2)
    (folder / "go").touch()
    for future in [first, *futures]:
        future.result()
    try:
        workers.submit("label", fail, folder / "tries").result()
    except ZeroDivisionError as error:
        tell(str(error))
"""
    )
    assert driver.ends() == 0, driver.output
    order = (driver.folder / "order").read_text().splitlines()
    assert order == ["train", "judge", "explore", "long label", "short label"]
    assert driver.told == "mine"
    assert (driver.folder / "tries").read_text() == "try\n"
    assert driver.leaves_nothing()


_HANGING = """
def stop(number, frame):
    raise SystemExit(7)

signal.signal(signal.SIGTERM, stop)
with start_workers(two, folder / "run") as workers:
    futures = [workers.submit("label", hang, folder, number) for number in range(2)]
    {last}
"""


@pytest.mark.parametrize(
    ("last", "number", "status"),
    [
        ("wait_for(folder / 'busy0'), wait_for(folder / 'busy1')", None, 0),
        ("wait_for(folder / 'busy0'), wait_for(folder / 'busy1'), 1 / 0", None, 1),
        ("futures[0].result()", signal.SIGINT, -signal.SIGINT),
        ("futures[0].result()", signal.SIGTERM, 7),
        ("futures[0].result()", signal.SIGKILL, -signal.SIGKILL),
    ],
    ids=["end", "exception", "SIGINT", "SIGTERM", "SIGKILL"],
)
def test_no_process_outlives_its_driver(
    run: Callable[[str], Driver], last: str, number: signal.Signals | None, status: int
) -> None:
    driver = run(_HANGING.format(last=last))
    if number is not None:
        driver.until(lambda: all((driver.folder / f"busy{i}").exists() for i in range(2)))
        assert len(driver.others("sleep")) == 2
        # As the terminal does: Ctrl-C goes to the driver's whole group.
        os.killpg(driver.process.pid, number)
    assert driver.ends() == status, driver.output
    assert driver.leaves_nothing(), [p.cmdline() for p in driver.others()]


@pytest.mark.parametrize("victim", ["worker", "manager", "supervisor"])
def test_a_task_that_lost_its_worker_is_tried_again(
    run: Callable[[str], Driver], victim: str
) -> None:
    driver = run(
        """
def patient(folder, wait_for):
    import os
    from workflow.work.system.child import Limits
    from workflow.work.system.isolate import run_isolated
    with (folder / "tries").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    run_isolated(wait_for, folder / "go", limits=Limits(wall_seconds=600, memory_gb=1))

with start_workers(one, folder / "run") as workers:
    workers.submit("label", patient, folder, wait_for).result()
    tell("done")
"""
    )

    def tries() -> list[str]:
        file = driver.folder / "tries"
        return file.read_text().split() if file.exists() else []

    driver.until(lambda: len(tries()) == 1)
    time.sleep(1)
    worker = psutil.Process(int(tries()[0]))
    manager = worker.parent()
    assert manager is not None
    supervisor = manager.parent()
    assert supervisor is not None
    {"worker": worker, "manager": manager, "supervisor": supervisor}[victim].kill()
    driver.until(lambda: len(tries()) == 2)
    (driver.folder / "go").touch()
    assert driver.ends() == 0, driver.output
    assert driver.told == "done"
    assert len(tries()) == 2
    assert driver.leaves_nothing()


def test_a_waiting_worker_that_is_killed_does_not_block_the_pool(
    run: Callable[[str], Driver],
) -> None:
    driver = run(
        """
with start_workers(one, folder / "run") as workers:
    tell(workers.submit("label", os.getpid).result())
    wait_for(folder / "go")
    tell(workers.submit("label", os.getpid).result())
"""
    )
    driver.until(lambda: (driver.folder / "told.json").exists())
    first = driver.told
    os.kill(first, signal.SIGKILL)
    (driver.folder / "go").touch()
    assert driver.ends() == 0, driver.output
    assert driver.told != first
    assert driver.leaves_nothing()


def test_a_task_that_kills_its_worker_is_given_up_and_others_go_on(
    run: Callable[[str], Driver],
) -> None:
    driver = run(
        """
def poison(folder):
    import os, signal, subprocess, time
    with (folder / "tries").open("a") as file:
        file.write("try\\n")
    other = subprocess.Popen(["sleep", "600"])  # as an isolated task would have one
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)

with start_workers(two, folder / "run") as workers:
    bad = workers.submit("label", poison, folder)
    try:
        bad.result()
    except PoisonTask as error:
        tell([str(error), workers.submit("label", abs, -3).result()])
"""
    )
    assert driver.ends() == 0, driver.output
    message, value = driver.told
    assert "lost its worker again and again" in message
    assert value == 3
    assert (driver.folder / "tries").read_text() == "try\n" * 3
    assert driver.leaves_nothing()


def test_a_killed_interchange_fails_the_tasks_and_leaves_nothing(
    run: Callable[[str], Driver],
) -> None:
    driver = run(
        """
with start_workers(two, folder / "run") as workers:
    future = workers.submit("label", hang, folder, 0)
    try:
        future.result()
    except CampaignFailed as error:
        tell(str(error))
"""
    )
    driver.until((driver.folder / "busy0").exists)
    [interchange] = driver.others("HTEX interchange")
    interchange.kill()
    assert driver.ends() == 0, driver.output
    assert "launch again to resume" in driver.told
    assert driver.leaves_nothing()


def test_a_pool_that_cannot_start_is_told_in_bounded_time(run: Callable[[str], Driver]) -> None:
    driver = run(
        """
import workflow.work.pools.config as parsl_config
parsl_config.worker_environment = lambda pool: "echo no such module >&2; exit 3"
with start_workers(one, folder / "run") as workers:
    try:
        workers.submit("label", abs, -3).result()
    except CampaignFailed as error:
        tell(str(error))
"""
    )
    assert driver.ends() == 0, driver.output
    assert "pool `main` cannot be started, the last attempt said: no such module" in driver.told
    assert driver.leaves_nothing()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo no such module >&2; exit 3", "pool `main` ended as it was started (status 3)"),
        ("exec sleep 600", "pool `main` does not answer after 2 s"),
    ],
    ids=["ends", "hangs"],
)
def test_an_interchange_that_does_not_start_is_told_in_bounded_time(
    run: Callable[[str], Driver], command: str, told: str
) -> None:
    driver = run(
        f"""
import workflow.work.pools.interchange as interchange
import workflow.work.pools.config as parsl_config
interchange._START_SECONDS = 2.0
parsl_config._interchange_command = lambda: ["sh", "-c", {command!r}]
try:
    with start_workers(one, folder / "run"):
        pass
except CampaignFailed as error:
    tell(str(error))
"""
    )
    assert driver.ends(40) == 0, driver.output
    assert driver.told.startswith("the workers cannot be started: Parsl's interchange of")
    assert told in driver.told
    assert driver.leaves_nothing()


@pytest.mark.parametrize(
    ("command", "reported"),
    [
        ("sleep 600", "has written nothing"),
        ("echo no route to host >&2; sleep 600", "the last start said: no route to host"),
    ],
    ids=["silent", "with words"],
)
def test_workers_that_never_answer_are_reported_soon(
    run: Callable[[str], Driver], command: str, reported: str
) -> None:
    driver = run(
        f"""
import workflow.work.pools.watch_start as watch_start
import workflow.work.pools.config as parsl_config
watch_start.PATIENCE_SECONDS = 2.0
parsl_config.worker_environment = lambda pool: {command!r}
import threading
heard = threading.Event()

def report(text):
    tell(text)
    heard.set()

with start_workers(one, folder / "run", report) as workers:
    workers.submit("label", abs, -3)
    heard.wait(30)
"""
    )
    assert driver.ends(60) == 0, driver.output
    assert driver.told.startswith("no worker of pool `main` has answered for 2 s: ")
    assert reported in driver.told
    assert driver.leaves_nothing()


def test_roles_run_in_their_pools(run: Callable[[str], Driver]) -> None:
    driver = run(
        """
def threads():
    import os
    return os.environ["OMP_NUM_THREADS"]

backend = Backend(
    pools={"thin": LocalPool(workers=1), "fat": LocalPool(workers=1, cores_per_task=2)},
    roles=Roles(label="thin", explore="thin", train="fat"),
)
with start_workers(backend, folder / "run") as workers:
    roles = ("label", "explore", "judge", "train")
    futures = {role: workers.submit(role, threads) for role in roles}
    tell({role: future.result() for role, future in futures.items()})
"""
    )
    assert driver.ends() == 0, driver.output
    assert driver.told == {"label": "1", "explore": "1", "judge": "1", "train": "2"}
    assert driver.leaves_nothing()
