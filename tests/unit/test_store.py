"""The store: what goes in comes out bit for bit, and what is wrong with the file is said."""

import sqlite3
import struct
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from error_examples import CALIBRATION, errors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chemistry.errors import StoreError
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelFailure, LabelledStructure, Provenance
from chemistry.records.level import find_level
from chemistry.records.potential import Threshold
from chemistry.records.structure import Origin, Structure
from model.history import TrainingHistory
from workflow.planning.records import Candidate, Training
from workflow.planning.selection import Choice
from workflow.run.store.records import FinishedTask, LabelDetail, SampleDetail
from workflow.run.store.store import Store, StoreReader
from workflow.work.results import Cost, Judgement

LEVEL = find_level("hf/sto-3g")
WATER = molecule_from_smiles("O", name="water")
METHANE = molecule_from_smiles("C", name="methane")
COST = Cost(worker="here:1", started_at=0.1 + 0.2, finished_at=1e9 + 1 / 3, cpu_seconds=1e-300)

EXPLORED = SampleDetail(
    purpose="explore",
    rung=0,
    version=3,
    sweep=1,
    judged=7,
    over_threshold=2,
    rejected={"clash": 1},
    is_broken=False,
)
SAMPLED = replace(EXPLORED, purpose="initial", version=0)

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
EXTREMES = [
    np.pi,
    -0.0,
    5e-324,
    -123456.789,
    0.1 + 0.2,
    1 / 3,
    -2e3 - 2**-40,
    1.0,
    1e9,
]


@contextmanager
def new_store(path: Path):
    """A store with two molecules and a level."""
    with Store.create(path, "{}") as store:
        store.molecules.add([(WATER, False), (METHANE, True)])
        store.labels.add_level(LEVEL)
        yield store


def bits(values) -> list[bytes]:
    """Equality that tells -0.0 from 0.0."""
    return [struct.pack("<d", float(x)) for x in np.ravel(values)]


def water(positions=EXTREMES, **changes) -> Structure:
    return Structure(
        atomic_numbers=np.array([8, 1, 1]),
        positions=np.reshape(positions, (3, 3)),
        molecule_id=WATER.molecule_id,
        **changes,
    )


def label(structure: Structure, **changes) -> Label:
    fields = {
        "energy": -2079.0 - 2**-41,
        "forces": -np.asarray(structure.positions),
        "dipole": np.array([1e-300, -0.0, 1 / 3]),
        "components": {"hf": -1.1, "mp2/tz": 0.1 + 0.2},
        "diagnostics": {"s2": 0.75},
        "provenance": Provenance(
            program="pyscf",
            version="2.14",
            host="a host",
            cpu_seconds=0.1 + 0.7,
            wall_seconds=1 / 3,
            attempts=("diis", "newton"),
            finished_at=1.7e9 + 1 / 7,
        ),
        **changes,
    }
    return Label(structure_id=structure.structure_id, level_id=LEVEL.level_id, **fields)


def keep(store: Store, structure: Structure, *, purpose="initial", key="s-1", are_starts=False):
    candidate = Candidate(structure=structure, purpose=purpose, reason="because")
    store.candidates.commit_sample(
        key, 0, [candidate], are_starts=are_starts, threshold=None, detail=SAMPLED, cost=COST
    )


def choose(store: Store, structure: Structure, purpose="initial", version=0):
    choice = Choice(structure_id=structure.structure_id, purpose=purpose, reason="why")
    store.candidates.choose(0, [choice], version)


def dump(path: Path) -> list[str]:
    """Everything in the store but the diary's clock."""
    with sqlite3.connect(path) as db:
        return list(db.iterdump())


