"""A relative `train.pretrained.path` was not found by workers, and a moved run was refused."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from neurochem_files import put_ensemble

from chemistry.errors import InputError
from workflow.run.opened import opened_run
from workflow.settings.campaign import Campaign, read_campaign


def put(folder: Path, train: str = "train: {members: 2, pretrained: {path: weights}}") -> Campaign:
    put_ensemble(folder / "weights")
    text = f"name: x\nmolecules: [O]\nrungs: [{{level: hf/sto-3g}}]\n{train}\n"
    (folder / "campaign.yaml").write_text(text)
    return read_campaign(folder / "campaign.yaml")


def test_a_relative_path_is_taken_from_the_campaign_file(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "campaign")
    monkeypatch.chdir(tmp_path)
    campaign = read_campaign(Path("campaign/campaign.yaml"))
    os.chdir(tmp_path / "elsewhere")
    train: Any = campaign.train
    assert train.pretrained.path == tmp_path / "campaign" / "weights"
    assert train.pretrained.path.is_dir()


def test_a_run_moved_with_its_campaign_and_weights_is_resumed(tmp_path):
    before = put(tmp_path / "before")
    with opened_run(before, tmp_path / "before" / "x"):
        pass
    shutil.move(tmp_path / "before", tmp_path / "after")
    after = read_campaign(tmp_path / "after" / "campaign.yaml")
    with opened_run(after, tmp_path / "after" / "x") as run:
        train: Any = run.campaign.train
        assert train.pretrained.path == tmp_path / "after" / "weights"


def test_other_settings_of_the_weights_are_another_campaign(tmp_path):
    with opened_run(put(tmp_path), tmp_path / "x"):
        pass
    for train, said in (
        ("pretrained: {path: weights, frozen_layers: [0]}", r"train.pretrained.frozen_layers"),
        ("max_epochs: 7", r"train.pretrained"),
    ):
        shutil.rmtree(tmp_path / "weights")
        changed = put(tmp_path, f"train: {{members: 2, {train}}}")
        with pytest.raises(InputError, match=said), opened_run(changed, tmp_path / "x"):
            pass
