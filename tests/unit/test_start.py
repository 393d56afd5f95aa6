"""`start:` in a campaign file, and what it names: found and fit, or refused in one sentence."""

import shutil
from pathlib import Path

import pytest
from labelled_molecules import put_labelled_run
from model_examples import committee
from neurochem_files import put_ensemble

from chemistry.errors import InputError
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule
from model import load_committee
from workflow.planning.start import FACT, start_facts
from workflow.run.begun import take_start
from workflow.run.opened import opened_run
from workflow.run.resume import require_same_campaign
from workflow.run.start import find_start
from workflow.settings.campaign import Campaign, read_campaign

WATER = molecule_from_smiles("O", name="water")
HYDROXIDE = molecule_from_smiles("[OH-]", name="hydroxide")
METHANE = molecule_from_smiles("C", name="methane")
FLUORIDE = molecule_from_smiles("F", name="hydrogen fluoride")


def campaign(start: object, **changes) -> Campaign:
    fields = {
        "name": "x",
        "molecules": ["O"],
        "rungs": [{"level": "gfn2-xtb"}],
        "train": {"members": 2},
        "start": start,
    }
    return Campaign.model_validate(fields | changes)


def published(folder: Path, **stated: str) -> dict[str, str]:
    put_ensemble(folder / "tiny")
    return {"from": str(folder / "tiny"), "level": "gfn2-xtb", **stated}


def checkpoint(folder: Path) -> str:
    path = folder / "earlier.safetensors"
    committee(3).save(path)
    return str(path)


def refusal(the_campaign: Campaign, *molecules: Molecule) -> str:
    with pytest.raises(InputError) as caught:
        find_start(the_campaign, molecules or [WATER])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_path_alone_is_a_start_and_relative_to_the_campaign_file(tmp_path):
    text = "name: x\nmolecules: [O]\nrungs: [{level: gfn2-xtb}]\nstart: weights/ani-1x\n"
    (tmp_path / "campaign.yaml").write_text(text)
    start = read_campaign(tmp_path / "campaign.yaml").start
    assert start is not None
    assert start.source == str(tmp_path / "weights" / "ani-1x")
    (tmp_path / "campaign.yaml").write_text(text.replace("weights/ani-1x", "torchani:ani-2x"))
    start = read_campaign(tmp_path / "campaign.yaml").start
    assert start is not None
    assert start.source == "torchani:ani-2x"


def test_a_campaign_with_a_start_is_read_back_from_its_run_folder():
    written = campaign({"from": "here", "labels": True}).model_dump(mode="json")
    assert written["start"]["from"] == "here"
    assert (
        Campaign.model_validate(written).start == campaign({"from": "here", "labels": True}).start
    )


@pytest.mark.parametrize(
    ("rungs", "start", "said"),
    [
        ("[{level: hf/sto-3g, budget: {labels: 0}}]", "", "budget.labels: should be at least 1"),
        (
            "[{level: hf/sto-3g, budget: {labels: 0}}]",
            "start: here",
            "only a first rung that has a `start` and a rung above it",
        ),
        (
            "[{level: gfn2-xtb}, {level: hf/sto-3g, budget: {labels: 0}}]",
            "start: here",
            "rungs.1.budget.labels: should be at least 1",
        ),
        ("[{level: hf/sto-3g, initial_labels: 1}]", "", "rungs.0.initial_labels: should be at"),
        (
            "[{level: hf/sto-3g}]",
            "start: here\ntrain: {pretrained: {path: there}}",
            "leave train.pretrained out",
        ),
        ("[{level: hf/sto-3g}]", "start: {form: here}", "did you mean `from`?"),
    ],
)
def test_rungs_that_nothing_begins_are_refused(tmp_path, rungs, start, said):
    path = tmp_path / "campaign.yaml"
    path.write_text(f"name: x\nmolecules: [O]\nrungs: {rungs}\n{start}\n")
    with pytest.raises(InputError) as caught:
        read_campaign(path)
    assert said in str(caught.value)


