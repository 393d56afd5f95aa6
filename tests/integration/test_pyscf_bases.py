"""Bases of PySCF's library: which elements they describe, with which core potential."""

from collections import Counter

import numpy as np
import pytest
from ase.data import chemical_symbols
from pyscf import gto
from pyscf.gto import basis as pyscf_basis

from chemistry.engines.base import Resources
from chemistry.engines.pyscf import molecule
from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.engines.pyscf.levels import library
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import find_level
from chemistry.records.recipe import Calculation
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE

SYMBOLS = [*chemical_symbols[1:19], "Fe", "Zn", "Br", "Kr"]
WATER = Structure(
    atomic_numbers=[8, 1, 1],
    positions=[[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]],
)


@pytest.mark.slow
def test_every_basis_of_the_library_is_whole_or_refused() -> None:
    """Electrons that a basis has functions for are those that are left to it."""
    wrong = []
    verdicts: Counter[str] = Counter()
    for name in pyscf_basis.ALIAS:
        if library.refuse_basis(name) is not None:
            verdicts["refused"] += 1
            continue
        for symbol in SYMBOLS:
            if library.why_unusable(name, symbol) is not None:
                verdicts["no element"] += 1
                continue
            has_potential = library.core_potential(name, symbol) is not None
            verdicts["with potential" if has_potential else "all-electron"] += 1
            lacks = not has_potential and _lacks_its_core(name, symbol)
            if lacks or (has_potential and library.core_electrons(name, symbol) % 2):
                wrong.append((name, symbol))
    assert not wrong
    assert all(verdicts[kind] > 100 for kind in ("refused", "with potential", "all-electron"))


def _lacks_its_core(name: str, symbol: str) -> bool:
    """Whether a hydrogen-like 1s orbital of the element has another energy than -Z²/2.

    A test by physics, of what the library decides by exponents.
    """
    z = chemical_symbols.index(symbol)
    s_only = [shell for shell in library.functions(name, symbol) if shell[0] == 0]
    atom = gto.M(atom=[(symbol, (0, 0, 0))], basis={symbol: s_only}, spin=z % 2, verbose=0)
    hamiltonian = atom.intor("int1e_kin") + atom.intor("int1e_nuc")
    overlap = atom.intor("int1e_ovlp")
    values, vectors = np.linalg.eigh(overlap)
    kept = values > 1e-8
    orthogonal = vectors[:, kept] / np.sqrt(values[kept])
    lowest = np.linalg.eigvalsh(orthogonal.T @ hamiltonian @ orthogonal)[0]
    return bool(lowest > -0.9 * z**2 / 2)


@pytest.mark.parametrize(
    ("basis", "symbol", "electrons"),
    [
        ("ccecp-cc-pvdz", "O", 2),
        ("ccecp-aug-cc-pvtz", "Cl", 10),
        ("ccecp-he-cc-pvdz", "Cl", 2),
        ("bfd-vdz", "C", 2),
        ("bfd-vtz", "Br", 28),
        ("def2-svp", "I", 28),
        ("def2-mtzvp", "I", 28),
        ("def2-svp", "Br", 0),
        ("lanl2dz", "Cl", 10),
        ("lanl2dz", "C", 0),
        ("sbkjc", "C", 2),
        ("crenbl", "N", 2),
        ("stuttgart-dz", "F", 2),
        ("cc-pvdz-pp", "Br", 10),
        ("cc-pwcvtz-pp", "Zn", 10),
        ("cc-pvtz", "O", 0),
    ],
)
def test_core_potential_of_the_same_family(basis: str, symbol: str, electrons: int) -> None:
    assert library.why_unusable(basis, symbol) is None
    assert library.core_electrons(basis, symbol) == electrons


@pytest.mark.parametrize(
    ("basis", "symbol"),
    [
        ("minao", "I"),
        ("minao", "Sn"),
        ("qavg-vszps", "C"),
        ("cc-pvtz-pp-nr", "Cu"),
        ("cc-pvtz-pp", "C"),
        ("sto-3g", "Rn"),
        ("6-31g(2df,p)", "Br"),
    ],
)
def test_never_all_electrons_in_a_valence_basis(basis: str, symbol: str) -> None:
    assert library.why_unusable(basis, symbol) is not None
    level = find_level(f"hf/{basis}")
    number = chemical_symbols.index(symbol)
    assert PySCFEngine.unsupported_elements(level, [1, number])[-1:] == (number,)


