"""Every export format through one suite: what its readers read is what the store holds."""

import gc
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ase.io
import h5py
import numpy as np
import pytest
from data_sets import DFT, GOLD, READERS, XTB, Found, Read, ani_buckets, row

from chemistry.records.structure import Origin
from workflow.datasets.export import batches
from workflow.datasets.export.formats import EXPORTERS
from workflow.run.store.records import ExportRow


@pytest.fixture(params=sorted(EXPORTERS))
def name(request) -> str:
    return request.param


def export(name: str, rows, path: Path) -> Found:
    rows = list(rows)
    assert EXPORTERS[name].write(rows, path) == len(rows)
    found = READERS[name](path)
    expected = {(r.structure.structure_id, r.level_name): r for r in rows}
    assert found.keys() == expected.keys()
    for key, read in found.items():
        assert_same(name, read, expected[key])
    return found


def assert_same(name: str, read: Read, written: ExportRow) -> None:
    structure, label = written.structure, written.label
    # A format may have its own order of atoms; then it has it everywhere.
    order = np.arange(len(structure))
    if not np.array_equal(read.numbers, structure.atomic_numbers):
        order = np.argsort(-structure.atomic_numbers, kind="stable")
    assert np.array_equal(read.numbers, structure.atomic_numbers[order])
    # QCElemental rounds geometries to eight decimals, in bohr.
    resolution = 0.0 if name != "qcschema" else 1e-8
    np.testing.assert_allclose(read.positions, structure.positions[order], rtol=0, atol=resolution)
    assert read.energy == pytest.approx(label.energy, rel=1e-15)
    assert (read.forces is None) == (label.forces is None)
    if label.forces is not None:
        np.testing.assert_allclose(read.forces, label.forces[order], rtol=4e-15, atol=0)
    assert read.charge == structure.charge
    assert read.multiplicity == structure.multiplicity
    assert read.split == written.split
    assert read.molecule == written.molecule_name
    assert read.facts["purpose"] == written.purpose
    assert read.facts["sampler"] == structure.origin.sampler
    assert read.facts["program"] == label.provenance.program
    assert str(read.facts["program_version"]) == label.provenance.version
    assert read.facts["attempts"] == " ".join(label.provenance.attempts)
    assert read.facts["cpu_seconds"] == label.provenance.cpu_seconds


def test_every_exporter_is_tested():
    assert set(READERS) == set(EXPORTERS)


def test_nothing_is_lost(name, tmp_path):
    rows = [row("OHH", 1), row("CHOHHH", 2, split="test"), row("OHH", 3)]
    rows.append(row("H", 4, multiplicity=2))
    export(name, rows, tmp_path / "data")


def test_an_empty_run_gives_an_empty_file(name, tmp_path):
    assert export(name, [], tmp_path / "data") == {}


def test_levels_lie_side_by_side(name, tmp_path):
    rows = [
        row("OHH", 1, level=DFT),
        row("OHH", 1, level=XTB),
        row("CHHHH", 2, level=XTB),  # a formula that only one level knows
        row("OHH", 3, level=DFT),
        row("OHH", 4, level=XTB),
        row("OHH", 4, level=GOLD, has_forces=False),
        row("NHHH", 5, level=DFT),
    ]
    export(name, rows, tmp_path / "data")


def test_labels_without_forces_are_not_labels_of_zero_force(name, tmp_path):
    rows = [row("OHH", 1, level=GOLD, has_forces=False), row("OHH", 2), row("OHH", 3)]
    rows.append(replace(row("OHH", 4), label=replace(row("OHH", 4).label, forces=None)))
    found = export(name, rows, tmp_path / "data")
    assert sorted(read.forces is None for read in found.values()) == [False, False, True, True]


def test_a_run_of_energies_alone(name, tmp_path):
    rows = [row("OHH", i, level=GOLD, has_forces=False) for i in range(3)]
    found = export(name, rows, tmp_path / "data")
    assert all(read.forces is None for read in found.values())


def test_ions_and_radicals_keep_their_electrons(name, tmp_path):
    rows = [
        row("OH", 1, multiplicity=2),
        row("OH", 2, charge=-1),
        row("OH", 3, charge=1, multiplicity=3),
        row("OO", 4, multiplicity=3),
        row("OO", 5),
    ]
    export(name, rows, tmp_path / "data")


def test_isomers_and_other_orders_of_atoms_of_one_formula(name, tmp_path):
    rows = [
        row("CCOHHHHHH", 1, molecule="ethanol"),
        row("COCHHHHHH", 2, molecule="dimethyl ether"),
        row("HHHCCHHOH", 3, molecule="ethanol from an .xyz file"),
    ]
    export(name, rows, tmp_path / "data")


@pytest.mark.parametrize(
    "molecule",
    [
        'the "real" one',
        "it's",
        "back\\slash",
        "ends with a backslash\\",
        'backslash quote \\"',
        "two  spaces ",
        "key=value",
        "C[C@@H](N)C(=O)O",
        "Äther ½ 水",
        "1234",
        "-1.5e3",
        "T",
        "1 2 3",
        "[1, 2, 3]",
        "_JSON [1]",
        "12345678901234e56789",
        "nan",
        "true, false",
        "one\nline and another",
        "tab\tulator",
        "",
    ],
)
def test_names_are_only_names(name, tmp_path, molecule):
    found = export(name, [row("OHH", 1, molecule=molecule), row("OHH", 2)], tmp_path / "data")
    assert all(type(read.molecule) is str for read in found.values())


