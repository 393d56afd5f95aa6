"""A structure twice in a file counted as known, and of two energies the first was taken."""

from dataclasses import replace

import pytest
import yaml
from labelled_water import ENERGY_EV, FORCES, LEVEL, POSITIONS, frame

from chemistry.errors import InputError
from workflow.datasets.import_data import ImportChoice, describe_import, import_data
from workflow.run.store.store import StoreReader
from workflow.settings.campaign import read_campaign

TRUST = ImportChoice(trust=True)
OTHER = ENERGY_EV + 0.5


@pytest.fixture
def campaign(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        yaml.safe_dump({"name": "c", "molecules": ["O"], "rungs": [{"level": LEVEL.name}]})
    )
    return read_campaign(path)


def take_in(campaign, folder, *frames, choice=TRUST):
    (folder / "data.xyz").write_text("".join(frames))
    return import_data(campaign, folder / "run", folder / "data.xyz", choice)


def water(energy=ENERGY_EV, scale=1.0):
    return frame(f"energy={energy}", positions=scale * POSITIONS, forces=FORCES)


def energies(folder):
    with StoreReader.open(folder / "run" / "store.sqlite") as store:
        return [row.label.energy for row in store.labels.export_rows()]


def test_what_a_file_has_twice_counts_once(campaign, tmp_path):
    # The last bits of a number printed in two ways are no contradiction.
    found = take_in(campaign, tmp_path, water(), water(scale=1.01), water(ENERGY_EV + 1e-6))
    assert (found.new, found.known, found.repeated) == (2, 0, 1)
    assert found.by_purpose == {"initial": 2}
    assert "1 labels stand in the file once more, and count once" in describe_import(
        found, campaign, None
    )
    again = take_in(campaign, tmp_path, water(), water(), water(scale=1.02))
    assert (again.new, again.known, again.repeated) == (1, 1, 1)
    assert again.otherwise == []


def test_two_energies_of_one_structure_refuse_the_file(campaign, tmp_path):
    with pytest.raises(InputError, match=r"frame 2: its structure stands there before with"):
        take_in(campaign, tmp_path, water(), water(scale=1.01), water(OTHER))
    skipping = replace(TRUST, skip_bad=True)
    found = take_in(campaign, tmp_path, water(), water(OTHER), choice=skipping)
    assert (found.new, found.repeated, len(found.bad)) == (1, 1, 1)
    assert energies(tmp_path) == [ENERGY_EV]


def test_another_energy_than_the_run_has_is_said(campaign, tmp_path):
    take_in(campaign, tmp_path, water())
    found = take_in(campaign, tmp_path, water(OTHER), water(scale=1.01))
    assert (found.new, found.known) == (1, 1)
    [said] = found.otherwise
    assert "frame 0 has -2039.000000 eV, the run -2039.500000 eV" in said
    assert any(said in line for line in describe_import(found, campaign, None))
    assert ENERGY_EV in energies(tmp_path)
    assert OTHER not in energies(tmp_path)
