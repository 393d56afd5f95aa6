"""Files of labels that were taken in wrong, or ended with a traceback, by rung 0.1.0."""

import h5py
import numpy as np
import pytest
import yaml
from labelled_water import ENERGY_EV, FORCES, LEVEL, POSITIONS, frame, read, read_text

from chemistry.errors import InputError
from chemistry.records.label import Label, LabelledStructure, Provenance
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE
from workflow.datasets.export.formats import EXPORTERS
from workflow.datasets.export.write import write_export
from workflow.datasets.import_data import ImportChoice, import_data
from workflow.run.opened import opened_run
from workflow.run.store.store import Store
from workflow.settings.campaign import read_campaign

TRUST = ImportChoice(trust=True)


@pytest.fixture
def campaign(tmp_path):
    path = tmp_path / "c.yaml"
    molecules = [{"smiles": "O", "name": "water"}]
    path.write_text(
        yaml.safe_dump({"name": "c", "molecules": molecules, "rungs": [{"level": LEVEL.name}]})
    )
    return read_campaign(path)


def test_mace_labels_beside_those_of_a_cheap_calculator(tmp_path):
    """The cheap `energy` and `forces` were taken, or mixed with those of the label."""
    cheap, label = 0.1 * FORCES, FORCES
    whole = frame(f"energy=-137.94 REF_energy={ENERGY_EV}", forces=cheap, REF_forces=label)
    only_energy = frame(f"energy=-137.93 REF_energy={ENERGY_EV}", REF_forces=label)
    labels, _ = read_text(tmp_path, whole + only_energy)
    assert [found.energy for found in labels] == [ENERGY_EV, ENERGY_EV]
    for found in labels:
        np.testing.assert_array_equal(found.forces, label)
    with pytest.raises(InputError, match="frame 0: energy and forces stand under keys of"):
        read_text(tmp_path, frame(f"REF_energy={ENERGY_EV}", forces=cheap))


@pytest.mark.parametrize(
    ("key", "said"), [("spin=3", "2S to some programs and 2S+1 to others"), ("charge=0.4", "0.4")]
)
def test_charge_and_spin_under_other_keys(tmp_path, key, said):
    """They were passed over: a neutral singlet, without a word."""
    (label,), _ = read_text(tmp_path, frame(f"energy={ENERGY_EV} total_charge=-2"))
    assert label.structure.charge == -2
    with pytest.raises(InputError) as caught:
        read_text(tmp_path, frame(f"energy={ENERGY_EV} {key}"))
    assert said in str(caught.value)


def provenance(host: str) -> Provenance:
    return Provenance(
        program="",
        version="",
        host=host,
        cpu_seconds=0.0,
        wall_seconds=0.0,
        attempts=(),
        finished_at=0.0,
        checked="nobody",
    )


@pytest.mark.parametrize("broken", ["NaN energy", "infinite energy", "NaN force", "short dipole"])
def test_a_run_that_holds_a_number_that_is_none_heals(campaign, tmp_path, broken):
    """A NaN energy counted as known, and was trained on for ever; NaN forces ended the run."""
    (tmp_path / "data.xyz").write_text(frame(f"energy={ENERGY_EV}", forces=FORCES))
    run = tmp_path / "run"
    import_data(campaign, run, tmp_path / "data.xyz", TRUST)
    with Store.open(run / "store.sqlite") as store, store.database.write() as db:
        if broken == "NaN energy":  # a NULL to SQLite, and no label was kept
            db.execute("DELETE FROM labels")
        elif broken == "infinite energy":
            db.execute("UPDATE labels SET energy = 9e999")
        elif broken == "short dipole":  # every export crashed
            db.execute("UPDATE labels SET dipole = ?", (np.zeros(2).tobytes(),))
        else:
            db.execute("UPDATE labels SET forces = ?", (np.full((3, 3), np.nan).tobytes(),))
    again = import_data(campaign, run, tmp_path / "data.xyz", TRUST)
    assert (again.forgotten, again.new, again.known) == (1, 1, 0)
    with Store.open(run / "store.sqlite") as store:
        [row] = store.labels.labelled(0, LEVEL.level_id, held_out=False)
    assert row.label.energy == ENERGY_EV
    assert np.isfinite(row.label.forces).all()


def test_a_broken_label_that_no_file_mends_is_computed_by_the_next_launch(campaign, tmp_path):
    (tmp_path / "data.xyz").write_text(frame(forces=FORCES))
    (tmp_path / "other.xyz").write_text(frame(positions=1.02 * POSITIONS))
    run = tmp_path / "run"
    import_data(campaign, run, tmp_path / "data.xyz", TRUST)
    with Store.open(run / "store.sqlite") as store, store.database.write() as db:
        db.execute("UPDATE labels SET energy = 9e999")
        [structure_id] = [row[0] for row in db.execute("SELECT structure_id FROM labels")]
    import_data(campaign, run, tmp_path / "other.xyz", TRUST)
    with Store.open(run / "store.sqlite") as store:
        assert store.labels.find(structure_id, LEVEL.level_id) is None
        assert store.candidates.history(structure_id)[0]["status"] == "chosen"


