"""Whole campaigns through the real command: Parsl, RDKit, tblite and torch, killed and resumed."""

import json
import os
import re
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import ase.io
import h5py
import numpy as np
import psutil
import pytest
from rung_command import SMALL, put_backend, put_campaign, rung, start_rung, stop
from safetensors import safe_open

from chemistry.units import EV_PER_HARTREE
from model.evaluation import errors_to_json
from workflow.run.store.store import StoreReader

pytestmark = pytest.mark.slow

N_TRAINED, N_HELD_OUT = 18, 4


def put_files(folder: Path, campaign: dict | None = None) -> tuple[str, ...]:
    """Write campaign and backend file; return the arguments of a launch."""
    folder.mkdir(parents=True, exist_ok=True)
    put_campaign(folder, campaign)
    put_backend(folder)
    return ("launch", "campaign.yaml", "--backend", "backend.yaml")


def labels(run: Path, *, with_quarantined: bool = True) -> dict[str, bytes]:
    """Return energy and forces of every label in the store, as bytes."""
    with StoreReader.open(run / "store.sqlite") as store:
        return {
            row.structure.structure_id: np.float64(row.label.energy).tobytes()
            + row.label.forces.tobytes()
            for row in store.labels.export_rows(with_quarantined=with_quarantined)
        }


def finished(run: Path) -> Counter[str]:
    """Count how often each task was computed to its end, by the workers' own log."""
    text = (run / "logs" / "tasks.log").read_text()
    return Counter(re.findall(r"^\S+ (\S+) (?:finished|failed) ", text, flags=re.MULTILINE))


