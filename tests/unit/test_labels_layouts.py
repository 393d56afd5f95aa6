"""HDF5, QCSchema, Parquet, deepmd and databases of ASE as people have them, and what is refused."""

import json

import ase.db
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from labelled_water import ENERGY_EV, FORCES, LEVEL, POSITIONS, frame, read, read_text

from chemistry.errors import InputError
from chemistry.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE, EV_PER_KCAL_MOL
from workflow.datasets.layouts import LAYOUTS, layout_of

HARTREE = np.array([ENERGY_EV, ENERGY_EV + 1.0]) / EV_PER_HARTREE
XYZ = np.stack([POSITIONS, 1.05 * POSITIONS])
HARTREE_ANGSTROM = np.stack([FORCES, 2 * FORCES]) / EV_PER_HARTREE
HARTREE_BOHR = HARTREE_ANGSTROM * ANGSTROM_PER_BOHR
ANI1X = {"atomic_numbers": [8, 1, 1], "coordinates": XYZ, "hf_sto-3g.energy": HARTREE}
SPICE = {
    "atomic_numbers": [8, 1, 1],
    "conformations": XYZ / ANGSTROM_PER_BOHR,
    "dft_total_energy": HARTREE,
    "dft_total_gradient": -HARTREE_BOHR,
}
H5 = {
    "ANI-1x": ("H2O", {**ANI1X, "hf_sto-3g.forces": HARTREE_ANGSTROM}),
    "ANI-1x, nested": ("C0/H2O", {**ANI1X, "hf_sto-3g.forces": HARTREE_ANGSTROM}),
    "ANI-1x, capitals": (
        "H2O",
        {"atomic_numbers": [8, 1, 1], "coordinates": XYZ, "HF_STO-3G.energy": HARTREE},
    ),
    "ANI-1": (
        "gdb11_s01/gdb11_s01-0",
        {"species": [b"O", b"H", b"H"], "coordinates": XYZ, "energies": HARTREE},
    ),
    "ANI-1 of its authors' tools": (
        "gdb11_s01/mol0",
        {
            "species": [b"O", b"H", b"H"],
            "coordinates": XYZ,
            "energies": HARTREE,
            "forces": -HARTREE_ANGSTROM,
            "lot": [b"hf/sto-3g"],
        },
    ),
    "ANI-2x": (
        "003",
        {
            "species": [[8, 1, 1]] * 2,
            "coordinates": XYZ,
            "energies": HARTREE,
            "forces": HARTREE_ANGSTROM,
        },
    ),
    "ANI-2x, filled up": (
        "005",
        {
            "species": [[8, 1, -1, 1, -1]] * 2,
            "coordinates": np.insert(XYZ, [2, 3], 0.0, axis=1),
            "energies": HARTREE,
            "forces": np.insert(HARTREE_ANGSTROM, [2, 3], 0.0, axis=1),
        },
    ),
    "SPICE": ("water", SPICE),
    "SPICE, with a SMILES": ("water", {**SPICE, "smiles": [b"[O:1]([H:2])[H:3]"]}),
}


def write_h5(path, group, columns, **attributes):
    with h5py.File(path, "w") as file:
        made = file.create_group(group)
        for name, values in columns.items():
            made[name] = values
        made.attrs.update(attributes)
    return path


@pytest.mark.parametrize("name", H5)
def test_hdf5_is_read(tmp_path, name):
    group, columns = H5[name]
    labels, _ = read(write_h5(tmp_path / "data.h5", group, columns))
    np.testing.assert_allclose([label.energy for label in labels], HARTREE * EV_PER_HARTREE)
    for label, positions, scale in zip(labels, XYZ, (1, 2), strict=True):
        np.testing.assert_array_equal(label.structure.atomic_numbers, [8, 1, 1])
        np.testing.assert_allclose(label.structure.positions, positions, rtol=1e-12)
        has_forces = any("force" in column or "gradient" in column for column in columns)
        assert (label.forces is not None) == has_forces
        if has_forces:
            np.testing.assert_allclose(label.forces, scale * FORCES, rtol=1e-12, atol=1e-12)