# Round trips


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    positions=arrays(np.float64, (3, 3), elements=st.floats(-1e6, 1e6)),
    forces=st.none() | arrays(np.float64, (3, 3), elements=finite),
    dipole=st.none() | arrays(np.float64, (3,), elements=finite),
    energy=finite.map(lambda x: x + 0.0),  # SQLite has no -0.0; nor has an energy
    components=st.dictionaries(st.text(max_size=5), finite, max_size=2),
    force_components=st.dictionaries(
        st.text(max_size=5), arrays(np.float64, (3, 3), elements=finite), max_size=2
    ),
    seed=st.none() | st.integers(0, 2**32 - 1),
    charge=st.integers(-3, 3),
)
def test_structures_and_labels_come_back_bit_for_bit(
    tmp_path_factory,
    positions,
    forces,
    dipole,
    energy,
    components,
    force_components,
    seed,
    charge,
):
    structure = water(
        positions, charge=charge, origin=Origin(sampler="modes", parent_id="p", seed=seed)
    )
    given_label = label(
        structure,
        forces=forces,
        dipole=dipole,
        energy=energy,
        components=components,
        force_components=force_components,
    )
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    with new_store(path) as store:
        keep(store, structure)
        choose(store, structure)
        store.labels.commit("label-1", 0, given_label, COST)
    with Store.open(path) as store:
        (row,) = store.labels.labelled(0, LEVEL.level_id, held_out=False)
    assert bits(row.structure.positions) == bits(positions)
    assert row.structure.structure_id == structure.structure_id
    assert row.structure.origin == structure.origin
    assert (row.structure.charge, row.structure.molecule_id) == (charge, WATER.molecule_id)
    assert bits(row.label.energy) == bits(energy)
    for read, written in ((row.label.forces, forces), (row.label.dipole, dipole)):
        assert (read is None) == (written is None)
        assert read is None or bits(read) == bits(written)
    assert row.label.components == components
    assert row.label.force_components.keys() == force_components.keys()
    for name, part in force_components.items():
        assert bits(row.label.force_components[name]) == bits(part)
    assert row.label.diagnostics == given_label.diagnostics
    assert row.label.provenance == given_label.provenance


def test_candidates_failures_trainings_and_costs_come_back(tmp_path):
    structure = water()
    candidate = Candidate(
        structure=structure,
        purpose="active",
        rho_kcal_mol=0.1 + 0.2,
        force_sigma_kcal_mol_angstrom=1 / 3,
        energy_ev=-76.0 - 1 / 3,
        judged_by=3,
        reason='"quoted" — Å',
    )
    failure = LabelFailure(
        structure_id=structure.structure_id,
        level_id=LEVEL.level_id,
        kind="convergence",
        message="SCF not converged: try …",
        attempts=("diis",),
        cpu_seconds=1 / 3,
    )
    training = Training(
        version=1,
        checkpoint="models/a",
        n_labels=7,
        errors=errors(energy_mae_kcal_mol=0.1 + 0.2, calibration=CALIBRATION),
        history=TrainingHistory(seconds=1 / 3, transfer="full", tried={"full": 0.1}),
    )
    with new_store(tmp_path / "s") as store:
        store.candidates.commit_sample(
            "s-1",
            0,
            [candidate],
            are_starts=False,
            threshold=Threshold(rho_kcal_mol=0.1),
            detail=EXPLORED,
            cost=COST,
        )
        (read,) = store.candidates.waiting(0).uncertain(1, most_of_a_molecule=1, already={})
        store.unusable.commit_failure("l-1", 0, failure, COST)
        store.trainings.commit("t-1", 0, training, COST)
    with StoreReader.open(tmp_path / "s") as store:
        assert read.structure.structure_id == structure.structure_id
        assert vars(read) | {"structure": None} == vars(candidate) | {"structure": None}
        assert store.unusable.failures() == [failure]
        assert store.trainings.all(0) == [training]
        tasks = {task.key: task for task in store.tasks.all()}
    explored = FinishedTask(key="s-1", kind="sample", detail=EXPLORED, cost=COST)
    assert tasks["s-1"] == explored
    assert tasks["l-1"].detail == LabelDetail(failed="convergence")
    assert set(tasks) == {"s-1", "l-1", "t-1"}


def test_molecules_come_back_in_the_order_of_the_campaign(tmp_path):
    with new_store(tmp_path / "s") as store:
        store.molecules.add([(METHANE, False), (WATER, True)])
        found = store.molecules.all()
    assert [(m.name, held_out) for m, held_out in found] == [("water", False), ("methane", True)]
    assert found[0][0].mol_block == WATER.mol_block


# What the campaign asks of it


