"""Size of the report of a large run, and how long writing and opening it take.

    .venv/bin/python benchmarks/report.py [labels]

The store is a real one with made-up labels, every tenth held out, a task for each label, and two
committees with random weights. A plot is drawn when the reader comes near it: 60 molecules fill
the first window. Both times, to open and to draw all in a window as long as the page, hold
the start of the browser, which an empty page takes alone.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from exports import made_up, smiles_of
from simulation import flat_errors

from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.level import LevelOfTheory, find_level
from model import save_committee
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.shape import AniShape
from workflow.planning.records import Training
from workflow.report.page import write_report
from workflow.run.folder import RunFolder
from workflow.run.opened import open_run
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign
from workflow.work.results import Cost

_LABELS = 50_000
_MOLECULES = 60
_ELEMENTS = (1, 6, 7, 8, 9)
_ROWS_AT_ONCE = 1000
_BROWSER = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--dump-dom",
)


def main() -> None:
    n_labels = int(sys.argv[1]) if len(sys.argv) > 1 else _LABELS
    with tempfile.TemporaryDirectory(prefix="rung-report-") as temporary:
        folder = make_run(Path(temporary) / "run", n_labels)
        begin = time.perf_counter()
        page = write_report(folder)
        written = time.perf_counter() - begin
        profile, empty = Path(temporary) / "profile", Path(temporary) / "empty.html"
        empty.write_text("<p>nothing</p>")
        started, opened, drawn = (
            min(seconds_to_open(one, profile, height, at_least) for _ in range(3))
            for one, height, at_least in ((empty, 900, 0), (page, 900, 0), (page, 12_000, 12))
        )
        size = page.stat().st_size / 1e6
    print(f"FIGURE report_mb_{n_labels}_labels {size:.2f} <=20 {verdict(size <= 20)}")
    print(f"FIGURE report_written_s {written:.1f}")
    print(f"FIGURE chromium_starts_s {started:.2f}")
    print(f"FIGURE chromium_draws_all_s {drawn:.2f}")
    print(f"FIGURE chromium_opens_s {opened:.2f} <=3 {verdict(opened <= 3)}")


def verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def seconds_to_open(page: Path, profile: Path, height: int, at_least: int) -> float:
    """Return the seconds until the page shows at least so many plots."""
    begin = time.perf_counter()
    done = subprocess.run(
        [
            *_BROWSER,
            f"--user-data-dir={profile}",
            f"--window-size=1280,{height}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    seconds = time.perf_counter() - begin
    plots = done.stdout.count('class="plot js-plotly-plot"')
    if plots < at_least:
        raise SystemExit(f"only {plots} plots of {page} were drawn")
    return seconds


def make_run(path: Path, n_labels: int) -> RunFolder:
    """Fill a run folder: labels, tasks, trainings, checkpoints."""
    smiles = smiles_of(_MOLECULES)
    level = find_level("wb97x/6-31g*")
    campaign = Campaign.model_validate(
        {
            "name": "large",
            "molecules": smiles,
            "rungs": [{"level": level.name, "budget": {"labels": n_labels}}],
        }
    )
    folder = open_run(campaign, path)
    molecules = [molecule_from_smiles(one) for one in smiles]
    with Store.create(folder.store, campaign.model_dump_json()) as store:
        store.molecules.add([(molecule, False) for molecule in molecules])
        store.labels.add_level(level)
        rows = made_up(molecules, level, n_labels)
        for first in range(0, n_labels, _ROWS_AT_ONCE):
            batch = [next(rows) for _ in range(min(_ROWS_AT_ONCE, n_labels - first))]
            store.labels.import_labels(
                0,
                [(row, "active" if i % 10 else "held_out") for i, row in enumerate(batch)],
                "made up",
            )
        with store.database.write() as db:
            db.execute("INSERT INTO launches VALUES (0, ?, 32)", (n_labels / 32 * 12.5,))
            db.executemany(
                "INSERT INTO tasks VALUES (?, 0, 'label', 0, '{}', ?, ?, ?, 12.0)",
                (
                    (f"label-{i}", f"node{i % 4}:{i % 32}", i // 32 * 12.5, (i // 32 + 1) * 12.5)
                    for i in range(n_labels)
                ),
            )
        for version in (1, 2):
            checkpoint = folder.checkpoint(0, version)
            save_committee(random_committee(level, version), checkpoint)
            end = n_labels / 32 * 12.5 * version / 2
            store.trainings.commit(
                f"train-0-{version}",
                0,
                Training(
                    version=version,
                    checkpoint=str(checkpoint),
                    n_labels=n_labels // 2 * version,
                    errors=flat_errors(1.0 / version),
                ),
                Cost(worker="node0:0", started_at=end - 60, finished_at=end, cpu_seconds=60.0),
            )
    return folder


def random_committee(level: LevelOfTheory, seed: int) -> AniCommittee:
    import torch

    return AniCommittee(
        networks=StackedNetworks.random(
            AniShape.published(_ELEMENTS), range(4 * seed, 4 * seed + 4), torch.float32
        ),
        self_energies_ev=np.zeros(len(_ELEMENTS)),
        level_id=level.level_id,
        level_name=level.name,
    )


if __name__ == "__main__":
    main()
