"""Dimers and small clusters: where fragments stand, and which molecules stand together."""

import numpy as np
import pytest
from ase.data.vdw_alvarez import vdw_radii

from chemistry.errors import InputError
from chemistry.geometries.clusters import cluster_of
from chemistry.geometries.embedding import embedded
from chemistry.geometries.force_field import MMFF94
from chemistry.geometries.geometry import check_geometry
from chemistry.geometries.placement import fragments
from chemistry.geometries.rdkit_bridge import geometry_rules
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Origin, Structure, interatomic_distances
from chemistry.sampling import Clusters, Conformers
from workflow.settings.campaign import Campaign
from workflow.settings.molecules import read_campaign_molecules


def parts_of(*smiles: str) -> tuple[list[Molecule], list[list[Structure]]]:
    molecules = [molecule_from_smiles(part) for part in smiles]
    return molecules, [embedded(molecule, 2, Origin(seed=1)) for molecule in molecules]


def nearest_contacts(cluster: Molecule, structure: Structure) -> list[float]:
    """Return of each fragment the nearest contact over the sum of van der Waals radii."""
    radii = vdw_radii[structure.atomic_numbers]
    ratios = interatomic_distances(structure.positions) / (radii[:, None] + radii)
    parts = fragments(geometry_rules(cluster))
    return [
        min(ratios[np.ix_(one, other)].min() for other in parts if other is not one)
        for one in parts
    ]


def test_the_nearest_contact_is_as_asked_for():
    cluster = cluster_of(*parts_of("CCO", "c1ccccc1"), count=8, contact=(0.8, 1.2), seed=3)
    found = np.array([nearest_contacts(cluster, s) for s in cluster.geometries])
    assert (found > 0.8 - 1e-9).all()
    assert (found < 1.2 + 1e-9).all()
    assert np.ptp(found[:, 0]) > 0.1


def test_fragments_are_rigid_and_turn():
    molecules, geometries = parts_of("O", "O", "[Na+]")
    cluster = cluster_of(molecules, geometries, count=6, contact=(1.0, 1.0), seed=3)
    rules = geometry_rules(cluster)
    assert [len(part) for part in fragments(rules)] == [3, 3, 1]
    for structure in cluster.geometries:
        assert check_geometry(structure, rules) is None
        assert nearest_contacts(cluster, structure)[2] == pytest.approx(1.0)
        for atoms in fragments(rules)[:2]:
            own = interatomic_distances(structure.positions[atoms])
            given = [interatomic_distances(s.positions) for s in geometries[0]]
            assert min(np.abs(own - one).max() for one in given) < 1e-9
    assert len({structure.structure_id for structure in cluster.geometries}) == 6


def test_charges_add_up_and_spins_are_parallel():
    one, other, oxygen = (
        molecule_from_smiles("[NH4+]"),
        molecule_from_smiles("[CH3]"),
        molecule_from_smiles("O=O", multiplicity=3),
    )
    geometries = [embedded(molecule, 1, Origin(seed=1)) for molecule in (one, other, oxygen)]
    cluster = cluster_of((one, other, oxygen), geometries, count=1, contact=(1.0, 1.0), seed=1)
    assert (cluster.charge, cluster.multiplicity) == (1, 4)
    assert (cluster.geometries[0].charge, cluster.geometries[0].multiplicity) == (1, 4)
    assert cluster.name == "[NH4+].[CH3].O=O"


def test_the_order_of_the_parts_does_not_make_another_molecule():
    ids = {
        cluster_of(*parts_of(*parts), count=1, contact=(1.0, 1.0), seed=1).molecule_id
        for parts in (("O", "CO"), ("CO", "O"))
    }
    assert len(ids) == 1


def test_the_sampler_places_the_fragments_of_its_starts_anew():
    cluster = cluster_of(*parts_of("O", "C=O"), count=2, contact=(1.0, 1.0), seed=1)
    potential = MMFF94(cluster)
    starts = Conformers().sample(cluster, (), potential, seed=1).offers
    sampler = Clusters(made_per_start=4, contact=(1.5, 1.5))
    sample = sampler.sample(cluster, [o.structure for o in starts], potential, seed=1)
    assert len(sample.offers) == 8
    for offer in sample.offers:
        assert nearest_contacts(cluster, offer.structure) == pytest.approx([1.5, 1.5])
        assert offer.reason == "fragments placed at random"
    with pytest.raises(ValueError, match="must be the least, then the most"):
        Clusters(contact=(1.2, 1.0))


def campaign(**fields: object) -> Campaign:
    given = {"name": "pairs", "rungs": [{"level": "gfn2-xtb"}], "molecules": ["O", "CO", "C#N"]}
    return Campaign.model_validate({**given, **fields})


def test_clusters_join_a_campaign_and_none_has_a_molecule_that_is_only_tested_on():
    found = read_campaign_molecules(campaign(clusters={}, held_out={"molecules": ["CO"]}))
    assert [(m.name, held_out) for m, held_out in found[:3]] == [
        ("O", False),
        ("CO", True),
        ("C#N", False),
    ]
    assert {(m.name, held_out) for m, held_out in found[3:]} == {
        ("O.O", False),
        ("O.C#N", False),
        ("C#N.C#N", False),
    }
    again = read_campaign_molecules(campaign(clusters={}, held_out={"molecules": ["CO"]}))
    for (one, _), (other, _) in zip(found, again, strict=True):
        assert one.molecule_id == other.molecule_id
        assert [s.structure_id for s in one.geometries] == [
            s.structure_id for s in other.geometries
        ]


def test_so_many_clusters_of_so_many_molecules_as_asked_for():
    found = read_campaign_molecules(campaign(clusters={"count": 4, "size": 3, "of": ["O", "CO"]}))
    assert {m.name for m, _ in found[3:]} == {"O.O.O", "O.O.CO", "O.CO.CO", "CO.CO.CO"}
    assert len(read_campaign_molecules(campaign(clusters={"count": 2}))) == 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"clusters": {"of": ["C0"]}}, "clusters.of: there is no molecule `C0`: use one of"),
        (
            {"clusters": {"of": ["O", "CO"]}, "held_out": {"molecules": ["CO"]}},
            "clusters.of: CO is in held_out.molecules",
        ),
    ],
)
def test_clusters_that_cannot_be_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        read_campaign_molecules(campaign(**fields))
