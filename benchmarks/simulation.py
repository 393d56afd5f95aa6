"""A campaign in simulated time: the real driver, plan, store and commits on simulated workers.

Nothing is computed and nothing waits: a task takes as long as it is said to, on the first worker
that is free, the most urgent task first and of labels the one that is expected to take longest, as
Parsl does it. Structures are those of one small molecule with random positions.
"""

import heapq
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chemistry.records.label import Label, Provenance
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import Origin, Structure
from model.evaluation import Errors
from model.history import TrainingHistory
from workflow.campaign.driver import Driver
from workflow.campaign.training import forget_files
from workflow.campaign.under_way import TasksUnderWay
from workflow.planning.state import RungState
from workflow.run.opened import open_run
from workflow.run.store.store import Store
from workflow.settings.backend import Backend, LocalPool, Role
from workflow.settings.campaign import Campaign
from workflow.work.orders import JudgeOrder, LabelOrder, Order, SampleOrder, TrainOrder
from workflow.work.pools.config import priority
from workflow.work.results import (
    Answer,
    Cost,
    Judged,
    Judgement,
    Offered,
    Sampled,
    TaskResult,
    Trained,
)
from workflow.work.training_set import read_labelled

Duration = Callable[[Order, np.random.Generator], float]
"""Seconds that a task takes, from its order and random numbers of its own."""


@dataclass(kw_only=True)
class Trace:
    """What happened.

    Attributes
    ----------
    tasks : list of (role, start, end)
        In simulated seconds, in the order of their starts.
    step_seconds : list of float
        Real time of each step of the driver: state, plan, orders.
    """

    tasks: list[tuple[Role, float, float]] = field(default_factory=list)
    step_seconds: list[float] = field(default_factory=list)

    @property
    def last_label(self) -> float:
        """When the last label ended."""
        return max(end for role, _, end in self.tasks if role == "label")

    def busy_share(self, workers: int) -> float:
        """Worker time in tasks over worker time there was, until the last label ended."""
        last = self.last_label
        return sum(max(0.0, min(e, last) - s) for _, s, e in self.tasks) / (workers * last)


class Enough(Exception):
    """The simulation has taken as many steps as it was asked for."""


