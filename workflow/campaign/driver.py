"""The loop of a campaign: take results in, ask the plan, submit, wait.

One thread owns the store. Workers put results into the spool; their futures only say that one is
there. So whatever dies, what was computed is in the store or in the spool.
"""

import queue
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from chemistry.errors import CampaignFailed, PoisonTask, RungError
from chemistry.records.level import LevelOfTheory, find_level
from workflow.campaign.commit import commit_result
from workflow.campaign.dispatch import Submission, make_orders
from workflow.campaign.idle import IdleTime
from workflow.campaign.training import forget_files
from workflow.planning.actions import Action, Choosing, Finishing, Inheriting, Labelling
from workflow.planning.cost import PowerLaw
from workflow.planning.keys import InheritKey
from workflow.planning.plan import leaves_workers_to_the_next_rung, plan
from workflow.planning.state import RungState
from workflow.planning.stop_rules import failure_reason
from workflow.planning.together import labels_at_once, shared_out
from workflow.run.folder import RunFolder
from workflow.run.state import cost_model, read_rung_state
from workflow.run.store.store import Store
from workflow.settings.backend import Backend, Role
from workflow.settings.campaign import Campaign
from workflow.work.lost_tries import (
    LOSSES_OF_A_POISON_TASK,
    LostTry,
    is_lost,
    is_too_large,
    loss_of,
    lost_result,
    poisoned,
)
from workflow.work.orders import EvaluateOrder, LabelOrder, Order, TrainOrder
from workflow.work.results import Broken, TaskResult, result_spool
from workflow.work.submit import Workers, submit_orders

_WAIT_SECONDS = 1.0


class Observer(Protocol):
    """Somebody to whom a launch is reported."""

    def saw(self, state: RungState, level: LevelOfTheory) -> None:
        """Look at the state of the current rung; called after every event."""
        ...

    def said(self, text: str) -> None:
        """Hear of something that happened: a training, a stop, a failure."""
        ...


