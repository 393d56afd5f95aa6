"""`rung intervals` on a run that 0.1.0 made: two molecules, two rungs."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from chemistry.errors import InputError
from chemistry.readers.molecules import molecule_from_smiles
from model import load_committee
from model.intervals import intervals_of
from workflow.campaign import intervals as module
from workflow.campaign.intervals import intervals_screen, measure_intervals
from workflow.report.screen import new_console
from workflow.settings.molecules import one_geometry

pytestmark = pytest.mark.slow

RUN = Path(__file__).parents[1] / "data" / "runs" / "0.1.0"


@pytest.fixture
def run(tmp_path) -> Path:
    return Path(shutil.copytree(RUN, tmp_path / "golden"))


def test_too_few_molecules_are_said_to_be_too_few(run):
    before = (run / "models" / "rung1-v002.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"has learned 2 molecules: .* takes 9 at least"):
        measure_intervals(run, folds=2)
    assert (run / "models" / "rung1-v002.safetensors").read_bytes() == before


def test_both_rungs_leave_molecules_out_and_their_newest_checkpoints_keep_it(run, monkeypatch):
    monkeypatch.setattr(module, "FEWEST_GROUPS", 2)
    newest = [run / "models" / name for name in ("rung0-v003", "rung1-v002")]
    newest = [path.with_suffix(".safetensors") for path in newest]
    assert intervals_of(load_committee(newest[1]).record) is None  # as 0.1.0 left it
    water = one_geometry(molecule_from_smiles("O"), seed=1)
    energies = [load_committee(path).predict([water])[0].member_energies for path in newest]
    trained = []
    found = measure_intervals(
        run, folds=2, members=2, on_committee=lambda one: trained.append((one.fold, one.rung))
    )
    assert trained == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [rung.level for rung in found] == ["gfn2-xtb", "hf/sto-3g"]
    assert [rung.checkpoint for rung in found] == newest
    for rung, path, before in zip(found, newest, energies, strict=True):
        committee = load_committee(path)
        assert (committee.predict([water])[0].member_energies == before).all()
        kept = intervals_of(committee.record)
        assert asdict(kept.unseen) == asdict(rung.unseen)
        assert kept.unseen.source == "molecules left out"
        assert kept.unseen.n_groups <= 2
        assert kept.unseen.energy is None  # two molecules say nothing of a third
        assert kept.known.n_groups == 6
        assert len(kept.molecules) == 2
    console = new_console()
    with console.capture() as shown:
        console.print(intervals_screen(found))
    assert "unseen" in shown.get()
    assert "hf/sto-3g" in shown.get()
