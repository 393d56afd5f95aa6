"""What a worker tells of itself: the first thing that goes wrong on a new machine shows here."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from socket import gethostname

import psutil

import workflow
from chemistry.engines import find_engine
from chemistry.units import BYTES_PER_GB


@dataclass(frozen=True, kw_only=True)
class WorkerFacts:
    """Where a worker runs and what is installed there.

    Attributes
    ----------
    cores : int
        Those that it may use.
    memory_gb : float
        Of the whole machine.
    rung : str
        The version of the installed rung.
    folder : str
        Where rung is installed.
    engines : tuple of str
        "name version" of each engine that was asked for.
    """

    host: str
    cores: int
    memory_gb: float
    python: str
    rung: str
    folder: str
    engines: tuple[str, ...]


def worker_facts(engines: Sequence[str] = ()) -> WorkerFacts:
    """Look around; run it on a worker.

    Raises
    ------
    EngineNotInstalled
        The message says how to install it.
    """
    return WorkerFacts(
        host=gethostname(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=psutil.virtual_memory().total / BYTES_PER_GB,
        python=sys.executable,
        rung=version("rung"),
        folder=str(Path(workflow.__file__).parents[1]),
        engines=tuple(f"{name} {find_engine(name).version()}" for name in engines),
    )
