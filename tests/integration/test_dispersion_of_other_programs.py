"""D3, D4 and VV10 against other programs.

D3 energies of ethene, ethyne and their dimer are those of Grimme's program dftd3, the D4 energy of
an artificial molecule of eight elements that of dftd4, as the tests of QCEngine 0.34 have them
(test_dftd3_mp2d.py and test_dftd4.py, geometries in stock_mols.py, github.com/MolSSI/QCEngine).
"""

import numpy as np
import pytest

from chemistry.engines.base import Resources
from chemistry.engines.psi4.program import find_psi4
from chemistry.engines.psi4.request import request_of
from chemistry.engines.pyscf import molecule
from chemistry.engines.pyscf.dispersion import dispersion
from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.recipe import Calculation
from chemistry.records.structure import Structure
from chemistry.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE, KCAL_MOL_PER_EV

DIMER = Structure(
    atomic_numbers=[6, 6, 1, 1, 1, 1, 6, 6, 1, 1],
    positions=[
        [0.0, -0.667578, -2.124659],
        [0.0, 0.667578, -2.124659],
        [0.923621, -1.232253, -2.126185],
        [-0.923621, -1.232253, -2.126185],
        [-0.923621, 1.232253, -2.126185],
        [0.923621, 1.232253, -2.126185],
        [0.0, 0.0, 2.900503],
        [0.0, 0.0, 1.693240],
        [0.0, 0.0, 0.627352],
        [0.0, 0.0, 3.963929],
    ],
)
PARTS = {"dimer": slice(0, 10), "ethene": slice(0, 6), "ethyne": slice(6, 10)}
D3_HARTREE = {
    "b3lyp-d3zero": (-0.00285088, -0.00084340, -0.00031923),
    "b3lyp-d3bj": (-0.00784595, -0.00394347, -0.00226683),
    "pbe-d3zero": (-0.00175474, -0.00045421, -0.00016839),
    "pbe-d3bj": (-0.00475937, -0.00235265, -0.00131239),
}

MINDLESS = Structure(
    atomic_numbers=[11, 1, 8, 1, 9, 1, 1, 8, 7, 1, 1, 17, 5, 5, 7, 13],
    positions=ANGSTROM_PER_BOHR
    * np.array(
        [
            [-1.85528263484662, 3.58670515364616, -2.41763729306344],
            [4.40178023537845, 0.02338844412653, -4.95457749372945],
            [-2.98706033463438, 4.76252065456814, 1.27043301573532],
            [0.79980886075526, 1.41103455609189, -5.04655321620119],
            [-4.20647469409936, 1.84275767548460, 4.55038084858449],
            [-3.54356121843970, -3.18835665176557, 1.46240021785588],
            [2.70032160109941, 1.06818452504054, -1.73234650374438],
            [3.73114088824361, -2.07001543363453, 2.23160937604731],
            [-1.75306819230397, 0.35951417150421, 1.05323406177129],
            [5.41755788583825, -1.57881830078929, 1.75394002750038],
            [-2.23462868255966, -2.13856505054269, 4.10922285746451],
            [1.01565866207568, -3.21952154552768, -3.36050963020778],
            [2.42119255723593, 0.26626435093114, -3.91862474360560],
            [-3.02526098819107, 2.53667889095925, 2.31664984740423],
            [-2.00438948664892, -2.29235136977220, 2.19782807357059],
            [1.12226554109716, -1.36942007032045, 0.48455055461782],
        ]
    ),
)
WATER = Structure(
    atomic_numbers=[8, 1, 1],
    positions=[[0.0, 0.02, 0.12], [0.03, 0.76, -0.48], [-0.02, -0.80, -0.47]],
)


def correction_hartree(structure: Structure, method: str) -> float:
    calculation = find_level(f"{method}/sto-3g").recipe
    assert isinstance(calculation, Calculation)
    return dispersion(molecule.build(structure, calculation), calculation)[0]


@pytest.mark.parametrize("method", D3_HARTREE)
def test_d3_is_that_of_grimmes_program(method: str) -> None:
    for part, expected in zip(PARTS.values(), D3_HARTREE[method], strict=True):
        structure = Structure(
            atomic_numbers=DIMER.atomic_numbers[part], positions=DIMER.positions[part]
        )
        assert correction_hartree(structure, method) == pytest.approx(expected, abs=2e-8)


def test_d4_is_that_of_dftd4() -> None:
    assert correction_hartree(MINDLESS, "b97m-d4") == pytest.approx(-0.0250249863017, abs=1e-8)


@pytest.mark.psi4
@pytest.mark.slow
def test_energies_with_vv10_are_those_of_psi4() -> None:
    """Psi4 has no gradient of VV10, so that rung takes such labels from PySCF alone."""
    level = find_level("wb97x-v/def2-svp")
    label = PySCFEngine(level, Resources()).label(WATER)
    assert isinstance(label, Label), label
    assert isinstance(level.recipe, Calculation)
    request = request_of(level.recipe, "energy", WATER, {})
    answer = find_psi4().call(request, Resources())
    assert answer["success"], answer
    variables = answer["extras"]["qcvars"]
    assert abs(variables["DFT VV10 ENERGY"]) > 0.01
    off = label.energy - float(answer["return_result"]) * EV_PER_HARTREE
    assert abs(off) * KCAL_MOL_PER_EV < 0.02
