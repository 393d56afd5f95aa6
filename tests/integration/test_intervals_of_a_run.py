"""`rung intervals` on a run that 0.1.0 made: two molecules, two rungs."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from chemistry.errors import InputError
from model import load_committee
from model.architectures.ani.committee import AniCommittee
from model.intervals import intervals_of
from workflow.campaign import intervals as module
from workflow.campaign.intervals import intervals_screen, measure_intervals
from workflow.report.screen import new_console

pytestmark = pytest.mark.slow

RUN = Path(__file__).parents[1] / "data" / "runs" / "0.1.0"


@pytest.fixture
def run(tmp_path) -> Path:
    return Path(shutil.copytree(RUN, tmp_path / "golden"))


def weights_of(path: Path) -> torch.Tensor:
    committee = load_committee(path)
    assert isinstance(committee, AniCommittee)
    return committee.networks.weights


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
    weights = [weights_of(path) for path in newest]
    trained = []
    found = measure_intervals(
        run, folds=2, members=2, on_committee=lambda one: trained.append((one.fold, one.rung))
    )
    assert trained == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [rung.level for rung in found] == ["gfn2-xtb", "hf/sto-3g"]
    assert [rung.checkpoint for rung in found] == newest
    for rung, path, before in zip(found, newest, weights, strict=True):
        assert torch.equal(weights_of(path), before)
        kept = intervals_of(load_committee(path).record)
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
