"""Take the result of a task into the store."""

import time

from chemistry.errors import InputError, PoisonTask
from chemistry.label import FailureKind, Label, LabelFailure
from chemistry.level import find_level
from workflow.campaign import Campaign
from workflow.orders import LabelOrder, Order
from workflow.records import Candidate, Cost, Purpose, Training
from workflow.results import Broken, Judged, Sampled, TaskResult, Trained
from workflow.run_folder import checkpoint_name
from workflow.store import Store
from workflow.task_keys import SampleTask, parse_version


def commit_result(store: Store, campaign: Campaign, key: str, result: TaskResult) -> str:
    """Commit one result and return what is worth saying of it, or nothing.

    A result that is known already changes nothing, so that a crash between the commit and the
    removal from the spool does no harm.
    """
    match result.answer:
        case Label() | LabelFailure():
            return _commit_label(store, campaign, key, result.answer, result.cost)
        case Sampled():
            return _commit_sample(store, SampleTask.parse(key), result.answer, result.cost)
        case Trained():
            return _commit_training(store, key, result.answer, result.cost)
        case Judged():
            _commit_judgement(store, campaign, key, result.answer, result.cost)
            return ""
        case Broken():
            return _commit_broken(store, campaign, key, result.answer, result.cost)


def lost_result(order: Order, error: BaseException | None) -> TaskResult:
    """Return the result of a task that ended without one: its worker was lost, again and again."""
    # What kills its worker each time it is tried will do so again.
    kind: FailureKind = "resource" if isinstance(error, PoisonTask) else "infrastructure"
    message = str(error) if error else "the worker left no result"
    now = time.time()
    cost = Cost(worker="lost", started_at=now, finished_at=now, cpu_seconds=0.0)
    if isinstance(order, LabelOrder):
        answer: LabelFailure | Broken = LabelFailure(
            structure_id=order.structure.structure_id,
            level_id=order.level.level_id,
            kind=kind,
            message=message,
        )
    else:
        answer = Broken(kind=kind, message=message)
    return TaskResult(answer=answer, cost=cost)


def _commit_label(
    store: Store, campaign: Campaign, key: str, answer: Label | LabelFailure, cost: Cost
) -> str:
    rung = _rung_of_level(campaign, answer.level_id)
    if isinstance(answer, Label):
        store.commit_label(key, rung, answer, cost)
        return ""
    store.commit_failure(key, rung, answer, cost)
    return f"label failed ({answer.kind}): {answer.message}"


def _rung_of_level(campaign: Campaign, level_id: str) -> int:
    for index, rung in enumerate(campaign.rungs):
        if find_level(rung.level).level_id == level_id:
            return index
    raise InputError(f"the spool holds a label of level {level_id}, which no rung asks for")


def _commit_sample(store: Store, task: SampleTask, sampled: Sampled, cost: Cost) -> str:
    purpose: Purpose = "held_out" if task.purpose == "held_out" else "initial"
    if task.purpose == "explore":
        purpose = "active"
    candidates = [
        Candidate(
            structure=offer.structure,
            purpose=purpose,
            rho_kcal_mol=offer.rho_kcal_mol,
            force_sigma_kcal_mol_angstrom=offer.force_sigma_kcal_mol_angstrom,
            judged_by=task.version if offer.rho_kcal_mol is not None else None,
            reason=offer.reason,
        )
        for offer in sampled.offers
    ]
    detail = {
        "purpose": task.purpose,
        "rung": task.rung,
        "version": task.version,
        "sweep": task.sweep,
        "judged": sampled.judged,
        "over_threshold": sampled.over_threshold,
        "rejected": dict(sampled.rejected),
    }
    store.commit_sample(
        task.key,
        task.rung,
        candidates,
        are_starts=task.purpose == "start",
        detail=detail,
        cost=cost,
    )
    if task.purpose == "start" and not candidates:
        name = next(m.name for m, _ in store.molecules() if m.molecule_id == task.molecule_id)
        return f"no conformer of molecule {name} was found: it is left out"
    return ""


def _commit_training(store: Store, key: str, trained: Trained, cost: Cost) -> str:
    rung, version = parse_version(key)
    training = Training(
        version=version,
        checkpoint=checkpoint_name(rung, version),
        n_labels=trained.n_labels,
        errors=None if trained.errors is None else dict(trained.errors),
        history=dict(trained.history),
    )
    store.commit_training(key, rung, training, cost)
    said = f"training {version} on {trained.n_labels} labels"
    if training.errors is None:
        return said
    said += f": held-out energy MAE {training.errors['energy_mae_kcal_mol']:.2f} kcal/mol"
    force_mae = training.errors["force_mae_kcal_mol_angstrom"]
    return said if force_mae is None else f"{said}, force MAE {force_mae:.2f} kcal/mol/Å"


def _commit_judgement(
    store: Store, campaign: Campaign, key: str, judged: Judged, cost: Cost
) -> None:
    rung, version = parse_version(key)
    threshold = campaign.select.threshold
    over = sum(threshold.is_exceeded(rho, sigma) for _, rho, sigma in judged.disagreements)
    store.commit_judgement(key, rung, version, judged.disagreements, over_threshold=over, cost=cost)


def _commit_broken(store: Store, campaign: Campaign, key: str, broken: Broken, cost: Cost) -> str:
    """Note a task that could not be done; a training stays open for the next launch."""
    said = f"{key} could not be done ({broken.kind}): {broken.message}"
    store.add_event("broken task", said)
    if key.startswith("sample-"):
        task = SampleTask.parse(key)
        nothing = Sampled(offers=(), judged=0, over_threshold=0, rejected={})
        _commit_sample(store, task, nothing, cost)
    elif key.startswith("judge-"):
        _commit_judgement(store, campaign, key, Judged(disagreements=()), cost)
    return said
