"""Tasks under way: what the plan asks for goes out to workers, and is known until it ends."""

import queue
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from workflow.planning.cost import PowerLaw
from workflow.planning.together import shared_out
from workflow.run.store.store import StoreReader
from workflow.settings.backend import Backend, Role
from workflow.work.lost_tries import LostTry
from workflow.work.orders import LabelOrder, Order
from workflow.work.submit import Workers, submit_orders


@dataclass(frozen=True, kw_only=True, eq=False)
class Ended:
    """A task that is no longer under way.

    Attributes
    ----------
    key : str
    order : Order
    error : BaseException or None
        What its worker, or the loss of it, raised.
    was_alone : bool
        Whether its worker was given nothing else with it.
    """

    key: str
    order: Order
    error: BaseException | None
    was_alone: bool


class TasksUnderWay:
    """Hands orders to workers, and says which of them have ended.

    Attributes
    ----------
    orders : dict of str to Order
        Of the tasks under way, by key.
    """

    def __init__(
        self, store: StoreReader, backend: Backend, run_folder: Path, workers: Workers
    ) -> None:
        self.orders: dict[str, Order] = {}
        self._store = store
        self._backend = backend
        self._run_folder = run_folder
        self._workers = workers
        self._done: queue.SimpleQueue[tuple[Sequence[str], Future[None]]] = queue.SimpleQueue()

    def hand_out(self, role: Role, key: str, order: Order) -> None:
        """Hand out a task that is no label."""
        self._send(role, {key: order})

    def hand_out_labels(
        self, orders: Mapping[str, LabelOrder], cost: PowerLaw, *, at_once: int
    ) -> None:
        """Hand out labels, so many together; one that was lost before, with others or not, alone.

        One for which its pool gave too little goes to the larger pool, if there is one.
        """
        together: list[tuple[str, LabelOrder]] = []
        for key, order in orders.items():
            if not self._store.tasks.losses(key):
                together.append((key, order))
            elif self.has_larger_pool and self.outgrown(key):
                self._send_labels("large_label", {key: replace(order, is_large=True)}, cost)
            else:
                self._send_labels("label", {key: order}, cost)
        for part in shared_out(together, at_once=at_once, slots=self._workers.slots("label")):
            self._send_labels("label", dict(part), cost)

    def wait(self, at_most_seconds: float) -> list[Ended]:
        """Wait for a task to end and return all that have ended; none after so long a wait."""
        try:
            ended = [self._done.get(timeout=at_most_seconds)]
        except queue.Empty:
            return []
        with suppress(queue.Empty):
            while True:
                ended.append(self._done.get_nowait())
        return [
            Ended(
                key=key,
                order=self.orders.pop(key),
                error=future.exception(),
                was_alone=len(keys) == 1,
            )
            for keys, future in ended
            for key in keys
        ]

    @property
    def has_larger_pool(self) -> bool:
        """Whether labels that need more than their pool gives may go to another one."""
        return self._backend.roles.large_label is not None

    def outgrown(self, key: str) -> list[LostTry]:
        """Return the tries for which the usual pool gave too little."""
        return [loss for loss in self._store.tasks.losses(key) if loss.kind == "resource"]

    def _send_labels(self, role: Role, orders: Mapping[str, LabelOrder], cost: PowerLaw) -> None:
        self._send(role, orders, sum(cost(order.structure) for order in orders.values()))

    def _send(self, role: Role, orders: Mapping[str, Order], expected_seconds: float = 0.0) -> None:
        self.orders |= orders
        future = submit_orders(
            self._workers,
            self._backend,
            self._run_folder,
            role,
            orders,
            expected_seconds=expected_seconds,
        )
        future.add_done_callback(lambda finished: self._done.put((tuple(orders), finished)))
