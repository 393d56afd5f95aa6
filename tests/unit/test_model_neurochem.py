"""Published ensembles: read, started from, and refused where they are broken."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_examples import LEVEL, toy_label
from neurochem_files import energy_ev, put_ensemble

from chemistry.errors import InputError
from chemistry.records.structure import Origin, Structure
from model import train_committee
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.environments import environments
from model.architectures.ani.neurochem import read_neurochem
from model.architectures.ani.settings import AniSettings, PretrainedSettings
from workflow.run.potential import read_potential

WATER = Structure(
    atomic_numbers=np.array([8, 1, 1]),
    positions=np.array([[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477]]),
)


@pytest.fixture
def folder(tmp_path) -> Path:
    put_ensemble(tmp_path / "tiny")
    return tmp_path / "tiny"


def waters(count: int):
    rng = np.random.default_rng(0)
    return [
        toy_label(WATER.moved_to(WATER.positions + rng.normal(0, 0.05, (3, 3)), Origin()))
        for _ in range(count)
    ]


def test_the_networks_of_a_folder_are_those_that_numpy_evaluates(tmp_path):
    written = put_ensemble(tmp_path / "tiny", members=3)
    committee = read_neurochem(tmp_path / "tiny", dtype=torch.float64)
    assert committee.elements == (1, 8)
    batch = AtomBatch.of([WATER], committee.elements)
    found = environments(batch, committee.shape, torch.float64).features[batch.place].numpy()
    expected = [energy_ev(found, ["O", "H", "H"], member) for member in written]
    [prediction] = committee.predict([WATER])
    np.testing.assert_allclose(prediction.member_energies, expected, rtol=0, atol=1e-9)
    assert np.ptp(expected) > 0.01


def test_a_folder_is_a_potential(folder):
    path, committee = read_potential(folder)
    assert (path, committee.n_members, committee.level_name) == (folder, 2, "as published")


def test_training_starts_from_its_weights_and_keeps_frozen_layers(folder):
    published = read_neurochem(folder)
    settings = AniSettings(
        members=2,
        folds=2,
        max_epochs=5,
        pretrained=PretrainedSettings(path=folder, frozen_layers=(0, 2)),
    )
    trained: Any = train_committee(
        waters(12), settings, elements=(1, 8), level=LEVEL, seed=0
    ).committee
    for number in range(2):
        layers = zip(
            trained.networks.layers[number], published.networks.layers[number], strict=True
        )
        moved = [not torch.equal(ours.weight, theirs.weight) for ours, theirs in layers]
        assert moved == [False, True, False, True]


def test_more_members_than_it_has_are_refused(folder):
    settings = AniSettings(members=3, pretrained=PretrainedSettings(path=folder))
    with pytest.raises(InputError, match=r"tiny has 2 members: set train\.members to as many"):
        train_committee(waters(4), settings, elements=(1, 8), level=LEVEL, seed=0)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("tiny.params", r"one file \*.params"),
        ("sae_linfit.dat", r"one file sae\*.dat"),
        ("train0/networks/ANN-O.nnf", "there is no .*ANN-O.nnf"),
        ("train1/networks/ANN-H.nnf-l2.bparam", "missing or cut short"),
    ],
)
def test_a_missing_file_is_named(folder, file, message):
    (folder / file).unlink()
    with pytest.raises(InputError, match=message):
        read_neurochem(folder)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("tiny.params", "does not describe ANI symmetry functions"),
        ("sae_linfit.dat", "lacks the self-energy"),
        ("train0/networks/ANN-O.nnf", "not a NeuroChem network"),
        ("train0/networks/ANN-O.nnf-l1.wparam", "cut short"),
    ],
)
def test_a_file_cut_short_is_named(folder, file, message):
    path = folder / file
    path.write_bytes(path.read_bytes()[:30] if path.suffix != ".dat" else b"H,0=-0.5\n")
    with pytest.raises(InputError, match=message):
        read_neurochem(folder)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no train0/networks"):
        read_neurochem(tmp_path)