class Driver:
    """Drives the rungs of one campaign with one set of workers."""

    def __init__(
        self,
        store: Store,
        campaign: Campaign,
        backend: Backend,
        folder: RunFolder,
        workers: Workers,
        observer: Observer,
    ) -> None:
        self._store = store
        self._campaign = campaign
        self._backend = backend
        # Workers work in other folders: the paths in their orders must be absolute.
        self._folder = RunFolder(folder.path.resolve())
        self._workers = workers
        self._observer = observer
        self._spool = result_spool(folder.path)
        self._done: queue.SimpleQueue[tuple[Sequence[str], Future[None]]] = queue.SimpleQueue()
        self._in_flight: dict[str, Order] = {}
        self._n_lost = 0
        self._taken_in: list[str] = []
        self._failed_training: str | None = None
        self._idle = IdleTime()

    def run(self) -> str:
        """Climb all rungs and return why the last one ended.

        Raises
        ------
        CampaignFailed
            Too many labels fail, or a training fails, or there is nothing to train on.
        StoreError
            The store or the spool cannot be written.
        """
        self._store.diary.clear_fact("finished")
        self._store.tasks.forget_broken()
        self.take_in_leftovers()
        reason = ""
        for index in range(len(self._campaign.rungs)):
            reason = self._run_rung(index)
        self._store.diary.set_fact("finished", reason)
        return reason

    def take_in_leftovers(self) -> None:
        """Commit what lies in the spool: of an earlier launch, or of workers just stopped.

        A task that was cut off when its workers were ended has no result: it is done again.
        """
        for key, result in list(self._spool.collect()):
            if is_lost(result) or self._goes_to_larger_pool(key, result):
                self._spool.remove(key)
            else:
                self._commit(key, result)
                self._clear_spool()

    def _run_rung(self, index: int) -> str:
        level = find_level(self._campaign.rungs[index].level)
        self._store.labels.add_level(level)
        while True:
            state = self._state(index, level)
            self._observer.saw(state, level)
            if (failed := failure_reason(state, self._campaign.failures)) is not None:
                raise CampaignFailed(self._why(failed, level))
            cost = cost_model(self._store, level)
            actions = self._plan(state, cost)
            for action in actions:
                if isinstance(action, Finishing):
                    if state.newest is None:
                        raise CampaignFailed(f"{action.reason}: nothing could be trained")
                    self._store.diary.add_event("rung finished", action.reason)
                    return action.reason
            changes = self._carry_out(state, level, actions, cost)
            if index + 1 < len(self._campaign.rungs) and leaves_workers_to_the_next_rung(
                state, self._campaign
            ):
                changes = self._begin_rung(index + 1) or changes
            if not changes:
                self._take_in_next()

    def _begin_rung(self, index: int) -> bool:
        """Begin a rung while the one below trains its last committee; as `_carry_out`."""
        level = find_level(self._campaign.rungs[index].level)
        self._store.labels.add_level(level)
        state = self._state(index, level)
        cost = cost_model(self._store, level)
        return self._carry_out(state, level, self._plan(state, cost), cost)

    def _plan(self, state: RungState, cost: PowerLaw) -> list[Action]:
        return plan(
            state,
            self._campaign,
            slots=self._workers.slots("label"),
            explore_slots=self._workers.slots("explore"),
            cost=cost,
        )

    def _carry_out(
        self, state: RungState, level: LevelOfTheory, actions: Iterable[Action], cost: PowerLaw
    ) -> bool:
        """Do what the plan asks for; say whether that changes what it would ask for next."""
        index, changes = state.index, False
        labels: list[Labelling] = []
        for action in actions:
            if isinstance(action, Choosing):
                newest = state.newest.version if state.newest else 0
                self._store.candidates.choose(index, action.choices, newest)
                changes = True
            elif isinstance(action, Inheriting):
                below = find_level(self._campaign.rungs[index - 1].level).level_id
                self._store.candidates.inherit(
                    InheritKey(rung=index).key,
                    index,
                    level_below=below,
                    with_waiting=not self._campaign.rungs[index - 1].budget.labels,
                )
                changes = True
            elif isinstance(action, Labelling):
                labels.append(action)
            elif not isinstance(action, Finishing):
                for role, key, order in self._orders(index, level, action):
                    self._send(role, {key: order})
        self._send_labels(state, level, labels, cost)
        return changes

    def _state(self, index: int, level: LevelOfTheory) -> RungState:
        return read_rung_state(
            self._store,
            self._campaign,
            index,
            level,
            under_way=self._in_flight,
            n_lost=self._n_lost,
        )

    def _why(self, failed: str, level: LevelOfTheory) -> str:
        """Add to a reason an example of what went wrong, and what to do."""
        example = self._store.unusable.first_failure(level.level_id) if "labels" in failed else None
        events = self._store.diary.events(last=1)
        if example is None and events:
            example = events[0][2]
        example_text = f", one of them: {example}" if example else ""
        return (
            f"{failed}{example_text}; `rung status {self._folder.path} --failures` lists them, "
            "`rung retry` puts them back, `failures` in the campaign file says how many may fail"
        )

    def _orders(
        self, index: int, level: LevelOfTheory, action: Submission
    ) -> list[tuple[Role, str, Order]]:
        return make_orders(
            action,
            self._store,
            self._campaign,
            self._folder,
            index,
            level,
            training_device=self._backend.pool("train").device,
        )

    def _send_labels(
        self,
        state: RungState,
        level: LevelOfTheory,
        labels: Iterable[Labelling],
        cost: PowerLaw,
    ) -> None:
        """Send cheap labels together; one that was lost before, with others or not, alone."""
        together: list[tuple[str, Order, float]] = []
        for action in labels:
            [(role, key, order)] = self._orders(state.index, level, action)
            seconds = cost(action.structure)
            if not self._store.tasks.losses(key):
                together.append((key, order, seconds))
                continue
            if isinstance(order, LabelOrder) and self._has_larger_pool and self._outgrown(key):
                role, order = "large_label", replace(order, is_large=True)
            self._send(role, {key: order}, seconds)
        slots, at_once = self._workers.slots("label"), labels_at_once(state.costs.label)
        for part in shared_out(together, at_once=at_once, slots=slots):
            orders = {key: order for key, order, _ in part}
            self._send("label", orders, sum(seconds for *_, seconds in part))

    def _send(self, role: Role, orders: Mapping[str, Order], expected_seconds: float = 0.0) -> None:
        self._in_flight |= orders
        future = submit_orders(
            self._workers,
            self._backend,
            self._folder.path,
            role,
            orders,
            expected_seconds=expected_seconds,
        )
        future.add_done_callback(lambda finished: self._done.put((tuple(orders), finished)))

    def _take_in_next(self) -> None:
        """Wait for a task to end, then take in all that have ended, in one transaction.

        The spool keeps them until it is committed.
        """
        began = time.monotonic()
        try:
            ended = [self._done.get(timeout=_WAIT_SECONDS)]
        except queue.Empty:
            ended = []
        waited = time.monotonic() - began
        self._idle.note(self._in_flight, slots=self._backend.slots, seconds=waited)
        if not ended:
            return
        with suppress(queue.Empty):
            while True:
                ended.append(self._done.get_nowait())
        with self._store.together():
            self._store.diary.add_idle(self._idle.take())
            for keys, future in ended:
                for key in keys:
                    order = self._in_flight.pop(key)
                    self._take_in(key, order, future.exception(), was_alone=len(keys) == 1)
        self._clear_spool()
        if self._failed_training is not None:
            raise CampaignFailed(f"the training failed: {self._failed_training}")

    def _take_in(
        self, key: str, order: Order, error: BaseException | None, *, was_alone: bool
    ) -> None:
        if isinstance(error, RungError) and not isinstance(error, PoisonTask):
            raise error
        result = self._spool.read(key) or lost_result(order, error, was_alone=was_alone)
        if is_lost(result):
            poison = self._note_loss(key, result)
            if poison is None:
                return
            result = poison
        elif self._goes_to_larger_pool(key, result):
            self._taken_in.append(key)
            return
        self._commit(key, result)
        if isinstance(order, TrainOrder | EvaluateOrder) and isinstance(result.answer, Broken):
            self._failed_training = result.answer.message
            forget_files(order)
        elif isinstance(order, EvaluateOrder) or (
            isinstance(order, TrainOrder) and order.members is None
        ):
            forget_files(order)

    def _note_loss(self, key: str, result: TaskResult) -> TaskResult | None:
        """Note a lost try, so that the plan asks for the task again; None unless it is poison."""
        self._n_lost += 1
        loss = loss_of(result)
        tries = self._store.tasks.add_loss(key, loss)
        said = f"{key} was lost ({loss.message})"
        self._store.diary.add_event("lost task", said)
        if tries >= LOSSES_OF_A_POISON_TASK:
            return poisoned(result, tries)
        self._taken_in.append(key)
        self._observer.said(f"{said}: it is tried again")
        return None

    @property
    def _has_larger_pool(self) -> bool:
        return self._backend.roles.large_label is not None

    def _outgrown(self, key: str) -> list[LostTry]:
        """Return the tries for which the usual pool gave too little."""
        return [loss for loss in self._store.tasks.losses(key) if loss.kind == "resource"]

    def _goes_to_larger_pool(self, key: str, result: TaskResult) -> bool:
        """Note a label that its pool gave too little, so that the plan asks for it again.

        The larger pool tries it once. A try that is noted already, by a driver that was killed
        before it could clear the spool, is not taken for that one.
        """
        if not (self._has_larger_pool and is_too_large(result)):
            return False
        loss = loss_of(result)
        before = self._outgrown(key)
        if not before:
            self._store.tasks.add_loss(key, loss)
            said = f"{key} needs more than its pool gives ({loss.message})"
            self._store.diary.add_event("larger pool", said)
            self._observer.said(f"{said}: pool `{self._backend.roles.large_label}` tries it again")
        return all(loss.at == known.at for known in before)

    def _commit(self, key: str, result: TaskResult) -> None:
        said = commit_result(self._store, self._campaign, key, result)
        self._taken_in.append(key)
        if said:
            self._observer.said(said)

    def _clear_spool(self) -> None:
        for key in self._taken_in:
            self._spool.remove(key)
        self._taken_in.clear()
