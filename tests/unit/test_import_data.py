"""Labels of a data set become labels of a run: as they were, of the right molecule, and used."""

from dataclasses import replace
from pathlib import Path

import ase.io
import h5py
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import molecule as ase_molecule
from ase.calculators.singlepoint import SinglePointCalculator
from scripted_workers import Listener, ScriptedWorkers

from chemistry.errors import InputError
from chemistry.geometries.embedding import embed
from chemistry.geometries.rdkit_bridge import atomic_numbers_of, to_rdkit
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure, Provenance
from chemistry.records.level import find_level
from chemistry.records.structure import Origin, Structure
from chemistry.units import EV_PER_HARTREE
from workflow.campaign.driver import Driver
from workflow.datasets.export.formats import EXPORTERS
from workflow.datasets.export.write import write_export
from workflow.datasets.import_data import describe_import, import_data
from workflow.run.folder import RunFolder
from workflow.run.store.store import Store
from workflow.settings.backend import Backend
from workflow.settings.campaign import Campaign, read_campaign

DFT, GOLD = find_level("wb97x/6-31g*"), find_level("ccsd(t)*/cbs")
SMILES = {"ethanol": "CCO", "ether": "COC", "alanine": "C[C@H](N)C(=O)O"}


def campaign(folder: Path, name: str = "run", **changes) -> Campaign:
    fields = {
        "name": name,
        "molecules": [{"smiles": smiles, "name": name} for name, smiles in SMILES.items()],
        "rungs": [{"level": DFT.name}, {"level": GOLD.name}],
        "held_out": {"molecules": ["ether"], "structures": 4},
        **changes,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(fields))
    return read_campaign(path)


