"""An import recomputes a few of its labels: which, what it refuses, and what the run remembers."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from labelled_water import ENERGY_EV, FORCES, POSITIONS, frame

from chemistry.engines import find_engine
from chemistry.errors import EngineNotInstalled, InputError
from chemistry.records.label import Label, LabelFailure, LabelledStructure, Provenance
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from workflow.datasets.export.card import card_path
from workflow.datasets.export.write import write_export
from workflow.datasets.import_data import ImportChoice, describe_import, import_data
from workflow.datasets.layouts.base import Stated
from workflow.datasets.recheck import Given, Sample, require_recomputed
from workflow.report.explain import explain, sentences
from workflow.run.folder import RunFolder
from workflow.run.store.store import Store
from workflow.settings.campaign import read_campaign

LEVEL = find_level("hf/sto-3g")


def label_of(structure, energy, *, forces=None, level=LEVEL, checked="computed") -> Label:
    return Label(
        structure_id=structure.structure_id,
        level_id=level.level_id,
        energy=energy,
        forces=forces,
        provenance=Provenance(
            program="pyscf",
            version="2",
            host="here" if checked == "computed" else "imported from x",
            cpu_seconds=0.0,
            wall_seconds=0.0,
            attempts=(),
            finished_at=0.0,
            checked=checked,
        ),
    )


def surface(structure: Structure) -> float:
    """An energy that depends on the geometry."""
    return ENERGY_EV + 10.0 * float(np.abs(structure.positions).sum() - np.abs(POSITIONS).sum())


class Engine:
    """Answers with the made-up surface, and remembers what it was asked."""

    def __init__(self, answer=None) -> None:
        self.asked: list[Structure] = []
        self._answer = answer or (lambda s, level: label_of(s, surface(s), level=level))

    def __call__(self, structure, level, engine, seconds):
        assert 0 < seconds <= 600
        self.asked.append(structure)
        return self._answer(structure, level)


@pytest.fixture
def campaign(tmp_path):
    path = tmp_path / "c.yaml"
    molecules = [{"smiles": "O", "name": "water"}]
    path.write_text(
        yaml.safe_dump({"name": "c", "molecules": molecules, "rungs": [{"level": LEVEL.name}]})
    )
    return read_campaign(path)


def frames(factor: float = 1.0) -> str:
    stretched = [POSITIONS * (1 + 0.01 * k) for k in range(4)]
    return "".join(
        frame(
            f"energy={factor * surface(Structure(atomic_numbers=[8, 1, 1], positions=p))!r}",
            positions=p,
        )
        for p in stretched
    )


def test_labels_that_agree_are_taken_in_and_remembered_as_checked(campaign, tmp_path):
    (tmp_path / "data.xyz").write_text(frames())
    engine = Engine()
    run = tmp_path / "run"
    imported = import_data(campaign, run, tmp_path / "data.xyz", ImportChoice(), engine)
    assert (imported.new, imported.recomputed, len(engine.asked)) == (4, 2, 2)
    assert "2 of them were recomputed and agree" in describe_import(imported, campaign, None)
    with Store.open(run / "store.sqlite") as store:
        assert {row.label.provenance.checked for row in store.labels.export_rows()} == {"sample"}
        assert "2 recomputed" in store.diary.events()[0][2]


def test_labels_that_disagree_leave_the_run_as_it_was(campaign, tmp_path):
    (tmp_path / "data.xyz").write_text(frames(1 / 27.211386))
    run = tmp_path / "run"
    with pytest.raises(InputError) as caught:
        import_data(campaign, run, tmp_path / "data.xyz", ImportChoice(), Engine())
    said = str(caught.value)
    assert "2 of 2 labels that were recomputed at hf/sto-3g disagree" in said
    assert "the energies fit in hartree, not in eV (a factor of 27.2114)" in said
    assert "--energy-unit hartree" in said
    assert "--trust" in said
    with Store.open(run / "store.sqlite") as store:
        assert list(store.labels.export_rows()) == []
    # What it advises to say works.
    choice = ImportChoice(stated=Stated(energy_unit="hartree"))
    assert import_data(campaign, run, tmp_path / "data.xyz", choice, Engine()).new == 4


def test_trust_asks_nobody_and_is_remembered(campaign, tmp_path):
    (tmp_path / "data.xyz").write_text(frames(1 / 27.211386))
    run, engine = tmp_path / "run", Engine()
    choice = ImportChoice(trust=True)
    imported = import_data(campaign, run, tmp_path / "data.xyz", choice, engine)
    assert (imported.new, imported.recomputed, engine.asked) == (4, None, [])
    assert any("nobody has checked" in line for line in describe_import(imported, campaign, None))
    with Store.open(run / "store.sqlite") as store:
        rows = list(store.labels.export_rows())
        write_export(store, "extxyz", tmp_path / "out.extxyz")
        assert "nobody checked them" in store.diary.events()[0][2]
    assert {row.label.provenance.checked for row in rows} == {"nobody"}
    assert "Imported on trust: 4; nobody has checked" in card_path(
        tmp_path / "out.extxyz"
    ).read_text(encoding="utf-8")
    known = explain(RunFolder(run), rows[0].structure.structure_id)
    assert any("imported; nobody has checked it" in said for said in sentences(known))


def test_what_the_run_has_computed_itself_is_not_computed_again(campaign, tmp_path):
    (tmp_path / "data.xyz").write_text(frames())
    run, first = tmp_path / "run", Engine()
    import_data(campaign, run, tmp_path / "data.xyz", ImportChoice(), first)
    with Store.open(run / "store.sqlite") as store:
        computed = [
            LabelledStructure(
                structure=row.structure, label=label_of(row.structure, row.label.energy)
            )
            for row in store.labels.export_rows()
        ]
    other, second = tmp_path / "other", Engine()
    import_data(campaign, other, tmp_path / "data.xyz", ImportChoice(), first)
    with Store.open(other / "store.sqlite") as store:
        store.database.connection.execute("DELETE FROM labels")
        store.database.connection.commit()
        store.labels.import_labels(0, [(known, "initial") for known in computed], "computed")
    again = import_data(campaign, other, tmp_path / "data.xyz", ImportChoice(), second)
    assert (again.new, again.known, again.recomputed, second.asked) == (0, 4, 2, [])


def given(symbols: list[int], energy: float, scale: float = 1.0) -> Given:
    generator = np.random.default_rng(len(symbols))
    structure = Structure(
        atomic_numbers=symbols, positions=scale * generator.normal(size=(len(symbols), 3))
    )
    known = LabelledStructure(structure=structure, label=label_of(structure, energy))
    return Given(where=f"frame of {energy}", known=known)


def test_the_ends_of_the_smallest_molecule_and_one_of_the_next_are_chosen():
    sample = Sample()
    energies = [-5.0, -9.0, -1.0, -4.0]
    for k, energy in enumerate(energies):
        sample.add(given([6, 6, 1, 1, 1, 1, 1, 1], energy - 1000, 1 + k))
        sample.add(given([8, 1, 1], energy, 1 + k))
        sample.add(given([6, 6, 6, 6, 1, 1], energy - 3000, 1 + k))
    chosen = [g.known.label.energy for g in sample.chosen()]
    assert chosen == [-1.0, -9.0, -1001.0]
    assert Sample().chosen() == []


def failed(kind):
    def answer(structure, level):
        return LabelFailure(
            structure_id=structure.structure_id,
            level_id=level.level_id,
            kind=kind,
            message="ended at its limit of 600 s wall time",
        )

    return answer


@pytest.mark.parametrize(
    ("kind", "asked", "said"),
    [
        ("resource", 1, "a label of hf/sto-3g is too costly to be recomputed here"),
        ("convergence", 2, "could not be recomputed at hf/sto-3g"),
    ],
)
def test_what_cannot_be_recomputed_is_said_with_trust(kind, asked, said):
    engine = Engine(failed(kind))
    chosen = [given([8, 1, 1], -1.0), given([8, 1, 1], -2.0, 1.1)]
    with pytest.raises(InputError) as caught:
        require_recomputed(chosen, LEVEL, "pyscf", engine, "data.xyz")
    assert said in str(caught.value)
    assert "--trust" in str(caught.value)
    assert len(engine.asked) == asked


def test_one_that_does_not_converge_leaves_the_others_to_be_compared():
    chosen = [given([8, 1, 1], -1.0), given([8, 1, 1], -2.0, 1.1)]
    answers = iter([failed("convergence"), lambda s, level: label_of(s, -2.0)])
    engine = Engine(lambda s, level: next(answers)(s, level))
    assert require_recomputed(chosen, LEVEL, "pyscf", engine, "data.xyz") == 1


@pytest.mark.parametrize(
    ("meant", "said"),
    [
        ({"multiplicity": 3}, "those of multiplicity 3: state charge=0 multiplicity=3 in the file"),
        ({"charge": 1, "multiplicity": 2}, "those of charge 1 and multiplicity 2"),
        ({"charge": -1, "multiplicity": 2}, "those of charge -1 and multiplicity 2"),
    ],
)
def test_another_state_is_looked_for(meant, said):
    meaning = {"charge": 0, "multiplicity": 1, **meant}

    def answer(structure, level):
        is_meant = vars(structure).items() >= meaning.items()
        return label_of(structure, -2030.0 if is_meant else -2039.0 + structure.charge)

    chosen = [given([8, 1, 1], -2030.0)]
    with pytest.raises(InputError) as caught:
        require_recomputed(chosen, LEVEL, "pyscf", Engine(answer), "data.xyz")
    assert said in str(caught.value)


def test_the_other_kind_of_d_functions_is_looked_for():
    level = find_level("wb97x/6-31g*")

    def answer(structure, of):
        return label_of(structure, -2030.0 if of.recipe.cartesian else -2029.96, level=of)

    chosen = [given([8, 1, 1], -2029.96)]
    with pytest.raises(InputError, match="five spherical d functions"):
        require_recomputed(chosen, level, "pyscf", Engine(answer), "data.xyz")


def test_a_forces_sign_is_found(campaign, tmp_path):
    (tmp_path / "data.xyz").write_text(frame(forces=-FORCES))
    engine = Engine(lambda s, level: replace(label_of(s, ENERGY_EV), forces=FORCES))
    with pytest.raises(InputError, match="the forces have the sign of gradients: say --gradients"):
        import_data(campaign, tmp_path / "run", tmp_path / "data.xyz", ImportChoice(), engine)
    choice = ImportChoice(stated=Stated(gradients=True))
    imported = import_data(campaign, tmp_path / "run", tmp_path / "data.xyz", choice, engine)
    assert (imported.new, imported.recomputed) == (1, 1)


def test_bad_labels_are_counted_and_named_where_they_are_skipped(campaign, tmp_path):
    (tmp_path / "data.xyz").write_text(frames() + frame("energy=nan"))
    with pytest.raises(InputError, match="frame 4: the energy is not a finite number"):
        import_data(campaign, tmp_path / "run", tmp_path / "data.xyz", ImportChoice(), Engine())
    choice = ImportChoice(skip_bad=True)
    imported = import_data(campaign, tmp_path / "run", tmp_path / "data.xyz", choice, Engine())
    said = describe_import(imported, campaign, None)
    assert imported.new == 4
    assert "left out because they cannot be used: 1" in said
    assert any("frame 4" in line for line in said)


def test_structures_of_no_molecule_are_named_with_their_electrons(campaign, tmp_path):
    (tmp_path / "data.xyz").write_text(
        frame(f"energy={ENERGY_EV} charge=-2") + frame(positions=0.4 * POSITIONS)
    )
    with pytest.raises(InputError) as caught:
        import_data(campaign, tmp_path / "run", tmp_path / "data.xyz", ImportChoice(), Engine())
    assert "H2O of charge -2" in str(caught.value)
    assert "H2O with atoms on top of each other: are lengths in Å?" in str(caught.value)


def test_a_program_that_is_missing_is_said_with_trust(campaign, tmp_path, monkeypatch):
    def missing(cls):
        raise EngineNotInstalled("PySCF is not installed: pip install pyscf")

    monkeypatch.setattr(find_engine("pyscf"), "version", classmethod(missing))
    (tmp_path / "data.xyz").write_text(frames())
    with pytest.raises(InputError, match=r"cannot be recomputed here: .*PySCF is not .*--trust"):
        import_data(campaign, tmp_path / "run", tmp_path / "data.xyz", ImportChoice(), Engine())
    assert not (tmp_path / "run").exists()
    choice = ImportChoice(trust=True)
    assert import_data(campaign, tmp_path / "run", tmp_path / "data.xyz", choice).new == 4
