"""Do wrong numbers get in? The doors of numbers and molecules, tried with bad inputs.

    python benchmarks/doors.py [--list] [--molecules 300] [--skip-inputs]

Three parts: the inputs of the tests that stand at the doors (names of levels and bases, keys of
charge and spin, files in other units or cut short, settings around the engines), each counted with
whether it is answered as it should be; exports of a run with random molecules in every format,
taken back by another run of the same campaign; and what the checks add to the CPU time of labels
like the demo's. States of self-consistent fields have a benchmark of their own, scf_states.py.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule as ase_molecule
from figures import print_figure

from chemistry.engines.base import Resources
from chemistry.engines.tblite import TBLiteEngine
from chemistry.errors import InputError
from chemistry.geometries.embedding import embed
from chemistry.geometries.rdkit_bridge import geometry_rules
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule
from chemistry.records.structure import Structure
from workflow.datasets.export.formats import EXPORTERS
from workflow.datasets.export.write import write_export
from workflow.datasets.import_data import ImportChoice, import_data
from workflow.run.opened import opened_run
from workflow.settings.campaign import Campaign

TESTS = Path(__file__).parents[1] / "tests"
DOORS = {
    "levels and bases": (
        "unit/test_spelling.py",
        "integration/test_pyscf_functionals.py",
        "integration/test_pyscf_bases.py",
        "integration/test_dispersion_of_other_programs.py",
    ),
    "settings around engines": ("integration/test_closed_engines.py",),
    "charge and spin": ("unit/test_electrons.py", "unit/test_electrons_of_files.py"),
    "ground states": ("unit/test_ground_states.py",),
    "molecules and isomers": ("unit/test_recognition.py",),
    "labels of others": (
        "unit/test_labels_extxyz.py",
        "unit/test_labels_layouts.py",
        "unit/test_diagnosis.py",
        "unit/test_import_recheck.py",
        "regression/test_labels_from_outside.py",
        "regression/test_structures_labelled_twice.py",
    ),
    "paths": ("regression/test_paths_that_shells_misread.py",),
}
LEVEL = find_level("gfn2-xtb")
DEMO = ("H2O", "CH3OH", "H2CO", "HCN")


class _Verdicts:
    """Collects the outcome of each input: pytest calls it."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome


def try_inputs(*, listed: bool) -> tuple[int, int]:
    """Try the inputs of every door; return how many there are and how many are answered wrongly."""
    total, wrong = 0, 0
    for door, files in DOORS.items():
        verdicts = _Verdicts()
        # Options of the terminal, which the project adds, are unknown without it.
        code = pytest.main(
            ["-o", "addopts=--strict-markers", "-p", "no:terminal"]
            + [str(TESTS / file) for file in files],
            plugins=[verdicts],
        )
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            sys.exit(f"the tests of {door} cannot be run: {code!r}")
        counts = Counter(verdicts.outcomes.values())
        print(f"{door:28}{counts.total():6} inputs {counts['failed']:4} wrong")
        if listed:
            print(
                *(f"    {outcome}  {name}" for name, outcome in verdicts.outcomes.items()), sep="\n"
            )
        total, wrong = total + counts.total(), wrong + counts["failed"]
    return total, wrong


def random_labels(count: int) -> Iterator[tuple[Molecule, LabelledStructure]]:
    """Yield random molecules, each with a GFN2-xTB label of a shaken geometry."""
    sys.path.insert(0, str(TESTS))
    from random_molecules import random_smiles

    engine = TBLiteEngine(LEVEL, Resources())
    generator = np.random.default_rng(1)
    for smiles in islice(random_smiles(1), 2 * count):
        molecule = molecule_from_smiles(smiles)
        embedded = embed(molecule, 1, 1)
        if embedded is None:
            continue
        rules = geometry_rules(molecule)
        positions = embedded[0] + generator.normal(scale=0.03, size=embedded[0].shape)
        structure = Structure(
            atomic_numbers=rules.atomic_numbers,
            positions=positions,
            charge=molecule.charge,
            multiplicity=molecule.multiplicity,
            molecule_id=molecule.molecule_id,
        )
        label = engine.label(structure)
        if rules.faults(positions[None])[0] is None and isinstance(label, Label):
            yield molecule, LabelledStructure(structure=structure, label=label)


def taken_back(count: int) -> float:
    """Return the share, in percent, of labels that each format brings back; print a line each."""
    found = dict(islice(random_labels(count), count))
    campaign = Campaign.model_validate(
        {
            "name": "doors",
            "molecules": [{"smiles": m.name} for m in found],
            "rungs": [{"level": LEVEL.name}],
        }
    )
    least = 100.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with opened_run(campaign, folder / "source") as run:
            run.store.labels.add_level(LEVEL)
            rows = [(row, "initial") for row in found.values()]
            run.store.labels.import_labels(0, rows, "computed")
            for format_name, exporter in EXPORTERS.items():
                data = folder / f"data-{format_name}{exporter.suffix}"
                write_export(run.store, format_name, data)
                choice = ImportChoice(level_name=LEVEL.name, trust=True)
                imported = import_data(campaign, folder / format_name, data, choice)
                share = 100.0 * imported.new / len(found)
                print(f"{format_name:28}{imported.new:6} of {len(found)} {dict(imported.left_out)}")
                least = min(least, share)
    return least


def cost_of_checks() -> float:
    """Return by what percentage the checks raise the CPU time of labels like the demo's."""
    from scf_states import label_of, unchecked

    generator = np.random.default_rng(1)
    shaken = []
    for name in DEMO:
        atoms = ase_molecule(name)
        rest = Structure(
            atomic_numbers=atoms.numbers.astype(np.int64), positions=atoms.positions.astype(float)
        )
        shaken += [
            replace(
                rest, positions=rest.positions + generator.normal(scale=0.05, size=(len(rest), 3))
            )
            for _ in range(5)
        ]

    def cpu_seconds() -> float:
        start = time.process_time()
        for structure in shaken:
            label_of(structure, "wb97x/6-31g*")
        return time.process_time() - start

    cpu_seconds()  # imports and caches
    pairs = []
    for _ in range(3):
        checked = cpu_seconds()
        with unchecked():
            pairs.append((checked, cpu_seconds()))
    return 100.0 * (sum(c for c, _ in pairs) / sum(b for _, b in pairs) - 1.0)


def main() -> None:
    """Try all doors and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="Print every input and its outcome.")
    parser.add_argument("--molecules", type=int, default=300)
    parser.add_argument("--skip-inputs", action="store_true")
    arguments = parser.parse_args()
    cost = cost_of_checks()
    share = taken_back(arguments.molecules)
    if not arguments.skip_inputs:
        total, wrong = try_inputs(listed=arguments.list)
        print_figure("inputs_tried", total, digits=0, at_least=150)
        print_figure("inputs_wrong", wrong, digits=0, at_most=0)
    print_figure("own_exports_taken_back_percent", share, at_least=100)
    print_figure("cost_of_checks_percent", cost, at_most=2)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