def test_gradients_of_ani_1_are_said_to_be_gradients(tmp_path):
    _, reading = read(write_h5(tmp_path / "data.h5", *H5["ANI-1 of its authors' tools"]))
    assert reading.notes == {"took `forces` for gradients: those of ANI-1 are": 2}


def test_a_smiles_of_spice_says_the_charge(tmp_path):
    columns = {
        "atomic_numbers": [8, 1, 1, 1],
        "conformations": np.array(
            [[[0, 0, 0.2], [0, 1.8, -0.6], [1.6, -0.9, -0.6], [-1.6, -0.9, -0.6]]]
        ),
        "dft_total_energy": HARTREE[:1],
        "smiles": [b"[O+:1]([H:2])([H:3])[H:4]"],
    }
    (label,), _ = read(write_h5(tmp_path / "data.h5", "hydronium", columns))
    assert (label.structure.charge, label.structure.multiplicity) == (1, 1)


def test_units_in_attributes_are_converted(tmp_path):
    path = write_h5(tmp_path / "data.h5", *H5["SPICE"])
    with h5py.File(path, "r+") as file:
        energies = file["water/dft_total_energy"]
        energies[:] = energies[:] * EV_PER_HARTREE / EV_PER_KCAL_MOL
        energies.attrs["units"] = "kcal/mol"
        file["water/conformations"][:] = XYZ
        file["water/conformations"].attrs["units"] = "angstrom"
        file["water/dft_total_gradient"].attrs["units"] = "hartree/bohr"
    (label, _), _ = read(path)
    assert label.energy == pytest.approx(ENERGY_EV, rel=1e-12)
    np.testing.assert_allclose(label.structure.positions, POSITIONS)
    np.testing.assert_allclose(label.forces, FORCES, atol=1e-12)


def test_a_group_says_its_charge_and_multiplicity(tmp_path):
    path = write_h5(tmp_path / "data.h5", "H2O", ANI1X, total_charge=-1, mult=2)
    (label, _), _ = read(path)
    assert (label.structure.charge, label.structure.multiplicity) == (-1, 2)


def test_rows_of_ani_1x_without_a_label_are_none(tmp_path):
    energies = np.array([np.nan, HARTREE[1]])
    path = write_h5(tmp_path / "data.h5", "H2O", {**ANI1X, "hf_sto-3g.energy": energies})
    (label,), _ = read(path)
    assert label.where.endswith("group H2O, row 1")