class Queued(TasksUnderWay):
    """Tasks under way, which wait for a simulated worker."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.queue: list[tuple[float, int, Role, Mapping[str, Order]]] = []
        self._count = 0

    def _send(self, role: Role, orders: Mapping[str, Order], expected_seconds: float = 0.0) -> None:
        self.orders |= orders
        self._count += 1
        urgency = priority(role, expected_seconds)
        heapq.heappush(self.queue, (urgency, self._count, role, orders))


class SimulatedDriver(Driver):
    """The driver, whose tasks are carried out in simulated time."""

    def __init__(
        self,
        store: Store,
        campaign: Campaign,
        path: Path,
        workers: int,
        duration: Duration,
        *,
        max_steps: int | None = None,
    ) -> None:
        folder = open_run(campaign, path)
        backend = Backend(pools={"main": LocalPool(workers=workers)})
        slots = _Slots(workers)
        super().__init__(store, campaign, backend, folder, slots, _Nobody())
        self._tasks = Queued(store, backend, folder.path, slots)
        self._under_way = self._tasks
        self.trace = Trace()
        self._free = workers
        self._duration = duration
        self._now = 0.0
        self._running: list[tuple[float, int, Mapping[str, TaskResult]]] = []
        self._count = 0
        self._left = max_steps
        self._step_began = time.perf_counter()

    def _take_in_next(self) -> None:
        """Let the clock run to the next end of a task, and take in all that end then."""
        self.trace.step_seconds.append(time.perf_counter() - self._step_began)
        if self._left is not None and len(self.trace.step_seconds) >= self._left:
            raise Enough
        while self._tasks.queue and self._free:
            self._start(*heapq.heappop(self._tasks.queue)[2:])
        self._now = self._running[0][0]
        with self._store.together():
            while self._running and self._running[0][0] <= self._now:
                _, _, results = heapq.heappop(self._running)
                self._free += 1
                for key, result in results.items():
                    order = self._tasks.orders.pop(key)
                    self._commit(key, result)
                    if isinstance(order, TrainOrder) and order.members is None:
                        forget_files(order)
        self._taken_in.clear()
        self._step_began = time.perf_counter()

    def _start(self, role: Role, orders: Mapping[str, Order]) -> None:
        """Give a worker orders, which it carries out one after the other."""
        results, began = dict[str, TaskResult](), self._now
        for key, order in orders.items():
            chance = np.random.default_rng(list(key.encode()))
            seconds = self._duration(order, chance)
            end = began + seconds
            self.trace.tasks.append((role, began, end))
            cost = Cost(
                worker="simulated:1", started_at=began, finished_at=end, cpu_seconds=seconds
            )
            results[key] = TaskResult(answer=_answer(order, chance, seconds), cost=cost)
            began = end
        self._free -= 1
        self._count += 1
        heapq.heappush(self._running, (began, self._count, results))


@dataclass(frozen=True)
class _Slots:
    workers: int

    def slots(self, _role: Role) -> int:
        return self.workers


class _Nobody:
    def saw(self, _state: RungState, _level: LevelOfTheory) -> None:
        pass

    def said(self, _text: str) -> None:
        pass


def energy_ev(structure: Structure) -> float:
    """Return the energy of the simulated level, which the simulated committee knows."""
    return float((structure.positions**2).sum())


def label_of(structure: Structure, level_id: str, cpu_seconds: float) -> Label:
    """Return a label."""
    return Label(
        structure_id=structure.structure_id,
        level_id=level_id,
        energy=energy_ev(structure),
        forces=-2.0 * structure.positions,
        provenance=Provenance(
            program="simulated",
            version="1",
            host="nowhere",
            cpu_seconds=cpu_seconds,
            wall_seconds=cpu_seconds,
            attempts=(),
            finished_at=0.0,
        ),
    )


def flat_errors(error: float) -> Errors:
    """Return held-out errors that are all the same number, in their units."""
    return Errors(
        n_structures=1,
        energy_mae_kcal_mol=error,
        energy_rmse_kcal_mol=error,
        relative_energy_mae_kcal_mol=error,
        force_mae_kcal_mol_angstrom=error,
        force_rmse_kcal_mol_angstrom=error,
        calibration_factor=None,
        by_molecule={},
        calibration=None,
    )


def _answer(order: Order, chance: np.random.Generator, seconds: float) -> Answer:
    match order:
        case LabelOrder():
            return label_of(order.structure, order.level.level_id, seconds)
        case SampleOrder():
            return _sampled(order, chance)
        case TrainOrder():
            if order.members is not None:
                order.checkpoint.touch()
            n_labels = len(read_labelled(order.training_set))
            return Trained(n_labels=n_labels, errors=flat_errors(1.0), history=TrainingHistory())
        case JudgeOrder():
            return Judged(
                judgements=tuple(
                    Judgement(
                        structure_id=structure.structure_id,
                        rho_kcal_mol=float(chance.uniform(0.1, 0.6)),
                        force_sigma=1.0,
                        energy_ev=energy_ev(structure),
                    )
                    for structure in order.structures
                )
            )


def _sampled(order: SampleOrder, chance: np.random.Generator) -> Sampled:
    is_start = order.sampler.kind == "conformers"
    explores = order.threshold is not None
    offers = []
    numbers = order.molecule.geometries[0].atomic_numbers
    resting = order.molecule.geometries[0].positions
    for _ in range(1 if is_start else 12):
        structure = Structure(
            atomic_numbers=numbers,
            positions=resting + chance.normal(scale=0.03, size=resting.shape),
            molecule_id=order.molecule.molecule_id,
            origin=Origin(sampler=order.sampler.kind, seed=order.seed),
        )
        offers.append(
            Offered(
                structure=structure,
                rho_kcal_mol=float(chance.uniform(0.24, 1.0)) if explores else None,
                force_sigma_kcal_mol_angstrom=1.0 if explores else None,
                energy_ev=energy_ev(structure) if explores else None,
                reason="simulated",
            )
        )
    judged = 2 * len(offers) if explores else 0
    return Sampled(offers=tuple(offers), judged=judged, over_threshold=judged // 2, rejected={})
