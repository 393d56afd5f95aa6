"""Stretched bonds and bent angles: what changes, and that nothing else does."""

import numpy as np
import pytest

from chemistry.geometries.embedding import embedded
from chemistry.geometries.force_field import MMFF94
from chemistry.geometries.geometry import GeometryRules
from chemistry.geometries.rdkit_bridge import geometry_rules
from chemistry.geometries.stretches import hinges
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Origin, Structure, interatomic_distances
from chemistry.sampling import Stretches


def case(smiles: str) -> tuple[Molecule, GeometryRules, Structure]:
    molecule = molecule_from_smiles(smiles)
    return molecule, geometry_rules(molecule), embedded(molecule, 1, Origin(seed=1))[0]


def angle(positions, arm, near, far):
    one, other = positions[arm] - positions[near], positions[far] - positions[near]
    return np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_bonds_of_rings_stay_and_the_smaller_side_moves():
    _, rules, _ = case("C1CC1CO")
    found = hinges(rules)
    assert len(found) == len(rules.bonds) - 3
    assert max(len(hinge.beyond) for hinge in found) == 5  # CH2OH
    assert not hinges(GeometryRules(atomic_numbers=rules.atomic_numbers))


def test_a_bond_gets_the_length_that_is_asked_for_and_both_sides_are_rigid():
    _, rules, start = case("CCO")
    before = interatomic_distances(start.positions)
    for hinge in hinges(rules):
        [made] = hinge.stretched(start.positions, np.array([1.2]))
        after, rest = interatomic_distances(made), np.setdiff1d(np.arange(9), hinge.beyond)
        ratio = after[hinge.near, hinge.far] / before[hinge.near, hinge.far]
        assert ratio == pytest.approx(1.2)
        for side in (hinge.beyond, rest):
            assert after[np.ix_(side, side)] == pytest.approx(before[np.ix_(side, side)])
        for arm in hinge.arms:
            assert angle(made, arm, hinge.near, hinge.far) == pytest.approx(
                angle(start.positions, arm, hinge.near, hinge.far)
            )


@pytest.mark.parametrize("smiles", ["CCO", "C#CC"])
def test_an_angle_gets_the_width_that_is_asked_for_and_bonds_keep_their_lengths(smiles):
    _, rules, start = case(smiles)
    bonded = tuple(rules.bonds.T)
    for hinge in hinges(rules):
        for arm in hinge.arms:
            [made] = hinge.bent(start.positions, arm, np.array([0.9]))
            wide = angle(start.positions, arm, hinge.near, hinge.far)
            assert angle(made, arm, hinge.near, hinge.far) == pytest.approx(0.9 * wide, abs=1e-6)
            assert interatomic_distances(made)[bonded] == pytest.approx(
                interatomic_distances(start.positions)[bonded]
            )


def test_lengths_cover_their_range_and_offers_say_what_was_changed():
    molecule, _, start = case("N#N")
    sampler = Stretches(lengths=10, length_factors=(0.9, 1.2))
    offers = sampler.sample(molecule, [start], MMFF94(molecule), seed=1).offers
    lengths = [interatomic_distances(o.structure.positions)[0, 1] for o in offers]
    factors = np.array(lengths) / interatomic_distances(start.positions)[0, 1]
    edges = 0.9 + 0.03 * np.arange(11)
    assert ((factors >= edges[:-1]) & (factors <= edges[1:])).all()
    assert {offer.reason for offer in offers} == {"stretched bond"}


def test_what_breaks_a_bond_is_refused():
    molecule, _, start = case("O")
    sampler = Stretches(length_factors=(1.8, 2.0), lengths=3, angles=0)
    sample = sampler.sample(molecule, [start], MMFF94(molecule), seed=1)
    assert (sample.offers, sample.rejected) == ((), {"bond broken": 6})
    with pytest.raises(ValueError, match="must be the least, then the most"):
        Stretches(angle_factors=(1.2, 0.8))
