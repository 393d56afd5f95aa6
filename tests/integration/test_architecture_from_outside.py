"""A campaign of an architecture that another package brings: two rungs, for real, then its use."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from outside import put_package, python_that_sees
from safetensors import safe_open

from workflow.run.store.store import StoreReader

TOY = Path(__file__).parents[1] / "toy_architecture.py"

CAMPAIGN = """
name: springs
molecules: [O]
rungs:
  - level: gfn2-xtb
    initial_labels: 8
    labels_per_training: 4
    budget: {labels: 12}
  - level: hf/sto-3g
    initial_labels: 4
    labels_per_training: 2
    held_out_structures: 4
    transfer: auto
    budget: {labels: 6}
held_out: {structures: 4}
conformers: {max_conformers: 1, embeddings: 2}
bootstrap: mmff94
initial: [{kind: normal_modes, temperature_k: 600, kept_per_start: 6}]
explore: [{kind: normal_modes, temperature_k: 900, kept_per_start: 6}]
select: {threshold_kcal_mol: 0.01}
gates: {gap_ev: null, instability_kcal_mol: null}
train: {architecture: springs, members: 3, folds: 3, ridge_ev2: 1.0e-5}
"""

BACKEND = "pools: {main: {kind: local, workers: 2}}"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    package = put_package(
        folder / "package", TOY, "rung.architectures", "springs = toy_architecture:Springs"
    )
    return python_that_sees(package, folder / "venv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, python) -> Path:
    folder = tmp_path_factory.mktemp("campaign")
    (folder / "springs.yaml").write_text(CAMPAIGN)
    (folder / "backend.yaml").write_text(BACKEND)
    launched = rung(python, folder, "launch", "springs.yaml", "--backend", "backend.yaml")
    assert launched.returncode == 0, launched.stdout + launched.stderr
    return folder


def rung(python: Path, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        [python, "-P", "-m", "workflow.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_a_campaign_trains_climbs_and_ends_with_committees_of_it(folder):
    with StoreReader.open(folder / "springs" / "store.sqlite") as store:
        below, above = store.trainings.all(0), store.trainings.all(1)
    assert below[-1].n_labels == 12
    assert above[-1].n_labels == 6
    assert all(set(training.history.tried) == {"scratch", "correct"} for training in above)
    for training in (*below, *above):
        with safe_open(str(folder / "springs" / training.checkpoint), framework="np") as file:
            document = json.loads(file.metadata()["rung_committee"])
        assert document["architecture_name"] == "springs"
        assert training.errors.energy_mae_kcal_mol > 0


@pytest.mark.slow
def test_its_potential_is_evaluated_relaxes_a_molecule_and_is_reported(folder, python):
    [data] = (folder / "springs" / "exports").glob("*.extxyz")
    evaluated = rung(python, folder, "evaluate", "springs", str(data), "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["errors"]["energy_mae_kcal_mol"] > 0
    relaxed = rung(python, folder, "relax", "springs", "O", "--json")
    assert relaxed.returncode == 0, relaxed.stderr
    assert (folder / "relax.extxyz").is_file()
    compared = rung(python, folder, "climb-report", "springs")
    assert "springs for the difference" in compared.stdout, compared.stderr
    reported = rung(python, folder, "report", "springs")
    assert reported.returncode == 0, reported.stderr
    assert "springs for the difference" in (folder / "springs" / "report.html").read_text()


@pytest.mark.slow
def test_files_that_do_not_fit_it_are_refused(folder, python):
    def refused(text: str, *, backend: str = BACKEND) -> str:
        (folder / "wrong.yaml").write_text(text)
        (folder / "wrong-backend.yaml").write_text(backend)
        done = rung(
            python, folder, "launch", "wrong.yaml", "--backend", "wrong-backend.yaml", "--dry-run"
        )
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        return " ".join(done.stderr.split())

    said = refused(CAMPAIGN.replace("ridge_ev2", "ridge_ev"))
    assert "train.ridge_ev is an unknown key: did you mean `ridge_ev2`?" in said
    said = refused(CAMPAIGN.replace("transfer: auto", "transfer: freeze"))
    assert "rungs.1.transfer: architecture springs does not climb by `freeze`" in said
    said = refused(CAMPAIGN.replace("architecture: springs", "architecture: spring"))
    assert "train.architecture is unknown (`spring`): did you mean `springs`?" in said
    said = refused(CAMPAIGN, backend=BACKEND.replace("local", "local, device: cuda"))
    assert "pools.main.device is cuda, and architecture springs" in said
    schema = json.loads(rung(python, folder, "schema", "campaign").stdout)
    mapping = schema["properties"]["train"]["discriminator"]["mapping"]
    assert set(mapping) == {"ani", "ani+gfn2-xtb", "springs"}
