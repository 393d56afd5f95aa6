"""Published ANI potentials as a start: the NeuroChem folders of the ANI authors.

A folder as in github.com/isayev/ASE_ANI (ANI-1x, ANI-1ccx, ANI-2x) holds one `*.params` file (the
symmetry functions), `sae_linfit.dat` (self-energies) and `train0`, `train1`, ... with, in
`networks/`, for each element X a description `ANN-X.nnf` (compressed text) and the weights of layer
L in `ANN-X.nnf-lL.wparam` and `.bparam` (float32, little endian, outputs x inputs). Energies in
these files are in hartree; an AniCommittee's are in eV.
"""

import bz2
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers
from torch import Tensor

from chemistry.errors import InputError
from chemistry.records.structure import FloatArray
from chemistry.units import EV_PER_HARTREE
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.shape import AniShape, SymmetryFunctions

_CELU, _LINEAR = "9", "6"  # codes of activation functions
_CELU_ALPHA = 0.1
_SYMMETRY_FUNCTION_NAMES = {
    "Rcr": "radial_cutoff_angstrom",
    "Rca": "angular_cutoff_angstrom",
    "EtaR": "radial_eta_per_angstrom2",
    "ShfR": "radial_shifts_angstrom",
    "EtaA": "angular_eta_per_angstrom2",
    "Zeta": "angular_zeta",
    "ShfA": "angular_shifts_angstrom",
    "ShfZ": "angular_sections_radian",
}


def read_neurochem(
    folder: Path,
    *,
    level_id: str = "",
    level_name: str = "as published",
    dtype: torch.dtype = torch.float32,
) -> AniCommittee:
    """Read a published ensemble.

    Parameters
    ----------
    folder : Path
    level_id, level_name : str
        The level of theory of its labels, which the files do not tell.
    dtype : torch.dtype
        Of the weights; float64 for reference values.

    Raises
    ------
    InputError
        A file is missing or not what it should be.
    """
    members = sorted(
        (f for f in folder.glob("train*/networks") if f.is_dir()),
        key=lambda f: int(re.sub(r"\D", "", f.parent.name) or 0),
    )
    if not members:
        raise InputError(
            f"{folder} holds no train0/networks, train1/networks, …: give the folder of a "
            f"published ensemble, for example ani-1x_8x"
        )
    symbols, functions = _read_symmetry_functions(_only(folder, "*.params"))
    networks = [[_read_network(member, symbol) for symbol in symbols] for member in members]
    hidden_sizes = tuple(network.hidden_sizes for network in networks[0])
    if any(tuple(n.hidden_sizes for n in member) != hidden_sizes for member in networks):
        raise InputError(f"the members in {folder} differ in the sizes of their layers")
    shape = AniShape(
        elements=tuple(atomic_numbers[symbol] for symbol in symbols),
        hidden_sizes=hidden_sizes,
        symmetry_functions=functions,
        celu_alpha=_CELU_ALPHA,
        states=((0, 1),),
    )
    if any(n.inputs != shape.n_features for member in networks for n in member):
        raise InputError(
            f"the networks in {folder} do not take the {shape.n_features} numbers that its "
            f"*.params file describes"
        )
    weights = torch.stack([torch.cat([n.weights for n in member]) for member in networks])
    return AniCommittee(
        networks=StackedNetworks(shape=shape, weights=weights.to(dtype)),
        self_energies_ev=_read_self_energies(_only(folder, "sae*.dat"), symbols),
        level_id=level_id,
        level_name=level_name,
    )


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise InputError(f"{folder} should hold one file {pattern}, and holds {len(found)}")
    return found[0]


def _read_symmetry_functions(path: Path) -> tuple[tuple[str, ...], SymmetryFunctions]:
    """Read `name = value` and `name = [value, ...]` lines."""
    values: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            values[name.strip()] = [v.strip() for v in value.strip(" []\r").split(",")]
    try:
        symbols = tuple(values["Atyp"])
        fields = {
            field: values[name]
            if field.endswith(("shifts_angstrom", "radian"))
            else values[name][0]
            for name, field in _SYMMETRY_FUNCTION_NAMES.items()
        }
        return symbols, SymmetryFunctions.model_validate(fields)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} does not describe ANI symmetry functions: {error}") from error


def _read_self_energies(path: Path, symbols: Sequence[str]) -> FloatArray:
    """Read `symbol,index=hartree` lines."""
    found = dict(re.findall(r"(\w+),\d+=(\S+)", path.read_text(encoding="utf-8")))
    try:
        return np.array([float(found[symbol]) for symbol in symbols]) * EV_PER_HARTREE
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} lacks the self-energy of an element: {error}") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class _Network:
    """One element's network of one member; weights in the order of StackedNetworks, float64, eV."""

    inputs: int
    hidden_sizes: tuple[int, ...]
    weights: Tensor


def _read_network(folder: Path, symbol: str) -> _Network:
    path = folder / f"ANN-{symbol}.nnf"
    layers = _describe_layers(path)
    sizes = [int(layers[0]["blocksize"]), *(int(layer["nodes"]) for layer in layers)]
    if sizes[-1] != 1 or len(layers) < 2:
        raise InputError(f"{path} does not describe a network with one output")
    parts = []
    for index, layer in enumerate(layers):
        is_last = index == len(layers) - 1
        if layer["activation"] != (_LINEAR if is_last else _CELU):
            raise InputError(
                f"layer {index + 1} in {path} has activation {layer['activation']}: only CELU "
                f"({_CELU}) and, at the end, linear ({_LINEAR}) can be read"
            )
        inputs, outputs = sizes[index], sizes[index + 1]
        weight = _read_numbers(folder, layer["weights"], inputs * outputs)
        bias = _read_numbers(folder, layer["biases"], outputs)
        unit = EV_PER_HARTREE if is_last else 1.0
        parts += [weight.view(outputs, inputs).T.flatten() * unit, bias * unit]
    return _Network(inputs=sizes[0], hidden_sizes=tuple(sizes[1:-1]), weights=torch.cat(parts))


def _describe_layers(path: Path) -> list[dict[str, str]]:
    """Return the `key=value;` entries of each `layer [...]` of a compressed description."""
    try:
        content = path.read_bytes()
        text = bz2.decompress(content[content.index(b"BZh") :]).decode("ascii")
        layers = [dict(re.findall(r"(\w+)=([^;]*);", part)) for part in text.split("layer")[1:]]
        needed = {"nodes", "blocksize", "activation", "weights", "biases"}
        if not layers or any(needed - layer.keys() for layer in layers):
            raise ValueError("no layers in it")
    except FileNotFoundError as error:
        raise InputError(f"there is no {path}") from error
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is not a NeuroChem network: {error}") from error
    return layers


def _read_numbers(folder: Path, entry: str, count: int) -> Tensor:
    """Read the float32 numbers of an entry like `FILE:ANN-H.nnf-l1.wparam[61440]`."""
    match = re.fullmatch(r"FILE:([\w.-]+)\[(\d+)\]", entry)
    if match is None or int(match[2]) != count:
        raise InputError(f"{folder}: the entry {entry!r} does not give {count} numbers")
    path = folder / match[1]
    if not path.is_file() or path.stat().st_size != 4 * count:
        raise InputError(f"{path} should hold {count} numbers; it is missing or cut short")
    return torch.from_numpy(np.fromfile(path, dtype="<f4").astype(np.float64))
