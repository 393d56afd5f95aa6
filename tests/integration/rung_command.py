"""The real `rung` command, as the tests of this folder run it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

RUNG = Path(sys.executable).with_name("rung")

SMALL = {
    "name": "small",
    "seed": 3,
    "molecules": [{"smiles": "O", "name": "water"}, {"smiles": "CO", "name": "methanol"}],
    "rungs": [
        {
            "level": "gfn2-xtb",
            "initial_labels": 8,
            "labels_per_training": 6,
            "budget": {"labels": 18},
            "stop": {"uncertain_share": None},
        }
    ],
    "held_out": {"structures": 4},
    "conformers": {"max_conformers": 1, "embeddings": 3},
    "bootstrap": "mmff94",
    "initial": [{"kind": "normal_modes", "temperature_k": 600, "kept_per_start": 6}],
    "explore": [{"kind": "normal_modes", "temperature_k": 1000, "kept_per_start": 6}],
    "select": {"threshold_kcal_mol": 0.01},
    # Which structures are chosen depends on time, and of hot ones a few have a small gap.
    "gates": {"gap_ev": None},
    "train": {"members": 2, "folds": 2, "max_epochs": 4, "patience_epochs": 2},
}
"""A campaign of seconds: JSON is YAML, and `{**SMALL, …}` changes it."""


def put_campaign(folder: Path, campaign: dict | None = None, name: str = "campaign.yaml") -> Path:
    """Write a campaign file, SMALL unless another one is given."""
    path = folder / name
    path.write_text(json.dumps(campaign or SMALL), encoding="utf-8")
    return path


def put_backend(folder: Path, **limits: str) -> Path:
    """Write a backend file of two workers."""
    path = folder / "backend.yaml"
    pool = {"kind": "local", "workers": 2, "memory_per_task_gb": 4}
    path.write_text(json.dumps({"pools": {"main": pool}, "limits": limits}), encoding="utf-8")
    return path


def rung(
    *arguments: str | Path, folder: Path, timeout: float = 180
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder to its end."""
    return subprocess.run(
        [str(RUNG), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
    )


def start_rung(*arguments: str | Path, folder: Path) -> "subprocess.Popen[str]":
    """Start the command in a process group of its own, as a shell would."""
    return subprocess.Popen(
        [str(RUNG), *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )


def stop(process: "subprocess.Popen[str]") -> None:
    """End a command that a test has started, whatever became of it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
    process.communicate()


def environment() -> dict[str, str]:
    """Nothing of the tests' own environment that a fresh shell would not have."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "COLUMNS")}
    return kept | {"OMP_NUM_THREADS": "1"}
