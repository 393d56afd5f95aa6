"""The checkpoint of a committee: nothing lost, nothing half read, no pickle."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from model_examples import cluster, committee
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from chemistry.errors import InputError
from model import load_committee, save_committee
from model.calibration import Calibration, ReliabilityBin


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "committee.safetensors"
    save_committee(committee(members=2, precision="float32"), path)
    return path


def metadata_of(path):
    with safe_open(str(path), framework="pt") as file:
        return file.metadata()


def test_what_is_read_predicts_bit_for_bit_what_was_written(path):
    structures = [cluster(n, seed=n) for n in (2, 9)]
    written = committee(members=2, precision="float32")
    read: Any = load_committee(path)
    for one, two in zip(written.predict(structures), read.predict(structures), strict=True):
        np.testing.assert_array_equal(one.member_energies, two.member_energies)
        np.testing.assert_array_equal(one.member_forces, two.member_forces)
    assert read.shape == written.shape
    assert (read.level_id, read.level_name) == (written.level_id, written.level_name)


def test_writing_leaves_one_file_and_the_same_bytes(path):
    first = path.read_bytes()
    save_committee(load_committee(path), path)
    assert path.read_bytes() == first
    assert list(path.parent.iterdir()) == [path]


def test_a_third_party_finds_weights_by_element_and_layer(path):
    tensors = load_file(path)
    assert tensors["H.0.weight"].shape == (2, 384, 160)
    assert tensors["O.3.bias"].shape == (2, 1)
    document = json.loads(metadata_of(path)["rung_committee"])
    assert document["architecture"]["elements"] == [1, 6, 7, 8]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no committee at .*absent"):
        load_committee(tmp_path / "absent")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_cut_short_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match="cut short"):
        load_committee(path)


def test_another_version_is_refused(path):
    document = json.loads(metadata_of(path)["rung_committee"]) | {"version": 99}
    save_file(load_file(path), path, {"rung_committee": json.dumps(document)})
    with pytest.raises(InputError, match=r"version 99.*reads version 1"):
        load_committee(path)


def test_another_kind_of_file_is_refused(path):
    save_file(load_file(path), path)
    with pytest.raises(InputError, match="not a committee"):
        load_committee(path)


@pytest.mark.parametrize("name", ["H.0.weight", "O.3.bias", "self_energies"])
def test_missing_weights_are_named(path, name):
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors, path, metadata_of(path))
    with pytest.raises(InputError, match=f"not a whole committee.*{name}"):
        load_committee(path)


@pytest.mark.parametrize("name", ["C.1.weight", "C.1.bias", "self_energies"])
def test_weights_of_another_shape_are_refused(path, name):
    tensors = load_file(path)
    tensors[name] = tensors[name][..., :-1].contiguous()
    save_file(tensors, path, metadata_of(path))
    with pytest.raises(InputError, match="not a whole committee"):
        load_committee(path)


def test_weights_that_are_not_numbers_are_refused(path):
    tensors = load_file(path)
    tensors["C.1.weight"][0, 0, 0] = np.nan
    save_file(tensors, path, metadata_of(path))
    with pytest.raises(InputError, match=r"not a whole committee.*not finite"):
        load_committee(path)


def test_a_folder_that_is_not_there_leaves_no_trace(tmp_path):
    with pytest.raises(OSError, match="absent"):
        save_committee(committee(members=1), tmp_path / "absent" / "c.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_precision_is_kept(tmp_path):
    double = replace(committee(members=1), level_name="other", record={"seed": 7, "n": [1.5]})
    save_committee(double, tmp_path / "c")
    [a], [b] = (c.predict([cluster(5, seed=0)]) for c in (double, load_committee(tmp_path / "c")))
    np.testing.assert_array_equal(a.member_energies, b.member_energies)
    assert load_committee(tmp_path / "c").record == double.record


def test_the_header_says_how_far_disagreement_can_be_trusted(tmp_path):
    bins = (ReliabilityBin(n_structures=9, sigma_kcal_mol=0.1, rmse_kcal_mol=0.25),)
    found = Calibration(
        n_structures=9,
        factor=2.5,
        rank_correlation=None,
        bins=bins,
        error_shares=(0.5,),
        error_quantiles_kcal_mol=(0.2,),
    )
    bare = replace(committee(members=2), record={"seed": 7})
    for calibration in (found, None):
        save_committee(bare.calibrated(calibration), tmp_path / "c")
        record = json.loads(metadata_of(tmp_path / "c")["rung_committee"])["record"]
        expected = None if calibration is None else json.loads(json.dumps(asdict(calibration)))
        assert record == {"seed": 7, "calibration": expected}