def test_anchors_are_held_against_a_threshold_of_their_own(tmp_path):
    structures = {
        sampler: water(np.arange(9.0) * (1 + i), origin=Origin(sampler=sampler))
        for i, sampler in enumerate(("anchor_torsions", "torsions"))
    }
    limit = Threshold(rho_kcal_mol=0.4, anchor_rho_kcal_mol=0.1)

    def excesses(store: Store) -> dict[str, float]:
        found = store.database.all("SELECT structure_id, excess FROM candidates")
        names = {structure.structure_id: name for name, structure in structures.items()}
        return {names[row[0]]: row[1] for row in found}

    with new_store(tmp_path / "s") as store:
        offered = [
            Candidate(structure=s, purpose="active", rho_kcal_mol=0.2, judged_by=1)
            for s in structures.values()
        ]
        store.candidates.commit_sample(
            "s-1", 0, offered, are_starts=False, threshold=limit, detail=EXPLORED, cost=COST
        )
        assert excesses(store) == pytest.approx({"anchor_torsions": 2.0, "torsions": 0.5})
        judgements = [
            Judgement(structure_id=s.structure_id, rho_kcal_mol=0.3, force_sigma=0.0, energy_ev=0.0)
            for s in structures.values()
        ]
        store.candidates.commit_judgement("j-1", 0, 2, judgements, threshold=limit, cost=COST)
        assert excesses(store) == pytest.approx({"anchor_torsions": 3.0, "torsions": 0.75})
        [detail] = store.tasks.judgements(0)
        assert (detail.judged, detail.over_threshold) == (2, 1)


def test_samplers_start_from_a_structure_whose_label_was_imported(tmp_path):
    conformer = water()
    known = LabelledStructure(structure=conformer, label=label(conformer))
    with new_store(tmp_path / "s") as store:
        store.labels.import_labels(0, [(known, "initial")], "computed")
        assert not store.molecules.with_starts()
        keep(store, conformer, are_starts=True)
        assert store.molecules.with_starts() == {WATER.molecule_id}
        keep(store, conformer, key="s-2")
        assert [s.structure_id for s in store.molecules.starts(WATER.molecule_id)] == [
            conformer.structure_id
        ]


def test_what_is_inherited_has_the_energy_of_its_label_below(tmp_path):
    structure, unlabelled = water(), water(np.arange(9.0))
    with new_store(tmp_path / "s") as store:
        for i, one in enumerate((structure, unlabelled)):
            keep(store, one, key=f"s-{i}")
            choose(store, one)
        store.labels.commit("l-1", 0, label(structure, energy=-7.5), COST)
        store.candidates.inherit("inherit-1", 1, level_below=LEVEL.level_id)
        [found] = store.candidates.waiting(1).offers("initial", WATER.molecule_id)
    assert found.energy_ev == -7.5
    assert found.judged_by is None


def test_committing_twice_changes_nothing(tmp_path):
    path = tmp_path / "s"
    first, second = water(), water(np.arange(9.0))
    failure = LabelFailure(
        structure_id=second.structure_id, level_id=LEVEL.level_id, kind="resource", message="m"
    )
    training = Training(version=1, checkpoint="models/a", n_labels=1)

    def commit_all(store: Store) -> None:
        keep(store, first, key="s-1")
        keep(store, second, key="s-2")
        judged = Judgement(
            structure_id=second.structure_id, rho_kcal_mol=0.3, force_sigma=2.0, energy_ev=1.0
        )
        limit = Threshold(rho_kcal_mol=0.1)
        store.candidates.commit_judgement("j-1", 0, 1, [judged], threshold=limit, cost=COST)
        choose(store, first)
        store.labels.commit("l-1", 0, label(first), COST)
        store.unusable.commit_failure("l-2", 0, failure, COST)
        store.trainings.commit("t-1", 0, training, COST)

    with new_store(path) as store:
        commit_all(store)
    once = dump(path)
    (sampled,) = (
        line for line in once if line.startswith('INSERT INTO "stages"') and "sample" in line
    )
    with Store.open(path) as store:
        store.labels.commit("l-1", 0, label(first), COST)
        store.unusable.commit_failure("l-2", 0, failure, COST)
        # Another answer to the same question does not replace the first one either.
        store.labels.commit("l-1", 0, label(first, energy=1.0), COST)
        keep(store, first, purpose="held_out", key="s-3")
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM tasks WHERE key = 's-3'")
        db.executescript("DELETE FROM stages WHERE kind = 'sample'; " + sampled)
    assert dump(path) == once


