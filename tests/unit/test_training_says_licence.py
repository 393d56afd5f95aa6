"""A checkpoint that a worker trained says for which states it is, and under what licence."""

from model_examples import ELEMENTS, LEVEL, SMALL, toy_data

from model import load_committee
from model.architectures.ani.settings import AniSettings
from workflow.work.compute import compute
from workflow.work.orders import TrainOrder
from workflow.work.results import Trained
from workflow.work.training_set import write_labelled


def test_states_and_licence_are_in_the_file_beside_what_was_there(tmp_path):
    write_labelled(tmp_path / "t.jsonl", toy_data(24))
    write_labelled(tmp_path / "h.jsonl", toy_data(6, seed=9))
    order = TrainOrder(
        training_set=tmp_path / "t.jsonl",
        held_out=tmp_path / "h.jsonl",
        settings=AniSettings(members=2, folds=2, max_epochs=2, hidden_layers=SMALL),
        level=LEVEL,
        elements=ELEMENTS,
        seed=1,
        start=None,
        transfer=None,
        checkpoint=tmp_path / "c.safetensors",
        license="CC-BY-4.0",
        states=((1, 2),),
    )
    answer = compute(order, threads=1, memory_gb=1.0)
    assert isinstance(answer, Trained)
    committee = load_committee(order.checkpoint)
    record = committee.record
    assert committee.states == ((0, 1), (1, 2))
    assert record["license"] == "CC-BY-4.0"
    assert record["n_structures"] == 24
    assert record["calibration"]["n_structures"] == 6
    assert list(tmp_path.glob("*.partial")) == []
