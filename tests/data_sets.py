"""Rows of made-up data sets, and every format read by the tool of its field."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ase.db
import ase.io
import dpdata
import h5py
import numpy as np
import pandas
import pyarrow.dataset
import pytest
import qcelemental
from ase import Atoms

from chemistry.records.label import Label, Provenance
from chemistry.records.structure import Origin, Structure
from chemistry.units import ANGSTROM_PER_BOHR, EV_PER_HARTREE
from workflow.run.store.records import ExportRow

DFT, GOLD, XTB = "wb97x/6-31g*", "ccsd(t)*/cbs", "gfn2-xtb"
LEVEL_OF_FOLDER = {"wb97x_dz": DFT, "gfn2-xtb": XTB, "ccsd(t)_cbs": GOLD}


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """One label as a reader of a format sees it, in eV and Å."""

    numbers: np.ndarray
    positions: np.ndarray
    energy: float
    forces: np.ndarray | None
    charge: int
    multiplicity: int
    split: str
    molecule: str
    facts: dict[str, Any] = field(default_factory=dict)
    dipole: np.ndarray | None = None


Found = dict[tuple[str, str], Read]


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
        diagnostics={"t1": 0.01 * seed},
        provenance=Provenance(
            program="none",
            version="0.1",
            host="a secret host",
            cpu_seconds=1.0 + seed,
            wall_seconds=1.0,
            attempts=("diis", "newton"),
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


def read_extxyz(path: Path) -> Found:
    """As any user of ASE reads it."""
    found = {}
    for atoms in _frames(path):
        results = atoms.calc.results
        found[_key(atoms.info)] = _of_atoms(
            atoms, atoms.info, atoms.get_potential_energy(), results.get("forces"), results
        )
    return found


MACE_KEYS = {"energy": "REF_energy", "forces": "REF_forces"}
"""What MACE looks for by default: `DefaultKeys` of mace/tools/default_keys.py, mace-torch 0.3.16.

On the command line these are the defaults of `--energy_key` and `--forces_key`.
"""


def read_mace(path: Path) -> Found:
    """As MACE does: ASE reads, and MACE takes from info and arrays what its keys name."""
    found = {}
    for atoms in _frames(path):
        info = atoms.info
        assert atoms.calc is None
        found[_key(info)] = _of_atoms(
            atoms, info, info[MACE_KEYS["energy"]], atoms.arrays.get(MACE_KEYS["forces"]), {}
        )
    return found


def _frames(path: Path) -> list[Atoms]:
    if path.stat().st_size == 0:  # ASE has no word for a file without frames
        return []
    return ase.io.read(path, index=":", format="extxyz")


def _of_atoms(atoms: Atoms, facts: dict, energy: float, forces: Any, results: dict) -> Read:
    assert not atoms.pbc.any()
    return Read(
        numbers=atoms.numbers,
        positions=atoms.positions,
        energy=energy,
        forces=forces,
        dipole=results.get("dipole"),
        **_named(facts),
    )


def _named(facts: dict[str, Any]) -> dict[str, Any]:
    names = ("charge", "multiplicity", "split", "molecule")
    return {**{name: facts[name] for name in names}, "facts": dict(facts)}


def _key(facts: dict[str, Any]) -> tuple[str, str]:
    return facts["structure_id"], facts["level"]


def ani_buckets(path: Path, keys: list[str]) -> Iterator[dict[str, np.ndarray]]:
    """Read as users of the ANI-1x data set do: by formula, rows that have all the keys.

    The published loader asks every group for every key; what is missing is NaN in its row.
    """
    texts = ("structure_id", "split", "molecule", "purpose", "sampler")
    with h5py.File(path, "r") as file:
        for group in file.values():
            columns = {key: group[key][()] for key in keys}
            n_rows = len(group["coordinates"])
            has_all = np.ones(n_rows, dtype=bool)
            for values in columns.values():
                has_all &= ~np.isnan(values.reshape(n_rows, -1)).any(axis=1)
            if has_all.any():
                provenance = f"{keys[0].rpartition('.')[0]}.provenance"
                yield {
                    "atomic_numbers": group["atomic_numbers"][()],
                    "coordinates": group["coordinates"][has_all],
                    "provenance": group[provenance].asstr()[has_all],
                    **{name: group[name].asstr()[has_all] for name in texts},
                    **{name: group[name][has_all] for name in ("charge", "multiplicity")},
                    **{key: values[has_all] for key, values in columns.items()},
                }


def read_ani_hdf5(path: Path) -> Found:
    """As users of the ANI-1x data set read it, in hartree; forces where there are any."""
    with h5py.File(path, "r") as file:
        groups = [set(group) for group in file.values()]
    found = {}
    for prefix, level in LEVEL_OF_FOLDER.items():
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
                texts = {name: str(bucket[name][k]) for name in ("split", "molecule")}
                more = {name: str(bucket[name][k]) for name in ("purpose", "sampler")}
                found[str(i), level] = Read(
                    numbers=bucket["atomic_numbers"],
                    positions=bucket["coordinates"][k],
                    energy=bucket[energy][k] * EV_PER_HARTREE,
                    forces=with_forces.get(str(i)),
                    charge=bucket["charge"][k],
                    multiplicity=bucket["multiplicity"][k],
                    facts={**more, **json.loads(bucket["provenance"][k])},
                    **texts,
                )
    return found


def read_torchani(path: Path) -> Found:
    """By torchani's ANIDataset, in hartree."""
    datasets = pytest.importorskip("torchani.datasets")
    facts = _label_list(path)
    found = {}
    for file in sorted(path.rglob("*.h5")):
        dataset = datasets.ANIDataset(file, verbose=False)
        assert dataset.grouping == "by_formula"
        for conformer in dataset.iter_conformers():
            fact = facts[int(conformer["label"])]
            assert file.stem == fact["split"]
            assert LEVEL_OF_FOLDER[file.parent.name.removesuffix("-energies-only")] == fact["level"]
            forces = conformer.get("forces")
            assert int(conformer["charge"]) == fact["charge"]
            found[_key(fact)] = Read(
                numbers=conformer["species"].numpy(),
                positions=conformer["coordinates"].numpy(),
                energy=float(conformer["energies"]) * EV_PER_HARTREE,
                forces=None if forces is None else forces.numpy() * EV_PER_HARTREE,
                **_named(fact),
            )
    return found


