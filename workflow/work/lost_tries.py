"""Tries of a task that ended without an answer: what is tried again, where, and what is poison."""

import time
from dataclasses import dataclass, replace

from chemistry.errors import PoisonTask
from chemistry.records.label import FailureKind, LabelFailure
from workflow.work.orders import LabelOrder, Order
from workflow.work.results import Broken, Cost, TaskResult

LOSSES_OF_A_POISON_TASK = 3
"""What loses its process or its worker so often will do so again."""


@dataclass(frozen=True, kw_only=True)
class LostTry:
    """A try of a task that ended without an answer; the task is tried again.

    Attributes
    ----------
    at : float
        Seconds since 1970-01-01 UTC.
    kind : "infrastructure" or "resource"
        Its process or its worker was lost; or it needs a larger pool.
    """

    at: float
    kind: str
    message: str
    worker: str


def lost_result(order: Order, error: BaseException | None, *, was_alone: bool = True) -> TaskResult:
    """Return the result of a task that ended without one: its worker was lost, again and again.

    Of several that a worker had together nobody knows which one it was: each is tried again, alone.
    """
    # What kills its worker each time it is tried will do so again.
    is_poison = was_alone and isinstance(error, PoisonTask)
    kind: FailureKind = "poison" if is_poison else "infrastructure"
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


def is_lost(result: TaskResult) -> bool:
    """Whether a try says nothing of its task: its process or its worker was lost."""
    answer = result.answer
    return isinstance(answer, LabelFailure | Broken) and answer.kind == "infrastructure"


def is_too_large(result: TaskResult) -> bool:
    """Whether a label needed more time or memory than its pool gives."""
    return isinstance(result.answer, LabelFailure) and result.answer.kind == "resource"


def loss_of(result: TaskResult) -> LostTry:
    """Return what is kept of a failed try that is followed by another."""
    answer = result.answer
    assert isinstance(answer, LabelFailure | Broken), "an answer is no loss"
    return LostTry(
        at=result.cost.finished_at,
        kind=answer.kind,
        message=_last_line(answer.message),
        worker=result.cost.worker,
    )


def poisoned(result: TaskResult, tries: int) -> TaskResult:
    """Return the result of a task that is given up after so many lost tries."""
    answer = result.answer
    assert isinstance(answer, LabelFailure | Broken), "an answer is no loss"
    message = f"given up after {tries} tries that were lost, the last one: {answer.message}"
    return replace(result, answer=replace(answer, kind="poison", message=message))


def _last_line(message: str) -> str:
    """Return the line of a traceback, or of a message, that says what happened."""
    return message.strip().splitlines()[-1].strip() if message.strip() else "no message"
