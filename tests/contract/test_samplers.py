"""One suite for all samplers: what each has to do whatever its way of making geometries."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from fake_potentials import Defiant, FakeCommittee, Springs, Wells
from pydantic import TypeAdapter, ValidationError

from chemistry.geometries.clusters import cluster_of
from chemistry.geometries.embedding import embedded
from chemistry.geometries.geometry import check_geometry
from chemistry.geometries.rdkit_bridge import geometry_rules
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Threshold
from chemistry.records.structure import Origin, Structure
from chemistry.sampling import (
    SAMPLERS,
    AnchorConformers,
    AnchorDynamics,
    AnchorTorsions,
    AnchorVibrations,
    AnySampler,
    BiasedDynamics,
    Clusters,
    Conformers,
    LangevinDynamics,
    NormalModes,
    Stretches,
    TorsionScans,
)
from chemistry.sampling.base import Sample, Sampler

QUICK: dict[str, Sampler] = {
    "conformers": Conformers(embeddings=8),
    "normal_modes": NormalModes(made_per_start=6),
    "langevin": LangevinDynamics(steps=60, trajectories=3, judge_every=3),
    "biased_langevin": BiasedDynamics(steps=60, trajectories=3, judge_every=3),
    "torsions": TorsionScans(angles=6),
    "clusters": Clusters(made_per_start=6, max_energy_ev_per_atom=1e3),
    "stretches": Stretches(lengths=4, angles=2, max_energy_ev_per_atom=10.0),
    "anchor_conformers": AnchorConformers(),
    "anchor_torsions": AnchorTorsions(bonds=1, angles=3, max_steps=80, max_energy_ev_per_atom=10.0),
    "anchor_vibrations": AnchorVibrations(made_per_start=6),
    "anchor_langevin": AnchorDynamics(steps=60, trajectories=3, judge_every=3),
}
STARTING = [
    "normal_modes",
    "langevin",
    "biased_langevin",
    "torsions",
    "stretches",
    "anchor_torsions",
    "anchor_vibrations",
    "anchor_langevin",
]
"""Samplers that make something of a start for each seed."""
TURNS_BONDS = {"torsions", "anchor_torsions"}
MOLECULES = ["CO", "CCO", "O", "F", "N#N", "[He]", "[NH4+]", "[CH3]", "C[O-]", "B", "O.C=O"]
TURNING = {"CO", "CCO"}
SEED = 11
LOW, UNREACHABLE = Threshold(rho_kcal_mol=0.05), Threshold(rho_kcal_mol=1e6)


@dataclass(frozen=True)
class Case:
    """A molecule at rest in a potential that disagrees elsewhere."""

    molecule: Molecule
    starts: tuple[Structure, ...]

    @property
    def committee(self) -> FakeCommittee:
        return FakeCommittee(mean=Springs(rest=self.starts[0]))

    def sample(self, sampler: Sampler, threshold: Threshold | None, seed: int = SEED) -> Sample:
        return sampler.sample(
            self.molecule, self.starts, self.committee, seed=seed, threshold=threshold
        )


def molecule_of(smiles: str) -> Molecule:
    parts = [molecule_from_smiles(part) for part in smiles.split(".")]
    if len(parts) == 1:
        return parts[0]
    geometries = [embedded(part, 1, Origin(seed=1)) for part in parts]
    return cluster_of(parts, geometries, count=1, contact=(1.0, 1.0), seed=2)


@cache
def case_of(smiles: str) -> Case:
    molecule = molecule_of(smiles)
    flat = Wells(centres=np.zeros(3), stiffness=0.0)  # asked where there is no force field
    made = Conformers(embeddings=3, max_conformers=1).sample(molecule, (), flat, seed=5)
    return Case(molecule=molecule, starts=tuple(offer.structure for offer in made.offers))


def applies(sampler: Sampler, case: Case) -> bool:
    """Say whether a sampler can find anything: an atom does not move, few bonds turn."""
    if sampler.kind in TURNS_BONDS:
        return case.molecule.name in TURNING
    if sampler.kind == "clusters":
        return "." in case.molecule.name
    return len(case.starts[0]) > 1


@pytest.fixture(params=MOLECULES)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


@pytest.fixture(params=list(SAMPLERS))
def sampler(request: pytest.FixtureRequest) -> Sampler:
    return QUICK[request.param]


def test_every_registered_sampler_is_tested_and_bears_its_own_name():
    assert set(QUICK) == set(SAMPLERS)
    for kind, sampler in SAMPLERS.items():
        made: Any = sampler()
        assert made.kind == kind


@pytest.mark.parametrize("threshold", [None, LOW])
def test_same_inputs_and_seed_give_the_same_numbers(sampler, case, threshold):
    one, other = case.sample(sampler, threshold), case.sample(sampler, threshold)
    assert len(one.offers) == len(other.offers)
    for a, b in zip(one.offers, other.offers, strict=True):
        assert np.array_equal(a.structure.positions, b.structure.positions)
        assert a.reason == b.reason
    assert (one.judged, one.over_threshold, one.rejected) == (
        other.judged,
        other.over_threshold,
        other.rejected,
    )


@pytest.mark.parametrize("kind", STARTING)
def test_another_seed_gives_other_structures(kind):
    case = case_of("CCO")
    one, other = (case.sample(QUICK[kind], None, seed) for seed in (1, 2))
    ids = {offer.structure.structure_id for offer in one.offers}
    assert ids
    assert ids.isdisjoint(offer.structure.structure_id for offer in other.offers)
    assert not QUICK[kind].repeats_itself


@pytest.mark.parametrize("kind", [k for k, sampler in QUICK.items() if sampler.repeats_itself])
def test_what_repeats_itself_offers_the_same_for_every_seed(kind):
    case = case_of("CCO")
    one, other = (case.sample(QUICK[kind], None, seed) for seed in (1, 2))
    ids = [offer.structure.structure_id for offer in one.offers]
    assert ids
    assert ids == [offer.structure.structure_id for offer in other.offers]


def test_offers_are_sane_geometries_of_the_molecule_and_say_where_they_are_from(sampler, case):
    parents = {start.structure_id for start in case.starts}
    rules = geometry_rules(case.molecule)
    for offer in case.sample(sampler, None).offers:
        structure = offer.structure
        assert np.array_equal(structure.atomic_numbers, case.starts[0].atomic_numbers)
        assert (structure.charge, structure.multiplicity) == (
            case.molecule.charge,
            case.molecule.multiplicity,
        )
        assert structure.molecule_id == case.molecule.molecule_id
        assert check_geometry(structure, rules) is None
        assert structure.origin.sampler == sampler.kind
        assert structure.origin.seed is not None
        if sampler.kind != "conformers":
            assert structure.origin.parent_id in parents
        assert offer.reason


def test_without_a_threshold_something_is_offered_and_nothing_judged(sampler, case):
    sample = case.sample(sampler, None)
    assert sample.offers or not applies(sampler, case)
    assert (sample.judged, sample.over_threshold) == (0, 0)


def test_with_a_threshold_only_structures_over_it_and_the_last_before_a_fault_are_offered(
    sampler, case
):
    sample = case.sample(sampler, LOW)
    over = [offer for offer in sample.offers if not offer.reason.startswith("last sane")]
    assert len(over) <= sample.over_threshold <= sample.judged
    for offer in sample.offers:
        assert offer.prediction is not None
        assert LOW.exceeded_by(offer.prediction) or offer not in over
        again = case.committee.predict([offer.structure])[0]
        assert np.array_equal(again.member_energies, offer.prediction.member_energies)


def test_an_unreachable_threshold_is_held_against_structures_and_offers_none(sampler, case):
    sample = case.sample(sampler, UNREACHABLE)
    assert all(offer.reason.startswith("last sane") for offer in sample.offers)
    assert sample.over_threshold == 0
    if applies(sampler, case):
        assert sample.judged + sum(sample.rejected.values()) > 0


@pytest.mark.parametrize("kind", STARTING)
def test_a_low_threshold_is_met(kind):
    assert case_of("CCO").sample(QUICK[kind], LOW).over_threshold > 0


@pytest.mark.parametrize("kind", [*STARTING, "anchor_conformers"])
def test_no_starts_give_no_offers(kind):
    case = case_of("O")
    sample = QUICK[kind].sample(case.molecule, (), case.committee, seed=1, threshold=LOW)
    assert (sample.offers, sample.judged) == ((), 0)


def test_a_molecule_without_bonds_is_sampled_from_its_geometries(sampler):
    known = case_of("CO")
    molecule = Molecule(
        molecule_id=known.molecule.molecule_id,
        name="methanol without bonds",
        mol_block=None,
        charge=0,
        multiplicity=1,
        geometries=known.starts,
    )
    case = Case(molecule=molecule, starts=known.starts)
    assert case.sample(sampler, None).offers or sampler.kind in {*TURNS_BONDS, "clusters"}


def test_settings_are_frozen_documented_and_refuse_unknown_keys(sampler):
    cls = type(sampler)
    for name, field in cls.model_fields.items():
        assert field.description or name == "kind", f"{cls.__name__}.{name} has no description"
    with pytest.raises(ValidationError, match="frozen"):
        sampler.kind = "other"
    with pytest.raises(ValidationError, match="temprature_k"):
        cls(temprature_k=300)


def test_a_campaign_file_names_a_sampler_by_its_kind(sampler):
    adapter = TypeAdapter(AnySampler)
    assert adapter.validate_python({"kind": sampler.kind}) == type(sampler)()
    assert adapter.validate_json(adapter.dump_json(sampler)) == sampler
    with pytest.raises(ValidationError, match="kind"):
        adapter.validate_python({"kind": "metadynamics"})


@pytest.mark.parametrize("kind", [*STARTING, "anchor_conformers"])
def test_what_cannot_be_computed_is_counted_and_not_offered(kind: str) -> None:
    case = case_of("CCO")
    start = case.starts[0]
    far = start.moved_to(start.positions + 50.0, start.origin)
    defiant = Defiant(mean=case.committee.mean, beyond_angstrom=25.0)
    found = QUICK[kind].sample(case.molecule, (start, far), defiant, seed=SEED)
    assert found.offers
    assert all(offer.structure.positions.max() < 25.0 for offer in found.offers)
    assert sum(found.rejected.values()) > 0
