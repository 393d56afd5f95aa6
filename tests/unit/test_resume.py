"""Going on with a run: what a file leaves open stays as it was, and molecules are the same."""

import json
import shutil
from pathlib import Path

import pytest

from chemistry.errors import InputError
from model.architectures import ARCHITECTURES
from workflow.run.opened import opened_run
from workflow.run.resume import as_begun, differences, given
from workflow.settings.campaign import Campaign, read_campaign

RUNG = {"level": "hf/sto-3g"}


def campaign(**changes) -> Campaign:
    rung = {"level": "hf/sto-3g", **changes.pop("rung", {})}
    return Campaign.model_validate({"name": "x", "molecules": ["O"], "rungs": [rung], **changes})


def resumed(new: Campaign, stored: Campaign, said_then: Campaign) -> Campaign:
    """Go on with `new` in a run whose file said less than the store keeps."""
    return as_begun(new, stored, json.loads(given(said_then)))


def test_what_no_file_ever_said_stays_as_the_run_began():
    """A newer rung has other defaults than those that the run was begun with."""
    stored = campaign(
        train={"max_epochs": 77, "members": 3}, rung={"transfer": "delta"}, seed=5, license="MIT"
    )
    said = campaign(train={"members": 3})
    went_on = resumed(campaign(train={"members": 3}), stored, said)
    assert went_on == stored
    assert differences(stored, went_on) == []


def test_what_the_file_says_now_or_said_then_is_compared():
    stored = campaign(train={"max_epochs": 77, "members": 3}, seed=5)
    said = campaign(train={"members": 3}, seed=5)
    now = campaign(train={"max_epochs": 50})
    found = differences(stored, resumed(now, stored, said))
    assert len(found) == 3
    for line in ("seed: 5 -> 1", "train.max_epochs: 77 -> 50", "train.members: 3 -> 8"):
        assert line in found


def test_a_default_way_to_climb_may_be_spelled_out_later():
    stored, now = campaign(), campaign(rung={"transfer": "full"})
    assert stored.rungs[0].transfer == "full"
    assert json.loads(given(stored))["rungs"] == [{"level": "hf/sto-3g"}]
    assert differences(stored, resumed(now, stored, stored)) == []
    other = resumed(campaign(rung={"transfer": "freeze"}), stored, stored)
    assert differences(stored, other) == ["rungs.0.transfer: full -> freeze"]


@pytest.mark.parametrize(("level", "way"), [("hf/sto-3g", "full"), ("ccsd(t)*/cbs", "linear")])
def test_the_default_way_to_climb_goes_by_what_the_level_gives(level, way):
    assert campaign(rung={"level": level}).rungs[0].transfer == way


def test_settings_of_another_architecture_are_not_mixed(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES.ours, "springs", "toy_architecture:Springs")
    stored = campaign(train={"members": 3})
    now = campaign(train={"architecture": "springs"}, rung={"transfer": "scratch"})
    went_on = resumed(now, stored, campaign())
    assert went_on.train == now.train
    assert "train.architecture: ani -> springs" in differences(stored, went_on)


def test_samplers_of_another_kind_are_not_mixed():
    stored = campaign(explore=[{"kind": "normal_modes", "temperature_k": 700}])
    now = campaign(explore=[{"kind": "langevin"}])
    assert resumed(now, stored, stored).explore == now.explore


def put(folder: Path, molecules: str) -> Campaign:
    folder.mkdir(exist_ok=True)
    (folder / "molecules.smi").write_text(molecules, encoding="utf-8")
    text = "name: x\nmolecules: [{file: molecules.smi}]\nrungs: [{level: hf/sto-3g}]\n"
    (folder / "campaign.yaml").write_text(text, encoding="utf-8")
    return read_campaign(folder / "campaign.yaml")


def test_a_campaign_folder_may_be_moved(tmp_path):
    before = put(tmp_path / "before", "O water\nCO methanol\n")
    with opened_run(before, tmp_path / "before" / "x") as run:
        assert len(run.store.molecules.all()) == 2
    shutil.move(tmp_path / "before", tmp_path / "after")
    after = read_campaign(tmp_path / "after" / "campaign.yaml")
    with opened_run(after, tmp_path / "after" / "x") as run:
        assert len(run.store.molecules.all()) == 2
        (entry,) = run.campaign.molecules
        assert entry.file == tmp_path / "after" / "molecules.smi"


@pytest.mark.parametrize(
    ("molecules", "said"),
    [
        ("O water\nCO methanol\nC methane\n", "molecule methane is new"),
        ("O water\n", "molecule methanol is missing"),
        ("O water\nCN methylamine\n", "methylamine is new; molecule methanol is missing"),
    ],
)
def test_a_molecule_file_of_other_molecules_is_another_campaign(tmp_path, molecules, said):
    with opened_run(put(tmp_path, "O water\nCO methanol\n"), tmp_path / "x"):
        pass
    with (
        pytest.raises(InputError, match=f"{said}.*--force-new"),
        opened_run(put(tmp_path, molecules), tmp_path / "x"),
    ):
        pass
    with opened_run(put(tmp_path, "CO alcohol\nO water\n"), tmp_path / "x") as run:
        names = [molecule.name for molecule, _ in run.store.molecules.all()]
        assert names == ["water", "methanol"]


def test_what_was_left_to_a_smiles_may_be_stated_but_not_changed(tmp_path):
    def put_entry(**entry) -> Campaign:
        path = tmp_path / "campaign.yaml"
        path.write_text(json.dumps({"name": "x", "molecules": [entry], "rungs": [RUNG]}))
        return read_campaign(path)

    with opened_run(put_entry(smiles="[OH-]"), tmp_path / "x"):
        pass
    stated = put_entry(smiles="[OH-]", charge=-1, multiplicity=1)
    with opened_run(stated, tmp_path / "x") as run:
        assert len(run.store.molecules.all()) == 1
    with (
        pytest.raises(InputError, match=r"molecule \[OH-\] is new"),
        opened_run(put_entry(smiles="[OH-]", multiplicity=3), tmp_path / "x"),
    ):
        pass