@pytest.mark.parametrize(
    ("basis", "says"),
    [
        ("def2-universal-jkfit", "no orbital basis"),
        ("cc-pvtz-ri", "no orbital basis"),
        ("weigend", "no orbital basis"),
        ("demon", "no orbital basis"),
        ("sap_grasp_large", "no orbital basis"),
        ("bfd-pp", "no orbital basis"),
        ("aug-cc-pvdz-optri", "no orbital basis"),
        ("cc-pvtz-dk", "relativistic"),
        ("dzp-dkh", "relativistic"),
        ("ano-rcc", "relativistic"),
        ("ano@9z", "no basis 'ano@9z'"),
        ("ano@", "no basis 'ano@'"),
        ("6-31g()", "no basis '6-31g()'"),
        ("def2-sv_p_", "no basis 'def2-sv_p_'"),
        ("sarc-dkh", "no basis|relativistic"),
        ("gth-dzvp", "pseudopotential"),
        ("6-31g(p)", "nearest known one"),
        ("6-31g(2dp,f)", "nearest known one"),
        ("6-31g(d',p')", "nearest known one"),
        ("4-31g*", "nearest known one"),
        ("6-31zz", "nearest known one"),
        ("def3-svp", "nearest known one is 'def2-svp'"),
    ],
)
def test_what_is_no_orbital_basis_is_refused(basis: str, says: str) -> None:
    reason = str(PySCFEngine.refuse(find_level(f"hf/{basis}")))
    assert any(word in reason for word in says.split("|"))


@pytest.mark.parametrize(
    ("basis", "carbon", "hydrogen"),
    [
        ("6-31g(2df,p)", (3, 2, 2, 1), (2, 1)),
        ("6-31g(3df,3pd)", (3, 2, 3, 1), (2, 3, 1)),
        ("6-31g(2d)", (3, 2, 2), (2,)),
        ("6-31+g(2d,p)", (4, 3, 2), (2, 1)),
        ("6-31++g(2d,2p)", (4, 3, 2), (3, 2)),
        ("6-31g(d,p)", (3, 2, 1), (2, 1)),
        ("6-311g(2d,2p)", (4, 3, 2), (3, 2)),
        ("6-311g(2df,2pd)", (4, 3, 2, 1), (3, 2, 1)),
        ("6-311+g(2d,p)", (5, 4, 2), (3, 1)),
        ("6-311++g(3df,3pd)", (5, 4, 3, 1), (4, 3, 1)),
        ("6-311g(d)", (4, 3, 1), (3,)),
        ("3-21g", (3, 2), (2,)),
    ],
)
def test_pople_bases(basis: str, carbon: tuple[int, ...], hydrogen: tuple[int, ...]) -> None:
    level = find_level(f"hf/{basis}")
    assert PySCFEngine.refuse(level) is None
    (calculation,) = level.calculations
    assert library.functions_by_momentum(str(calculation.basis), "C") == carbon
    assert library.functions_by_momentum(str(calculation.basis), "H") == hydrogen


def label_of(level: str, structure: Structure) -> Label:
    label = PySCFEngine(find_level(level), Resources()).label(structure)
    assert isinstance(label, Label), label
    return label


def test_a_valence_basis_gets_its_core_potential() -> None:
    assert label_of("hf/ccecp-cc-pvdz", WATER).energy == pytest.approx(-460.7484, abs=1e-3)


@pytest.mark.parametrize(
    ("numbers", "positions", "energy_hartree"),
    [
        (
            [8, 1, 1],
            [
                [-0.0343604951, 0.9775395708, 0.0076015923],
                [0.0647664923, 0.0205721989, 0.0015346341],
                [0.8717903737, 1.3007924048, 0.0006931336],
            ],
            -76.404702 - 0.021375,
        ),
        (
            [7, 1, 1, 1],
            [
                [-0.0404260543, 1.0241077531, 0.0625637998],
                [0.0172574639, 0.0125452063, -0.0273771593],
                [0.9157893661, 1.3587451948, -0.0287577581],
                [-0.5202777357, 1.3435321258, -0.7755426124],
            ],
            -56.525887 - 0.034358,
        ),
    ],
)
def test_the_level_of_qm9(
    numbers: list[int], positions: list[list[float]], energy_hartree: float
) -> None:
    """Its U0 minus zero-point energy; density fitting is off by up to 2e-5 hartree."""
    structure = Structure(atomic_numbers=numbers, positions=positions)
    energy = label_of("B3LYP/6-31G(2df,p)", structure).energy / EV_PER_HARTREE
    assert energy == pytest.approx(energy_hartree, abs=2.5e-5)


def test_six_d_functions_from_five_and_an_s() -> None:
    structure = Structure(atomic_numbers=[8, 1, 1], positions=WATER.positions)
    exact = Calculation(method="hf", basis="6-31g*", cartesian=True, density_fitting=False)
    cartesian = molecule.build(structure, exact)
    shells = library.functions("6-31g*", "O"), library.functions("6-31g*", "H")
    mixed = cartesian.copy()
    mixed.cart = False
    mixed.build(basis={"O": molecule.with_sixth_d(shells[0]), "H": list(shells[1])})
    energies = [mol.RHF().run(conv_tol=1e-11).e_tot for mol in (cartesian, mixed)]
    assert energies[1] == pytest.approx(energies[0], abs=5e-8)


def test_an_element_that_is_not_described_is_a_failure_of_kind_input() -> None:
    iodine = Structure(atomic_numbers=[53, 1], positions=[[0, 0, 0], [0, 0, 1.6]])
    failure = PySCFEngine(find_level("hf/minao"), Resources()).label(iodine)
    assert isinstance(failure, LabelFailure)
    assert failure.kind == "input"
    assert "valence electrons of I" in failure.message
