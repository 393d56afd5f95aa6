"""Error bars where people see them: calculator, molecule in use, evaluation, report."""

from dataclasses import replace
from types import SimpleNamespace

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from model_examples import LEVEL, committee, toy_data

from chemistry.readers.molecules import molecule_from_smiles
from model import CommitteeCalculator
from model.calibration import calibrate
from model.conformal import held_out_intervals
from model.intervals import IntervalFactors, Intervals
from workflow.datasets.evaluate import evaluate_potential, evaluation_screen
from workflow.report.page.records import Predicted
from workflow.report.page.sections.intervals import intervals as section
from workflow.report.screen import new_console
from workflow.settings.molecules import one_geometry
from workflow.use.relaxation import relax_subject
from workflow.use.screens import error_bar, relaxation_screen
from workflow.use.subject import Subject

WATER = molecule_from_smiles("O")
KNOWN = IntervalFactors(
    n_groups=30, source="held-out structures", energy=2.0, relative_energy=3.0, force=4.0
)
UNSEEN = IntervalFactors(
    n_groups=12, source="molecules left out", energy=20.0, relative_energy=30.0, force=40.0
)


def calibrated(*, molecules=(), known=KNOWN, unseen=UNSEEN):
    """A committee of random weights whose record has these factors."""
    plain, data = committee(), toy_data(10)
    found = calibrate(data, plain.predict([row.structure for row in data]))
    intervals = Intervals(molecules=tuple(molecules), known=known, unseen=unseen)
    return plain.calibrated(replace(found, intervals=intervals))


def subject(potential) -> Subject:
    return Subject(molecule=WATER, structure=one_geometry(WATER, seed=1), committee=potential)


def screen(shown) -> str:
    console = new_console()
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def test_the_calculator_gives_the_intervals_of_its_molecule():
    potential = calibrated(molecules=[WATER.molecule_id])
    found = {}
    for who in (WATER.molecule_id, None):
        atoms = Atoms("OH2", one_geometry(WATER, seed=1).positions)
        atoms.calc = CommitteeCalculator(potential, molecule_id=who)
        atoms.get_potential_energy()
        found[who] = atoms.calc.results
    results = found[WATER.molecule_id]
    assert results["energy_interval"] == pytest.approx(2 * results["energy_sigma"])
    assert results["force_interval"].shape == (3,)
    # The largest of the atoms' deviations is what the calculator has always given.
    worst = results["force_interval"].max() / 4 * 23.0605
    assert worst == pytest.approx(results["force_sigma_kcal_mol_angstrom"], rel=1e-4)
    assert found[None]["energy_interval"] == pytest.approx(10 * results["energy_interval"])
    assert found[None]["force_interval"] == pytest.approx(10 * results["force_interval"])


def test_a_potential_that_knows_none_gives_none():
    atoms = Atoms("OH2", one_geometry(WATER, seed=1).positions)
    for potential in (committee(), calibrated(known=None, unseen=None)):
        atoms.calc = CommitteeCalculator(potential)
        atoms.get_potential_energy()
        assert "energy_sigma" in atoms.calc.results
        assert "energy_interval" not in atoms.calc.results
        assert "force_interval" not in atoms.calc.results


def test_a_relaxation_has_the_interval_of_what_it_gains():
    for molecules, factor in (([WATER.molecule_id], 3), ([], 30)):
        found = relax_subject(
            subject(calibrated(molecules=molecules)), max_force_ev_per_angstrom=0.01, max_steps=2
        )
        assert found.gain_interval_kcal_mol == pytest.approx(factor * found.gain_sigma_kcal_mol)
        assert f"± {found.gain_interval_kcal_mol:.2f} kcal/mol" in screen(relaxation_screen(found))
    found = relax_subject(subject(committee()), max_force_ev_per_angstrom=0.01, max_steps=2)
    assert np.isnan(found.gain_interval_kcal_mol)
    assert f"± {found.gain_sigma_kcal_mol:.2f} kcal/mol" in screen(relaxation_screen(found))


@pytest.mark.parametrize(
    ("potential", "said"),
    [
        (committee(), "standard deviation: this potential has no intervals"),
        (calibrated(molecules=[WATER.molecule_id]), "90 % interval, from 30 held-out structures"),
        (calibrated(), "that it has not learned, from 12 molecules left out"),
        (calibrated(unseen=None), "has not learned this molecule, errors may be much larger"),
        (
            calibrated(molecules=[WATER.molecule_id], known=replace(KNOWN, relative_energy=None)),
            "too few structures were held out",
        ),
    ],
)
def test_what_an_error_bar_is_stands_beside_it(potential, said):
    assert said in error_bar(subject(potential))


def test_an_evaluation_says_how_often_the_intervals_hold(tmp_path):
    potential, data = calibrated(known=replace(KNOWN, energy=1e9, force=1e-9)), toy_data(6)
    frames = []
    for row in data:
        atoms = Atoms(row.structure.atomic_numbers, row.structure.positions)
        atoms.info["molecule"] = row.structure.molecule_id
        atoms.calc = SinglePointCalculator(atoms, energy=row.label.energy, forces=row.label.forces)
        frames.append(atoms)
    ase.io.write(tmp_path / "data.extxyz", frames)
    potential.save(tmp_path / "with.safetensors")
    committee().save(tmp_path / "without.safetensors")
    found = evaluate_potential(tmp_path / "with.safetensors", tmp_path / "data.extxyz")
    assert found.as_known.energy == 1
    assert found.as_known.force == 0
    assert found.as_known.n_groups == 2  # molecules
    assert "for known molecules hold 100% of energies" in screen(evaluation_screen(found))
    found = evaluate_potential(tmp_path / "without.safetensors", tmp_path / "data.extxyz")
    assert found.as_known is None
    assert "this potential has none" in screen(evaluation_screen(found))


def test_the_report_has_factors_and_the_share_that_they_hold():
    data, potential = toy_data(60), committee()
    predictions = potential.predict([row.structure for row in data])
    learned = [row for row in data if row.structure.molecule_id == "m0"]
    held_out = Predicted(rows=tuple(data), predictions=tuple(predictions), n_all=len(data))

    def rows(intervals):
        rung = SimpleNamespace(intervals=intervals, held_out=held_out, level_name=LEVEL.name)
        made = section(SimpleNamespace(rungs=[rung]))
        return None if made is None else made.tables[0].rows

    found = held_out_intervals(learned, data, predictions)
    known, unseen = rows(found)
    assert known[:2] == (f"{LEVEL.name}, known", "30 held-out structures")
    assert known[2] == f"{found.known.energy:.1f}"
    # Each structure against the factor of the other 29: nine of ten, or one more.
    assert known[5] in ("87%", "90%", "93%")
    assert unseen[1] == "1 held-out molecules"
    assert unseen[2:] == ("-",) * 6
    _, measured = rows(replace(found, unseen=replace(UNSEEN, energy=1e9)))
    assert measured[1] == "12 molecules left out"
    assert measured[5] == "100%"
    _, unmeasured = rows(replace(found, unseen=None))
    assert unmeasured[1] == "not measured"
    assert rows(None) is None
