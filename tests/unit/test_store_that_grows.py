"""What the driver asks of the store at each step costs the same, however much has piled up."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_workers import scripted_campaign

from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.level import find_level
from workflow.report.summary import summarize
from workflow.run.folder import RunFolder
from workflow.run.opened import open_run
from workflow.run.state import read_rung_state
from workflow.run.store.store import Store, StoreReader

LEVEL = find_level("hf/sto-3g")
WATER = molecule_from_smiles("O", name="water")
VERSION = 1


def run_of(path: Path, n: int) -> RunFolder:
    """Return a run with `n` labelled and `n` waiting candidates, all judged by committee 1."""
    folder = open_run(scripted_campaign(), path)
    with Store.create(folder.store, scripted_campaign().model_dump_json()) as store:
        store.molecules.add([(WATER, False)])
        store.labels.add_level(LEVEL)
        with store.database.write() as db:
            db.execute("PRAGMA defer_foreign_keys = ON")
            for status in ("labelled", "waiting"):
                ids = [(f"{i:08x}{status}", WATER.molecule_id) for i in range(n)]
                db.executemany(
                    "INSERT INTO structures VALUES (?, ?, x'', x'', 0, 1, 'x', NULL, NULL, 0)", ids
                )
                db.executemany(
                    "INSERT INTO candidates VALUES (0, ?, ?, 'active', "
                    f"'{status}', 0.1, 0.1, 0.0, 0.5, {VERSION}, '', 0)",
                    ids,
                )
                if status == "labelled":
                    db.executemany(
                        "INSERT INTO tasks VALUES (?, 0, 'label', 0, '{}', 'x:1', 0, ?, 1)",
                        [(f"label-{i}", float(j)) for j, (i, _) in enumerate(ids)],
                    )
            training = "INSERT INTO trainings VALUES (0, 1, 'models/x', 1, NULL, '{}')"
            db.execute(training)
    return folder


def instructions(store: Store, asked: Callable[[], Any]) -> int:
    """Return how many instructions SQLite carries out for a question."""
    n = 0

    def count() -> int:
        nonlocal n
        n += 1
        return 0

    store.database.connection.set_progress_handler(count, 1)
    asked()
    store.database.connection.set_progress_handler(None, 1)
    return n


QUESTIONS: dict[str, Callable[[Store], Any]] = {
    "state": lambda store: read_rung_state(store, scripted_campaign(), 0, LEVEL),
    "offers": lambda store: store.candidates.waiting(0).offers("initial", WATER.molecule_id),
    "drawn": lambda store: store.candidates.waiting(0).drawn(9, seed=1),
    "uncertain": lambda store: store.candidates.waiting(0).uncertain(
        9, most_of_a_molecule=9, already={}
    ),
    "unjudged": lambda store: store.candidates.waiting(0).has_unjudged(VERSION),
    "never judged": lambda store: store.candidates.waiting(0)._first_ids(
        9,
        [("judged_by IS NOT ? AND excess IS NULL", VERSION)],
        index="waiting_by_excess",
        order="excess DESC, structure_id",
    ),
    "last end": lambda store: store.tasks.last_end("label"),
    "end of a launch": lambda store: store.tasks.last_end_within(0.0, 1e9),
    "busy afterwards": lambda store: store.tasks.busy_seconds_after(1e9),
    "failures": lambda store: store.unusable.count(LEVEL.level_id),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunFolder]:
    """A run and one that is ten times as large."""
    folder = tmp_path_factory.mktemp("runs")
    return run_of(folder / "small", 200), run_of(folder / "large", 2000)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_of_the_driver_costs_the_same_in_a_run_ten_times_as_large(runs, question):
    costs = []
    for folder in runs:
        with StoreReader.open(folder.store) as store:
            ask = QUESTIONS[question]
            costs.append(instructions(store, lambda store=store, ask=ask: ask(store)))
    small, large = costs
    assert 0 < large <= small + 50


def test_both_runs_are_as_large_as_they_are_said_to_be(runs):
    assert [summarize(folder).rungs[0].waiting for folder in runs] == [200, 2000]
    assert [summarize(folder).rungs[0].labels["active"] for folder in runs] == [200, 2000]


def test_a_look_at_a_run_loads_no_library_of_chemistry_or_learning(runs):
    looked = (
        "import sys; from pathlib import Path; from workflow.cli import app\n"
        "app(['status', sys.argv[1]], standalone_mode=False)\n"
        "print([name for name in ('rdkit', 'torch', 'scipy', 'parsl') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", looked, str(runs[0].path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
