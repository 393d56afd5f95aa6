"""The published ensembles, read from the authors' files: their energies and forces are met."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers

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