def test_a_held_out_structure_is_never_in_the_training_set(tmp_path):
    trained, held_out, waiting = (water(np.arange(9.0) * k) for k in (1, 2, 3))
    with new_store(tmp_path / "s") as store:
        for i, structure in enumerate((trained, held_out, waiting)):
            keep(store, structure, key=f"s-{i}")
        choose(store, trained, "random")
        choose(store, held_out, "held_out")
        for i, structure in enumerate((trained, held_out)):
            store.labels.commit(f"l-{i}", 0, label(structure), COST)
        sets = [
            [
                row.structure.structure_id
                for row in store.labels.labelled(0, LEVEL.level_id, held_out=held)
            ]
            for held in (False, True)
        ]
        assert sets == [[trained.structure_id], [held_out.structure_id]]
        assert store.labels.count(0) == {"random": 1, "held_out": 1}
        splits = {row.structure.structure_id: row.split for row in store.labels.export_rows()}
    assert splits == {trained.structure_id: "train", held_out.structure_id: "test"}


def test_what_is_chosen_is_to_be_labelled_until_it_has_an_answer(tmp_path):
    one, two, three = sorted(
        (water(np.arange(9.0) * k) for k in (1, 2, 3)), key=lambda s: s.structure_id
    )
    with new_store(tmp_path / "s") as store:
        for i, structure in enumerate((one, two, three)):
            keep(store, structure, key=f"s-{i}")
            choose(store, structure, "active", version=i)

        def left() -> list[str]:
            return [structure_id for structure_id, _ in store.candidates.to_label(0)]

        assert left() == [one.structure_id, two.structure_id, three.structure_id]
        assert store.candidates.waiting(0).drawn(9, seed=1) == []
        assert store.candidates.tally(0) == {("chosen", "active", WATER.molecule_id): 3}
        assert store.candidates.chosen_by(0, 2) == {WATER.molecule_id: 1}
        store.labels.commit("l-1", 0, label(one), COST)
        ids = {"structure_id": two.structure_id, "level_id": LEVEL.level_id}
        store.unusable.commit_failure(
            "l-2", 0, LabelFailure(**ids, kind="convergence", message="no"), COST
        )
        assert left() == [three.structure_id]
        assert store.candidates.tally(0) == {
            (status, "active", WATER.molecule_id): 1 for status in ("chosen", "failed", "labelled")
        }
        store.unusable.put_back(0, **ids)
        assert left() == [two.structure_id, three.structure_id]
        assert store.unusable.failures() == []


def test_costs_of_failed_labels_count(tmp_path):
    one, two = water(), water(np.arange(9.0))
    with new_store(tmp_path / "s") as store:
        for i, structure in enumerate((one, two)):
            keep(store, structure, key=f"s-{i}")
        failure = LabelFailure(
            structure_id=two.structure_id,
            level_id=LEVEL.level_id,
            kind="resource",
            message="m",
            cpu_seconds=2.0,
        )
        store.labels.commit("l-1", 0, label(one), replace(COST, cpu_seconds=0.25))
        store.unusable.commit_failure("l-2", 0, failure, replace(COST, cpu_seconds=2.0))
        assert store.tasks.label_cpu_seconds(0) == 2.25
        assert store.tasks.label_cpu_seconds(1) == 0.0
        assert store.labels.cost_moments(LEVEL.level_id).n == 1


def test_starts_and_elements(tmp_path):
    start, other = water(), water(np.arange(9.0))
    with new_store(tmp_path / "s") as store:
        assert store.molecules.with_starts() == frozenset()
        keep(store, start, key="s-1", are_starts=True)
        keep(store, other, key="s-2")
        assert [s.structure_id for s in store.molecules.starts(WATER.molecule_id)] == [
            start.structure_id
        ]
        assert store.molecules.with_starts() == {WATER.molecule_id}
        assert store.molecules.elements() == (1, 8)