def labelled(name: str, seed: int, level=DFT) -> LabelledStructure:
    """A shaken conformer with made-up numbers."""
    molecule = molecule_from_smiles(SMILES[name], name=name)
    generator = np.random.default_rng(seed)
    positions = embed(molecule, 1, 7)[0]
    structure = Structure(
        atomic_numbers=atomic_numbers_of(to_rdkit(molecule)),
        positions=positions + generator.normal(scale=0.02, size=positions.shape),
        molecule_id=molecule.molecule_id,
        origin=Origin(sampler="normal_modes", parent_id="a conformer", seed=seed // 2),
    )
    recipe = level.recipe_for(structure)
    components = {c.name: -seed - 1 / 3 for c in getattr(recipe, "components", ())}
    label = Label(
        structure_id=structure.structure_id,
        level_id=level.level_id,
        energy=-4200.0 - seed / 3,
        forces=generator.normal(size=positions.shape) if level is DFT else None,
        components=components,
        diagnostics={"t1": 0.01} if level is GOLD else {},
        provenance=Provenance(
            program="pyscf",
            version="2.14.0",
            host="a node",
            cpu_seconds=1 / 3,
            wall_seconds=0.5,
            attempts=("diis", "newton"),
            finished_at=1.7e9,
        ),
    )
    return LabelledStructure(structure=structure, label=label)


@pytest.fixture
def source(tmp_path):
    """A run that has labels of all molecules at two levels."""
    (tmp_path / "source").mkdir()
    with Store.create(tmp_path / "source" / "store.sqlite", "{}") as store:
        store.molecules.add([(molecule_from_smiles(s, name=n), False) for n, s in SMILES.items()])
        for level in (DFT, GOLD):
            store.labels.add_level(level)
        for name in SMILES:
            rows = [labelled(name, i) for i in range(4)]
            purposes = ["initial", "active", "held_out", "random"]
            store.labels.import_labels(0, zip(rows, purposes, strict=True), "made up")
            store.labels.import_labels(1, [(labelled(name, 1, GOLD), "initial")], "made up")
        yield store


def labels_of(store: Store) -> dict:
    return {(row.structure.structure_id, row.level_name): row for row in store.labels.export_rows()}


@pytest.mark.parametrize("name", ["extxyz", "mace", "ani-hdf5"])
def test_an_export_imported_is_the_same_labels(name, source, tmp_path):
    data = tmp_path / f"data{EXPORTERS[name].suffix}"
    write_export(source, name, data)
    target = campaign(tmp_path)
    for level, count in ((DFT, 12), (GOLD, 3)):
        imported = import_data(target, tmp_path / "run", data, level.name)
        assert (imported.new, imported.known, imported.left_out.total()) == (count, 0, 0)
    with Store.open(tmp_path / "run" / "store.sqlite") as store:
        before, after = labels_of(source), labels_of(store)
        assert before.keys() == after.keys()
        for key, row in after.items():
            was = before[key]
            np.testing.assert_array_equal(row.structure.positions, was.structure.positions)
            assert row.structure.molecule_id == was.structure.molecule_id
            assert row.structure.origin == was.structure.origin
            assert row.label.energy == pytest.approx(was.label.energy, rel=1e-15)
            if was.label.forces is None:
                assert row.label.forces is None
            else:
                np.testing.assert_allclose(row.label.forces, was.label.forces, rtol=1e-14)
            host = f"imported from {data.name}"
            assert row.label.provenance == replace(was.label.provenance, host=host)
            if name == "ani-hdf5":
                assert row.label.components == pytest.approx(was.label.components, rel=1e-15)
                assert row.label.diagnostics == was.label.diagnostics
            tested = was.purpose == "held_out" or was.molecule_name == "ether"
            assert row.purpose == ("held_out" if tested else "initial")
        assert [event[1] for event in store.diary.events()] == ["import", "import"]
    again = import_data(target, tmp_path / "run", data, None)
    assert (again.new, again.known) == (0, 12)


def write_published(path: Path, groups: dict[str, tuple]) -> None:
    """Write the layout of the published ANI-1x file: no more than its own keys."""
    with h5py.File(path, "w") as file:
        for name, (numbers, coordinates, energies, forces) in groups.items():
            group = file.create_group(name)
            group["atomic_numbers"] = np.array(numbers, dtype=np.uint8)
            group["coordinates"] = np.array(coordinates, dtype=np.float32)
            group["wb97x_dz.energy"] = energies
            if forces is not None:
                group["wb97x_dz.forces"] = np.array(forces, dtype=np.float32)
            group["wb97x_tz.mbis_charges"] = np.zeros(np.shape(coordinates)[:2])


def test_a_published_file_is_recognised_whatever_the_order_of_its_atoms(tmp_path):
    known = [labelled("ethanol", i) for i in range(3)] + [labelled("ether", 5)]
    order = np.random.default_rng(3).permutation(9)
    # Isomers share a group: they must have one order of elements, not of bonds.
    numbers = known[0].structure.atomic_numbers[order]
    ether = known[3].structure
    by_element = {z: list(np.flatnonzero(ether.atomic_numbers == z)) for z in (1, 6, 8)}
    ether_order = np.array([by_element[z].pop() for z in numbers])
    orders = [order] * 3 + [ether_order]
    energies = [k.label.energy / EV_PER_HARTREE for k in known]
    energies[1] = np.nan
    ethane = ase_molecule("C2H6")
    write_published(
        tmp_path / "ani.h5",
        {
            "C2H6O": (
                numbers,
                [k.structure.positions[o] for k, o in zip(known, orders, strict=True)],
                energies,
                [k.label.forces[o] / EV_PER_HARTREE for k, o in zip(known, orders, strict=True)],
            ),
            "C2H6": (ethane.numbers, [ethane.positions], [-79.0], [np.zeros((8, 3))]),
        },
    )
    imported = import_data(campaign(tmp_path), tmp_path / "run", tmp_path / "ani.h5", None)
    assert imported.by_purpose == {"initial": 2, "held_out": 1}
    assert imported.left_out == {"C2H6": 1}
    with Store.open(tmp_path / "run" / "store.sqlite") as store:
        rows = list(store.labels.export_rows())
    assert sorted(row.molecule_name for row in rows) == ["ethanol", "ethanol", "ether"]
    for row in rows:
        (was,) = [k for k in known if abs(k.label.energy - row.label.energy) < 1e-6]
        here, there = row.structure, was.structure
        # Equal hydrogens may have changed places: each atom must have kept its own force.
        for z, position, force in zip(
            here.atomic_numbers, here.positions, row.label.forces, strict=True
        ):
            nearest = int(np.argmin(np.linalg.norm(there.positions - position, axis=1)))
            assert there.atomic_numbers[nearest] == z
            np.testing.assert_allclose(there.positions[nearest], position, atol=1e-6)
            np.testing.assert_allclose(was.label.forces[nearest], force, rtol=1e-5)


def test_frames_of_others_need_no_more_than_an_energy(tmp_path):
    atoms = Atoms(
        labelled("ethanol", 1).structure.atomic_numbers,
        labelled("ethanol", 1).structure.positions,
    )
    atoms.calc = SinglePointCalculator(atoms, energy=-4200.5)
    ase.io.write(tmp_path / "others.xyz", [atoms], format="extxyz")
    imported = import_data(campaign(tmp_path), tmp_path / "run", tmp_path / "others.xyz", None)
    assert imported.by_purpose == {"initial": 1}
    with Store.open(tmp_path / "run" / "store.sqlite") as store:
        (row,) = store.labels.export_rows()
    assert row.label.forces is None
    assert row.label.provenance.host == "imported from others.xyz"


@pytest.mark.parametrize(
    ("name", "level", "said"),
    [
        ("absent.h5", None, "there is no such file"),
        ("data.csv", None, "labels are read from .h5"),
        ("not.h5", None, "not readable as HDF5"),
        ("not.extxyz", None, "not readable as extended XYZ"),
        ("energyless.extxyz", None, "frame 0: there is no `energy`"),
        ("ethane.h5", None, "is of a molecule of the campaign (C2H6 1)"),
        ("ethane.h5", GOLD.name, "there are no labels of ccsd(t)*/cbs (`ccsd(t)_cbs.energy`)"),
        ("ethane.h5", "gfn2-xtb", "no rung of the campaign has it"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(tmp_path, name, level, said):
    (tmp_path / "not.h5").write_text("3\n")
    (tmp_path / "not.extxyz").write_text("nothing of the kind\n")
    (tmp_path / "data.csv").write_text("a,b\n")
    ethane = ase_molecule("C2H6")
    ase.io.write(tmp_path / "energyless.extxyz", ethane)
    group = (ethane.numbers, [ethane.positions], [-79.0], None)
    write_published(tmp_path / "ethane.h5", {"C2H6": group})
    with pytest.raises(InputError) as caught:
        import_data(campaign(tmp_path), tmp_path / "run", tmp_path / name, level)
    assert said in str(caught.value)


def test_a_campaign_starts_from_imported_labels(source, tmp_path):
    """No initial set is labelled again, and the first committee is trained on what came in."""
    data = tmp_path / "data.h5"
    write_export(source, "ani-hdf5", data)
    rung = {"level": DFT.name, "labels_per_training": 5, "initial_labels": 6}
    rung["budget"] = {"labels": 11}
    rung["stop"] = {"uncertain_share": None}
    target = campaign(
        tmp_path,
        molecules=[SMILES["ethanol"], SMILES["alanine"]],
        rungs=[rung],
        held_out={},
        # The scripted samplers move atoms without regard to bonds.
        gates={"topology": False, "second_share": 0},
    )
    imported = import_data(target, tmp_path / "run", data, None)
    assert imported.by_purpose == {"initial": 6, "held_out": 2}
    assert imported.left_out == {"C2H6O": 4}  # the ether
    said = describe_import(imported, target, None)
    assert not any("budget" in line for line in said)
    folder = RunFolder(tmp_path / "run")
    workers = ScriptedWorkers(folder.path)
    with Store.open(folder.store) as store:
        Driver(store, target, Backend(), folder, workers, Listener()).run()
        first, *_ = store.trainings.all(0)
        purposes = [row.purpose for row in store.labels.export_rows()]
        labelled_here = [task.key for task in store.tasks.all("label")]
    assert first.n_labels == 6
    assert purposes.count("initial") == 6
    assert purposes.count("held_out") == 2
    assert len(labelled_here) == len(purposes) - 8 == 5