BAD_H5 = {
    "an energy too few": (
        {**ANI1X, "hf_sto-3g.energy": HARTREE[:1]},
        "has the shape (1,), not (2)",
    ),
    "an energy too many": (
        {**ANI1X, "hf_sto-3g.energy": np.repeat(HARTREE, 2)},
        "rows would be lost or mixed up",
    ),
    "energies in a column": ({**ANI1X, "hf_sto-3g.energy": HARTREE[:, None]}, "the shape (2, 1)"),
    "forces too few": (
        {**ANI1X, "hf_sto-3g.forces": HARTREE_ANGSTROM[:1]},
        "`hf_sto-3g.forces` has the shape (1, 3, 3), not (2, 3, 3)",
    ),
    "forces of two atoms": (
        {**ANI1X, "hf_sto-3g.forces": HARTREE_ANGSTROM[:, :2]},
        "has the shape (2, 2, 3)",
    ),
    "half of the forces NaN": (
        {**ANI1X, "hf_sto-3g.forces": np.where(HARTREE_ANGSTROM > 0, np.nan, HARTREE_ANGSTROM)},
        "row 0: a force is not a finite number",
    ),
    "no elements": (
        {k: v for k, v in ANI1X.items() if k != "atomic_numbers"},
        "no `atomic_numbers`",
    ),
    "another number of atoms": ({**ANI1X, "atomic_numbers": [8, 1]}, "has the shape (2, 3, 3)"),
    "another level": (
        {"atomic_numbers": [8, 1, 1], "coordinates": XYZ, "b3lyp_6-31g*.energy": HARTREE},
        "no labels of hf/sto-3g: it has b3lyp/6-31g* (2)",
    ),
    "no layout": (
        {"R": XYZ, "U": HARTREE, "Z": [8, 1, 1]},
        "what it has (`R`, `U`, `Z`) is none of the layouts",
    ),
    "NaN in ANI-1": (
        {"species": [b"O", b"H", b"H"], "coordinates": XYZ, "energies": HARTREE * np.nan},
        "row 0: the energy is not a finite number",
    ),
    "energies in words": (
        {"species": [b"O", b"H", b"H"], "coordinates": XYZ, "energies": [b"low", b"high"]},
        "row 0: it is no labelled structure",
    ),
    "complex energies": (
        {"species": [b"O", b"H", b"H"], "coordinates": XYZ, "energies": HARTREE + 0j},
        "`energies` has complex numbers",
    ),
    "half an element": (
        {"species": [8.5, 1.0, 1.0], "coordinates": XYZ, "energies": HARTREE},
        "an atomic number is not a whole number",
    ),
    "no element": (
        {"species": [b"Q", b"H", b"H"], "coordinates": XYZ, "energies": HARTREE},
        "'Q' is not an element",
    ),
    "species of other rows": (
        {"species": [[8, 1, 1]] * 3, "coordinates": XYZ, "energies": HARTREE},
        "`species` has the shape (3, 3), not (N,) or (2, N)",
    ),
    "gradients of other rows": (
        {**SPICE, "dft_total_gradient": -HARTREE_BOHR[:1]},
        "`dft_total_gradient` has the shape (1, 3, 3)",
    ),
    "no SMILES": ({**SPICE, "smiles": [b"O(("]}, "'O((' is not a SMILES"),
}


@pytest.mark.parametrize("name", BAD_H5)
def test_hdf5_that_cannot_be_used_is_refused(tmp_path, name):
    columns, said = BAD_H5[name]
    with pytest.raises(InputError) as caught:
        read(write_h5(tmp_path / "data.h5", "g", columns))
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "data.h5"))


def test_a_group_that_cannot_be_used_does_not_hide_another(tmp_path):
    path = write_h5(tmp_path / "data.h5", "a", BAD_H5["forces too few"][0])
    with h5py.File(path, "r+") as file:
        for name, values in ANI1X.items():
            file[f"b/{name}"] = values
    labels, reading = read(path, skip_bad=True)
    assert (len(labels), len(reading.bad)) == (2, 1)


RESULT = {
    "schema_name": "qcschema_output",
    "schema_version": 1,
    "driver": "gradient",
    "model": {"method": "HF", "basis": "STO-3G"},
    "molecule": {
        "symbols": ["O", "H", "H"],
        "geometry": (POSITIONS / ANGSTROM_PER_BOHR).ravel().tolist(),
        "molecular_charge": 0.0,
        "molecular_multiplicity": 1,
    },
    "properties": {"return_energy": HARTREE[0]},
    "return_result": (-HARTREE_BOHR[0]).ravel().tolist(),
    "success": True,
    "provenance": {"creator": "Psi4", "version": "1.9"},
}


@pytest.mark.parametrize("name", ["one.json", "list.json", "lines.jsonl"])
def test_qcschema_is_read(tmp_path, name):
    text = json.dumps([RESULT]) if name == "list.json" else json.dumps(RESULT)
    (label,), _ = read_text(tmp_path, text, name=name)
    assert label.energy == pytest.approx(ENERGY_EV, rel=1e-12)
    np.testing.assert_allclose(label.forces, FORCES, atol=1e-12)
    np.testing.assert_allclose(label.structure.positions, POSITIONS, atol=1e-12)
    assert label.facts["program"] == "Psi4"


