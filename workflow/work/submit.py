"""Hand orders to workers, with the threads, limits and device that the backend gives."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from workflow.settings.backend import Backend, Role
from workflow.work.compute import work
from workflow.work.orders import LabelOrder, Order, on_device
from workflow.work.system.child import Limits


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


def submit_orders(
    workers: Workers,
    backend: Backend,
    run_folder: Path,
    role: Role,
    orders: Mapping[str, Order],
    *,
    expected_seconds: float = 0.0,
) -> Future[None]:
    """Have orders carried out by one worker, one after the other.

    Their results lie in the run's spool, each under its order's key, when the future is done.
    """
    pool = backend.pool(role)
    placed = {key: _placed(order, backend, pool.device) for key, order in orders.items()}
    limits = Limits(
        wall_seconds=backend.limits.seconds(role),
        memory_gb=pool.memory_per_task_gb,
        # CUDA maps far more address space than it uses.
        limits_address_space=pool.device == "cpu"
        or all(isinstance(order, LabelOrder) for order in orders.values()),
    )
    return workers.submit(
        role,
        work,
        run_folder.resolve(),
        placed,
        pool.cores_per_task,
        limits,
        expected_seconds=expected_seconds,
    )


def _placed(order: Order, backend: Backend, device: str) -> Order:
    placed = on_device(order, device)
    if isinstance(placed, LabelOrder) and (teacher := backend.teacher_of(placed.level)) is not None:
        return replace(placed, teacher=teacher)
    return placed