def test_the_store_does_not_pass_over_a_nan(campaign, tmp_path):
    """INSERT OR IGNORE took it for a label that is known."""
    structure = Structure(atomic_numbers=[8, 1, 1], positions=POSITIONS)
    label = Label(
        structure_id=structure.structure_id,
        level_id=LEVEL.level_id,
        energy=float("nan"),
        forces=None,
        provenance=provenance("imported from data.xyz"),
    )
    with opened_run(campaign, tmp_path / "run") as run:
        [(molecule, _)] = run.store.molecules.all()
        run.store.labels.add_level(LEVEL)
        vars(structure)["molecule_id"] = molecule.molecule_id
        known = LabelledStructure(structure=structure, label=label)
        with pytest.raises(Exception, match="NOT NULL"):
            run.store.labels.import_labels(0, [(known, "initial")], "made up")


@pytest.mark.parametrize(
    ("comment", "forces", "said"),
    [
        ("energy=-2039.5", FORCES + np.array([5.0, 0.0, 0.0]), "its forces add up to 15.000 eV/Å"),
        ("energy=-74.96 energy_units=furlong", FORCES, "'furlong' is not a unit of an energy"),
    ],
)
def test_net_forces_and_units_at_the_door(tmp_path, comment, forces, said):
    """Both were taken in."""
    with pytest.raises(InputError) as caught:
        read_text(tmp_path, frame(comment, forces=forces))
    assert said in str(caught.value)
    hartree = ENERGY_EV / EV_PER_HARTREE
    (label,), _ = read_text(tmp_path, frame(f"energy={hartree!r} energy_units=hartree"))
    assert label.energy == pytest.approx(ENERGY_EV, rel=1e-12)


@pytest.mark.parametrize(
    "comment",
    [
        "energy=-1.0 finished_at=2024-01-01T00:00:00",
        "energy=-1.0 cpu_seconds=n/a",
        "energy=-1039,5",
    ],
)
def test_texts_in_the_place_of_numbers(tmp_path, comment):
    """Each was a traceback."""
    with pytest.raises(InputError, match=r"data\.xyz, frame 0"):
        read_text(tmp_path, frame(comment))


def test_a_dipole_of_two_numbers(tmp_path):
    """It was imported, and every export crashed from then on."""
    with pytest.raises(InputError, match=r"the dipole has the shape \(2,\), not \(3,\)"):
        read_text(tmp_path, frame('energy=-1.0 dipole="0.0 1.8"'))


@pytest.mark.parametrize(("key", "sign"), [("force", 1.0), ("gradient", -1.0)])
def test_forces_under_other_names(tmp_path, key, sign):
    """They were passed over: labels without forces, without a word."""
    (label,), _ = read_text(tmp_path, frame(**{key: sign * FORCES}))
    np.testing.assert_array_equal(label.forces, FORCES)


def test_a_level_in_capitals(tmp_path):
    """It was compared as a text, and "no labels" was all that was said."""
    (label,), _ = read_text(tmp_path, frame(f"energy={ENERGY_EV} level=HF/STO-3G"))
    assert label.energy == ENERGY_EV
    with pytest.raises(InputError, match=r"it has pbe/def2-svp \(1\)"):
        read_text(tmp_path, frame("energy=-1.0 level=pbe/def2-svp"))


@pytest.mark.parametrize("column", ["energy", "forces"])
def test_columns_of_differing_length(tmp_path, column):
    """Rows were lost without a word, or a traceback said so."""
    columns = {
        "coordinates": np.stack([POSITIONS, POSITIONS]),
        "hf_sto-3g.energy": np.zeros(2),
        "hf_sto-3g.forces": np.zeros((2, 3, 3)),
        "atomic_numbers": [8, 1, 1],
    }
    columns[f"hf_sto-3g.{column}"] = columns[f"hf_sto-3g.{column}"][:1]
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for name, values in columns.items():
            file[f"H2O/{name}"] = values
    with pytest.raises(InputError, match="rows would be lost or mixed up"):
        read(tmp_path / "data.h5")


@pytest.mark.parametrize("name", sorted(EXPORTERS))
def test_every_export_of_a_run_can_be_read_back(campaign, tmp_path, name):
    """Only three of the eight formats could."""
    (tmp_path / "data.xyz").write_text(frame(f"energy={ENERGY_EV}", forces=FORCES))
    import_data(campaign, tmp_path / "run", tmp_path / "data.xyz", TRUST)
    data = tmp_path / f"out{EXPORTERS[name].suffix}"
    with Store.open(tmp_path / "run" / "store.sqlite") as store:
        write_export(store, name, data)
    again = import_data(campaign, tmp_path / "run", data, TRUST)
    assert (again.new, again.known) == (0, 1)
