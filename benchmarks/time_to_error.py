"""Minutes from `rung launch` to a given error on held-out forces, and where the CPU time goes.

    python benchmarks/time_to_error.py [--what one four dft demo] [--beside ../old/.venv/bin/rung]

`one` and `four` are first rungs of GFN2-xTB, of one molecule of ten atoms and of four molecules of
three to five heavy atoms, that end when the held-out force MAE is within the bound. With --beside,
another version of rung climbs the same ones with the same samplers, with as many labels between two
trainings as its user would ask for, for somewhat longer than the goal needs: where it is not there
by then, the ratio printed is a bound. `dft` is a campaign of those four molecules at wB97X/6-31G*,
`demo` is runs/demo.yaml: of both, the share of CPU time outside labels and how busy workers were
from the first label to the last. Takes an idle machine, and an hour or more for all of it.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from figures import print_figure

_ONE = ("OCCO",)
_FOUR = ("COC", "OCC=O", "CC(N)=O", "CCOC=O")
_LABELS_PER_TRAINING = 300
_LABEL_KINDS = ("label", "check")
_CAMPAIGN = """
name: timed
molecules: [{molecules}]
rungs:
  - level: {level}
    initial_labels: {initial}
    {more}
    budget: {{labels: {labels}}}
    stop: {{uncertain_share: null{bound}}}
held_out: {{structures: 60}}
initial:
  - {{kind: normal_modes, temperature_k: 600}}
  - {{kind: langevin, temperature_k: [300, 1000], steps: 400, trajectories: 2, frames: 12}}
explore:
  - {{kind: normal_modes, temperature_k: 800, made_per_start: 20}}
  - {{kind: langevin, temperature_k: [300, 1000], steps: 1000, trajectories: 8}}
"""


def campaign_text(
    molecules: Sequence[str],
    *,
    level: str = "gfn2-xtb",
    initial: int = 100,
    labels: int = 5000,
    bound: float | None = None,
    labels_per_training: int | None = None,
) -> str:
    """Return a campaign file of one rung."""
    number = f"labels_per_training: {labels_per_training}" if labels_per_training else ""
    return _CAMPAIGN.format(
        molecules=", ".join(f'"{smiles}"' for smiles in molecules),
        level=level,
        initial=initial,
        more=number,
        labels=labels,
        bound="" if bound is None else f", force_mae_kcal_mol_angstrom: {bound}",
    )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a launch has done.

    Attributes
    ----------
    seconds : float
        From its beginning to its end.
    seconds_to_error : float or None
        To the end of the first training within the bound; None where none was.
    cpu_seconds : mapping of str to float
        By kind of task.
    trainings : tuple of (labels, force MAE)
        In kcal/mol/Å.
    busy_share : float
        Of the workers, from the beginning of the first label to the end of the last.
    """

    seconds: float
    seconds_to_error: float | None
    cpu_seconds: Mapping[str, float]
    trainings: tuple[tuple[int, float], ...]
    busy_share: float

    @property
    def outside_labels(self) -> float:
        """Share of CPU time."""
        inside = sum(self.cpu_seconds.get(kind, 0.0) for kind in _LABEL_KINDS)
        return 1.0 - inside / sum(self.cpu_seconds.values())


def launch(
    rung: Path, campaign: str, bound: float | None, at_most_seconds: float | None = None
) -> Measured:
    """Run a campaign to its end with one version of rung, or for so many seconds."""
    with tempfile.TemporaryDirectory(prefix="rung-time-") as name:
        folder = Path(name)
        (folder / "campaign.yaml").write_text(campaign)
        began = time.time()
        command = [str(rung), "launch", "campaign.yaml", "--run-folder", "run"]
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as running:
            try:
                said = running.communicate(timeout=at_most_seconds)[1]
            except subprocess.TimeoutExpired:
                running.terminate()  # it stops its workers
                running.communicate()
            else:
                if running.returncode:
                    raise SystemExit(
                        f"{' '.join(command)} ended with {running.returncode}:\n{said}"
                    )
        seconds = time.time() - began
        return measured(folder / "run" / "store.sqlite", began, seconds, bound)


