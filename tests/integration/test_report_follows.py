"""The report of a running campaign: refreshed by the launch, or by `rung report --follow`."""

import time
from types import SimpleNamespace

import psutil
import pytest
from rung_command import SMALL, put_campaign, start_rung, stop

from chemistry.records.level import find_level
from workflow.campaign.observers.refresher import Refresher
from workflow.cli import main
from workflow.report.page import follow_run
from workflow.run.folder import RunFolder, locked
from workflow.run.launches import was_killed
from workflow.run.opened import open_run
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign

CAMPAIGN = Campaign.model_validate(
    {"name": "followed", "molecules": ["O"], "rungs": [{"level": "hf/sto-3g"}]}
)


def test_a_report_is_written_while_a_campaign_runs_and_when_it_has_ended(tmp_path):
    folder = open_run(CAMPAIGN, tmp_path / "run")
    with Store.create(folder.store, CAMPAIGN.model_dump_json()) as store, locked(folder):
        launch = store.diary.begin_launch(2)
        written = follow_run(folder)
        assert next(written) == folder.report
        assert "not finished" in folder.report.read_text(encoding="utf-8")
        store.diary.set_fact("finished", "label budget spent (200)")
        store.diary.end_launch(launch)
        assert next(written) == folder.report
        assert "label budget spent (200)" in folder.report.read_text(encoding="utf-8")
        assert list(written) == []
    assert [path.name for path in folder.path.glob("*report*")] == ["report.html"]
    assert not list(folder.path.glob("*.part"))


def test_a_launch_that_was_killed_is_not_waited_for(tmp_path, monkeypatch, capsys):
    folder = open_run(CAMPAIGN, tmp_path / "run")
    with Store.create(folder.store, CAMPAIGN.model_dump_json()) as store:
        store.diary.begin_launch(2)  # and never ended: nobody holds the folder
    for command in (["report", str(folder.path), "--follow"], ["watch", str(folder.path)]):
        monkeypatch.setattr("sys.argv", ["rung", *command])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        assert "the launch was killed: launch the campaign again" in capsys.readouterr().out


def test_a_run_that_was_never_launched_was_not_killed(tmp_path, monkeypatch, capsys):
    folder = open_run(CAMPAIGN, tmp_path / "run")
    with Store.create(folder.store, CAMPAIGN.model_dump_json()):
        pass
    assert not was_killed(folder)
    monkeypatch.setattr("sys.argv", ["rung", "watch", str(folder.path)])
    with pytest.raises(SystemExit):
        main()
    assert "killed" not in capsys.readouterr().out


def test_a_running_campaign_refreshes_its_report_after_each_training(tmp_path):
    endless = SMALL["rungs"][0] | {"budget": {"labels": 5000}}
    put_campaign(tmp_path, SMALL | {"rungs": [endless]})
    process = start_rung("launch", "campaign.yaml", folder=tmp_path)
    folder = RunFolder(tmp_path / "small")

    def refreshed(before: str) -> str:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if folder.report.exists():
                page = folder.report.read_text(encoding="utf-8")
                if page != before:
                    return page
            time.sleep(0.1)
        stop(process)
        pytest.fail("the report was not refreshed")

    try:
        first = refreshed("")
        assert "not finished" in first
        refreshed(first)
        assert not was_killed(folder)
        process.kill()
        process.wait()
        assert was_killed(folder)
        for _ in range(100):
            if not writers(folder):
                break
            time.sleep(0.1)
        assert not writers(folder)
    finally:
        stop(process)


def test_a_report_that_cannot_be_written_is_said_once_and_harms_nothing(tmp_path):
    said: list[str] = []

    class Listener:
        def saw(self, state, level) -> None: ...

        def said(self, text) -> None:
            said.append(text)

    level = find_level("hf/sto-3g")
    (tmp_path / "logs").mkdir()  # and no store
    with Refresher(RunFolder(tmp_path), Listener()) as refresher:
        for version in (1, 2):
            state = SimpleNamespace(index=0, trainings=(None,) * version)
            refresher.saw(state, level)
            for _ in range(600):
                refresher.saw(SimpleNamespace(index=0, trainings=()), level)
                if said:
                    break
                time.sleep(0.1)
        refresher.said("heard")
    assert len(said) == 2
    assert said[0].startswith("the report could not be written: rung: ")
    assert said[1] == "heard"


def writers(folder: RunFolder) -> list[psutil.Process]:
    """Return the processes that write the report of a run."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if {"report", str(folder.path)} <= set(process.info["cmdline"] or ())
    ]
