"""`rung check`: everything that can go wrong before a campaign starts, tried in a minute."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from chemistry.engines.base import Engine
from chemistry.errors import InputError
from chemistry.label import LabelFailure
from chemistry.level import LevelOfTheory
from chemistry.structure import Structure
from workflow.backend import Backend
from workflow.campaign import Campaign
from workflow.cost import CostMoments, fit_cost, n_electrons
from workflow.inputs import check_levels, one_geometry, read_campaign_molecules, rung_level
from workflow.label_now import label_now
from workflow.screen import duration
from workflow.submission import Workers
from workflow.workers import start_workers


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trial:
    """What the label of the smallest molecule took."""

    structure: Structure
    cpu_seconds: float


def check_campaign(campaign: Campaign, backend: Backend, console: Console) -> None:
    """Check files, engines and workers, label the smallest molecule at each level, forecast.

    Raises
    ------
    InputError
        What is wrong, and what to do.
    """
    skipped: list[InputError] = []
    molecules = read_campaign_molecules(campaign, skipped)
    for error in skipped:
        console.print(f"skipped   {error}", markup=False)
    console.print(f"campaign  {campaign.name}: {len(molecules)} molecules")
    check_levels(campaign, [molecule for molecule, _ in molecules])
    starts = [one_geometry(molecule, seed=campaign.seed) for molecule, _ in molecules]
    with TemporaryDirectory(prefix="rung-check-") as temporary:
        folder = Path(temporary)
        for name in ("spool", "logs"):
            (folder / name).mkdir()
        with start_workers(backend, folder) as workers:
            for index in range(len(campaign.rungs)):
                level, engine = rung_level(campaign, index)
                console.print(f"level     {level.name} by {engine.name} {engine.version()}")
                trial = _try(min(starts, key=n_electrons), level, engine, workers, backend, folder)
                console.print(_forecast(campaign, index, starts, trial, backend.slots))
    console.print("all is ready")


def _try(
    structure: Structure,
    level: LevelOfTheory,
    engine: type[Engine],
    workers: Workers,
    backend: Backend,
    folder: Path,
) -> _Trial:
    [(_, answer)] = label_now([structure], level, engine.name, workers, backend, folder)
    if isinstance(answer, LabelFailure):
        raise InputError(f"a worker could not label the smallest molecule: {answer.message}")
    return _Trial(structure=structure, cpu_seconds=answer.provenance.cpu_seconds)


def _forecast(
    campaign: Campaign, index: int, starts: list[Structure], trial: _Trial, slots: int
) -> str:
    """Say what the rung's labels will take, from one label and the usual growth with size."""
    cost = fit_cost(CostMoments().plus(n_electrons(trial.structure), trial.cpu_seconds))
    labels = campaign.rungs[index].budget.labels + campaign.held_out.structures
    seconds = labels * float(np.mean([cost(structure) for structure in starts]))
    return (
        f"worker    answered: one label of {len(trial.structure)} atoms took "
        f"{trial.cpu_seconds:.1f} CPU s\n"
        f"forecast  {labels} labels take about {duration(seconds)} of CPU time, "
        f"{duration(seconds / slots)} on {slots} workers, trainings and exploration aside"
    )