def test_facts_and_launches(tmp_path):
    with new_store(tmp_path / "s") as store:
        assert store.diary.fact("campaign") == "{}"
        assert store.diary.fact("finished") is None
        store.diary.set_fact("finished", "so")
        store.diary.set_fact("finished", "otherwise")
        assert store.diary.fact("finished") == "otherwise"
        started = store.diary.begin_launch(3)
        assert store.diary.launches() == [(started, None, 3)]
        store.diary.end_launch(started)
        ((_, ended, _),) = store.diary.launches()
        assert ended >= started
        store.diary.add_event("kind", "text")
        assert [event[1:] for event in store.diary.events()] == [("kind", "text")]


# The file


def test_readers_see_what_is_committed_while_the_writer_writes(tmp_path):
    one, two = water(), water(np.arange(9.0))
    path = tmp_path / "s"
    with new_store(path) as writer, StoreReader.open(path) as reader:
        keep(writer, one, key="s-1")
        assert reader.candidates.tally(0).total() == 1
        with writer.database.write() as db:
            db.execute("DELETE FROM candidates")
            assert reader.candidates.tally(0).total() == 1
            db.rollback()
        keep(writer, two, key="s-2")
        assert reader.candidates.tally(0).total() == 2
        with pytest.raises(StoreError, match="readonly"):
            reader.database.one("DELETE FROM meta")


def test_a_reader_has_nothing_to_write_with(tmp_path):
    path = tmp_path / "s"
    with new_store(path) as writer, StoreReader.open(path) as reader:
        assert vars(writer).keys() == vars(reader).keys()
        for subject, of_writer in vars(writer).items():
            of_reader = vars(reader)[subject]
            assert isinstance(of_writer, type(of_reader))
            assert set(dir(of_writer)) > set(dir(of_reader)), subject
        assert not hasattr(reader.database, "write")
        assert not hasattr(reader, "together")


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / "s"
    stranger = Structure(
        atomic_numbers=np.array([1]), positions=np.zeros((1, 3)), molecule_id="unknown"
    )
    candidates = [Candidate(structure=s, purpose="initial", reason="") for s in (water(), stranger)]
    with new_store(path) as store:
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            store.candidates.commit_sample(
                "s-1", 0, candidates, are_starts=False, threshold=None, detail=SAMPLED, cost=COST
            )
        assert store.candidates.tally(0) == {}
        assert store.tasks.finished(0) == frozenset()


def test_a_store_is_never_overwritten(tmp_path):
    with new_store(tmp_path / "s"):
        pass
    with pytest.raises(StoreError, match="exists already"):
        Store.create(tmp_path / "s", "{}")


