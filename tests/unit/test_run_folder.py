"""The run folder: who holds it, what else may lie in it, and how it is set aside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chemistry.errors import InputError, RunInUse, StoreError
from workflow.run.folder import RunFolder, locked
from workflow.run.opened import open_run, write_facts
from workflow.run.store.store import Store
from workflow.run.stored_campaign import stored_campaign
from workflow.settings.campaign import Campaign


def campaign(**changes) -> Campaign:
    fields = {"name": "x", "molecules": ["O"], "rungs": [{"level": "hf/sto-3g"}], **changes}
    return Campaign.model_validate(fields)


def new_run(path: Path, the_campaign: Campaign | None = None) -> RunFolder:
    folder = open_run(the_campaign or campaign(), path)
    text = (the_campaign or campaign()).model_dump_json()
    with locked(folder), Store.create(folder.store, text):
        pass
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, without what SQLite's readers share among themselves."""
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_a_new_folder_has_its_parts_and_nobody_else_may_write_into_them(tmp_path):
    folder = open_run(campaign(), tmp_path / "runs" / "x")
    assert sorted(p.name for p in folder.path.iterdir()) == ["exports", "logs", "models", "spool"]
    assert folder.spool.stat().st_mode & 0o077 == 0


def test_the_folder_of_the_same_campaign_is_gone_on_with(tmp_path):
    folder = new_run(tmp_path / "x")
    (folder.spool / "result.json").write_text("{}")
    folder.exports.rmdir()  # somebody tidied up
    extended = campaign(rungs=[{"level": "hf/sto-3g", "budget": {"labels": 1000}}])
    assert open_run(extended, folder.path) == folder
    assert (folder.spool / "result.json").exists()
    assert folder.exports.is_dir()


def test_the_folder_of_another_campaign_is_refused_and_left_as_it_is(tmp_path):
    folder = new_run(tmp_path / "x")
    (folder.models / "checkpoint").write_text("kept")
    before = files(folder.path)
    with pytest.raises(InputError, match=r"x was made by another .*\(seed: 1 -> 2\).*--force-new"):
        open_run(campaign(seed=2), folder.path)
    assert files(folder.path) == before


def test_force_new_sets_the_old_folder_aside_whole(tmp_path):
    old = new_run(tmp_path / "x")
    (old.models / "checkpoint").write_text("kept")
    new = open_run(campaign(seed=2), old.path, force_new=True)
    assert not new.store.exists()
    (aside,) = (path for path in tmp_path.iterdir() if path != new.path)
    assert aside.name.startswith("x.")
    assert (aside / "models" / "checkpoint").read_text() == "kept"
    with Store.open(aside / "store.sqlite") as store:
        assert stored_campaign(store) == campaign()


def test_force_new_makes_a_folder_where_there_is_none(tmp_path):
    folder = open_run(campaign(), tmp_path / "x", force_new=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert folder.spool.is_dir()


def test_force_new_leaves_a_run_that_is_going_on_where_it_is(tmp_path):
    folder = new_run(tmp_path / "x")
    with locked(folder), pytest.raises(RunInUse, match="in use by process"):
        open_run(campaign(seed=2), folder.path, force_new=True)
    assert folder.store.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"x exists and is not a run folder \(it holds thesis"):
        open_run(campaign(), tmp_path / "x")
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["thesis.tex"]


def test_a_first_launch_that_was_cut_off_can_be_launched_again(tmp_path):
    folder = open_run(campaign(), tmp_path / "x")
    with locked(folder):
        (folder.path / "store.sqlite.new").write_bytes(b"half")
    assert open_run(campaign(), folder.path) == folder
    new_run(folder.path)


def test_what_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"file.* cannot be a run folder"):
            open_run(campaign(), path)
        with pytest.raises(InputError, match=r"file.* cannot be a run folder"):
            open_run(campaign(), path, force_new=True)


def test_a_second_process_is_refused_until_the_first_one_ends(tmp_path):
    folder = new_run(tmp_path / "x")
    script = (
        "import sys; from pathlib import Path; from workflow.run.folder import RunFolder, locked\n"
        "with locked(RunFolder(Path(sys.argv[1]))):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunInUse, match=f"in use by process {holder.pid} on "), locked(folder):
            pass
        holder.kill()  # the kernel lets go, whatever the process was about to do
        holder.wait()
        with locked(folder):
            assert str(os.getpid()) in (folder.path / "run.lock").read_text()
    finally:
        holder.kill()
        holder.communicate()


def test_a_campaign_of_another_version_of_rung_is_said_to_be_one(tmp_path):
    folder = new_run(tmp_path / "x")
    with Store.open(folder.store) as store:
        store.diary.set_fact("campaign", '{"name": "x", "from_the_future": 1}')
    with pytest.raises(StoreError, match=r"cannot read: use the version of rung in .*versions\.js"):
        open_run(campaign(), folder.path)


def test_the_facts_are_the_campaign_with_every_default_and_the_versions(tmp_path):
    folder = open_run(campaign(molecules=[{"smiles": "O", "name": "Wässer"}]), tmp_path / "x")
    the_campaign = campaign(molecules=[{"smiles": "O", "name": "Wässer"}])
    write_facts(folder, the_campaign)
    text = folder.campaign.read_text(encoding="utf-8")
    assert "Wässer" in text
    assert Campaign.model_validate(yaml.safe_load(text)) == the_campaign
    assert "threshold_kcal_mol: adaptive" in text
    versions = json.loads((folder.path / "versions.json").read_text())
    assert versions["rung"]
    assert versions["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
