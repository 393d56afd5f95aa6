"""A fake of the workers: orders are carried out at once, by a script instead of chemistry.

It goes through the real spool, so that driver, plan and store are tested as they are; only the
answers are made up. Used in unit tests alone.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np
from error_examples import errors

from chemistry.records.label import Label, LabelFailure, Provenance
from chemistry.records.structure import Origin, Structure
from model.history import TrainingHistory
from workflow.settings.backend import Role
from workflow.settings.campaign import Campaign
from workflow.work.orders import (
    DesignOrder,
    EvaluateOrder,
    JudgeOrder,
    LabelOrder,
    Order,
    SampleOrder,
    TrainOrder,
)
from workflow.work.results import (
    Answer,
    Cost,
    Designed,
    Judged,
    Judgement,
    Offered,
    Sampled,
    TaskResult,
    Trained,
    result_spool,
)
from workflow.work.training_set import read_labelled

WATER = np.array([[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]])


def scripted_campaign(**changes) -> Campaign:
    """Return a campaign of 16 labels and 4 held-out ones of one molecule."""
    rung = {
        "level": "hf/sto-3g",
        "initial_labels": 6,
        "labels_per_training": 5,
        "budget": {"labels": 16},
        "stop": {"uncertain_share": None},
    }
    samplers = [{"kind": kind} for kind in ("normal_modes", "langevin", "torsions")]
    fields = {
        "name": "x",
        "molecules": ["O"],
        "rungs": [rung],
        "held_out": {"structures": 4},
        "initial": samplers,
        "explore": samplers,
    }
    return Campaign.model_validate({**fields, "gates": {"second_share": 0}, **changes})


class Listener:
    """An observer that remembers what was said, and the last state that it saw."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def saw(self, state, level) -> None:
        self.last = state

    def said(self, text: str) -> None:
        self.heard.append(text)


class ScriptedWorkers:
    """Answers every order at once.

    Parameters
    ----------
    run_folder : Path
    slots : int
    failing : callable or None
        Says of a structure_id whether its label fails.
    stop_after : int or None
        Raises KeyboardInterrupt instead of taking the order after so many labels.
    held_out_after : int
        Held-out structures are sampled only after so many labels.
    finds_nothing : callable or None
        Says of a SampleOrder whether its sampler is certain of all that it finds.
    label_seconds : float
        CPU time of a label.
    """

    def __init__(
        self,
        run_folder: Path,
        *,
        slots=2,
        failing=None,
        stop_after=None,
        held_out_after=0,
        finds_nothing=None,
        label_seconds=1.0,
    ):
        self._slots = slots
        self.labelled: list[str] = []
        self.trainings: list[TrainOrder] = []
        self.held_out_sizes: list[int] = []
        self.evaluated: list[int] = []
        self.roles: list[tuple[Role, str]] = []
        self._spool = result_spool(run_folder)
        self._failing = failing or (lambda structure_id: False)
        self._stop_after = stop_after
        self._held_out_after = held_out_after
        self._finds_nothing = finds_nothing or (lambda order: False)
        self._held_back: list[tuple[Mapping[str, Order], Future[None]]] = []
        self._label_seconds = label_seconds
        self._clock = 1000.0

    def slots(self, role: Role) -> int:
        return self._slots

    def submit(self, role: Role, function, run_folder, orders, *limits, expected_seconds=0.0):
        if self._stop_after is not None and len(self.labelled) >= self._stop_after:
            raise KeyboardInterrupt
        self.roles += [(role, key) for key in orders]
        future: Future[None] = Future()
        self._held_back.append((orders, future))
        is_late = len(self.labelled) < self._held_out_after and any(
            "-held_out-" in key for key in orders
        )
        if not is_late:
            self._carry_out_last()
        if len(self.labelled) >= self._held_out_after:
            while self._held_back:
                self._carry_out_last()
        return future

    def _carry_out_last(self) -> None:
        orders, future = self._held_back.pop()
        for key, order in orders.items():
            self._spool.compute_once(key, partial(self._result, order))
        future.set_result(None)

    def _result(self, order: Order) -> TaskResult:
        self._clock += 1.0
        cost = Cost(
            worker="fake:1",
            started_at=self._clock - 1.0,
            finished_at=self._clock,
            cpu_seconds=self._label_seconds if isinstance(order, LabelOrder) else 1.0,
        )
        return TaskResult(answer=self._answer(order), cost=cost)

    def _answer(self, order: Order) -> Answer:
        match order:
            case LabelOrder():
                return self._label(order)
            case SampleOrder() if self._finds_nothing(order):
                return Sampled(offers=(), judged=9, over_threshold=0, rejected={})
            case SampleOrder():
                return sampled(order)
            case TrainOrder() if order.members is not None:
                order.checkpoint.touch()
                n_labels = len(read_labelled(order.training_set))
                return Trained(n_labels=n_labels, errors=None, history=TrainingHistory())
            case TrainOrder():
                self.trainings.append(order)
                self.held_out_sizes.append(len(held_out_ids(order)))
                n_labels = len(read_labelled(order.training_set))
                assert not held_out_ids(order) & training_ids(order)
                mae = 10.0 / n_labels
                found = errors(
                    energy_mae_kcal_mol=mae,
                    energy_rmse_kcal_mol=mae,
                    force_mae_kcal_mol_angstrom=mae,
                    force_rmse_kcal_mol_angstrom=mae,
                )
                return Trained(n_labels=n_labels, errors=found, history=TrainingHistory())
            case EvaluateOrder():
                self.evaluated.append(len(read_labelled(order.held_out)))
                return Trained(n_labels=0, errors=errors(), history=TrainingHistory())
            case DesignOrder():
                return designed(order)
            case JudgeOrder():
                return Judged(judgements=tuple(judgement(s) for s in order.structures))

    def _label(self, order: LabelOrder) -> Label | LabelFailure:
        structure = order.structure
        self.labelled.append(structure.structure_id)
        ids = {"structure_id": structure.structure_id, "level_id": order.level.level_id}
        if self._failing(structure.structure_id):
            return LabelFailure(**ids, kind="convergence", message="scripted failure")
        return Label(
            **ids,
            energy=energy_ev(structure),
            forces=-2.0 * structure.positions,
            provenance=Provenance(
                program="fake",
                version="1",
                host="here",
                cpu_seconds=1.0,
                wall_seconds=1.0,
                attempts=("scripted",),
                finished_at=self._clock,
            ),
        )


