"""`rung explain`: the history of a structure, from a campaign driven by scripted workers."""

import json

import pytest
from scripted_workers import Listener, ScriptedWorkers, scripted_campaign

from chemistry.errors import InputError
from chemistry.readers.molecules import molecule_from_smiles
from workflow.campaign.driver import Driver
from workflow.report.explain import explain, sentences
from workflow.run.folder import RunFolder
from workflow.run.opened import open_run
from workflow.run.store.store import Store, StoreReader
from workflow.settings.backend import Backend

CAMPAIGN = scripted_campaign()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    folder = open_run(CAMPAIGN, tmp_path_factory.mktemp("runs") / "x")
    workers = ScriptedWorkers(folder.path, failing=lambda i: int(i, 16) % 6 == 0)
    with Store.create(folder.store, CAMPAIGN.model_dump_json()) as store:
        store.molecules.add([(molecule_from_smiles("O", name="water"), False)])
        Driver(store, CAMPAIGN, Backend(), folder, workers, Listener()).run()
    return folder


def ids_with(run: RunFolder, status: str, purpose: str) -> list[str]:
    with StoreReader.open(run.store) as store:
        found = store.database.all(
            "SELECT structure_id FROM candidates WHERE status = ? AND purpose = ?", status, purpose
        )
    return [row[0] for row in found]


def test_a_structure_that_the_committee_chose_says_how_far_it_was_over_the_threshold(run):
    structure_id = ids_with(run, "labelled", "active")[0]
    known = explain(run, structure_id[:12])
    json.dumps(known)
    text = "\n".join(sentences(known))
    assert text.startswith(f"structure {structure_id} of water, 3 atoms, made by ")
    assert "rung 1: labelled, active; " in text
    assert "x the threshold" in text
    assert "chosen when the newest committee was: committee " in text
    assert "hf/sto-3g: " in text
    assert " eV in " in text
    assert "gate topology: 0, limit 0, passed" in text


def test_a_failure_is_told_with_its_kind(run):
    failed = [i for purpose in ("initial", "active") for i in ids_with(run, "failed", purpose)]
    text = "\n".join(sentences(explain(run, failed[0])))
    assert "hf/sto-3g: failed (" in text


@pytest.mark.parametrize(
    ("beginning", "said"), [("zzz", "has no structure zzz"), ("", "several structures begin")]
)
def test_an_id_that_names_none_or_many_is_refused(run, beginning, said):
    with pytest.raises(InputError, match=said):
        explain(run, beginning)
