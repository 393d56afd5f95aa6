"""Growing the chemistry: which molecules of a pool are looked at, and which are taken."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chemistry.errors import InputError
from chemistry.readers.files.smiles_pool import (
    PoolEntry,
    draw_by_size,
    heavy_atoms_of,
    pool_entries,
)
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.potential import Prediction, Threshold
from workflow.settings.campaign import Campaign
from workflow.settings.growth import GrowSettings
from workflow.settings.molecules import check_pool
from workflow.work.find_molecules import find_molecules
from workflow.work.orders import GrowOrder, SavedCommittee


@pytest.mark.parametrize(
    ("smiles", "count"),
    [
        ("O", 1),
        ("[H]O[H]", 1),
        ("[2H]C([2H])([2H])[2H]", 1),
        ("CCl", 2),
        ("C[Si](C)(C)C", 5),
        ("c1ccc2[nH]ccc2c1", 9),
        ("C/C=C\\Br", 4),
        ("[NH4+]", 1),
        ("[H][H]", 0),
        ("[H+]", 0),
        ("[He]", 1),
    ],
)
def test_heavy_atoms_are_counted_in_the_text_as_rdkit_counts_them(smiles, count):
    from rdkit import Chem

    assert heavy_atoms_of(smiles) == count
    parsed = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert sum(atom.GetAtomicNum() > 1 for atom in parsed.GetAtoms()) == count


def test_every_entry_of_a_size_is_as_likely_to_be_drawn():
    entries = [
        PoolEntry(source="", smiles="C" * n, name=f"{n}-{i}") for i in range(8) for n in (1, 2)
    ]
    counts: Counter[str | None] = Counter()
    for seed in range(400):
        drawn = draw_by_size(entries, heavy_atoms=(1, 2), each=2, seed=seed)
        assert [len(drawn[size]) for size in (1, 2)] == [2, 2]
        counts.update(entry.name for entry in drawn[1])
    # 100 expected, of a binomial distribution with a standard deviation of 8.7.
    assert len(counts) == 8
    assert all(60 < n < 140 for n in counts.values())


def test_a_pool_is_read_as_a_smi_file_is(tmp_path):
    path = tmp_path / "pool.smi"
    path.write_text("# small ones\nCO methanol\n\nC#N\n", encoding="utf-8")
    found = [(e.source, e.smiles, e.name) for e in pool_entries(path)]
    assert found == [(f"{path}:2", "CO", "methanol"), (f"{path}:4", "C#N", None)]
    with pytest.raises(InputError, match="there is no such file"):
        list(pool_entries(tmp_path / "absent.smi"))


class Doubtful:
    """A committee that is unsure of each nitrogen, and less so of each oxygen."""

    def predict(self, structures):
        predictions = []
        for s in structures:
            spread = 0.1 * (s.atomic_numbers == 7).sum() + 0.05 * (s.atomic_numbers == 8).sum()
            predictions.append(
                Prediction(
                    member_energies=np.array([spread, -spread]),
                    member_forces=np.zeros((2, len(s), 3)),
                )
            )
        return predictions


def order(path: Path, smiles: str, *, known=(), elements=(1, 6, 7, 8), **settings) -> GrowOrder:
    path.write_text("\n".join(smiles.split()), encoding="utf-8")
    return GrowOrder(
        growth=GrowSettings(pool=path, **settings),
        elements=elements,
        known=frozenset(molecule_from_smiles(one).molecule_id for one in known),
        committee=SavedCommittee(checkpoint=Path(), architecture="ani"),
        threshold=Threshold(rho_kcal_mol=0.23),
        seed=1,
    )


def names(grown) -> list[str]:
    return [new.molecule.name for new in grown.molecules]


def test_the_most_uncertain_molecules_of_the_least_size_are_taken(tmp_path):
    asked = order(tmp_path / "p.smi", "NCCN C CC CO CN NN C=O CCN", molecules=3)
    grown = find_molecules(asked, Doubtful())
    assert names(grown)[:2] == ["NN", "CN"]
    assert len(names(grown)) == 3
    assert grown.heavy_atoms == 2
    assert grown.judged == 6  # methane, then all of two heavy atoms, none larger
    assert "2 heavy atoms" in grown.molecules[0].reason


def test_what_is_known_of_other_elements_or_no_molecule_is_passed_over(tmp_path):
    asked = order(tmp_path / "p.smi", "CN CF NN OC C.N N1", known=["CN"], elements=(1, 6, 7))
    grown = find_molecules(asked, Doubtful())
    assert names(grown) == ["NN"]
    assert grown.skipped == 2


def test_states_that_the_campaign_does_not_have_are_passed_over(tmp_path):
    asked = order(tmp_path / "p.smi", "C[NH3+] CN", molecules=3)
    assert names(find_molecules(replace(asked, states=((0, 1),)), Doubtful())) == ["CN"]
    assert set(names(find_molecules(asked, Doubtful()))) == {"CN", "C[NH3+]"}


def test_nothing_is_taken_when_the_committee_is_certain(tmp_path):
    grown = find_molecules(order(tmp_path / "p.smi", "C CC CCC"), Doubtful())
    assert (grown.molecules, grown.heavy_atoms, grown.judged) == ((), None, 3)


def test_a_pool_with_lines_that_are_no_molecule_is_refused_unless_they_are_skipped(tmp_path):
    path = tmp_path / "p.smi"
    path.write_text("C\nnonsense\nCC\nC(C\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"p\.smi:2.*p\.smi:4.*skip_bad"):
        check_pool(GrowSettings(pool=path))
    check_pool(GrowSettings(pool=path, skip_bad=True))
    path.write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(InputError, match="no molecule"):
        check_pool(GrowSettings(pool=path, skip_bad=True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"heavy_atoms": [3, 2]}, "least, then the most"),
        ({"elements": ["H", "Xx"]}, "'Xx' is not the symbol of an element"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Campaign.model_validate(
            {
                "name": "x",
                "molecules": ["O"],
                "rungs": [{"level": "gfn2-xtb"}],
                "grow": {"pool": "p.smi", **settings},
            }
        )