def energy_ev(structure: Structure) -> float:
    return float((structure.positions**2).sum())


def designed(order: DesignOrder) -> Designed:
    """Choose the last of those that there are."""
    known, others = list[str](), list[str]()
    for molecule in order.molecules:
        ids = [structure.structure_id for structure in molecule.structures]
        known += ids[: molecule.n_known]
        others += ids[len(ids) - molecule.n :]
    return Designed(known=tuple(known), informative=tuple(others))


def judgement(structure: Structure) -> Judgement:
    return Judgement(
        structure_id=structure.structure_id,
        rho_kcal_mol=0.5,
        force_sigma=1.0,
        energy_ev=energy_ev(structure),
    )


def sampled(order: SampleOrder, n_offers: int = 12) -> Sampled:
    """Displace water at random, by the order's seed."""
    generator = np.random.default_rng(order.seed)
    n = 1 if order.sampler.kind == "conformers" else n_offers
    offers = []
    for _ in range(n):
        structure = Structure(
            atomic_numbers=np.array([8, 1, 1]),
            positions=WATER + generator.normal(scale=0.05, size=(3, 3)),
            molecule_id=order.molecule.molecule_id,
            origin=Origin(sampler=order.sampler.kind, seed=order.seed),
        )
        uncertain = order.threshold is not None
        offers.append(
            Offered(
                structure=structure,
                rho_kcal_mol=float(generator.uniform(0.24, 1.0)) if uncertain else None,
                force_sigma_kcal_mol_angstrom=1.0 if uncertain else None,
                reason="scripted",
            )
        )
    judged = 2 * n if order.threshold else 0
    over = n if order.threshold else 0
    return Sampled(offers=tuple(offers), judged=judged, over_threshold=over, rejected={})


def training_ids(order: TrainOrder) -> set[str]:
    return {row.structure.structure_id for row in read_labelled(order.training_set)}


def held_out_ids(order: TrainOrder) -> set[str]:
    return {row.structure.structure_id for row in read_labelled(order.held_out)}