def test_numpy_numbers_are_numbers(name, tmp_path):
    plain = row("OHH", 1)
    label = replace(plain.label, energy=np.float64(plain.label.energy))
    export(name, [replace(plain, label=label)], tmp_path / "data")


def test_the_same_rows_give_the_same_numbers_whatever_came_before(name, tmp_path):
    rows = [row("OHH", i) for i in range(4)]
    first = export(name, rows, tmp_path / "a")
    again = export(name, reversed(rows), tmp_path / "b")
    assert first.keys() == again.keys()
    for key, read in first.items():
        assert read.energy == again[key].energy


def test_memory_does_not_grow_with_the_rows(name, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "PENDING_ATOMS", 300)
    seen_bytes = []

    def rows(n: int) -> Iterator[ExportRow]:
        large = row("C" * 15 + "H" * 15, 1)
        for i in range(n):
            if i % 7 == 0:
                gc.collect()
                seen_bytes.append(tracemalloc.get_traced_memory()[0])
            moved = large.structure.moved_to(large.structure.positions * i, Origin(seed=i))
            yield replace(large, structure=moved)

    tracemalloc.start()
    try:
        EXPORTERS[name].write(rows(160), tmp_path / "data")
    finally:
        tracemalloc.stop()
    # The positions of 80 rows take 57,600 bytes, however they are held.
    half = len(seen_bytes) // 2
    assert max(seen_bytes[half:]) - max(seen_bytes[3:half]) < 40_000
    written = (tmp_path / "data", *(tmp_path / "data").rglob("*"))
    assert sum(path.stat().st_size for path in written if path.is_file()) > 160 * 30 * 6 * 8


# What one format alone has


def test_extxyz_has_the_dipole_and_the_origin(tmp_path):
    dipole = np.array([1 / 3, -0.0, 1e-17])
    water = row("OHH", 1, dipole=dipole)
    EXPORTERS["extxyz"].write([water], tmp_path / "data.extxyz")
    atoms = ase.io.read(tmp_path / "data.extxyz")
    assert np.array_equal(atoms.get_dipole_moment(), dipole)
    assert atoms.info["molecule_id"] == "id of molecule"
    assert atoms.info["sampler"] == "normal_modes"
    assert atoms.info["purpose"] == "active"
    assert np.array_equal(atoms.get_forces(), water.label.forces)


def test_hdf5_has_the_published_keys_units_and_sign(tmp_path):
    water = row("HOH", 1)
    EXPORTERS["ani-hdf5"].write([water], tmp_path / "data.h5")
    with h5py.File(tmp_path / "data.h5") as file:
        assert list(file) == ["H2O"]
        group = file["H2O"]
        assert group["atomic_numbers"][()].tolist() == [8, 1, 1]
        assert group["coordinates"].shape == (1, 3, 3)
        assert group["wb97x_dz.energy"].shape == (1,)
        assert group["wb97x_dz.energy"][0] == pytest.approx(water.label.energy / 27.211386245981)
        forces = water.label.forces[[1, 0, 2]] / 27.211386245981
        np.testing.assert_allclose(group["wb97x_dz.forces"][0], forces, rtol=1e-14)
        assert group["wb97x_dz.energy"].dtype == group["coordinates"].dtype == np.float64


def test_hdf5_ions_do_not_mix_with_the_neutral_formula(tmp_path):
    EXPORTERS["ani-hdf5"].write(
        [row("OH", 1, multiplicity=2), row("OH", 2, charge=-1)], tmp_path / "data.h5"
    )
    with h5py.File(tmp_path / "data.h5") as file:
        assert sorted(file) == ["HO", "HO-1"]


def test_hdf5_asks_nothing_of_a_group_that_it_lacks(tmp_path):
    """The published loader raises KeyError where a group lacks a key that it was asked for."""
    rows = [row("OHH", 1, level=DFT), row("CHHHH", 2, level=XTB)]
    EXPORTERS["ani-hdf5"].write(rows, tmp_path / "data.h5")
    for prefix in ("wb97x_dz", "gfn2-xtb"):
        (bucket,) = ani_buckets(tmp_path / "data.h5", [f"{prefix}.energy", f"{prefix}.forces"])
        assert len(bucket["coordinates"]) == 1


def test_hdf5_has_the_parts_of_a_composite_under_their_published_names(tmp_path):
    methanol = row("COHHHH", 1, has_forces=False, level="ccsd(t)*/cbs")
    parts = {
        "hf/cc-pvtz": -100.0,
        "mp2/cc-pvqz correlation": -7.0,
        "ccsd(t)/cc-pvdz correlation": -5,
    }
    gold = replace(methanol, label=replace(methanol.label, components=parts))
    water = row("OHH", 2)
    EXPORTERS["ani-hdf5"].write([gold, water], tmp_path / "data.h5")
    with h5py.File(tmp_path / "data.h5") as file:
        found = file["CH4O"]
        assert found["ccsd(t)_cbs.energy"][0] * 27.211386245981 == pytest.approx(gold.label.energy)
        assert found["hf_tz.energy"][0] == pytest.approx(-100.0 / 27.211386245981)
        assert found["mp2_qz.corr_energy"][0] == pytest.approx(-7.0 / 27.211386245981)
        assert found["ccsd(t)_dz.corr_energy"][0] == pytest.approx(-5.0 / 27.211386245981)
        assert np.isnan(found["wb97x_dz.energy"][0])
        assert np.isnan(file["H2O"]["hf_tz.energy"][0])
