"""Hand an order to workers, with the threads, limits and device that the backend gives."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from workflow.settings.backend import Backend, Role
from workflow.work.compute import work
from workflow.work.orders import LabelOrder, Order, on_device
from workflow.work.system.isolate import Limits


class Workers(Protocol):
    """All that is known of Parsl outside `workflow.work.pools`: it calls a function, later."""

    def slots(self, role: Role) -> int:
        """Return how many tasks of a role run at once."""
        ...

    def submit(
        self,
        role: Role,
        function: Callable[..., None],
        *arguments: Any,
        expected_seconds: float = 0.0,
    ) -> Future[None]:
        """Have a function called; of a role's tasks that wait, the longest starts first."""
        ...


def submit_order(
    workers: Workers,
    backend: Backend,
    run_folder: Path,
    role: Role,
    key: str,
    order: Order,
    *,
    expected_seconds: float = 0.0,
) -> Future[None]:
    """Have an order carried out; its result lies in the run's spool when the future is done."""
    pool = backend.pool(role)
    placed = on_device(order, pool.device)
    if isinstance(placed, LabelOrder):
        teacher = backend.teacher_of(placed.level)
        placed = placed if teacher is None else replace(placed, teacher=teacher)
    limits = Limits(
        wall_seconds=backend.limits.seconds(role),
        memory_gb=pool.memory_per_task_gb,
        # CUDA maps far more address space than it uses.
        limits_address_space=pool.device == "cpu" or isinstance(order, LabelOrder),
    )
    return workers.submit(
        role,
        work,
        run_folder.resolve(),
        key,
        placed,
        pool.cores_per_task,
        limits,
        expected_seconds=expected_seconds,
    )
