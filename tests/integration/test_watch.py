"""`rung watch`: once in a pipe, live in a terminal, and gone without a trace."""

import os
import pty
import subprocess
import time
from pathlib import Path

from error_examples import errors
from rich.console import Console
from rung_command import RUNG

from workflow.planning.records import Training
from workflow.report.summary import summarize
from workflow.report.watch import watch_screen
from workflow.run.folder import RunFolder, locked
from workflow.run.launches import has_ended
from workflow.run.opened import open_run
from workflow.run.store.records import FinishedTask, LabelDetail, TrainDetail
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign
from workflow.work.results import Cost

CAMPAIGN = Campaign.model_validate(
    {
        "name": "watched",
        "molecules": ["O"],
        "rungs": [{"level": "hf/sto-3g", "initial_labels": 6, "budget": {"labels": 16}}],
    }
)


def new_run(path: Path) -> RunFolder:
    folder = open_run(CAMPAIGN, path)
    with Store.create(folder.store, CAMPAIGN.model_dump_json()) as store:
        store.diary.begin_launch(2)
    return folder


def in_a_terminal(folder: RunFolder, key: bytes) -> tuple[int, str]:
    """Watch from a terminal of its own, press a key after the first frame; (code, screen)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(RUNG, [str(RUNG), "watch", str(folder.path)])
    shown = b""
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # Linux says so of a terminal whose other side is closed
            break
        if not read:
            break
        shown += read
        if key and b"ends watching" in shown:
            os.write(terminal, key)
            key = b""
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_a_frame_shows_labels_errors_rate_and_the_last_tasks(tmp_path):
    folder = new_run(tmp_path / "run")
    now = time.time()
    with Store.open(folder.store) as store:
        found = errors(energy_mae_kcal_mol=0.25, force_mae_kcal_mol_angstrom=1.5)
        training = Training(version=1, checkpoint="", n_labels=6, errors=found)
        spent = Cost(worker="node7:42", started_at=now - 90, finished_at=now - 30, cpu_seconds=60)
        store.trainings.commit("train-0-1", 0, training, spent)
    tasks = [
        FinishedTask(key="train-0-1", kind="train", detail=TrainDetail(version=1), cost=spent),
        FinishedTask(key="label-a-b", kind="label", detail=LabelDetail(), cost=spent),
    ]
    console = Console(width=140, force_terminal=False)
    with console.capture() as capture:
        console.print(watch_screen(summarize(folder), CAMPAIGN, tasks, now=now))
    shown = capture.get()
    assert "0 of 16" in shown
    assert "0.25" in shown and "1.50" in shown  # noqa: PT018 - one table row
    assert "0.7 labels per minute" in shown
    assert "30 s ago" in shown and "node7:42" in shown  # noqa: PT018 - one table row


def test_in_a_pipe_it_prints_once_although_the_campaign_goes_on(tmp_path):
    folder = new_run(tmp_path / "run")
    done = subprocess.run(
        [str(RUNG), "watch", str(folder.path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "hf/sto-3g" in done.stdout
    assert "\x1b" not in done.stdout
    assert not has_ended(folder)


def test_q_and_ctrl_c_end_it_in_a_terminal_without_a_traceback(tmp_path):
    folder = new_run(tmp_path / "run")
    for key in (b"q", b"\x03"):
        with locked(folder):
            code, shown = in_a_terminal(folder, key)
        assert code == 0, shown
        assert "Traceback" not in shown
        assert "run folder" in shown.rpartition("\x1b[?1049l")[2]


def test_it_ends_with_the_launch(tmp_path):
    folder = new_run(tmp_path / "run")
    with Store.open(folder.store) as store:
        store.diary.end_launch(store.diary.launches()[0][0])
    assert has_ended(folder)
    code, shown = in_a_terminal(folder, b"")
    assert code == 0
    assert "run folder" in shown


def test_a_folder_without_a_store_is_refused_in_one_sentence(tmp_path):
    done = subprocess.run(
        [str(RUNG), "watch", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "is not a run folder" in done.stderr
    assert "Traceback" not in done.stderr
