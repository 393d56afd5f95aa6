"""The checkpoint of an ANI committee: what `model.checkpoint` leaves to the architecture.

`architecture` in the header has elements (atomic numbers), hidden_sizes, symmetry_functions (Å,
radian), celu_alpha and states (charge and multiplicity of each that it was made for; rung 0.1.0
left them out), and the tensors are, for M members, each element symbol X and layer k = 0, 1, ...

    X.k.weight      (M, inputs, outputs), in eV: energy = celu(... G @ weight + bias ...)
    X.k.bias        (M, outputs)
    self_energies   (elements,) float64, eV
    state_energies  (M, 3) float64, eV, only where there are several states

An environment vector G is, for each element, the radial functions by shift, then, for each pair of
elements (upper triangle, row by row), the angular functions by radial shift, then by section; where
there are several states, charge, its size and the number of unpaired electrons follow. These three
numbers times state_energies are part of the energy, as atoms times self_energies are.

There is no `torch.export` of a committee: pairs and triples differ in number from one call to the
next, a program traced from them has to be compiled on each machine, and these files need neither
rung nor a certain torch to be read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from chemistry.records.structure import FloatArray
from model.architectures.ani.network import StackedNetworks, layer_sizes
from model.architectures.ani.shape import AniShape
from model.checkpoint import Tensors

_SELF_ENERGIES = "self_energies"
_STATE_ENERGIES = "state_energies"


def tensors_of(
    networks: StackedNetworks, self_energies_ev: FloatArray, state_energies_ev: FloatArray | None
) -> dict[str, Any]:
    """Return the arrays of a checkpoint by name."""
    tensors: dict[str, Any] = {_SELF_ENERGIES: self_energies_ev}
    if state_energies_ev is not None:
        tensors[_STATE_ENERGIES] = state_energies_ev
    for number, layers in zip(networks.shape.elements, networks.layers, strict=True):
        for index, layer in enumerate(layers):
            name = f"{chemical_symbols[number]}.{index}"
            tensors[f"{name}.weight"] = layer.weight.cpu().numpy()
            tensors[f"{name}.bias"] = layer.bias.squeeze(1).cpu().numpy()
    return tensors


def networks_of(document: Mapping[str, Any], tensors: Tensors) -> StackedNetworks:
    """Return the networks of a checkpoint.

    Raises
    ------
    KeyError, ValueError
        A tensor is missing or does not fit the shape.
    """
    shape = AniShape.model_validate(document)
    parts, members = [], {len(tensor) for name, tensor in tensors.items() if "." in name}
    for number, sizes in zip(shape.elements, layer_sizes(shape), strict=True):
        for index, (inputs, outputs) in enumerate(sizes):
            name = f"{chemical_symbols[number]}.{index}"
            weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
            if weight.shape[1:] != (inputs, outputs) or bias.shape[1:] != (outputs,):
                raise ValueError(f"the tensors of {name} are not of the shape of their layer")
            parts += [weight.reshape(len(weight), -1), bias]
    if len(members) != 1:
        raise ValueError("its tensors are not of equally many members")
    return StackedNetworks(shape=shape, weights=torch.from_numpy(np.concatenate(parts, axis=1)))


def self_energies_of(tensors: Tensors, shape: AniShape) -> FloatArray:
    """Return the self-energies (n_elements,) eV of a checkpoint; raises as `networks_of`."""
    if tensors[_SELF_ENERGIES].shape != (len(shape.elements),):
        raise ValueError("it needs one self-energy for each element")
    return np.asarray(tensors[_SELF_ENERGIES], dtype=np.float64)


def state_energies_of(tensors: Tensors, networks: StackedNetworks) -> FloatArray | None:
    """Return the energies of states (M, 3) eV, None for one state; raises as `networks_of`."""
    size = networks.n_members, networks.shape.n_state_features
    if not size[1]:
        return None
    if tensors[_STATE_ENERGIES].shape != size:
        raise ValueError("it needs three energies of states for each member")
    return np.asarray(tensors[_STATE_ENERGIES], dtype=np.float64)