def test_what_an_interrupted_creation_left_is_replaced(tmp_path):
    for name in ("s.new", "s.new-wal", "s.new-journal"):
        (tmp_path / name).write_bytes(b"half a store")
    with new_store(tmp_path / "s") as store:
        assert store.diary.fact("campaign") == "{}"
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("kind", [Store, StoreReader])
def test_no_store_is_no_run_folder(tmp_path, kind):
    with pytest.raises(StoreError, match=r"is not a run folder: it has no store\.sqlite"):
        kind.open(tmp_path / "store.sqlite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["0", "1", "x", None])
def test_another_schema_version_is_refused(tmp_path, version):
    path = tmp_path / "s"
    with new_store(path):
        pass
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM meta WHERE key = 'schema_version'")
        if version is not None:
            db.execute("INSERT INTO meta VALUES ('schema_version', ?)", (version,))
    db.close()
    with pytest.raises(StoreError, match=f"schema version {version}, this rung reads 2: use the"):
        Store.open(path)


def full_store(path: Path) -> int:
    """A store of many pages; returns its size."""
    with new_store(path) as store:
        for i in range(25):
            structure = water(np.random.default_rng(i).normal(size=9))
            keep(store, structure, key=f"s-{i}")
            choose(store, structure)
            store.labels.commit(f"l-{i}", 0, label(structure), COST)
    return path.stat().st_size


def test_recent_tasks_are_those_after_a_moment_and_the_last_few(tmp_path):
    with new_store(tmp_path / "s") as store:
        store.candidates.inherit("inherit-1", 1, level_below="below")  # ends now, after all others
        for i in range(6):
            training = Training(version=i, checkpoint="", n_labels=1)
            store.trainings.commit(f"t-{i}", 0, training, replace(COST, finished_at=float(i)))

        def keys(since, at_least):
            return [task.key for task in store.tasks.recent(since, at_least=at_least)]

        assert keys(2.0, 0) == ["t-3", "t-4", "t-5", "inherit-1"]
        assert keys(4.0, 3) == ["t-3", "t-4", "t-5", "inherit-1"]
        assert keys(1e12, 2) == ["t-4", "t-5"]
        assert store.tasks.recent(-1.0, at_least=0) == list(store.tasks.all())


@pytest.mark.parametrize("always_read", [0, 2**28])
@pytest.mark.parametrize("kind", [Store, StoreReader])
@pytest.mark.parametrize("left", [0, 10, 5000, 0.5])
def test_a_cut_file_is_called_damaged(tmp_path, left, kind, always_read, monkeypatch):
    monkeypatch.setattr("workflow.run.store.database._ALWAYS_READ_BYTES", always_read)
    path = tmp_path / "store.sqlite"
    size = full_store(path)
    with path.open("r+b") as file:
        file.truncate(int(left * size) if isinstance(left, float) else left)
    with (
        pytest.raises(StoreError, match=r"store\.sqlite cannot be used .*it is damaged; put back"),
        kind.open(path) as store,
    ):
        list(store.labels.export_rows())


@pytest.mark.parametrize("content", [b"not a database at all, but text\n" * 99, b"\0" * 8192])
def test_another_kind_of_file_is_called_damaged(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(StoreError, match="it is damaged"):
        Store.open(tmp_path / "s")


def put_rubbish(path):
    """Overwrite a page of the labels."""
    with sqlite3.connect(path) as db:
        ((page, page_size),) = db.execute(
            "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'labels'"
        )
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * page_size)
        file.write(b"\xff" * page_size)


def test_pages_of_rubbish_are_noticed_before_anything_is_written(tmp_path):
    path = tmp_path / "s"
    full_store(path)
    put_rubbish(path)
    damaged = path.read_bytes()
    with pytest.raises(StoreError, match="it is damaged"):
        Store.open(path)
    with (
        StoreReader.open(path) as store,
        pytest.raises(StoreError, match="it is damaged"),
    ):
        list(store.labels.export_rows())
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("was_cut_off", [True, False])
def test_a_large_store_is_read_before_writing_only_after_a_launch_that_was_cut_off(
    tmp_path, was_cut_off, monkeypatch
):
    monkeypatch.setattr("workflow.run.store.database._ALWAYS_READ_BYTES", 0)
    path = tmp_path / "s"
    full_store(path)
    with Store.open(path) as store:
        store.diary.end_launch(store.diary.begin_launch(1))
        last = store.diary.begin_launch(1)
        if not was_cut_off:
            store.diary.end_launch(last)
    put_rubbish(path)
    if was_cut_off:
        with pytest.raises(StoreError, match="it is damaged"):
            Store.open(path)
        return
    with Store.open(path) as store, pytest.raises(StoreError, match="it is damaged"):
        list(store.labels.export_rows())


def fill(store: Store) -> None:
    for i in range(10_000):
        keep(store, water(np.random.default_rng(i).normal(size=9)), key=f"more-{i}")


def test_a_full_disk_is_said_and_keeps_what_was_committed(tmp_path):
    path = tmp_path / "s"
    with new_store(path) as store:
        keep(store, water(), key="s-1")
        store.database.connection.execute(
            f"PRAGMA max_page_count = {store.database.one('PRAGMA page_count')[0]}"
        )
        with pytest.raises(StoreError, match="make room on the disk and launch again"):
            fill(store)
    with Store.open(path) as store:
        kept = len(store.tasks.finished(0))
        assert kept == store.candidates.tally(0).total() >= 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(StoreError, match="check the folder's permissions and its disk"):
        Store.create(tmp_path / "missing" / "s", "{}")
