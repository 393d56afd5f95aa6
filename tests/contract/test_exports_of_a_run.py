"""Exports of a store: what is chosen, how it is split, what the data card says."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from data_sets import READERS, row

from chemistry.errors import InputError
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import LabelFailure, LabelledStructure
from chemistry.records.level import find_level
from chemistry.units import EV_PER_KCAL_MOL
from workflow.datasets.export.card import card_path
from workflow.datasets.export.choice import ExportChoice, molecule_splits, parse_condition
from workflow.datasets.export.formats import EXPORTERS
from workflow.datasets.export.write import write_export
from workflow.run.store.store import Store
from workflow.work.results import Cost

DFT, GOLD = find_level("wb97x/6-31g*"), find_level("ccsd(t)*/cbs")
MOLECULES = {
    name: molecule_from_smiles(smiles, name=name)
    for name, smiles in {"methanol": "CO", "water": "O", "methane": "C", "ammonia": "N"}.items()
}
SYMBOLS = {"methanol": "COHHHH", "water": "OHH", "methane": "CHHHH", "ammonia": "NHHH"}


def labelled(name: str, seed: int, level=DFT) -> LabelledStructure:
    made = row(SYMBOLS[name], seed, level=level.name, has_forces=level.gives_forces)
    structure = replace(made.structure, molecule_id=MOLECULES[name].molecule_id)
    return LabelledStructure(
        structure=structure, label=replace(made.label, level_id=level.level_id)
    )


@pytest.fixture
def store(tmp_path):
    """Ten DFT labels a molecule, two of them held out; one structure of each has a gold label."""
    with Store.create(tmp_path / "store.sqlite", "{}") as store:
        store.molecules.add([(m, name == "ammonia") for name, m in MOLECULES.items()])
        for level in (DFT, GOLD):
            store.labels.add_level(level)
        for k, name in enumerate(MOLECULES):
            first = [labelled(name, 100 * k + i) for i in range(10)]
            purposes = ["held_out"] * 2 + ["active"] * 8
            store.labels.import_labels(0, zip(first, purposes, strict=True), "for the test")
            store.labels.import_labels(
                1, [(labelled(name, 100 * k + 5, GOLD), "initial")], "for the test"
            )
        yield store


def written(store, tmp_path, **choice):
    path = tmp_path / "data.extxyz"
    write_export(store, "extxyz", path, ExportChoice(**choice))
    return ase.io.read(path, index=":")


@pytest.mark.parametrize("name", sorted(EXPORTERS))
def test_an_export_replaces_an_earlier_one_and_describes_itself(name, store, tmp_path):
    path = tmp_path / f"data{EXPORTERS[name].suffix}"
    assert write_export(store, name, path) == 44
    choice = ExportChoice(levels=(GOLD.name,), license="CC-BY-4.0")
    assert write_export(store, name, path, choice) == 4
    assert {level for _, level in READERS[name](path)} == {GOLD.name}
    card = card_path(path).read_text(encoding="utf-8")
    assert "Licence: CC-BY-4.0" in card
    assert EXPORTERS[name].units in card
    files = re.findall(r"^([0-9a-f]{64})  (.+)$", card, flags=re.MULTILINE)
    assert files
    for checksum, file in files:
        assert hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() == checksum
    leftovers = {p.name for p in tmp_path.iterdir()} - {"store.sqlite", path.name}
    assert {p for p in leftovers if "sqlite" not in p} == {card_path(path).name}


def test_all_splits_are_of_whole_molecules(store, tmp_path):
    frames = written(store, tmp_path)
    splits = {}
    for atoms in frames:
        splits.setdefault(atoms.info["molecule"], set()).add(atoms.info["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert splits["ammonia"] == {"test"}  # which the campaign only tests on
    assert {"train", "validation", "test"} == set.union(*splits.values())


def test_the_campaigns_own_split_is_its_held_out_set(store, tmp_path):
    frames = written(store, tmp_path, split="campaign")
    for atoms in frames:
        assert (atoms.info["split"] == "test") == (atoms.info["purpose"] == "held_out")
    assert sum(atoms.info["split"] == "test" for atoms in frames) == 8


@pytest.mark.parametrize("n_molecules", [1, 2, 3, 50])
def test_molecules_are_divided_about_eight_to_one_to_one(n_molecules):
    counts = {f"{i:04x}": 10 + i % 7 for i in range(n_molecules)}
    splits = molecule_splits(counts, ())
    found = [
        sum(n for m, n in counts.items() if splits[m] == part)
        for part in ("train", "validation", "test")
    ]
    assert found[0] > 0
    assert all(found) or n_molecules < 3
    if n_molecules == 50:
        np.testing.assert_allclose(np.array(found) / sum(found), [0.8, 0.1, 0.1], atol=0.04)


def test_a_level_alone_although_the_structures_have_others(store, tmp_path):
    """A structure that a higher rung shares brings no label of the lower one."""
    frames = written(store, tmp_path, levels=("CCSD(T)*/CBS",))
    assert [atoms.info["level"] for atoms in frames] == [GOLD.name] * 4
    with pytest.raises(InputError, match="no labels of gfn2-xtb"):
        written(store, tmp_path, levels=("gfn2-xtb",))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["molecule=water"], 11),
        (["molecule!=water"], 33),
        (["n_atoms<=3"], 11),
        (["n_atoms > 4", "level=wb97x/6-31g*"], 20),
        (["purpose=held_out"], 8),
        (["formula=CH4O"], 11),
        (["max_force_ev_angstrom<1000"], 40),  # gold labels have no forces
        (["max_force_ev_angstrom<0.1"], 0),
        (["diagnostics.t1<0.05"], 5),
        (["diagnostics.unknown>=0"], 0),
        (["attempts=2"], 44),
        (["split=test", "program=none"], 11),
    ],
)
def test_conditions(store, tmp_path, where, expected):
    conditions = tuple(parse_condition(text) for text in where)
    count = write_export(store, "ani-hdf5", tmp_path / "data.h5", ExportChoice(where=conditions))
    assert count == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("molecules=water", "did you mean `molecule`"),
        ("n_atoms<many", "'many' is not a number"),
        ("molecule<water", "is a text"),
        ("n_atoms", "expected FIELD"),
        ("__import__('os').system('true')", "expected FIELD"),
    ],
)
def test_a_condition_that_says_nothing_is_refused(text, said):
    with pytest.raises(InputError, match=re.escape(said)):
        parse_condition(text)


def test_near_duplicates_are_left_out_with_all_their_labels(store, tmp_path):
    original = labelled("methanol", 5)
    positions = original.structure.positions[[0, 1, 3, 2, 4, 5]]  # two hydrogens exchanged
    twin = replace(original.structure, positions=positions)
    assert twin.structure_id != original.structure.structure_id
    label = replace(original.label, structure_id=twin.structure_id)
    again = LabelledStructure(structure=twin, label=label)
    store.labels.import_labels(0, [(again, "active")], "a twin")
    assert len(written(store, tmp_path)) == 45
    assert len(written(store, tmp_path, dedupe_angstrom=0.01)) in (44, 43)
    assert len(written(store, tmp_path, dedupe_angstrom=1000.0)) in range(4, 9)


def test_energies_minus_self_energies_add_up_to_the_total(store, tmp_path):
    totals = {
        a.info["structure_id"]: a.get_potential_energy()
        for a in written(store, tmp_path)
        if a.info["level"] == DFT.name
    }
    frames = written(store, tmp_path, energy="minus-self-energies", levels=(DFT.name,))
    card = card_path(tmp_path / "data.extxyz").read_text(encoding="utf-8")
    (line,) = re.findall(r"^Self-energies of `wb97x/6-31g\*`, eV: (.+)$", card, flags=re.MULTILINE)
    constants = {s: float(e) for s, e in (item.split() for item in line.split(", "))}
    assert set(constants) == {"H", "C", "N", "O"}
    for atoms in frames:
        back = atoms.get_potential_energy() + sum(constants[s] for s in atoms.symbols)
        assert back == pytest.approx(totals[atoms.info["structure_id"]], abs=1e-9)
    # Least squares leave no average behind where the elements can take it up.
    assert abs(np.mean([a.get_potential_energy() for a in frames])) < 1e-6 / EV_PER_KCAL_MOL


def test_what_failed_is_counted_and_left_out(store, tmp_path):
    failure = LabelFailure(
        structure_id=labelled("water", 101).structure.structure_id,
        level_id=GOLD.level_id,
        kind="convergence",
        message="the ladder was walked to its end",
    )
    cost = Cost(worker="here", started_at=0.0, finished_at=0.0, cpu_seconds=0.0)
    store.unusable.commit_failure("label-x", 1, failure, cost)
    assert len(written(store, tmp_path)) == 44
    assert (
        "a quality gate refused them: convergence 1."
        in card_path(tmp_path / "data.extxyz").read_text()
    )


def test_a_folder_of_somebody_else_is_not_deleted(store, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").touch()
    with pytest.raises(InputError, match="is a folder that no export made"):
        write_export(store, "parquet", tmp_path / "precious")
    assert (tmp_path / "precious" / "thesis.tex").exists()


def test_an_export_that_breaks_off_leaves_the_earlier_one(store, tmp_path, monkeypatch):
    path = tmp_path / "data.deepmd"
    write_export(store, "deepmd", path)
    before = {p: p.stat().st_mtime_ns for p in path.rglob("*")}
    monkeypatch.setattr(type(EXPORTERS["deepmd"]), "write", _break_off)
    with pytest.raises(RuntimeError, match="broke off"):
        write_export(store, "deepmd", path)
    assert {p: p.stat().st_mtime_ns for p in path.rglob("*")} == before
    assert not list(tmp_path.glob(".*part"))


def _break_off(self, rows, path: Path) -> int:
    path.mkdir()
    raise RuntimeError("broke off")


def test_a_missing_library_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=re.escape("needs pyarrow: pip install 'rung[exports]'")):
        EXPORTERS["parquet"].write([], tmp_path / "data")


def test_the_command_says_what_it_wrote(store, tmp_path):
    command = [Path(sys.executable).with_name("rung"), "export", tmp_path, "--format", "parquet"]
    options = ["--output", tmp_path / "out.parquet", "--where", "molecule=water"]
    options += ["--level", DFT.name, "--split", "campaign"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=True, env=environment
    )
    assert "wrote 10 labels to" in done.stdout
    found = READERS["parquet"](tmp_path / "out.parquet")
    assert {read.molecule for read in found.values()} == {"water"}
    assert sum(read.split == "test" for read in found.values()) == 2
