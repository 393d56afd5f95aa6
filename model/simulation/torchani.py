"""A committee as a torchani model: whatever takes ANI models takes it.

torchani keeps the constants of its symmetry functions in single precision; they are replaced by the
exact ones, and the model is of double precision: total energies of single precision are good to
no more than 1e-5 hartree.
"""

from pathlib import Path

import torch
from ase.data import chemical_symbols
from torchani.aev import AEVComputer, ANIAngular, ANIRadial
from torchani.arch import ANI
from torchani.nn import ANINetworks, AtomicNetwork, Ensemble
from torchani.sae import SelfEnergy

from chemistry.errors import InputError
from chemistry.units import EV_PER_HARTREE
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.shape import AniShape
from model.protocol import Committee
from model.states import states_text

_THEIR_ALPHA = 0.1
"""Of CELU in torchani's own networks."""


def torchani_model(committee: Committee) -> ANI:
    """Return a torchani ensemble of double precision; energies in hartree, positions in Å.

    Elements are given as atomic numbers.

    Raises
    ------
    InputError
        The committee is not of architecture ani, or tells states apart.
    """
    committee = _own(committee)
    shape = committee.shape
    symbols = [chemical_symbols[number] for number in shape.elements]
    members = [ANINetworks(_networks(committee, member)) for member in range(committee.n_members)]
    self_energies = committee.self_energies_ev / EV_PER_HARTREE
    model = ANI(
        symbols,
        _aev_computer(shape),
        Ensemble(members),
        SelfEnergy(symbols, self_energies.tolist()),
        periodic_table_index=True,
    ).double()
    _make_exact(model.aev_computer, shape)
    model.energy_shifter.self_energies.copy_(torch.from_numpy(self_energies))
    return model


def write_state_dict(committee: Committee, path: Path) -> None:
    """Write the state dict of `torchani_model`; `torch.load(path, weights_only=True)` reads it.

    Raises InputError as `torchani_model` does, OSError where the file cannot be written.
    """
    state_dict = torchani_model(committee).state_dict()
    with path.open("wb") as file:
        torch.save(state_dict, file)


def description_of(committee: Committee) -> dict[str, str]:
    """Return, as Python, what a torchani model of a committee is before it has its numbers.

    Raises InputError as `torchani_model` does.
    """
    shape = _own(committee).shape
    functions = shape.symmetry_functions
    layers = {
        chemical_symbols[number]: (shape.n_features, *hidden, 1)
        for number, hidden in zip(shape.elements, shape.hidden_sizes, strict=True)
    }
    alpha = shape.celu_alpha
    return {
        "layers": repr(layers),
        "members": str(committee.n_members),
        "activation": '"celu"' if alpha == _THEIR_ALPHA else f"torch.nn.CELU({alpha!r})",
        "radial_shifts": str(functions.n_radial),
        "radial_cutoff": repr(functions.radial_cutoff_angstrom),
        "angular_shifts": str(len(functions.angular_shifts_angstrom)),
        "sections": str(len(functions.angular_sections_radian)),
        "angular_cutoff": repr(functions.angular_cutoff_angstrom),
    }


def _own(committee: Committee) -> AniCommittee:
    if not isinstance(committee, AniCommittee):
        raise InputError("torchani knows potentials of architecture ani alone")
    if committee.shape.n_state_features:
        raise InputError(
            f"torchani gives networks neither charge nor multiplicity, and this potential tells "
            f"states apart ({states_text(committee.states)}): train one of a single state"
        )
    return committee


def _networks(committee: AniCommittee, member: int) -> dict[str, AtomicNetwork]:
    """Return the networks of one member by element."""
    shape = committee.shape
    activation = "celu" if shape.celu_alpha == _THEIR_ALPHA else torch.nn.CELU(shape.celu_alpha)
    networks = {}
    for number, hidden, layers in zip(
        shape.elements, shape.hidden_sizes, committee.networks.layers, strict=True
    ):
        sizes = (shape.n_features, *hidden, 1)
        network = AtomicNetwork(sizes, activation=activation, bias=True).double()
        with torch.no_grad():
            for theirs, ours in zip([*network.layers, network.final_layer], layers, strict=True):
                theirs.weight.copy_(ours.weight[member].T)
                theirs.bias.copy_(ours.bias[member, 0])
            network.final_layer.weight.div_(EV_PER_HARTREE)
            network.final_layer.bias.div_(EV_PER_HARTREE)
        networks[chemical_symbols[number]] = network
    return networks


def _aev_computer(shape: AniShape) -> AEVComputer:
    functions = shape.symmetry_functions
    return AEVComputer(
        radial=ANIRadial(
            eta=functions.radial_eta_per_angstrom2,
            shifts=functions.radial_shifts_angstrom,
            cutoff=functions.radial_cutoff_angstrom,
        ),
        angular=ANIAngular(
            eta=functions.angular_eta_per_angstrom2,
            zeta=functions.angular_zeta,
            shifts=functions.angular_shifts_angstrom,
            sections=functions.angular_sections_radian,
            cutoff=functions.angular_cutoff_angstrom,
        ),
        num_species=len(shape.elements),
    )


def _make_exact(computer: AEVComputer, shape: AniShape) -> None:
    """Replace constants that were rounded to single precision."""
    functions = shape.symmetry_functions
    for rounded, exact in (
        (computer.radial.eta, functions.radial_eta_per_angstrom2),
        (computer.radial.shifts, functions.radial_shifts_angstrom),
        (computer.angular.eta, functions.angular_eta_per_angstrom2),
        (computer.angular.zeta, functions.angular_zeta),
        (computer.angular.shifts, functions.angular_shifts_angstrom),
        (computer.angular.sections, functions.angular_sections_radian),
    ):
        rounded.copy_(torch.tensor(exact, dtype=torch.float64))
