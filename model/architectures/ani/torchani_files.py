"""The models of torchani, from the files that it has fetched before: nothing is fetched here.

torchani's wheel holds no weights. Its models load them from Hugging Face when they are first made,
into `~/.local/share/Torchani/StateDicts`, or the same below TORCHANI_DATA_DIR.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chemistry.errors import InputError
from chemistry.units import EV_PER_HARTREE
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.published import PUBLISHED, named
from model.architectures.ani.shape import AniShape, SymmetryFunctions

NAMES = tuple(ensemble.name for ensemble in PUBLISHED)
_MEMBERS = 8


def read_torchani(name: str) -> tuple[Path, AniCommittee]:
    """Read one of `NAMES`; return its file, too.

    Raises
    ------
    InputError
        torchani is not installed, or its file is missing or not what it should be.
    """
    try:
        from torchani.paths import data_dir
    except ImportError as error:
        raise InputError(
            f"torchani:{name} needs torchani, which is not installed ({error}): pip install "
            "torchani, or give the folder of the published ensemble"
        ) from error
    short = name.replace("-", "")
    path = data_dir() / "StateDicts" / f"{short}_state_dict.pt"
    if not path.is_file():
        maker = f"ANI{short.removeprefix('ani')}"
        raise InputError(
            f"torchani:{name}: there is no {path}, and rung fetches nothing: run python -c 'import "
            f"torchani; torchani.models.{maker}()' where there is a network, or give the folder of "
            "the published ensemble"
        )
    model = _skeleton(name)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path} is not a whole {name} of torchani ({first}): delete it and fetch it again"
        ) from error
    known = next(ensemble for ensemble in PUBLISHED if ensemble.name == name)
    return path, named(_committee(model), known)


def _skeleton(name: str) -> Any:
    """Return torchani's model without weights, put together as its own functions do."""
    from torchani.arch import Assembler
    from torchani.utils import SYMBOLS_1X, SYMBOLS_2X

    kind = "ani2x" if name == "ani-2x" else "ani1x"
    assembler = Assembler(periodic_table_index=True)
    assembler.set_symbols(SYMBOLS_2X if kind == "ani2x" else SYMBOLS_1X)
    assembler.set_atomic_networks(ctor=kind)
    assembler.set_global_cutoff_fn("cosine")
    assembler.set_aev_computer(angular=kind, radial=kind)
    assembler.set_neighborlist("all_pairs")
    assembler.set_gsaes_as_self_energies("wb97x-631gd")
    return assembler.assemble(_MEMBERS)


def _committee(model: Any) -> AniCommittee:
    """Return the weights of a torchani ensemble, in eV."""
    from torchani.constants import ATOMIC_NUMBER

    radial, angular = model.aev_computer.radial, model.aev_computer.angular
    functions = SymmetryFunctions(
        radial_cutoff_angstrom=float(radial.cutoff),
        angular_cutoff_angstrom=float(angular.cutoff),
        radial_eta_per_angstrom2=float(radial.eta),
        radial_shifts_angstrom=tuple(radial.shifts.double().tolist()),
        angular_eta_per_angstrom2=float(angular.eta),
        angular_zeta=float(angular.zeta),
        angular_shifts_angstrom=tuple(angular.shifts.double().tolist()),
        angular_sections_radian=tuple(angular.sections.double().tolist()),
    )
    symbols = tuple(model.symbols)
    members = [member.atomics for member in model.neural_networks.members]
    shape = AniShape(
        elements=tuple(ATOMIC_NUMBER[symbol] for symbol in symbols),
        hidden_sizes=tuple(
            tuple(layer.out_features for layer in members[0][symbol].layers) for symbol in symbols
        ),
        symmetry_functions=functions,
        states=((0, 1),),
    )
    weights = [
        torch.cat([part for symbol in symbols for part in _weights(member[symbol])])
        for member in members
    ]
    self_energies = model.energy_shifter.self_energies.double().numpy()
    return AniCommittee(
        networks=StackedNetworks(shape=shape, weights=torch.stack(weights)),
        self_energies_ev=np.asarray(self_energies * EV_PER_HARTREE, dtype=np.float64),
        level_id="",
        level_name="",
    )


def _weights(network: Any) -> list[torch.Tensor]:
    """Return one element's weights and biases, in the order of StackedNetworks."""
    parts = []
    layers = [*network.layers, network.final_layer]
    for layer in layers:
        unit = EV_PER_HARTREE if layer is layers[-1] else 1.0
        parts += [layer.weight.detach().T.flatten() * unit, layer.bias.detach() * unit]
    return parts
