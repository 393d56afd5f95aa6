"""torchani's own models, from its files on disk: energies and forces are those of torchani."""

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers

from chemistry.errors import InputError
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE
from model.committees import read_installed

pytest.importorskip("torchani", reason="torchani is not installed: pip install rung[oracle]")
from torchani import models


def molecule(name: str) -> Structure:
    symbols = {"ani-1x": ["C", "H", "H", "H", "O", "H"], "ani-2x": ["C", "H", "H", "F", "S", "Cl"]}
    positions = np.random.default_rng(2).permutation(
        np.stack(np.meshgrid(*[np.arange(2.0)] * 3), axis=-1).reshape(-1, 3) * 1.4
    )
    return Structure(
        atomic_numbers=np.array([atomic_numbers[s] for s in symbols[name]]),
        positions=positions[:6],
    )


@pytest.fixture
def fetched(request, tmp_path, monkeypatch):
    """Random weights where torchani keeps the file that it fetches, and its model of them."""
    name = request.param
    monkeypatch.setenv("TORCHANI_DATA_DIR", str(tmp_path))
    (tmp_path / "StateDicts").mkdir()
    file = tmp_path / "StateDicts" / f"{name.replace('-', '')}_state_dict.pt"
    from model.architectures.ani.torchani_files import _skeleton

    torch.manual_seed(5)
    torch.save(_skeleton(name).state_dict(), file)
    monkeypatch.setattr(
        "torchani.models._fetch_state_dict",
        lambda *_, **__: torch.load(file, weights_only=True),
    )
    return name, getattr(models, f"ANI{name.removeprefix('ani-')}")(), file


@pytest.mark.parametrize("fetched", ["ani-1x", "ani-1ccx", "ani-2x"], indirect=True)
def test_energies_and_forces_are_torchanis(fetched):
    name, theirs, file = fetched
    path, ours = read_installed(name)
    assert path == file
    assert ours.n_members == 8
    assert ours.record["published"]["name"] == name
    expected_level = "dlpno-ccsd(t)*/cbs" if name == "ani-1ccx" else "wb97x/6-31g*"
    assert ours.level_name == expected_level
    structure = molecule("ani-2x" if name == "ani-2x" else "ani-1x")
    [found] = ours.predict([structure])
    theirs = theirs.double()
    positions = torch.from_numpy(np.array(structure.positions))[None].requires_grad_()
    numbers = torch.from_numpy(np.array(structure.atomic_numbers))[None]
    energies = theirs((numbers, positions), ensemble_values=True).energies[:, 0]
    np.testing.assert_allclose(
        found.member_energies / EV_PER_HARTREE, energies.detach().numpy(), rtol=0, atol=2e-5
    )
    [gradient] = torch.autograd.grad(energies.mean(), positions)
    np.testing.assert_allclose(
        found.forces / EV_PER_HARTREE, -gradient[0].numpy(), rtol=0, atol=2e-5
    )


@pytest.mark.parametrize("fetched", ["ani-1x"], indirect=True)
def test_half_a_file_is_refused(fetched):
    name, _, file = fetched
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(InputError, match="is not a whole ani-1x of torchani"):
        read_installed(name)
