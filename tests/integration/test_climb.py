"""A campaign of two rungs, for real: tblite below, PySCF above, Parsl, torch."""

import os
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from chemistry.records.level import find_level
from workflow.report.climb_report import climb_report
from workflow.run.store.store import StoreReader

RUNG = Path(sys.executable).with_name("rung")

CAMPAIGN = """
name: climb
molecules: [O, CO]
rungs:
  - level: gfn2-xtb
    initial_labels: 20
    labels_per_training: 20
    budget: {labels: 40}
  - level: hf/sto-3g
    initial_labels: 6
    labels_per_training: 6
    held_out_structures: 6
    transfer: auto
    budget: {labels: 12}
held_out: {structures: 12}
initial: [{kind: normal_modes}]
explore: [{kind: normal_modes}]
gates: {instability_kcal_mol: null}  # hot water has unrestricted solutions in STO-3G
train:
  members: 2
  folds: 2
  max_epochs: 15
  hidden_layers: {H: [16, 12, 8], C: [16, 12, 8], O: [16, 12, 8]}
"""


def rung(folder: Path, *arguments: str) -> str:
    """Run the command in a folder and return what it says."""
    done = subprocess.run(
        [RUNG, *arguments],
        cwd=folder,
        env=os.environ | {"COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_campaign_climbs_and_compares_the_ways(tmp_path):
    (tmp_path / "climb.yaml").write_text(CAMPAIGN)
    launched = rung(tmp_path, "launch", "climb.yaml")
    assert "compare ways of climbing: rung climb-report climb" in launched
    # Nobody asked for it: a launch ends when its campaign does.
    assert not (tmp_path / "climb" / "climb-report.svg").exists()
    compared = rung(tmp_path, "climb-report", "climb")
    for way in ("direct training", "all weights", "layers 1 and 3 frozen", "delta learning"):
        assert way in compared

    run = tmp_path / "climb"
    with StoreReader.open(run / "store.sqlite") as store:
        lower, upper = (find_level(name).level_id for name in ("gfn2-xtb", "hf/sto-3g"))
        below = {r.structure.structure_id for r in store.labels.labelled(0, lower, held_out=False)}
        above = {r.structure.structure_id for r in store.labels.labelled(1, upper, held_out=False)}
        tried = [training.history.tried for training in store.trainings.all(1)]
        kept = [training.history.transfer for training in store.trainings.all(1)]
        held_out_mae = store.trainings.all(1)[-1].errors.energy_mae_kcal_mol
    assert len(above) == 12
    assert above < below
    assert all(set(t) == {"linear", "scratch", "full", "freeze", "delta"} for t in tried)
    assert (run / "climb-report.svg").read_text().count("<svg") == 1

    trained: list[str] = []

    def shown(text: str) -> AbstractContextManager[None]:
        trained.append(text.removeprefix("training on 12 labels: "))
        return nullcontext()

    report = climb_report(run, shown=shown)
    # The way that the campaign has kept has learned these labels already.
    assert set(trained) == {report.titles[name] for name in set(tried[-1]) - {kept[-1]}}
    [as_kept] = [way for way in report.ways if way.name == kept[-1]]
    assert as_kept.errors.energy_mae_kcal_mol == pytest.approx(held_out_mae, abs=1e-5)
    assert [way.name for way in report.ways] == [
        "below",
        "linear",
        "scratch",
        "full",
        "freeze",
        "delta",
    ]
    assert (report.n_labels, report.n_held_out) == (12, 6)
    # The level gives forces: the best way is that of energies and forces.
    by_way = {
        way.name: way.errors.of_energies_and_forces for way in report.ways if way.name in tried[-1]
    }
    assert kept[-1] == min(by_way, key=by_way.get)
