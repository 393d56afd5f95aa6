"""The published ensembles, read from the authors' files: their energies and forces are met."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers

from chemistry.errors import InputError
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE
from model.architectures.ani.neurochem import read_neurochem

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
MODELS = SHARED / "ani_models"
REFERENCE = SHARED / "ani_reference_energies.json"

pytestmark = pytest.mark.skipif(
    not (MODELS.is_dir() and REFERENCE.is_file()), reason=f"no published ensembles in {SHARED}"
)


@pytest.mark.parametrize("name", ["ani-1x_8x", "ani-1ccx_8x"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_energies_and_forces_of_the_authors_ensembles(name, dtype):
    committee = read_neurochem(MODELS / name, dtype=dtype)
    assert committee.n_members == 8
    assert committee.elements == (1, 6, 7, 8)
    entries = json.loads(REFERENCE.read_text())["structures"]
    structures = [
        Structure(
            atomic_numbers=np.array([atomic_numbers[s] for s in entry["symbols"]]),
            positions=np.array(entry["positions_angstrom"]),
        )
        for entry in entries
    ]
    assert len(structures) == 20
    with_forces = 0
    for entry, prediction in zip(entries, committee.predict(structures), strict=True):
        expected = np.array(entry[name]["member_energies_hartree"])
        np.testing.assert_allclose(
            prediction.member_energies / EV_PER_HARTREE, expected, rtol=0, atol=2e-5
        )
        forces = entry[name].get("mean_forces_hartree_per_angstrom")
        if forces is not None:
            with_forces += 1
            np.testing.assert_allclose(
                prediction.forces / EV_PER_HARTREE, forces, rtol=0, atol=2e-6
            )
    assert with_forces == 10


@pytest.fixture
def folder(tmp_path):
    """A copy of ANI-1x with one member, to be spoilt."""
    source, target = MODELS / "ani-1x_8x", tmp_path / "ani"
    shutil.copytree(source / "train0", target / "train0")
    for path in source.glob("*.*"):
        shutil.copy(path, target)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755)
    return target


def test_a_folder_with_one_member_is_read(folder):
    assert read_neurochem(folder).n_members == 1


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("rHCNO-5.2R_16-3.5A_a4-8.params", r"one file \*.params"),
        ("sae_linfit.dat", r"one file sae\*.dat"),
        ("train0/networks/ANN-C.nnf", "there is no .*ANN-C.nnf"),
        ("train0/networks/ANN-C.nnf-l2.bparam", "missing or cut short"),
    ],
)
def test_a_missing_file_is_named(folder, file, message):
    (folder / file).unlink()
    with pytest.raises(InputError, match=message):
        read_neurochem(folder)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("rHCNO-5.2R_16-3.5A_a4-8.params", "does not describe ANI symmetry functions"),
        ("sae_linfit.dat", "lacks the self-energy"),
        ("train0/networks/ANN-C.nnf", "not a NeuroChem network"),
        ("train0/networks/ANN-O.nnf-l1.wparam", "cut short"),
    ],
)
def test_a_file_cut_short_is_named(folder, file, message):
    path = folder / file
    path.write_bytes(path.read_bytes()[:100] if path.suffix != ".dat" else b"H,0=-0.5\n")
    with pytest.raises(InputError, match=message):
        read_neurochem(folder)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no train0/networks"):
        read_neurochem(tmp_path)


def test_training_starts_from_published_weights_and_keeps_frozen_layers():
    from chemistry.records.label import Label, LabelledStructure, Provenance
    from chemistry.records.level import find_level
    from model.architectures.ani.training.train import train_committee
    from model.settings import PretrainedSettings, TrainingSettings

    level = find_level("gfn2-xtb")
    published = read_neurochem(MODELS / "ani-1x_8x").first(2)
    teacher = read_neurochem(MODELS / "ani-1ccx_8x")
    water = Structure(
        atomic_numbers=np.array([8, 1, 1]),
        positions=np.array([[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477]]),
    )
    rng = np.random.default_rng(0)
    structures = [
        water.moved_to(water.positions + rng.normal(0, 0.05, (3, 3)), water.origin)
        for _ in range(12)
    ]
    provenance = Provenance(
        program="ANI-1ccx",
        version="1",
        host="here",
        cpu_seconds=0.0,
        wall_seconds=0.0,
        attempts=(),
        finished_at=0.0,
    )
    data = [
        LabelledStructure(
            structure=s,
            label=Label(
                structure_id=s.structure_id,
                level_id=level.level_id,
                energy=p.energy,
                forces=p.forces,
                provenance=provenance,
            ),
        )
        for s, p in zip(structures, teacher.predict(structures), strict=True)
    ]
    settings = TrainingSettings(
        members=2,
        max_epochs=20,
        pretrained=PretrainedSettings(path=MODELS / "ani-1x_8x", frozen_layers=(0, 2)),
    )
    trained = train_committee(data, settings, elements=(1, 8), level=level, seed=0).committee
    assert trained.elements == (1, 6, 7, 8)
    oxygen = zip(trained.networks.layers[3], published.networks.layers[3], strict=True)
    moved = [not torch.equal(ours.weight, theirs.weight) for ours, theirs in oxygen]
    assert moved == [False, True, False, True]
