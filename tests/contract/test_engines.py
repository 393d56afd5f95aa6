"""One suite for all engines: what every program has to do for rung, with the real programs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from chemistry.engines import ENGINES, default_engine, find_engine
from chemistry.engines import tblite as tblite_engine
from chemistry.engines.base import Engine, Resources
from chemistry.engines.potential import EnginePotential
from chemistry.engines.psi4 import engine as psi4_engine
from chemistry.engines.pyscf import scf
from chemistry.errors import InputError
from chemistry.geometries.force_field import MMFF94
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LEVELS, find_level
from chemistry.records.potential import replicas_of
from chemistry.records.structure import Origin, Structure
from chemistry.sampling import Conformers
from workflow.work.compute import load_potential


@dataclass(frozen=True)
class Case:
    """An engine at a level, and how to keep it from converging."""

    engine: str
    level: str
    cripple: Callable[[pytest.MonkeyPatch], None]

    def make(self) -> Engine:
        return find_engine(self.engine)(find_level(self.level), Resources())


def _cripple_pyscf(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = tuple(replace(step, cycles=1) for step in scf.LADDER)
    monkeypatch.setattr(scf, "LADDER", ladder)


def _cripple_tblite(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = tuple((name, damping, 2) for name, damping, _ in tblite_engine.LADDER)
    monkeypatch.setattr(tblite_engine, "LADDER", ladder)


def _cripple_psi4(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = tuple((name, keywords | {"maxiter": 2}) for name, keywords in psi4_engine.LADDER[:2])
    monkeypatch.setattr(psi4_engine, "LADDER", ladder)


CASES = [
    Case("pyscf", "hf/sto-3g", _cripple_pyscf),
    Case("pyscf", "wb97x/6-31g*", _cripple_pyscf),
    Case("tblite", "gfn2-xtb", _cripple_tblite),
    Case("psi4", "hf/sto-3g", _cripple_psi4),
]

WATER = Structure(
    atomic_numbers=[8, 1, 1],
    positions=[[0.0, 0.02, 0.12], [0.03, 0.76, -0.48], [-0.02, -0.80, -0.47]],
)
AMINYL = Structure(
    atomic_numbers=[7, 1, 1],
    positions=[[0.0, 0.02, 0.14], [0.03, 0.80, -0.48], [-0.02, -0.84, -0.47]],
    multiplicity=2,
)
AMMONIUM = Structure(
    atomic_numbers=[7, 1, 1, 1, 1],
    positions=np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1.1, -1, 1]]) * 0.6,
    charge=1,
)
MOLECULES = {"water": WATER, "aminyl": AMINYL, "ammonium": AMMONIUM}


def _parameter(case: Case) -> Any:
    marks = [pytest.mark.psi4] if case.engine == "psi4" else []
    return pytest.param(case, id=f"{case.engine}:{case.level}", marks=marks)


@pytest.fixture(params=[_parameter(case) for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def label_of(engine: Engine, structure: Structure) -> Label:
    label = engine.label(structure)
    assert isinstance(label, Label), label
    return label


def test_every_engine_is_in_the_suite() -> None:
    # What a teacher can do depends on the potential: tests/contract/test_teachers.py.
    assert {case.engine for case in CASES} | {"teacher"} == set(ENGINES)


@pytest.mark.parametrize("name", MOLECULES)
def test_forces_are_minus_the_derivative_of_the_energy(case: Case, name: str) -> None:
    engine, structure = case.make(), MOLECULES[name]
    forces = label_of(engine, structure).forces
    assert forces is not None
    direction = np.random.default_rng(7).normal(size=forces.shape)
    direction /= np.linalg.norm(direction)
    step = 0.005  # Å: third-order error and SCF noise are both below 1e-4 eV/Å
    energies = [
        label_of(engine, structure.moved_to(structure.positions + s * direction, Origin())).energy
        for s in (step, -step)
    ]
    slope = (energies[0] - energies[1]) / (2 * step)
    assert slope == pytest.approx(-float((forces * direction).sum()), abs=3e-4)


def test_rotation_and_translation_change_nothing_but_the_frame(case: Case) -> None:
    engine = case.make()
    turn = Rotation.random(rng=np.random.default_rng(3)).as_matrix()
    moved = WATER.moved_to(WATER.positions @ turn.T + [3.0, -2.0, 1.0], Origin())
    before, after = label_of(engine, WATER), label_of(engine, moved)
    assert after.energy == pytest.approx(before.energy, abs=3e-5)  # the grid turns too
    assert before.forces is not None
    assert before.dipole is not None
    np.testing.assert_allclose(after.forces, before.forces @ turn.T, atol=5e-4)
    np.testing.assert_allclose(after.dipole, before.dipole @ turn.T, atol=1e-4)


def test_a_label_says_what_it_is_of_and_who_made_it(case: Case) -> None:
    engine = case.make()
    label = label_of(engine, WATER)
    assert label.structure_id == WATER.structure_id
    assert label.level_id == find_level(case.level).level_id
    assert label.provenance.program == case.engine
    assert label.provenance.version == engine.version()
    assert len(label.provenance.attempts) == 1
    assert label.provenance.cpu_seconds > 0


def test_oxygen_end_of_water_is_negative(case: Case) -> None:
    dipole = label_of(case.make(), WATER).dipole
    assert dipole is not None
    assert (
        dipole[2] < -0.2
    )  # e Å; the hydrogens lie below the oxygen, and the dipole points to them


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # structure_id of a NaN
@pytest.mark.parametrize(
    ("structure", "says"),
    [
        (replace(WATER, multiplicity=2), "multiplicity 2"),
        (replace(WATER, charge=1), "charge 1"),
        (replace(WATER, multiplicity=13), "multiplicity 13"),
        (replace(WATER, multiplicity=0), "multiplicity 0"),
        (replace(WATER, charge=10), "0 electrons"),
        (replace(WATER, positions=WATER.positions * 0.05), "overlap"),
        (replace(WATER, positions=WATER.positions * np.nan), "finite"),
        (replace(WATER, atomic_numbers=[104, 1, 1], charge=0), "104|Rf"),
        (replace(WATER, atomic_numbers=[500, 1, 1]), "500"),
        (Structure(atomic_numbers=[], positions=np.zeros((0, 3))), "no atoms"),
    ],
)
def test_bad_input_is_a_failure_of_kind_input(case: Case, structure: Structure, says: str) -> None:
    failure = case.make().label(structure)
    assert isinstance(failure, LabelFailure)
    assert failure.kind == "input"
    assert failure.structure_id == structure.structure_id
    assert structure.structure_id in failure.message
    assert any(word in failure.message for word in says.split("|"))


def test_unsupported_elements_are_those_that_fail(case: Case) -> None:
    engine, level = find_engine(case.engine), find_level(case.level)
    assert engine.unsupported_elements(level, [1, 6, 104, 8]) == (104,)
    assert engine.unsupported_elements(level, [1, 6, 7, 8]) == ()


def test_an_unconverged_energy_is_never_returned(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.cripple(monkeypatch)
    failure = case.make().label(WATER)
    assert isinstance(failure, LabelFailure)
    assert failure.kind == "convergence"
    assert len(failure.attempts) >= 2
    (prediction,) = EnginePotential(case.make()).predict([WATER])
    assert not prediction.is_computed


def test_an_engine_accepts_its_levels_and_refuses_the_others_by_name(case: Case) -> None:
    engine = find_engine(case.engine)
    assert engine.refuse(find_level(case.level)) is None
    other = "gfn2-xtb" if case.engine != "tblite" else "hf/sto-3g"
    assert other in str(engine.refuse(find_level(other)))


def test_every_level_has_an_engine_by_default() -> None:
    chosen = {name: default_engine(level) for name, level in LEVELS.items()}
    assert chosen["gfn2-xtb"] == "tblite"
    assert chosen["wb97x/6-31g*"] == chosen["ccsd(t)*/cbs"] == "pyscf"
    assert chosen["dlpno-ccsd(t)*/cbs"] == "psi4"
    for name in ("wb97x/6-31g*", "ccsd(t)*/cbs", "fno-ccsd(t)*/cbs"):
        assert find_engine("pyscf").refuse(LEVELS[name]) is None
    assert "psi4" in str(find_engine("pyscf").refuse(LEVELS["dlpno-ccsd(t)*/cbs"]))


@pytest.mark.parametrize(
    ("level", "offer"),
    [
        ("wb97xx/6-31g*", "wb97x"),
        ("wb97x/6-31gg*", "6-31g*"),
        ("wb97x-d3/6-31g*", "dispersion"),
        ("b3lyp-d/def2-svp", "dispersion"),
    ],
)
def test_pyscf_refuses_what_it_does_not_know_with_the_nearest_name(level: str, offer: str) -> None:
    assert offer in str(find_engine("pyscf").refuse(find_level(level)))


def test_an_engine_is_a_potential_of_one_member(case: Case) -> None:
    engine = case.make()
    (prediction,) = EnginePotential(engine).predict([AMINYL])
    label = label_of(engine, AMINYL)
    assert prediction.energy == pytest.approx(label.energy, abs=1e-6)
    np.testing.assert_allclose(prediction.forces, label.forces, atol=1e-5)
    with pytest.raises(InputError, match="multiplicity"):
        EnginePotential(engine).predict([replace(WATER, multiplicity=2)])


def test_geometries_of_dynamics_have_the_energies_and_forces_of_labels(case: Case) -> None:
    engine = case.make()
    positions = WATER.positions * np.array([1.0, 1.02])[:, None, None]
    moved = [WATER.moved_to(row, Origin()) for row in positions]
    energies, forces = replicas_of(EnginePotential(engine), WATER).predict_mean(positions)
    labels = [label_of(engine, structure) for structure in moved]
    assert energies[:, 0] == pytest.approx([label.energy for label in labels], abs=1e-6)
    np.testing.assert_allclose(forces, [label.forces for label in labels], atol=1e-5)


def test_dynamics_by_an_engine_are_told_of_a_geometry_without_an_answer() -> None:
    tblite = EnginePotential(find_engine("tblite")(find_level("gfn2-xtb"), Resources()))
    positions = np.array([WATER.positions, np.zeros_like(WATER.positions)])
    energies, forces = replicas_of(tblite, WATER).predict_mean(positions)
    assert np.isfinite(energies[0]).all()
    assert np.isfinite(forces[0]).all()
    assert np.isnan(energies[1]).all()
    assert np.isnan(forces[1]).all()


def test_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="nearest known one is 'pyscf'"):
        find_engine("pyscff")


def test_a_molecule_without_force_field_starts_on_gfn2_xtb() -> None:
    ethanol, borane = molecule_from_smiles("CCO"), molecule_from_smiles("B")
    assert isinstance(load_potential("mmff94", ethanol, 1), MMFF94)
    potential = load_potential("mmff94", borane, 1)
    assert isinstance(potential, EnginePotential)
    [offer] = Conformers(embeddings=2).sample(borane, (), potential, seed=1).offers
    (at_rest,) = potential.predict([offer.structure])
    assert np.linalg.norm(at_rest.forces, axis=1).max() <= 0.05
