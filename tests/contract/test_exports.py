"""Every export format through one suite: what its readers read is what the store holds."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import ase.io
import h5py
import numpy as np
import pytest

from chemistry.label import Label, Provenance
from chemistry.structure import Origin, Structure
from chemistry.units import EV_PER_HARTREE
from workflow.export import EXPORTERS
from workflow.records import ExportRow

DFT, GOLD, XTB = "wb97x/6-31g*", "ccsd(t)*/cbs", "gfn2-xtb"


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """One label as a reader of a format sees it, in eV and Å; None: the format says nothing."""

    numbers: np.ndarray
    positions: np.ndarray
    energy: float
    forces: np.ndarray | None
    charge: int
    multiplicity: int
    split: str
    molecule: str | None = None
    dipole: np.ndarray | None = None


def read_extxyz(path: Path) -> dict[tuple[str, str], Read]:
    """As any user of ASE reads it."""
    if path.stat().st_size == 0:  # ASE has no word for a file without frames
        return {}
    found = {}
    for atoms in ase.io.read(path, index=":"):
        results = atoms.calc.results
        found[atoms.info["structure_id"], atoms.info["level"]] = Read(
            numbers=atoms.numbers,
            positions=atoms.positions,
            energy=atoms.get_potential_energy(),
            forces=results.get("forces"),
            charge=atoms.info["charge"],
            multiplicity=atoms.info["multiplicity"],
            split=atoms.info["split"],
            molecule=atoms.info["molecule"],
            dipole=results.get("dipole"),
        )
        assert not atoms.pbc.any()
    return found


def ani_buckets(path: Path, keys: list[str]) -> Iterator[dict[str, np.ndarray]]:
    """Read as users of the ANI-1x data set do: by formula, rows that have all the keys.

    The published loader asks every group for every key; what is missing is NaN in its row.
    """
    with h5py.File(path, "r") as file:
        for group in file.values():
            columns = {key: group[key][()] for key in keys}
            n_rows = len(group["coordinates"])
            has_all = np.ones(n_rows, dtype=bool)
            for values in columns.values():
                has_all &= ~np.isnan(values.reshape(n_rows, -1)).any(axis=1)
            if has_all.any():
                yield {
                    "atomic_numbers": group["atomic_numbers"][()],
                    "coordinates": group["coordinates"][has_all],
                    **{name: group[name].asstr()[has_all] for name in ("structure_id", "split")},
                    **{name: group[name][has_all] for name in ("charge", "multiplicity")},
                    **{key: values[has_all] for key, values in columns.items()},
                }


ANI_NAMES = {DFT: "wb97x_dz", XTB: "gfn2-xtb", GOLD: "ccsd(t)_cbs"}


def read_ani_hdf5(path: Path) -> dict[tuple[str, str], Read]:
    """As users of the ANI-1x data set read it, in hartree; forces where there are any."""
    with h5py.File(path, "r") as file:
        groups = [set(group) for group in file.values()]
    found = {}
    for level, prefix in ANI_NAMES.items():
        energy, forces = f"{prefix}.energy", f"{prefix}.forces"
        if not any(energy in columns for columns in groups):
            continue
        with_forces = {
            str(i): f * EV_PER_HARTREE
            for bucket in ani_buckets(path, [energy, forces])
            for i, f in zip(bucket["structure_id"], bucket[forces], strict=True)
        }
        for bucket in ani_buckets(path, [energy]):
            for k, i in enumerate(bucket["structure_id"]):
                found[str(i), level] = Read(
                    numbers=bucket["atomic_numbers"],
                    positions=bucket["coordinates"][k],
                    energy=bucket[energy][k] * EV_PER_HARTREE,
                    forces=with_forces.get(str(i)),
                    charge=bucket["charge"][k],
                    multiplicity=bucket["multiplicity"][k],
                    split=bucket["split"][k],
                )
    return found


READERS: dict[str, Callable[[Path], dict[tuple[str, str], Read]]] = {
    "extxyz": read_extxyz,
    "ani-hdf5": read_ani_hdf5,
}


@pytest.fixture(params=sorted(EXPORTERS))
def name(request) -> str:
    return request.param


def row(
    symbols: str,
    seed: int,
    *,
    level: str = DFT,
    has_forces: bool = True,
    charge: int = 0,
    multiplicity: int = 1,
    molecule: str = "molecule",
    split: str = "train",
    dipole=None,
) -> ExportRow:
    """A label of atoms at random places; every bit of every number counts."""
    generator = np.random.default_rng(seed)
    numbers = [{"H": 1, "C": 6, "N": 7, "O": 8}[symbol] for symbol in symbols]
    structure = Structure(
        atomic_numbers=np.array(numbers),
        positions=generator.normal(scale=3.0, size=(len(numbers), 3)),
        charge=charge,
        multiplicity=multiplicity,
        molecule_id=f"id of {molecule}",
        origin=Origin(sampler="normal_modes", seed=seed),
    )
    # Another generator: the geometry of a structure must not depend on what is labelled.
    generator = np.random.default_rng([seed, len(level)])
    label = Label(
        structure_id=structure.structure_id,
        level_id=f"id of {level}",
        energy=float(-1000.0 * generator.random() - 40.0),
        forces=generator.normal(size=(len(numbers), 3)) if has_forces else None,
        dipole=dipole,
        provenance=Provenance(
            program="none",
            version="0",
            host="here",
            cpu_seconds=1.0,
            wall_seconds=1.0,
            attempts=(),
            finished_at=0.0,
        ),
    )
    return ExportRow(
        structure=structure,
        label=label,
        level_name=level,
        molecule_name=molecule,
        split=split,
        purpose="held_out" if split == "test" else "active",
    )


def export(name: str, rows, path: Path) -> dict[tuple[str, str], Read]:
    rows = list(rows)
    assert EXPORTERS[name].write(rows, path) == len(rows)
    found = READERS[name](path)
    expected = {(r.structure.structure_id, r.level_name): r for r in rows}
    assert found.keys() == expected.keys()
    for key, read in found.items():
        assert_same(read, expected[key])
    return found


def assert_same(read: Read, written: ExportRow) -> None:
    structure, label = written.structure, written.label
    # A format may have its own order of atoms; then it has it everywhere.
    order = np.arange(len(structure))
    if not np.array_equal(read.numbers, structure.atomic_numbers):
        order = np.argsort(-structure.atomic_numbers, kind="stable")
    assert np.array_equal(read.numbers, structure.atomic_numbers[order])
    assert np.array_equal(read.positions, structure.positions[order])
    assert read.energy == pytest.approx(label.energy, rel=1e-15)
    assert (read.forces is None) == (label.forces is None)
    if label.forces is not None:
        np.testing.assert_allclose(read.forces, label.forces[order], rtol=1e-15, atol=0)
    assert read.charge == structure.charge
    assert read.multiplicity == structure.multiplicity
    assert read.split == written.split
    assert read.molecule in (None, written.molecule_name)


def test_every_exporter_is_tested():
    assert set(READERS) == set(EXPORTERS)


def test_nothing_is_lost(name, tmp_path):
    rows = [row("OHH", 1), row("CHOHHH", 2, split="test"), row("OHH", 3), row("H", 4)]
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
    assert all(type(read.molecule) in (str, type(None)) for read in found.values())


def test_numpy_numbers_are_numbers(name, tmp_path):
    plain = row("OHH", 1)
    label = replace(plain.label, energy=np.float64(plain.label.energy))
    export(name, [replace(plain, label=label)], tmp_path / "data")


def test_an_old_file_is_replaced(name, tmp_path):
    export(name, [row("OHH", 1), row("CHHHH", 2)], tmp_path / "data")
    export(name, [row("OHH", 3)], tmp_path / "data")


def test_the_same_rows_give_the_same_numbers_whatever_came_before(name, tmp_path):
    rows = [row("OHH", i) for i in range(4)]
    first = export(name, rows, tmp_path / "a")
    again = export(name, reversed(rows), tmp_path / "b")
    assert first.keys() == again.keys()
    for key, read in first.items():
        assert read.energy == again[key].energy


def test_memory_does_not_grow_with_the_rows(name, tmp_path):
    seen_bytes = []

    def rows(n: int) -> Iterator[ExportRow]:
        large = row("C" * 15 + "H" * 15, 1)
        for i in range(n):
            if i in (n // 3, n - 1):
                gc.collect()
                seen_bytes.append(tracemalloc.get_traced_memory()[0])
            moved = large.structure.moved_to(large.structure.positions * i, Origin(seed=i))
            yield replace(large, structure=moved)

    tracemalloc.start()
    try:
        EXPORTERS[name].write(rows(120), tmp_path / "data")
    finally:
        tracemalloc.stop()
    early, late = seen_bytes
    # The positions of the 80 rows between take 57,600 bytes, however they were held.
    assert late - early < 30_000
    assert (tmp_path / "data").stat().st_size > 120 * 30 * 6 * 8


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
