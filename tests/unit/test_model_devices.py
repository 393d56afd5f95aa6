"""No tensor of a committee is made on a device of its own: all are where the weights are."""

import numpy as np
import pytest
import torch
from elsewhere import Elsewhere, pretended
from model_examples import ELEMENTS, LEVEL, SMALL, cluster, committee, toy_data

from model.architectures.ani.settings import AniSettings
from model.architectures.ani.training.train import TransferPlan, train_committee
from model.protocol import TrainingRequest

STRUCTURES = [cluster(n, seed=n) for n in (1, 3, 6)]


def test_what_meets_on_two_devices_is_refused():
    with pretended() as device:
        there = torch.ones(3).to(device)
        assert isinstance(there, Elsewhere)
        assert there.device == device
        assert (there + 1).sum().item() == 6
        assert torch.arange(3, device=device).device == device
        with pytest.raises(RuntimeError, match="two devices meet"):
            _ = there + torch.ones(3)
        with pytest.raises((RuntimeError, TypeError, NotImplementedError)):
            there.numpy()


def test_predictions_are_those_of_the_processor():
    here = committee(members=2, precision="float32")
    with pretended() as device:
        there = here.to(device)
        found, means = there.predict(STRUCTURES), there.predict_mean(STRUCTURES)
        assert isinstance(there.networks.weights, Elsewhere)
    for one, mean, two in zip(found, means, here.predict(STRUCTURES), strict=True):
        np.testing.assert_array_equal(one.member_energies, two.member_energies)
        np.testing.assert_array_equal(one.member_forces, two.member_forces)
        np.testing.assert_allclose(mean.forces, two.forces, atol=1e-4)


def test_replicas_are_those_of_the_processor():
    here = committee(members=2, precision="float32")
    positions = np.stack([STRUCTURES[2].positions, STRUCTURES[2].positions * 1.02])

    def weigh(energies):
        return np.full_like(energies, 0.25)

    expected = here.replicas(STRUCTURES[2]).predict_weighted(positions, weigh)
    with pretended() as device:
        replicas = here.to(device).replicas(STRUCTURES[2])
        found = replicas.predict_weighted(positions, weigh)
        replicas.predict_mean(positions)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_training_is_that_of_the_processor(monkeypatch, tmp_path):
    # torch's fused Adam knows the devices that there are, and this is none of them.
    adam = torch.optim.Adam
    monkeypatch.setattr(
        torch.optim, "Adam", lambda rows, **keys: adam(rows, **keys | {"fused": False})
    )
    monkeypatch.setattr(
        "model.architectures.ani.training.train.require_device", lambda name: torch.device(name)
    )
    settings = AniSettings(members=2, folds=2, max_epochs=2, hidden_layers=SMALL)
    request = {
        "data": toy_data(8),
        "settings": settings,
        "elements": ELEMENTS,
        "level": LEVEL,
        "seed": 1,
    }
    plan = TransferPlan(frozen_layers=(0, 2))
    here = train_committee(TrainingRequest(**request), plan=plan).committee
    with pretended() as device:
        there = train_committee(TrainingRequest(**request, device=str(device)), plan=plan).committee
        assert isinstance(there.networks.weights, Elsewhere)
        weights = there.networks.weights.cpu()
        there.save(tmp_path / "c")
    np.testing.assert_array_equal(weights.numpy(), here.networks.weights.numpy())