def test_a_first_rung_of_the_starts_level_can_do_without_labels():
    rungs = [{"level": "gfn2-xtb", "budget": {"labels": 0}}, {"level": "hf/sto-3g"}]
    found = campaign("here", rungs=rungs)
    assert found.rungs[0].initial_labels == 0
    assert found.held_out_structures(0) == 0
    assert found.first_sets(0) == found.first_sets(1) == (40, 40)


def test_a_published_ensemble_is_found_with_the_molecules_that_it_knows(tmp_path):
    found = find_start(campaign(published(tmp_path)), [WATER, HYDROXIDE, METHANE])
    assert found is not None
    assert found.known == (WATER.molecule_id,)
    assert found.committee.n_members == 2
    assert found.level == find_level("gfn2-xtb")


def test_no_start_is_none():
    assert find_start(campaign(None), [WATER]) is None


def test_another_level_is_refused(tmp_path):
    other = campaign(checkpoint(tmp_path), rungs=[{"level": "hf/sto-3g"}])
    assert "is of gfn2-xtb, and the first rung of hf/sto-3g: put a rung of gfn2-xtb" in refusal(
        other
    )


def test_a_level_that_nobody_states_is_asked_for(tmp_path):
    start = published(tmp_path)
    del start["level"]
    assert "does not say of which level of theory it is" in refusal(campaign(start))


def test_a_level_that_contradicts_the_file_is_refused(tmp_path):
    start = {"from": checkpoint(tmp_path), "level": "hf/sto-3g"}
    assert "says itself that it is of gfn2-xtb" in refusal(campaign(start))


def test_unknown_elements_alone_are_refused(tmp_path):
    said = refusal(campaign(checkpoint(tmp_path)), FLUORIDE)
    assert "knows none of the campaign's molecules (hydrogen fluoride)" in said
    assert "H, C, N, O" in said


def test_ions_alone_are_refused(tmp_path):
    said = refusal(campaign(checkpoint(tmp_path)), HYDROXIDE)
    assert "its states charge 0, multiplicity 1: leave `start` out" in said