def read_deepmd(path: Path) -> Found:
    """By dpdata, a system at a time."""
    facts = _label_list(path)
    found = {}
    for folder in sorted(file.parent for file in path.rglob("type.raw")):
        system = dpdata.LabeledSystem(str(folder), fmt="deepmd/npy")
        assert system.nopbc
        lines = np.concatenate([np.load(f) for f in sorted(folder.glob("set.*/label.npy"))])
        symbols = [system["atom_names"][kind] for kind in system["atom_types"]]
        for i, line in enumerate(lines):
            fact = facts[line]
            assert folder.parent.name == fact["split"]
            found[_key(fact)] = Read(
                numbers=Atoms(symbols).numbers,
                positions=system["coords"][i],
                energy=system["energies"][i],
                forces=system["forces"][i] if system.has_forces() else None,
                **_named(fact),
            )
    return found


def _label_list(path: Path) -> list[dict[str, Any]]:
    text = (path / "labels.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def read_qcschema(path: Path) -> Found:
    """By QCElemental, which validates; gradients become forces."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        result = qcelemental.models.AtomicResult(**json.loads(line))
        facts = result.extras["rung"]
        assert result.provenance.creator == facts["program"]
        per_angstrom = EV_PER_HARTREE / ANGSTROM_PER_BOHR
        forces = -result.return_result * per_angstrom if result.driver == "gradient" else None
        named = _named(facts)
        named["charge"] = result.molecule.molecular_charge
        named["multiplicity"] = result.molecule.molecular_multiplicity
        named["molecule"] = result.molecule.name
        found[_key(facts)] = Read(
            numbers=result.molecule.atomic_numbers,
            positions=result.molecule.geometry * ANGSTROM_PER_BOHR,
            energy=result.properties.return_energy * EV_PER_HARTREE,
            forces=forces,
            **named,
        )
    return found


def read_parquet(path: Path) -> Found:
    """By pandas and pyarrow, which must agree; `datasets` opens it with the latter."""
    frame = pandas.read_parquet(path)
    records = pyarrow.dataset.dataset(path).to_table().to_pylist()
    assert len(frame) == len(records)
    assert frame["structure_id"].tolist() == [r["structure_id"] for r in records]
    for file in path.iterdir():
        splits = pandas.read_parquet(file)["split"]
        assert (splits == file.stem).all()
    found = {}
    for record in records:
        forces, dipole = record["forces_ev_angstrom"], record["dipole_e_angstrom"]
        found[_key(record)] = Read(
            numbers=np.array(record["atomic_numbers"]),
            positions=np.array(record["positions_angstrom"]),
            energy=record["energy_ev"],
            forces=None if forces is None else np.array(forces),
            dipole=None if dipole is None else np.array(dipole),
            **_named(record),
        )
    return found


def read_ase_db(path: Path) -> Found:
    """By ase.db; what can be selected by must be there."""
    found = {}
    with ase.db.connect(path, type="db") as database:
        for entry in database.select():
            assert entry.level == entry.data["level"]
            assert entry.total_charge == entry.data["charge"]
            assert entry.split == entry.data["split"]
            results = entry.toatoms().calc.results
            found[_key(entry.data)] = _of_atoms(
                entry.toatoms(), entry.data, entry.energy, results.get("forces"), results
            )
    return found


READERS: dict[str, Callable[[Path], Found]] = {
    "extxyz": read_extxyz,
    "mace": read_mace,
    "ani-hdf5": read_ani_hdf5,
    "torchani": read_torchani,
    "deepmd": read_deepmd,
    "qcschema": read_qcschema,
    "parquet": read_parquet,
    "ase-db": read_ase_db,
}
