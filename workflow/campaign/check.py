"""`rung check`: everything that can go wrong before a campaign starts, tried in a minute."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from chemistry.engines.base import Engine
from chemistry.errors import CampaignFailed, InputError
from chemistry.records.label import LabelFailure
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import Structure
from workflow.datasets.label_now import label_now
from workflow.planning.cost import CostMoments, fit_cost, n_electrons
from workflow.report.time_spent import duration
from workflow.report.waits import shown_wait
from workflow.run.start import find_start, start_line
from workflow.settings.backend import Backend, Role
from workflow.settings.campaign import Campaign
from workflow.settings.devices import require_devices
from workflow.settings.molecules import (
    check_levels,
    described,
    labelled_rungs,
    levels_of,
    one_geometry,
    read_campaign_molecules,
    rung_level,
)
from workflow.work.pools.facts import WorkerFacts, worker_facts
from workflow.work.pools.workers import ParslWorkers, start_workers
from workflow.work.system.disk import disk_errors_explained
from workflow.work.teachers import with_teachers


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trial:
    """What the label of the smallest molecule took."""

    structure: Structure
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class CheckedPool:
    """A pool and what its first worker reported; nothing of one that no role uses."""

    name: str
    roles: tuple[Role, ...]
    worker: WorkerFacts | None


@dataclass(frozen=True, kw_only=True)
class CheckedLevel:
    """A level of theory, one label of it and what all will take.

    Attributes
    ----------
    atoms : int
        Of the smallest molecule, which was labelled.
    cpu_seconds : float
        Of that label.
    labels : int
        Which the rung may need at most.
    forecast_cpu_seconds, forecast_wall_seconds : float
        Of all labels; trainings and exploration aside.
    """

    level: str
    engine: str
    engine_version: str
    atoms: int
    cpu_seconds: float
    labels: int
    forecast_cpu_seconds: float
    forecast_wall_seconds: float


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found: that a campaign can start, where, and at what cost."""

    campaign: str
    molecules: int
    skipped: tuple[str, ...]
    pools: tuple[CheckedPool, ...]
    levels: tuple[CheckedLevel, ...]


def check_campaign(
    campaign: Campaign, backend: Backend, console: Console, *, beside: Path, patience_seconds: float
) -> Checked:
    """Check files, engines and workers, label the smallest molecule at each level, forecast.

    Parameters
    ----------
    campaign : Campaign
    backend : Backend
        Of each of its pools as little as can be is started.
    console : Console
        Where to say what is found, as it is found.
    beside : Path
        A folder that the workers see too.
    patience_seconds : float
        How long to wait for the first worker of each pool.

    Raises
    ------
    InputError
        What is wrong, and what to do.
    CampaignFailed
        A pool does not start, in its scheduler's words.
    """
    require_devices(campaign, backend)
    skipped: list[InputError] = []
    molecules = read_campaign_molecules(campaign, skipped)
    for error in skipped:
        console.print(f"skipped   {error}", markup=False)
    console.print(f"campaign  {campaign.name}: {len(molecules)} molecules")
    for line in described([molecule for molecule, _ in molecules]):
        console.print(f"          {line}", markup=False, highlight=False)
    check_levels(campaign, [molecule for molecule, _ in molecules])
    begun_with = find_start(campaign, [molecule for molecule, _ in molecules])
    if begun_with is not None:
        console.print(f"start     {start_line(begun_with)}", markup=False, highlight=False)
    backend = with_teachers(backend, levels_of(campaign), [molecule for molecule, _ in molecules])
    starts = [one_geometry(molecule, seed=campaign.seed) for molecule, _ in molecules]
    with (
        disk_errors_explained(beside),
        TemporaryDirectory(prefix=".rung-check-", dir=beside) as temporary,
    ):
        folder = Path(temporary).resolve()
        for name in ("spool", "logs"):
            (folder / name).mkdir()
        with start_workers(backend.smallest(), folder) as workers:
            rungs = [(index, *rung_level(campaign, index)) for index in labelled_rungs(campaign)]
            engines = sorted({engine.name for _, _, engine in rungs})
            pools = _look_at_pools(backend, workers, engines, console, patience_seconds)
            levels = []
            for index, level, engine in rungs:
                version = engine.version()
                console.print(f"level     {level.name} by {engine.name} {version}")
                smallest = min(starts, key=n_electrons)
                with shown_wait(console, f"labelling {len(smallest)} atoms at {level.name}"):
                    trial = _try(smallest, level, engine, workers, backend, folder)
                seconds = _forecast_seconds(campaign, index, starts, trial)
                levels.append(
                    CheckedLevel(
                        level=level.name,
                        engine=engine.name,
                        engine_version=version,
                        atoms=len(trial.structure),
                        cpu_seconds=trial.cpu_seconds,
                        labels=_labels(campaign, index),
                        forecast_cpu_seconds=seconds,
                        forecast_wall_seconds=seconds / backend.slots,
                    )
                )
                console.print(_forecast_text(levels[-1], backend.slots))
    console.print("all is ready")
    return Checked(
        campaign=campaign.name,
        molecules=len(molecules),
        skipped=tuple(str(error) for error in skipped),
        pools=tuple(pools),
        levels=tuple(levels),
    )