def test_an_unknown_molecule_needs_a_rung_with_labels(tmp_path):
    rungs = [{"level": "gfn2-xtb", "budget": {"labels": 0}}, {"level": "hf/sto-3g"}]
    said = refusal(campaign(checkpoint(tmp_path), rungs=rungs), WATER, FLUORIDE)
    assert "does not know hydrogen fluoride" in said
    assert "give the rung some" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.safetensors", None, "there is no committee at"),
        ("half.safetensors", b"\x10\x00", "is it cut short?"),
        ("text.pt", b"PK\x03\x04 something", "cannot be read as a committee"),
    ],
)
def test_no_committee_is_refused(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert said in refusal(campaign(str(tmp_path / name)))


def test_half_an_ensemble_is_refused(tmp_path):
    start = published(tmp_path)
    (tmp_path / "tiny" / "train1" / "networks" / "ANN-H.nnf-l2.bparam").unlink()
    assert "missing or cut short" in refusal(campaign(start))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes").mkdir()
    assert "is neither a run nor a published ensemble" in refusal(campaign(str(tmp_path / "notes")))


def test_labels_of_what_is_no_run_are_refused(tmp_path):
    start = {"from": checkpoint(tmp_path), "labels": True}
    assert "is no run, so that it has no labels" in refusal(campaign(start))


def test_a_model_of_torchani_that_was_never_fetched_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("torchani", reason="torchani is not installed: pip install rung[oracle]")
    monkeypatch.setenv("TORCHANI_DATA_DIR", str(tmp_path))
    assert "rung fetches nothing" in refusal(campaign("torchani:ani-1x"))
    assert list(tmp_path.iterdir()) == []
    assert "there is no model 'ani-7'" in refusal(campaign("torchani:ani-7"))


def test_it_is_copied_into_the_run_once_with_its_hash_and_licence(tmp_path):
    start = published(tmp_path, license="CC0-1.0")
    the_campaign = campaign(start, molecules=["O", "F"], train={"members": 3, "folds": 2})
    with opened_run(the_campaign, tmp_path / "x", computes=False) as run:
        said = take_start(run)
        assert said is not None
        assert "begins with tiny, gfn2-xtb, licence CC0-1.0, sha256 " in said
        facts = start_facts(run.store.diary.fact(FACT))
        trainings = run.store.trainings.all(0)
        assert take_start(run) is None
    assert facts is not None
    assert facts.elements == (1, 8)
    assert facts.known == (WATER.molecule_id,)
    assert [(t.version, t.n_labels, t.errors) for t in trainings] == [(0, 0, None)]
    copy = load_committee(tmp_path / "x" / trainings[0].checkpoint)
    assert copy.elements == (1, 8, 9)
    assert copy.n_members == 3
    assert copy.level_name == "gfn2-xtb"
    assert copy.record["start"]["license"] == "CC0-1.0"
    assert copy.record["start"]["sha256"] == facts.sha256


def test_a_run_is_resumed_where_its_start_is_gone_but_not_with_another_one(tmp_path):
    first = campaign(published(tmp_path))
    with opened_run(first, tmp_path / "x", computes=False) as run:
        take_start(run)
    moved = campaign({"from": str(tmp_path / "elsewhere"), "level": "gfn2-xtb"})
    require_same_campaign(first, moved, tmp_path / "x")
    with opened_run(moved, tmp_path / "x", computes=False) as run:
        assert take_start(run) is None
    shutil.copytree(tmp_path / "tiny", tmp_path / "elsewhere")
    with opened_run(moved, tmp_path / "x", computes=False) as run:
        assert take_start(run) is None
    (tmp_path / "elsewhere" / "sae_linfit.dat").write_text("H,0=-0.6\nO,1=-75.1\n")
    with (
        opened_run(moved, tmp_path / "x", computes=False) as run,
        pytest.raises(InputError, match="is not what this run began with"),
    ):
        take_start(run)


def test_a_run_that_began_with_nothing_takes_no_start_later(tmp_path):
    with opened_run(campaign(None), tmp_path / "x", computes=False):
        pass
    later = campaign(published(tmp_path))
    with (
        pytest.raises(InputError, match="was made by another campaign file"),
        opened_run(later, tmp_path / "x", computes=False),
    ):
        pass


def test_an_earlier_run_gives_its_committee_of_the_level_and_its_labels(tmp_path):
    earlier = put_labelled_run(tmp_path / "earlier", level="gfn2-xtb", n_train=6, n_held_out=2)
    start = {"from": str(tmp_path / "earlier"), "labels": True}
    with opened_run(campaign(start), tmp_path / "x", computes=False) as run:
        said = take_start(run)
        assert said is not None
        assert "and with 8 labels" in said
        level = find_level("gfn2-xtb")
        for held_out in (False, True):
            rows = run.store.labels.labelled(0, level.level_id, held_out=held_out)
            assert {r.structure.structure_id for r in rows} == earlier[held_out]
        assert run.store.trainings.all(0)[0].n_labels == 6
    other = campaign(start, rungs=[{"level": "hf/sto-3g"}])
    assert "has trained committees of gfn2-xtb, not of hf/sto-3g" in refusal(other)


def test_labels_of_a_molecule_that_is_now_only_tested_on_are_left_behind(tmp_path):
    put_labelled_run(tmp_path / "earlier", level="gfn2-xtb", n_train=6, n_held_out=2)
    start = {"from": str(tmp_path / "earlier"), "labels": True}
    molecules = [{"smiles": "O", "name": "water"}, "OO"]
    tested = campaign(start, molecules=molecules, held_out={"molecules": ["water"]})
    with opened_run(tested, tmp_path / "x", computes=False) as run:
        said = take_start(run)
    assert said is not None
    assert "and with 2 labels" in said


def test_without_asking_an_earlier_run_gives_no_labels(tmp_path):
    put_labelled_run(tmp_path / "earlier", level="gfn2-xtb", n_train=6, n_held_out=2)
    with opened_run(campaign(str(tmp_path / "earlier")), tmp_path / "x", computes=False) as run:
        take_start(run)
        assert run.store.labels.count(0).total() == 0
