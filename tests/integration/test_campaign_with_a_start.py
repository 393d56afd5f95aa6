"""Campaigns that begin with a committee, for real: Parsl, tblite or PySCF, torch."""

from pathlib import Path

import pytest
from neurochem_files import put_ensemble
from rung_command import put_backend, put_campaign, rung

from chemistry.records.level import find_level
from model import load_committee
from workflow.planning.start import FACT, start_facts
from workflow.run.store.store import StoreReader

pytestmark = pytest.mark.slow

ANI_1X = Path(__file__).parents[2].parent / "shared" / "data" / "ani_models" / "ani-1x_8x"
CAMPAIGN = {
    "name": "begun",
    "seed": 3,
    "molecules": [{"smiles": "O", "name": "water"}],
    "held_out": {"structures": 4},
    "conformers": {"max_conformers": 1, "embeddings": 3},
    "initial": [{"kind": "normal_modes", "temperature_k": 600, "kept_per_start": 8}],
    "explore": [{"kind": "normal_modes", "temperature_k": 900, "kept_per_start": 6}],
    "gates": {"gap_ev": None, "instability_kcal_mol": None},
    "train": {"members": 2, "folds": 2, "max_epochs": 4},
}
GOLD = {
    "level": "hf/sto-3g",
    "initial_labels": 6,
    "labels_per_training": 4,
    "held_out_structures": 4,
    "transfer": "full",
    "budget": {"labels": 8},
}


def launched(folder: Path, campaign: dict) -> Path:
    put_campaign(folder, campaign)
    put_backend(folder)
    done = rung("launch", "campaign.yaml", "--backend", "backend.yaml", folder=folder, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / campaign["name"]


@pytest.mark.skipif(not ANI_1X.is_dir(), reason=f"no published ensemble in {ANI_1X}")
@pytest.mark.timeout(1200)
def test_published_ani_1x_climbs_without_a_label_of_its_own_level(tmp_path):
    below = {"level": "wb97x/6-31g*", "budget": {"labels": 0}}
    begun = {"start": {"from": str(ANI_1X)}, "rungs": [below, GOLD]}
    # In rounds: else what is labelled depends on how fast the workers are.
    run = launched(tmp_path, {**CAMPAIGN, **begun, "synchronous": True})
    with StoreReader.open(run / "store.sqlite") as store:
        assert store.labels.count(0).total() == 0
        assert store.labels.count(1).total() == 12
        assert [t.version for t in store.trainings.all(0)] == [0]
        first, *_ = store.trainings.all(1)
        facts = start_facts(store.diary.fact(FACT))
        samplers = {row.structure.origin.sampler for row in store.labels.export_rows()}
    assert facts is not None
    assert (facts.title, facts.license, facts.level) == ("ani-1x", "MIT", "wb97x/6-31g*")
    assert samplers == {"normal_modes", "conformers"}  # explored, and the geometry it began at
    assert first.history.transfer == "full"
    copy = load_committee(run / "models" / "rung0-v000.safetensors")
    assert copy.level_id == find_level("wb97x/6-31g*").level_id
    assert copy.n_members == 2
    status = rung("status", run, folder=tmp_path)
    assert "begins with ani-1x, wb97x/6-31g*, licence MIT" in status.stdout
    assert rung("report", run, folder=tmp_path).returncode == 0
    again = rung("launch", "campaign.yaml", "--backend", "backend.yaml", folder=tmp_path)
    assert again.returncode == 0, again.stderr


@pytest.mark.timeout(1200)
def test_an_ensemble_of_the_level_is_evaluated_and_then_trained_and_the_run_starts_another(
    tmp_path,
):
    put_ensemble(tmp_path / "tiny")
    start = {"from": "tiny", "level": "gfn2-xtb", "license": "CC0-1.0"}
    rungs = [{"level": "gfn2-xtb", "labels_per_training": 6, "budget": {"labels": 8}}]
    stop = {"uncertain_share": None}
    rungs = [{**rungs[0], "initial_labels": 4, "stop": stop}]
    run = launched(tmp_path, {**CAMPAIGN, "start": start, "rungs": rungs})
    with StoreReader.open(run / "store.sqlite") as store:
        begun, *trained = store.trainings.all(0)
        ids = {row.structure.structure_id for row in store.labels.export_rows()}
    assert begun.version == 0
    assert begun.errors is not None
    assert begun.errors.n_structures == 4
    assert trained[-1].n_labels == 8
    assert trained[-1].history.transfer == "full"
    assert trained[-1].errors.energy_mae_kcal_mol < begun.errors.energy_mae_kcal_mol

    second = {**CAMPAIGN, "name": "second", "start": {"from": "begun", "labels": True}}
    second["rungs"] = [{**rungs[0], "budget": {"labels": 10}}]
    second["select"] = {"threshold_kcal_mol": 0.001}  # so that there is something to choose
    run = launched(tmp_path, second)
    with StoreReader.open(run / "store.sqlite") as store:
        rows = list(store.labels.export_rows())
        begun, *trained = store.trainings.all(0)
    assert ids <= {row.structure.structure_id for row in rows}
    assert begun.n_labels == 8
    assert trained[-1].n_labels == 10
    record = load_committee(run / "models" / "rung0-v000.safetensors").record
    assert record["start"]["title"] == "run begun"