def count_labels(run: Path) -> int:
    """Count the labels in the store of a run that may not have one yet."""
    if not (run / "store.sqlite").exists():
        return 0
    with closing(sqlite3.connect(f"file:{run / 'store.sqlite'}?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM labels").fetchone()[0]


def wait_for_labels(process, run: Path, n: int) -> None:
    while count_labels(run) < n:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def processes_of(run: Path) -> list[str]:
    """Return the command lines of living processes that work for a run."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            if is_alive and (str(run) in line or process.cwd().startswith(str(run.parent))):
                found.append(line)
        except psutil.Error:
            continue
    return found


def wait_until_gone(run: Path) -> None:
    """Wait for processes to end, or for the time limit of the test."""
    while processes_of(run):
        time.sleep(0.1)


@pytest.fixture(scope="module")
def campaign_run(tmp_path_factory) -> Path:
    """A campaign launched once, in a folder with decoys of rung's own packages."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("model", "chemistry", "workflow", "torch", "parsl"):
        (folder / f"{name}.py").write_text(
            f"import pathlib; pathlib.Path({str(folder / 'imported')!r}).write_text('{name}')\n"
            "raise SystemExit('a decoy was imported')\n"
        )
    done = rung(*put_files(folder), folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "small"


def test_a_campaign_ends_with_its_budget_spent_and_a_potential(campaign_run):
    assert len(labels(campaign_run, with_quarantined=False)) == N_TRAINED + N_HELD_OUT
    with StoreReader.open(campaign_run / "store.sqlite") as store:
        assert store.diary.fact("finished") == "label budget spent (18)"
        trainings = store.trainings.all(0)
    assert trainings[-1].n_labels == N_TRAINED
    assert all((campaign_run / training.checkpoint).is_file() for training in trainings)
    assert all(training.errors.energy_mae_kcal_mol > 0 for training in trainings)
    assert set(finished(campaign_run).values()) == {1}


def test_checkpoints_know_how_errors_go_with_disagreement(campaign_run):
    with StoreReader.open(campaign_run / "store.sqlite") as store:
        trainings = store.trainings.all(0)
    for training in trainings:
        with safe_open(str(campaign_run / training.checkpoint), framework="np") as file:
            record = json.loads(file.metadata()["rung_committee"])["record"]
        known = json.loads(json.dumps(errors_to_json(training.errors)))
        assert record["calibration"] == known["calibration"]
        assert record["calibration"]["n_structures"] == N_HELD_OUT
        assert record["calibration"]["factor"] > 0
    assert "Error by disagreement" in rung("status", campaign_run, folder=campaign_run).stdout


def test_decoys_in_the_current_folder_are_not_imported(campaign_run):
    assert (campaign_run.parent / "model.py").exists()
    assert not (campaign_run.parent / "imported").exists()


def test_the_held_out_set_is_never_trained_on(campaign_run):
    with StoreReader.open(campaign_run / "store.sqlite") as store:
        rows = list(store.labels.export_rows())
    blocks = {
        split: {row.structure.origin.block for row in rows if row.split == split}
        for split in ("train", "test")
    }
    assert blocks["train"]
    assert blocks["test"]
    assert not blocks["train"] & blocks["test"]
    assert Counter(row.split for row in rows) == {"train": N_TRAINED, "test": N_HELD_OUT}


def test_the_exports_equal_the_store(campaign_run):
    with StoreReader.open(campaign_run / "store.sqlite") as store:
        rows = {row.structure.structure_id: row for row in store.labels.export_rows()}
    frames = ase.io.read(campaign_run / "exports" / "small.extxyz", index=":")
    assert {atoms.info["structure_id"] for atoms in frames} == set(rows)
    splits: dict[str, str] = {}
    for atoms in frames:
        row = rows[atoms.info["structure_id"]]
        assert atoms.get_potential_energy() == row.label.energy
        assert np.array_equal(atoms.get_forces(), row.label.forces)
        assert np.array_equal(atoms.positions, row.structure.positions)
        # A data set is split by whole molecules, whatever the campaign held out.
        split = splits.setdefault(row.structure.molecule_id, atoms.info["split"])
        assert atoms.info["split"] == split
    seen = 0
    with h5py.File(campaign_run / "exports" / "small.h5") as file:
        assert sorted(file) == ["CH4O", "H2O"]
        for group in file.values():
            for k, structure_id in enumerate(group["structure_id"].asstr()):
                row = rows[structure_id]
                order = np.argsort(-row.structure.atomic_numbers, kind="stable")
                energy, forces = group["gfn2-xtb.energy"][k], group["gfn2-xtb.forces"][k]
                assert energy * EV_PER_HARTREE == pytest.approx(row.label.energy, rel=1e-14)
                np.testing.assert_allclose(
                    forces * EV_PER_HARTREE, row.label.forces[order], rtol=1e-12
                )
                seen += 1
    assert seen == len(rows)


def test_status_and_evaluate_read_the_run(campaign_run):
    status = rung("status", "small", folder=campaign_run.parent)
    assert status.returncode == 0, status.stderr
    assert "finished: label budget spent (18)" in status.stdout
    assert "labels made: 22" in status.stdout
    evaluate = ("evaluate", "small", "small/exports/small.extxyz")
    found = json.loads(rung(*evaluate, "--json", folder=campaign_run.parent).stdout)
    assert found["errors"]["n_structures"] == N_TRAINED + N_HELD_OUT
    assert found["errors"]["energy_mae_kcal_mol"] > 0
    errors = rung(*evaluate, folder=campaign_run.parent)
    assert errors.returncode == 0, errors.stderr
    assert "22 structures" in errors.stdout


def test_launching_again_computes_nothing_again(campaign_run):
    before, log = labels(campaign_run), (campaign_run / "logs" / "tasks.log").read_text()
    done = rung(*put_files(campaign_run.parent), folder=campaign_run.parent)
    assert done.returncode == 0, done.stderr
    assert labels(campaign_run) == before
    assert (campaign_run / "logs" / "tasks.log").read_text() == log


def test_rounds_with_one_seed_choose_the_same_structures(tmp_path):
    found = []
    for name in ("one", "two"):
        arguments = put_files(tmp_path / name, {**SMALL, "synchronous": True})
        done = rung(*arguments, folder=tmp_path / name)
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(labels(tmp_path / name / "small"))
    assert len(found[0]) == N_TRAINED + N_HELD_OUT
    assert found[0].keys() == found[1].keys()


@pytest.mark.parametrize("n_labels", [3, 14])
def test_after_a_kill_no_label_is_lost_and_none_is_computed_twice(tmp_path, n_labels):
    arguments, run = put_files(tmp_path), tmp_path / "small"
    process = start_rung(*arguments, folder=tmp_path)
    try:
        wait_for_labels(process, run, n_labels)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        stop(process)
    wait_until_gone(run)
    kept = labels(run)
    computed = {key for key in finished(run) if key.startswith("label-")}
    assert len(kept) >= n_labels
    done = rung(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    after = labels(run)
    assert kept.items() <= after.items()
    assert {key.split("-")[1] for key in computed} <= set(after)
    assert len(labels(run, with_quarantined=False)) == N_TRAINED + N_HELD_OUT
    counts = {key: n for key, n in finished(run).items() if key.startswith("label-")}
    assert set(counts.values()) == {1}
    assert len(counts) == len(after)


def test_a_campaign_grows_from_a_pool_the_smallest_molecules_first(tmp_path):
    lines = ["N ammonia", "CN methylamine", "C=O formaldehyde", "CCCCCO pentanol", "nonsense"]
    (tmp_path / "pool.smi").write_text("\n".join(lines), encoding="utf-8")
    growth = {
        "pool": "pool.smi",
        "elements": ["H", "C", "N", "O"],
        "heavy_atoms": [1, 3],
        "molecules": 1,
        "uncertain_share": 1.0,
    }
    rung_of = {**SMALL["rungs"][0], "budget": {"labels": 40}}
    arguments = put_files(tmp_path, {**SMALL, "rungs": [rung_of], "grow": growth})
    refused = rung(*arguments, folder=tmp_path)
    assert refused.returncode == 2
    assert "pool.smi:5" in refused.stderr
    (tmp_path / "pool.smi").write_text("\n".join(lines[:4]), encoding="utf-8")
    launched = rung(*arguments, folder=tmp_path)
    assert launched.returncode == 0, launched.stderr
    run = tmp_path / "small"
    found = json.loads(rung("status", run, "--json", folder=tmp_path).stdout)
    names = [molecule["name"] for molecule in found["molecules"]]
    assert names[:3] == ["water", "methanol", "ammonia"]
    assert "pentanol" not in names
    with StoreReader.open(run / "store.sqlite") as store:
        rows = list(store.labels.export_rows())
        grown = store.molecules.grown().molecule_ids
    of_grown = [row for row in rows if row.structure.molecule_id in grown]
    assert {row.purpose for row in of_grown} <= {"active", "random"}
    assert of_grown, "no label of a molecule from the pool"


def test_ctrl_c_keeps_everything_says_how_to_go_on_and_leaves_no_process(tmp_path):
    arguments, run = put_files(tmp_path), tmp_path / "small"
    process = start_rung(*arguments, folder=tmp_path)
    try:
        wait_for_labels(process, run, 3)
        # A second launch is refused meanwhile, and does no harm.
        second = rung(*arguments, folder=tmp_path)
        assert second.returncode == 2
        assert f"in use by process {process.pid} on " in second.stderr
        # A terminal sends Ctrl-C to the whole group.
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        stop(process)
    assert process.returncode == 130, said
    assert "everything computed is kept in small: launch again to resume" in said
    assert "Traceback" not in said
    wait_until_gone(run)
    kept = labels(run)
    assert {key.split("-")[1] for key in finished(run) if key.startswith("label-")} == set(kept)
    done = rung(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert kept.items() <= labels(run).items()
    assert all(n == 1 for key, n in finished(run).items() if key.startswith("label-"))
