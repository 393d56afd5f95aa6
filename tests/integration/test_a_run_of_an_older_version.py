"""A run that 0.1.0 made: looked at, exported, evaluated and resumed by this version."""

import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from ase.io import read
from rung_command import put_backend, rung

from chemistry.records.level import find_level
from workflow.planning.keys import kind_of
from workflow.run.store.store import StoreReader

RUNS = Path(__file__).parents[1] / "data" / "runs"
N_GOLD = 12 + 6
N_LABELS = 40 + 6 + N_GOLD
TABLES = ("molecules", "structures", "labels", "failures", "tasks", "trainings", "launches")


@pytest.fixture
def run(tmp_path) -> Path:
    """A run folder as 0.1.0 left it, beside its campaign file."""
    shutil.copy(RUNS / "0.1.0.yaml", tmp_path / "golden.yaml")
    return Path(shutil.copytree(RUNS / "0.1.0", tmp_path / "golden"))


def content(run: Path) -> dict[str, list[tuple]]:
    """All rows of what may only grow, as the file has them."""
    with sqlite3.connect(run / "store.sqlite") as db:
        found = {table: list(db.execute(f"SELECT * FROM {table}")) for table in TABLES}
    db.close()
    return found


def done(*arguments: str | Path, folder: Path) -> str:
    """Return what a command prints, once it has succeeded."""
    finished = rung(*arguments, folder=folder, timeout=500)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.slow
def test_it_is_looked_at_exported_and_evaluated(run, tmp_path):
    before = content(run)
    status = json.loads(done("status", run, "--json", folder=tmp_path))
    assert status["finished"] == "label budget spent (12)"
    assert [sum(r["labels"].values()) for r in status["rungs"]] == [N_LABELS - N_GOLD, N_GOLD]
    assert [len(r["trainings"]) for r in status["rungs"]] == [3, 2]
    shown = done("status", run, folder=tmp_path)
    newest = status["rungs"][1]["trainings"][-1]["errors"]
    assert f"{newest['energy_mae_kcal_mol']:.2f}" in shown
    assert "Error by disagreement of training 2" in shown

    with StoreReader.open(run / "store.sqlite") as store:
        gold = find_level("hf/sto-3g").level_id
        structure = store.labels.labelled(1, gold, held_out=False)[0].structure
    told = json.loads(done("explain", run, structure.structure_id[:10], "--json", folder=tmp_path))
    assert told["structure_id"] == structure.structure_id
    assert {row["level"] for row in told["labels"]} == {"gfn2-xtb", "hf/sto-3g"}

    done("report", run, folder=tmp_path)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Learning curves" in page
    assert "Held-out energy error against labels" in page
    end = page[page.rindex('<section id="') :]
    assert end.startswith('<section id="use"')
    assert "MLPotential(" in end

    data = tmp_path / "gold.extxyz"
    done("export", run, "--level", "hf/sto-3g", "--output", data, folder=tmp_path)
    assert len(read(data, ":")) == N_GOLD
    hdf5 = tmp_path / "all.h5"
    done("export", run, "--format", "ani-hdf5", "--output", hdf5, folder=tmp_path)
    assert hdf5.stat().st_size > 0
    found = json.loads(done("evaluate", run, data, "--json", folder=tmp_path))
    assert found["errors"]["n_structures"] == N_GOLD
    assert found["errors"]["energy_mae_kcal_mol"] < 100
    assert content(run) == before


@pytest.mark.slow
def test_it_is_resumed_with_a_larger_budget_and_nothing_is_computed_again(run, tmp_path):
    before = content(run)
    file = tmp_path / "golden.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in (("{labels: 40}", "{labels: 44}"), ("{labels: 12}", "{labels: 14}")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    done("launch", file, "--backend", put_backend(tmp_path), folder=tmp_path)

    after = content(run)
    for table, rows in before.items():
        assert set(rows) <= set(after[table]), f"what 0.1.0 wrote to {table} has changed"
    log = (run / "logs" / "tasks.log").read_text(encoding="utf-8").splitlines()
    started = Counter(line.split()[1] for line in log if line.split()[2] == "started")
    assert set(started.values()) == {1}
    assert not started.keys() & {row[0] for row in before["tasks"]}
    kinds = Counter(kind_of(key) for key in started)
    n_new = len(after["labels"]) + len(after["failures"]) - N_LABELS
    assert kinds["label"] == n_new == 4 + 2
    assert kinds["train"] >= 2
    with StoreReader.open(run / "store.sqlite") as store:
        assert store.diary.fact("finished") == "label budget spent (14)"
        assert len(store.trainings.all(0)) > 3
        assert len(store.trainings.all(1)) > 2
