"""A tiny ensemble in the format of the ANI authors' files, with random weights."""

import bz2
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

from chemistry.units import EV_PER_HARTREE
from model.architectures.ani.shape import AniShape, SymmetryFunctions

SELF_ENERGIES_HARTREE = {"H": -0.5, "O": -75.0}
PARAMS = """
TM = 1
Rcr = 5.2000e+00
Rca = 3.5000e+00
EtaR = [1.6000e+01]
ShfR = [9.0000e-01,2.0000e+00,3.1000e+00]
Zeta = [3.2000e+01]
ShfZ = [3.9269908e-01,1.5707963e+00]
EtaA = [8.0000e+00]
ShfA = [9.0000e-01,1.5500e+00]
Atyp = [H,O]
"""
HIDDEN = (6, 5, 4)


def shape() -> AniShape:
    """Return what PARAMS and the networks describe."""
    return AniShape(
        elements=tuple(atomic_numbers[symbol] for symbol in SELF_ENERGIES_HARTREE),
        hidden_sizes=(HIDDEN, HIDDEN),
        symmetry_functions=SymmetryFunctions(
            radial_shifts_angstrom=(0.9, 2.0, 3.1),
            angular_shifts_angstrom=(0.9, 1.55),
            angular_sections_radian=(0.39269908, 1.5707963),
        ),
    )


def put_ensemble(folder: Path, members: int = 2) -> list[dict[str, list[np.ndarray]]]:
    """Write an ensemble; return each member's (outputs, inputs) weights and biases by symbol."""
    folder.mkdir(parents=True)
    (folder / "tiny.params").write_text(PARAMS)
    lines = [f"{s},{i}={e}" for i, (s, e) in enumerate(SELF_ENERGIES_HARTREE.items())]
    (folder / "sae_linfit.dat").write_text("\n".join(lines) + "\n")
    written = []
    for member in range(members):
        networks = folder / f"train{member}" / "networks"
        networks.mkdir(parents=True)
        written.append(
            {
                symbol: _put_network(networks, symbol, np.random.default_rng([member, z]))
                for z, symbol in enumerate(SELF_ENERGIES_HARTREE)
            }
        )
    return written


def _put_network(folder: Path, symbol: str, rng: np.random.Generator) -> list[np.ndarray]:
    sizes = [shape().n_features, *HIDDEN, 1]
    arrays, layers = [], []
    for layer, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        weight = rng.normal(0, 0.3, (outputs, inputs)).astype("<f4")
        bias = rng.normal(0, 0.1, outputs).astype("<f4")
        arrays += [weight, bias]
        name = f"ANN-{symbol}.nnf-l{layer}"
        weight.tofile(folder / f"{name}.wparam")
        bias.tofile(folder / f"{name}.bparam")
        layers.append(
            f"layer [ nodes={outputs};activation={6 if outputs == 1 else 9};type=0;"
            f"blocksize={inputs};weights=FILE:{name}.wparam[{weight.size}];"
            f"biases=FILE:{name}.bparam[{bias.size}]; ]"
        )
    text = f"inputsize={sizes[0]};\n" + "\n".join(layers) + "\n"
    (folder / f"ANN-{symbol}.nnf").write_bytes(b"header\n" + bz2.compress(text.encode("ascii")))
    return arrays


def energy_ev(
    features: np.ndarray, symbols: list[str], member: dict[str, list[np.ndarray]]
) -> float:
    """Evaluate a member's networks on (N, F) features in numpy, self-energies included."""
    total = 0.0
    for row, symbol in zip(features, symbols, strict=True):
        signal, arrays = row, member[symbol]
        for index in range(0, len(arrays), 2):
            signal = arrays[index].astype(float) @ signal + arrays[index + 1]
            if index < len(arrays) - 2:
                signal = np.where(signal > 0, signal, 0.1 * np.expm1(np.minimum(signal, 0) / 0.1))
        total += float(signal[0]) + SELF_ENERGIES_HARTREE[symbol]
    return total * EV_PER_HARTREE