def measured(store: Path, began: float, seconds: float, bound: float | None) -> Measured:
    """Read what was done from a store, of whichever version that has these tables."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        trainings = db.execute(
            "SELECT trainings.rung, n_labels, errors, max(finished_at) FROM trainings"
            " JOIN tasks ON kind = 'train' AND tasks.rung = trainings.rung"
            "  AND tasks.version = trainings.version"
            " GROUP BY trainings.rung, trainings.version ORDER BY 4"
        ).fetchall()
        cpu = dict(db.execute("SELECT kind, sum(cpu_seconds) FROM stages GROUP BY 1"))
        spans = db.execute("SELECT kind, started_at, finished_at FROM tasks").fetchall()
        [slots] = db.execute("SELECT slots FROM launches ORDER BY started_at DESC").fetchone()
    errors = [
        json.loads(row[2])["force_mae_kcal_mol_angstrom"] or float("nan") for row in trainings
    ]
    ends = [
        end
        for (_, _, _, end), error in zip(trainings, errors, strict=True)
        if bound is not None and error <= bound
    ]
    labels = [(start, end) for kind, start, end in spans if kind == "label"]
    first, last = min(start for start, _ in labels), max(end for _, end in labels)
    busy = sum(max(0.0, min(end, last) - max(start, first)) for _, start, end in spans)
    return Measured(
        seconds=seconds,
        seconds_to_error=min(ends) - began if ends else None,
        cpu_seconds=cpu,
        trainings=tuple((row[1], error) for row, error in zip(trainings, errors, strict=True)),
        busy_share=busy / (slots * (last - first)),
    )


def show(name: str, found: Measured) -> None:
    """Print what a launch has done."""
    reached = "-" if found.seconds_to_error is None else f"{found.seconds_to_error:.0f} s"
    print(f"{name}: {found.seconds:.0f} s in all, to the error {reached}")
    print("  labels and force MAE:", ", ".join(f"{n}: {e:.2f}" for n, e in found.trainings))
    total = sum(found.cpu_seconds.values())
    parts = sorted(found.cpu_seconds.items(), key=lambda part: -part[1])
    print("  CPU time:", ", ".join(f"{k} {s:.0f} s ({s / total:.0%})" for k, s in parts if s))
    print(f"  workers busy from the first label to the last: {found.busy_share:.0%}", flush=True)


def race(
    name: str, molecules: Sequence[str], bound: float, beside: Path | None, goal: float
) -> None:
    """Reach an error with this version and with another, and print the figures."""
    here = Path(sys.executable).parent / "rung"
    ours = launch(here, campaign_text(molecules, bound=bound), bound)
    show(f"{name}, this version", ours)
    minutes = float("inf") if ours.seconds_to_error is None else ours.seconds_to_error / 60
    at_most = 4.0 if name == "one" else None
    print_figure(f"minutes_to_the_error_{name}", minutes, at_most=at_most)
    print_figure(f"cpu_outside_labels_{name}", ours.outside_labels, digits=3)
    if beside is None:
        return
    text = campaign_text(molecules, bound=bound, labels_per_training=_LABELS_PER_TRAINING)
    at_most_seconds = 1.05 * 60 * minutes / goal
    theirs = launch(beside, text, bound, at_most_seconds)
    show(f"{name}, the other version", theirs)
    taken = theirs.seconds_to_error
    if taken is None:
        taken = at_most_seconds
        print(f"  stopped before it reached {bound:g} kcal/mol/Å: the ratio is below")
    ratio = 60 * minutes / taken
    print_figure(f"time_to_the_error_{name}_against_the_other", ratio, at_most=goal)


def shares(name: str, campaign: str) -> None:
    """Run a campaign and print its share of CPU time outside labels, and how busy it was."""
    found = launch(Path(sys.executable).parent / "rung", campaign, None)
    show(name, found)
    print_figure(f"cpu_outside_labels_{name}", found.outside_labels, digits=3, at_most=0.10)
    at_least = 0.95 if name == "demo" else None
    print_figure(f"busy_from_first_to_last_label_{name}", found.busy_share, at_least=at_least)


def main() -> None:
    """Run what was asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--what", nargs="+", choices=["one", "four", "dft", "demo"], default=["one", "four"]
    )
    parser.add_argument("--bound", type=float, default=0.5, help="force MAE, kcal/mol/Å")
    parser.add_argument("--beside", type=Path, help="the rung command of another version")
    parser.add_argument("--dft-labels", type=int, default=160)
    arguments = parser.parse_args()
    beside = None if arguments.beside is None else arguments.beside.absolute()
    for name, molecules, goal in (("one", _ONE, 1 / 5), ("four", _FOUR, 1 / 4)):
        if name in arguments.what:
            race(name, molecules, arguments.bound, beside, goal)
    if "dft" in arguments.what:
        level, n = "wb97x/6-31g*", arguments.dft_labels
        shares("dft", campaign_text(_FOUR, level=level, initial=40, labels=n))
    if "demo" in arguments.what:
        shares("demo", (Path(__file__).parents[1] / "runs" / "demo.yaml").read_text())


if __name__ == "__main__":
    main()
