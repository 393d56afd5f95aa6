"""A small committee of several states against the level that it learned: formaldehyde, GFN2-xTB.

The committee has seen geometries of the neutral molecule and of the cation, each in four states,
and protonated formaldehyde: a fifth.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.engines.level_potential import LevelPotential
from chemistry.engines.potential import EnginePotential
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure, interatomic_distances
from chemistry.sampling import Conformers, NormalModes
from chemistry.units import KCAL_MOL_PER_EV
from model import load_committee, save_committee, train_committee
from model.architectures.ani.settings import AniSettings
from workflow.use.relaxation import relax_subject
from workflow.use.subject import Subject, read_subject

pytestmark = pytest.mark.slow

LEVEL = find_level("gfn2-xtb")
STATES = {"neutral": (0, 1), "cation": (1, 2), "anion": (-1, 2), "triplet": (0, 3)}
LAYERS = dict.fromkeys("HCO", (64, 48, 32))
TOLERANCE_KCAL_MOL = 1.5


def engine():
    return find_engine("tblite")(LEVEL, Resources())


def in_state(structure: Structure, state: tuple[int, int]) -> Structure:
    return replace(structure, charge=state[0], multiplicity=state[1])


def rest_of(molecule: Molecule) -> Structure:
    teacher = EnginePotential(engine())
    [offer] = (
        Conformers(max_conformers=1, embeddings=3).sample(molecule, (), teacher, seed=1).offers
    )
    subject = Subject(
        molecule=molecule, structure=offer.structure, committee=LevelPotential(LEVEL, engine())
    )
    return relax_subject(subject, max_force_ev_per_angstrom=0.01, max_steps=100).structure


def around(molecule: Molecule, rest: Structure, n: int, seed: int) -> list[Structure]:
    offers = [
        offer
        for temperature_k in (100.0, 400.0)
        for offer in NormalModes(temperature_k=temperature_k, made_per_start=n // 2)
        .sample(molecule, [rest], EnginePotential(engine()), seed=seed)
        .offers
    ]
    return [offer.structure for offer in offers]


def labelled(structures: Sequence[Structure]) -> list[LabelledStructure]:
    by = engine()
    return [LabelledStructure(structure=s, label=found(by.label(s))) for s in structures]


def found(label) -> Label:
    assert isinstance(label, Label), label
    return label


def energy(structure: Structure) -> float:
    return found(engine().label(structure)).energy


@pytest.fixture(scope="module")
def molecules() -> dict[str, Molecule]:
    made = {
        name: molecule_from_smiles("C=O", charge=charge, multiplicity=multiplicity)
        for name, (charge, multiplicity) in STATES.items()
    }
    return {**made, "protonated": molecule_from_smiles("C=[OH+]")}


@pytest.fixture(scope="module")
def rests(molecules) -> dict[str, Structure]:
    return {name: rest_of(molecules[name]) for name in ("neutral", "cation", "protonated")}


@pytest.fixture(scope="module")
def potential(tmp_path_factory, molecules, rests):
    """A checkpoint of two members."""
    torch.set_num_threads(1)
    structures = [
        in_state(structure, state)
        for name in ("neutral", "cation")
        for structure in around(molecules[name], rests[name], 16, seed=3)
        for state in STATES.values()
    ]
    structures += around(molecules["protonated"], rests["protonated"], 24, seed=3)
    settings = AniSettings(members=2, max_epochs=80, hidden_layers=LAYERS)
    trained = train_committee(
        labelled(structures), settings, elements=(1, 6, 8), level=LEVEL, seed=1
    )
    path = tmp_path_factory.mktemp("potential") / "states.safetensors"
    save_committee(trained.committee, path)
    return path


def test_ionisation_attachment_and_excitation_at_fixed_geometry(potential, molecules, rests):
    committee = load_committee(potential)
    for rest in around(molecules["neutral"], rests["neutral"], 6, seed=8):
        states = [in_state(rest, state) for state in STATES.values()]
        known = np.array([energy(state) for state in states])
        said = np.array([p.energy for p in committee.predict(states)])
        steps = (said - said[0] - known + known[0])[1:] * KCAL_MOL_PER_EV
        assert np.abs(steps).max() < 2 * TOLERANCE_KCAL_MOL, dict(zip(STATES, steps, strict=False))


def test_the_proton_affinity(potential, rests):
    """Without the energy that GFN2-xTB gives a bare proton: it is the same for both."""
    neutral, protonated = rests["neutral"], rests["protonated"]
    known = energy(neutral) - energy(protonated)
    base, acid = load_committee(potential).predict([neutral, protonated])
    assert (base.energy - acid.energy - known) * KCAL_MOL_PER_EV == pytest.approx(
        0, abs=TOLERANCE_KCAL_MOL
    )


def test_a_relaxed_ion_is_that_of_the_level(potential, rests):
    said = {}
    for name, smiles in (("neutral", "C=O"), ("cation", "C=O charge=1")):
        subject = read_subject(potential, smiles)
        assert (subject.structure.charge, subject.structure.multiplicity) == STATES[name]
        said[name] = relax_subject(subject, max_force_ev_per_angstrom=0.02, max_steps=200)
        distances = (
            interatomic_distances(s.positions) for s in (said[name].structure, rests[name])
        )
        np.testing.assert_allclose(*distances, atol=0.02)
    known = energy(rests["cation"]) - energy(rests["neutral"])
    adiabatic = said["cation"].energy_ev - said["neutral"].energy_ev
    assert (adiabatic - known) * KCAL_MOL_PER_EV == pytest.approx(0, abs=TOLERANCE_KCAL_MOL)
