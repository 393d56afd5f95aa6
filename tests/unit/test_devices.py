"""The device of a pool: it travels with the order, and what it cannot be is refused."""

from concurrent.futures import Future
from pathlib import Path

import pytest
import torch
from model_examples import LEVEL, cluster, committee

from chemistry.errors import InputError
from chemistry.records.potential import Threshold
from chemistry.sampling import NormalModes
from model import load_committee, save_committee
from model.architectures import find_architecture
from workflow.settings.backend import Backend
from workflow.settings.campaign import Campaign
from workflow.settings.devices import require_devices
from workflow.settings.growth import GrowSettings
from workflow.work.orders import (
    GrowOrder,
    JudgeOrder,
    LabelOrder,
    SampleOrder,
    SavedCommittee,
    TrainOrder,
)
from workflow.work.submit import submit_orders

SAVED = SavedCommittee(checkpoint=Path("c"), architecture="ani")
POOLS = {
    "processors": {"kind": "local", "workers": 1},
    "graphics": {"kind": "local", "workers": 1, "device": "cuda"},
}
ROLES = {"label": "processors", "explore": "graphics", "train": "graphics"}
BACKEND = Backend.model_validate({"pools": POOLS, "roles": ROLES})
CAMPAIGN = Campaign.model_validate(
    {"name": "x", "molecules": ["O"], "rungs": [{"level": "hf/sto-3g"}]}
)


class Noting:
    """Workers that note what they are given."""

    def __init__(self) -> None:
        self.arguments: list[tuple] = []

    def submit(self, role, function, *arguments, expected_seconds=0.0) -> Future[None]:
        self.arguments.append(arguments)
        return Future()


def orders():
    threshold = Threshold(rho_kcal_mol=0.23)
    yield (
        "explore",
        SampleOrder(
            molecule=None,
            starts=(),
            sampler=NormalModes(),
            potential=SAVED,
            threshold=threshold,
            seed=1,
        ),
    )
    yield "judge", JudgeOrder(structures=(), committee=SAVED)
    yield (
        "explore",
        GrowOrder(
            growth=GrowSettings(pool=Path("p.smi")),
            elements=(1,),
            known=frozenset(),
            committee=SAVED,
            threshold=threshold,
            seed=1,
        ),
    )
    yield (
        "train",
        TrainOrder(
            training_set=Path("t"),
            held_out=Path("h"),
            settings=CAMPAIGN.train,
            level=LEVEL,
            elements=(1,),
            seed=1,
            start=None,
            transfer=None,
            checkpoint=Path("c"),
        ),
    )


@pytest.mark.parametrize(("role", "order"), list(orders()))
def test_an_order_takes_the_device_of_its_pool_and_leaves_the_address_space(tmp_path, role, order):
    assert order.device == "cpu"
    workers = Noting()
    submit_orders(workers, BACKEND, tmp_path, role, {"key": order})
    [(_, sent_orders, _, limits)] = workers.arguments
    [sent] = sent_orders.values()
    assert type(sent) is type(order)
    assert sent.device == "cuda"
    assert not limits.limits_address_space


def test_a_label_is_limited_wherever_it_is_computed(tmp_path):
    workers = Noting()
    order = LabelOrder(structure=cluster(3, seed=1), level=LEVEL, engine="tblite")
    for role in ("label", "explore"):
        submit_orders(workers, BACKEND, tmp_path, role, {"key": order})
    for _, sent_orders, _, limits in workers.arguments:
        assert sent_orders == {"key": order}
        assert limits.limits_address_space


def test_an_order_on_processors_is_limited(tmp_path):
    workers = Noting()
    submit_orders(workers, Backend(), tmp_path, "judge", {"key": next(o for r, o in orders())})
    [(_, sent_orders, _, limits)] = workers.arguments
    [sent] = sent_orders.values()
    assert sent.device == "cpu"
    assert limits.limits_address_space


def test_a_device_that_the_architecture_cannot_use_is_refused(monkeypatch):
    require_devices(CAMPAIGN, BACKEND)
    monkeypatch.setattr(type(find_architecture("ani")), "devices", ("cpu",))
    with pytest.raises(InputError, match=r"pools.graphics.device is cuda, .* computes on cpu"):
        require_devices(CAMPAIGN, BACKEND)
    require_devices(CAMPAIGN, Backend())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_refused(tmp_path):
    save_committee(committee(members=2), tmp_path / "c")
    with pytest.raises(InputError, match=r"torch sees no CUDA device on .* set its device to cpu"):
        load_committee(tmp_path / "c", "cuda")


def test_a_device_of_no_kind_is_refused_with_the_nearest():
    from workflow.settings.yaml_file import parse_yaml_model

    with pytest.raises(InputError, match=r"pools.main.device is unknown \(`cuba`\): .*`cuda`"):
        parse_yaml_model("pools: {main: {kind: local, device: cuba}}", Backend, "b.yaml")