def _look_at_pools(
    backend: Backend,
    workers: ParslWorkers,
    engines: Sequence[str],
    console: Console,
    patience_seconds: float,
) -> list[CheckedPool]:
    """Run one task in each pool and say where it ran."""
    pools: dict[str, tuple[Role, Future[WorkerFacts]]] = {}
    found = []
    roles = {name: backend.roles_of(name) for name in backend.pools}
    for name in backend.pools:
        if roles[name]:
            needed = engines if {"label", "large_label"} & set(roles[name]) else ()
            first = roles[name][0]
            pools[name] = (first, workers.submit(first, worker_facts, needed))
        else:
            console.print(f"pool      {name} has no role", markup=False)
            found.append(CheckedPool(name=name, roles=(), worker=None))
    deadline = time.monotonic() + patience_seconds
    for name, (role, future) in pools.items():
        try:
            with shown_wait(console, f"waiting for a worker of pool {name}"):
                facts = future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise CampaignFailed(
                f"no worker of pool `{name}` answered within {duration(patience_seconds)}"
                f"{workers.explained(role)}: wait longer with --minutes, or ask for less"
            ) from None
        console.print(_description(name, roles[name], facts), markup=False)
        found.append(CheckedPool(name=name, roles=tuple(roles[name]), worker=facts))
    return found


def _description(name: str, roles: Sequence[Role], facts: WorkerFacts) -> str:
    """Say what a worker reported; refuse another rung than the one that runs here."""
    here = worker_facts()
    if facts.rung != here.rung:
        raise InputError(
            f"pool `{name}` has rung {facts.rung} in {facts.folder}, here runs {here.rung}: "
            "install the same"
        )
    return (
        f"pool      {name} ({', '.join(roles)}): {facts.host}, {facts.cores} cores, "
        f"{facts.memory_gb:.0f} GB\n"
        f"          rung {facts.rung} in {facts.folder}, {facts.python}"
        + "".join(f"\n          {engine}" for engine in facts.engines)
    )


def _try(
    structure: Structure,
    level: LevelOfTheory,
    engine: type[Engine],
    workers: ParslWorkers,
    backend: Backend,
    folder: Path,
) -> _Trial:
    [(_, answer)] = label_now([structure], level, engine.name, workers, backend, folder)
    if isinstance(answer, LabelFailure):
        raise InputError(f"a worker could not label the smallest molecule: {answer.message}")
    return _Trial(structure=structure, cpu_seconds=answer.provenance.cpu_seconds)


def _labels(campaign: Campaign, index: int) -> int:
    """Return how many labels a rung needs at most."""
    return campaign.rungs[index].budget.labels + campaign.held_out_structures(index)


def _forecast_seconds(
    campaign: Campaign, index: int, starts: list[Structure], trial: _Trial
) -> float:
    """Foretell the CPU seconds of a rung's labels, from one and the usual growth with size."""
    cost = fit_cost(CostMoments().plus(n_electrons(trial.structure), trial.cpu_seconds))
    return _labels(campaign, index) * float(np.mean([cost(structure) for structure in starts]))


def _forecast_text(found: CheckedLevel, slots: int) -> str:
    return (
        f"worker    answered: one label of {found.atoms} atoms took {found.cpu_seconds:.1f} CPU s\n"
        f"forecast  {found.labels} labels take about {duration(found.forecast_cpu_seconds)} of CPU "
        f"time, {duration(found.forecast_wall_seconds)} on {slots} workers, trainings and "
        "exploration aside"
    )