def test_qcschema_of_an_energy_alone(tmp_path):
    result = {**RESULT, "driver": "energy", "return_result": HARTREE[0], "properties": {}}
    (label,), _ = read_text(tmp_path, json.dumps(result), name="one.json")
    assert (label.energy, label.forces) == (pytest.approx(ENERGY_EV, rel=1e-12), None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"success": False}, "has no success"),
        ({"model": {"method": "b3lyp", "basis": "def2-svp"}}, "it has b3lyp/def2-svp (1)"),
        ({"molecule": {}}, "result 0: it is no AtomicResult of QCSchema: there is no 'symbols'"),
        ({"properties": {}}, "there is no `properties.return_energy`"),
        ({"return_result": [0.0] * 6}, "a force has the shape (2, 3), not (3, 3)"),
        ({"molecule": {**RESULT["molecule"], "real": [True, True, False]}}, "it has ghost atoms"),
        ({"return_result": [0.0] * 8}, "it is no AtomicResult of QCSchema: cannot reshape"),
    ],
)
def test_qcschema_that_cannot_be_used_is_refused(tmp_path, change, said):
    with pytest.raises(InputError) as caught:
        read_text(tmp_path, json.dumps({**RESULT, **change}), name="one.json")
    assert said in str(caught.value)


def test_json_without_end_is_refused(tmp_path):
    with pytest.raises(InputError, match="not readable as JSON"):
        read_text(tmp_path, "[" * 100_000, name="deep.json")


PARQUET = {
    "plain": {
        "symbols": ["O", "H", "H"],
        "positions": POSITIONS.tolist(),
        "energy": ENERGY_EV,
        "forces": FORCES.tolist(),
    },
    "units in names": {
        "atomic_numbers": [8, 1, 1],
        "coordinates_bohr": (POSITIONS / ANGSTROM_PER_BOHR).tolist(),
        "energy_hartree": HARTREE[0],
        "gradient_hartree_bohr": (-HARTREE_BOHR[0]).ravel().tolist(),
    },
    "units beside": {
        "numbers": [8, 1, 1],
        "pos": POSITIONS.tolist(),
        "energy": ENERGY_EV / EV_PER_KCAL_MOL,
        "energy_unit": "kcal/mol",
        "forces": (FORCES / EV_PER_KCAL_MOL).tolist(),
    },
    "kcal in a name": {
        "species": ["O", "H", "H"],
        "positions_angstrom": POSITIONS.tolist(),
        "total_energy_kcal_mol": ENERGY_EV / EV_PER_KCAL_MOL,
        "forces_kcal_mol_angstrom": (FORCES / EV_PER_KCAL_MOL).tolist(),
        "level": "HF/STO-3G",
    },
}


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_is_read(tmp_path, name):
    pa.parquet.write_table(pa.Table.from_pylist([PARQUET[name]]), tmp_path / "data.parquet")
    (label,), _ = read(tmp_path / "data.parquet")
    assert label.energy == pytest.approx(ENERGY_EV, rel=1e-12)
    np.testing.assert_allclose(label.forces, FORCES, atol=1e-12)
    np.testing.assert_allclose(label.structure.positions, POSITIONS, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"energy": float("nan")}, "row 0: the energy is not a finite number"),
        ({"energy": None}, "row 0: `energy` is empty"),
        ({"symbols": ["Q", "H", "H"]}, "'Q' is not an element"),
        ({"forces": FORCES[:2].tolist()}, "a force has the shape (2, 3), not (3, 3)"),
        ({"spin": 2}, "means 2S to some programs"),
        ({"energy_hartree": -75.0}, "`energy` and `energy_hartree` are the same quantity"),
        ({"symbols": [8.5, 1.0, 1.0]}, "an atomic number is not a whole number"),
        ({"level": "pbe/def2-svp"}, "it has pbe/def2-svp (1)"),
    ],
)
def test_parquet_that_cannot_be_used_is_refused(tmp_path, change, said):
    row = {**PARQUET["plain"], **change}
    pa.parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "data.parquet")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "data.parquet")
    assert said in str(caught.value)


def test_a_table_of_something_else_says_its_columns(tmp_path):
    pa.parquet.write_table(pa.Table.from_pylist([{"a": 1, "b": 2}]), tmp_path / "data.parquet")
    with pytest.raises(InputError, match=r"no column has the elements .* it has a, b"):
        read(tmp_path / "data.parquet")


