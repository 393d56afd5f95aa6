"""A committee as one safetensors file: weights as tensors, all else as JSON in its header.

Layout of version 1, so that anybody can read it without rung. The header's `__metadata__` has one
entry, `rung_committee`: a JSON document of

    version        1
    architecture   elements (atomic numbers), hidden_sizes, symmetry_functions (Å, radian),
                   celu_alpha
    level_id, level_name
    record         how it came about: seed, settings, data_hash, n_structures and, from a
                   campaign, calibration: null, or how errors on held-out labels go with
                   disagreement (standard deviation of the members' energies), both over
                   sqrt(atoms): factor (RMSE / root mean square disagreement), rank_correlation
                   (Spearman's), n_structures, and bins by growing disagreement, each
                   {n_structures, sigma_kcal_mol, rmse_kcal_mol}

and the tensors are, for M members, each element symbol X and layer k = 0, 1, ...

    X.k.weight     (M, inputs, outputs), in eV: energy = celu(... G @ weight + bias ...)
    X.k.bias       (M, outputs)
    self_energies  (elements,) float64, eV

An environment vector G is, for each element, the radial functions by shift, then, for each pair of
elements (upper triangle, row by row), the angular functions by radial shift, then by section.

There is no `torch.export` of a committee: pairs and triples differ in number from one call to the
next, a program traced from them has to be compiled on each machine, and these files need neither
rung nor a certain torch to be read.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from ase.data import chemical_symbols
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from chemistry.errors import InputError
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import Layer, StackedNetworks
from model.architectures.ani.shape import AniShape

_KEY = "rung_committee"  # one entry, as safetensors writes several in no certain order
_VERSION = 1


def save_committee(committee: AniCommittee, path: Path) -> None:
    """Write a committee; the file is whole or absent, whatever happens."""
    tensors = {"self_energies": torch.from_numpy(committee.self_energies_ev.copy())}
    for number, layers in zip(committee.elements, committee.networks.layers, strict=True):
        for index, layer in enumerate(layers):
            name = f"{chemical_symbols[number]}.{index}"
            tensors[f"{name}.weight"] = layer.weight.contiguous()
            tensors[f"{name}.bias"] = layer.bias.squeeze(1).contiguous()
    document = {
        "version": _VERSION,
        "architecture": committee.shape.model_dump(mode="json"),
        "level_id": committee.level_id,
        "level_name": committee.level_name,
        "record": dict(committee.record),
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(save(tensors, {_KEY: json.dumps(document)}))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_committee(path: Path) -> AniCommittee:
    """Read a committee.

    Raises
    ------
    InputError
        The file is missing, cut short, not a committee, or of another version.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError(f"there is no committee at {path}") from error
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as a committee, is it cut short? {error}"
        ) from error
    if _KEY not in metadata:
        raise InputError(f"{path} is a safetensors file, but not a committee of rung")
    document = json.loads(metadata[_KEY])
    if document.get("version") != _VERSION:
        raise InputError(
            f"{path} is a committee of format version {document.get('version')}, and this rung "
            f"reads version {_VERSION}: use the rung that wrote it, or train again"
        )
    try:
        return _assemble(document, tensors)
    except (KeyError, ValueError, ValidationError, RuntimeError) as error:
        raise InputError(f"{path} is not a whole committee: {error}") from error


def _assemble(document: Any, tensors: dict[str, Tensor]) -> AniCommittee:
    shape = AniShape.model_validate(document["architecture"])
    parts, layers = [], []
    for number, hidden in zip(shape.elements, shape.hidden_sizes, strict=True):
        for index in range(len(hidden) + 1):
            name = f"{chemical_symbols[number]}.{index}"
            layers.append(Layer(weight=tensors[f"{name}.weight"], bias=tensors[f"{name}.bias"]))
            parts += [layers[-1].weight.flatten(1), layers[-1].bias.flatten(1)]
    networks = StackedNetworks(shape=shape, weights=torch.cat(parts, dim=1))
    expected = [layer for element in networks.layers for layer in element]
    for layer, wanted in zip(layers, expected, strict=True):
        if (layer.weight.shape, layer.bias.shape) != (
            wanted.weight.shape,
            wanted.bias.squeeze(1).shape,
        ):
            raise ValueError("the shapes of its weights do not fit its layers")
    if tensors["self_energies"].shape != (len(shape.elements),):
        raise ValueError("it needs one self-energy for each element")
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError("some of its weights are not finite numbers")
    return AniCommittee(
        networks=networks,
        self_energies_ev=tensors["self_energies"].double().numpy(),
        level_id=document["level_id"],
        level_name=document["level_name"],
        record=document.get("record", {}),
    )
