"""Our wB97X/6-31G* labels against those that the authors of the ANI data sets published.

Source: the file gdb11_s01 of github.com/Jussmith01/ANI-Tools (Gaussian 09; hartree, Å). What it
calls forces are gradients, +dE/dR. Three geometries are typed in below; the rest is read where the
file lies beside the repository.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest
from ase.data import atomic_numbers

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import EV_PER_HARTREE, KCAL_MOL_PER_EV

PUBLISHED = Path(__file__).parents[2].parent / "shared/data/ani_wb97x631gd_gdb11_s01.h5"

ENERGY_TOLERANCE_KCAL_MOL = 0.03
# Measured up to 0.11 on methane. Our own error against the converged grid is 0.015: the rest is
# the integration grid of the published labels.
FORCE_TOLERANCE_KCAL_MOL_ANGSTROM = 0.15

# Each is: symbols; positions in Å; energy in hartree; gradient in hartree/Å.
TYPED_IN = {
    "CH4 100": (
        ["C", "H", "H", "H", "H"],
        [
            [-0.014919553883373737, 0.029802486300468445, 0.001444701454602182],
            [1.0745543241500854, -0.14080186188220978, -0.4492713510990143],
            [-0.06201082840561867, 0.9822754859924316, 0.3505599796772003],
            [-0.02200794219970703, -0.8013783097267151, 0.6663913130760193],
            [-0.9010182619094849, -0.21891023218631744, -0.5763481855392456],
        ],
        -40.4783510492,
        [
            [-0.0979672223329544, 0.13193592429161072, 0.08724261075258255],
            [0.0979597419500351, -0.02150694839656353, 0.0027365500573068857],
            [0.009565485641360283, -0.10161896795034409, -0.06429313123226166],
            [0.003102470887824893, 0.004212850239127874, -0.06835544854402542],
            [-0.012660476379096508, -0.013022861443459988, 0.04266941174864769],
        ],
    ),
    "NH3 100": (
        ["N", "H", "H", "H"],
        [
            [0.005912627559155226, -0.0005329262348823249, -0.1109146699309349],
            [-0.7399945855140686, -0.6142717003822327, 0.2515588402748108],
            [0.9043595194816589, -0.29490670561790466, 0.26909977197647095],
            [-0.20575328171253204, 0.9129089117050171, 0.255744069814682],
        ],
        -56.5286870843,
        [
            [0.019120464101433754, 0.022962264716625214, 0.00209864997304976],
            [-0.027224242687225342, -0.00854823924601078, 0.0067945742048323154],
            [0.011876127682626247, 0.0003334029170218855, -0.0032025303225964308],
            [-0.0037723483983427286, -0.01474742777645588, -0.0056906938552856445],
        ],
    ),
    "H2O 100": (
        ["O", "H", "H"],
        [
            [0.0, 0.14684373140335083, 0.0],
            [0.6415027379989624, -0.6585164666175842, 0.0],
            [-0.6415027379989624, -0.5162333846092224, 0.0],
        ],
        -76.3695857347,
        [
            [-0.1298719346523285, 0.07582179456949234, 0.0],
            [-0.010562537238001823, -0.1038590520620346, 0.0],
            [0.14043447375297546, 0.028037259355187416, 0.0],
        ],
    ),
}


def assert_agrees(
    symbols: list[str], positions: FloatArray, energy: float, gradient: FloatArray
) -> None:
    structure = Structure(
        atomic_numbers=[atomic_numbers[symbol] for symbol in symbols], positions=positions
    )
    label = find_engine("pyscf")(find_level("wb97x/6-31g*"), Resources()).label(structure)
    assert isinstance(label, Label)
    error = (label.energy - energy * EV_PER_HARTREE) * KCAL_MOL_PER_EV
    assert abs(error) < ENERGY_TOLERANCE_KCAL_MOL
    assert label.forces is not None
    force_error = (label.forces + gradient * EV_PER_HARTREE) * KCAL_MOL_PER_EV
    assert np.abs(force_error).max() < FORCE_TOLERANCE_KCAL_MOL_ANGSTROM


@pytest.mark.parametrize("name", TYPED_IN)
def test_typed_in_geometries(name: str) -> None:
    symbols, positions, energy, gradient = TYPED_IN[name]
    assert_agrees(symbols, np.array(positions), energy, np.array(gradient))


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"{PUBLISHED.name} is not beside the repository")
@pytest.mark.parametrize("molecule", ["mol0000000", "mol0000001", "mol0000002"])
@pytest.mark.parametrize("frame", [0, 500, 900])
def test_geometries_of_the_published_file(molecule: str, frame: int) -> None:
    with h5py.File(PUBLISHED) as file:
        group = file["gdb11_s01"][molecule]
        assert_agrees(
            [symbol.decode() for symbol in group["species"][:]],
            group["coordinates"][frame].astype(np.float64),
            float(group["energies"][frame]),
            group["forces"][frame].astype(np.float64),
        )