def system(folder, **arrays):
    made = {
        "coord": XYZ.reshape(2, 9),
        "energy": HARTREE * EV_PER_HARTREE,
        "force": HARTREE_ANGSTROM.reshape(2, 9) * EV_PER_HARTREE,
        **arrays,
    }
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("1 0 0")
    (folder / "type_map.raw").write_text("H O")
    (folder / "nopbc").touch()
    for name, array in made.items():
        np.save(folder / "set.000" / f"{name}.npy", array)


@pytest.mark.parametrize("arrays", [{}, {"energy": (HARTREE * EV_PER_HARTREE)[:, None]}])
def test_deepmd_of_others_is_read(tmp_path, arrays):
    system(tmp_path / "data" / "water", **arrays)
    (label, _), _ = read(tmp_path / "data")
    assert label.energy == pytest.approx(ENERGY_EV, rel=1e-12)
    np.testing.assert_allclose(label.forces, FORCES, atol=1e-12)
    np.testing.assert_array_equal(label.structure.atomic_numbers, [8, 1, 1])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"energy": HARTREE[:1]}, "energy.npy has the shape (1,), not (2,)"),
        ({"force": FORCES.reshape(1, 9)}, "force.npy has the shape (1, 9), not (2, 9)"),
        ({"coord": XYZ.reshape(2, 9)[:, :6]}, "coord.npy has the shape (2, 6), not (2, 9)"),
        ({"energy": np.array([object(), 1], dtype=object)}, "not readable as an array of NumPy"),
    ],
)
def test_deepmd_that_cannot_be_used_is_refused(tmp_path, arrays, said):
    system(tmp_path / "data", **arrays)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "data")
    assert said in str(caught.value)


def test_a_periodic_system_is_refused(tmp_path):
    system(tmp_path / "data")
    (tmp_path / "data" / "nopbc").unlink()
    with pytest.raises(InputError, match="periodic"):
        read(tmp_path / "data")


def test_a_database_of_ase_of_others_is_read(tmp_path):
    atoms = Atoms("OH2", POSITIONS)
    atoms.calc = SinglePointCalculator(atoms, energy=ENERGY_EV, forces=FORCES)
    with ase.db.connect(tmp_path / "data.db") as database:
        database.write(atoms, level="HF/STO-3G")
        database.write(atoms, level="b3lyp/6-31g*")
    (label,), reading = read(tmp_path / "data.db")
    assert label.energy == ENERGY_EV
    np.testing.assert_array_equal(label.forces, FORCES)
    assert reading.levels == {"HF/STO-3G": 1, "b3lyp/6-31g*": 1}


def test_a_database_without_energies_says_so(tmp_path):
    with ase.db.connect(tmp_path / "data.db") as database:
        database.write(Atoms("OH2", POSITIONS))
    with pytest.raises(InputError, match="row 1: there is no `energy`"):
        read(tmp_path / "data.db")


@pytest.mark.parametrize("name", ["a.h5", "a.json", "a.jsonl", "a.parquet", "a.db", "a.xyz"])
def test_what_is_not_what_its_name_says_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x93 nothing of the kind\n\xff")
    with pytest.raises(InputError, match="not readable as"):
        read(tmp_path / name)


def test_other_kinds_of_files_and_folders_are_refused_with_what_is_read(tmp_path):
    (tmp_path / "data.npz").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").touch()
    for path, held in ((tmp_path / "data.npz", ""), (tmp_path / "folder", "it has `notes.txt`")):
        with pytest.raises(InputError) as caught:
            layout_of(path)
        assert all(layout.name in str(caught.value) for layout in LAYOUTS)
        assert held.removeprefix("it ") in str(caught.value)


def test_a_level_that_is_wanted_is_compared_in_every_layout(tmp_path):
    text = frame(f"energy={ENERGY_EV} level={LEVEL.name}") + frame("energy=-1.0 level=gfn2-xtb")
    (label,), reading = read_text(tmp_path, text)
    assert label.energy == ENERGY_EV
    assert reading.levels == {LEVEL.name: 1, "gfn2-xtb": 1}
