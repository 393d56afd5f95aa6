"""The loop of a campaign: take results in, ask the plan, submit, wait.

One thread owns the store. Workers put results into the spool; their futures only say that one is
there. So whatever dies, what was computed is in the store or in the spool.
"""

import time
from collections.abc import Iterable
from typing import Protocol

from chemistry.errors import CampaignFailed, PoisonTask, RungError
from chemistry.records.level import LevelOfTheory, find_level
from workflow.campaign.commit import commit_result
from workflow.campaign.dispatch import Submission, make_orders
from workflow.campaign.idle import IdleTime
from workflow.campaign.training import forget_files
from workflow.campaign.under_way import Ended, TasksUnderWay
from workflow.planning.actions import Action, Choosing, Finishing, Inheriting
from workflow.planning.cost import PowerLaw
from workflow.planning.keys import InheritKey
from workflow.planning.plan import leaves_workers_to_the_next_rung, plan
from workflow.planning.state import RungState
from workflow.planning.stop_rules import failure_reason
from workflow.planning.together import labels_at_once
from workflow.run.folder import RunFolder
from workflow.run.state import cost_model, read_rung_state
from workflow.run.store.store import Store
from workflow.settings.backend import Backend, Role
from workflow.settings.campaign import Campaign
from workflow.work.lost_tries import (
    LOSSES_OF_A_POISON_TASK,
    is_lost,
    is_too_large,
    loss_of,
    lost_result,
    poisoned,
)
from workflow.work.orders import EvaluateOrder, LabelOrder, Order, TrainOrder
from workflow.work.results import Broken, TaskResult, result_spool
from workflow.work.submit import Workers

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
        self._under_way = TasksUnderWay(store, backend, self._folder.path, workers)
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
        labels: dict[str, LabelOrder] = {}
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
            elif not isinstance(action, Finishing):
                for role, key, order in self._orders(index, level, action):
                    if isinstance(order, LabelOrder):
                        labels[key] = order
                    else:
                        self._under_way.hand_out(role, key, order)
        self._under_way.hand_out_labels(labels, cost, at_once=labels_at_once(state.costs.label))
        return changes

    def _state(self, index: int, level: LevelOfTheory) -> RungState:
        return read_rung_state(
            self._store,
            self._campaign,
            index,
            level,
            under_way=self._under_way.orders,
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

    def _take_in_next(self) -> None:
        """Wait for a task to end, then take in all that have ended, in one transaction.

        The spool keeps them until it is committed.
        """
        began, before = time.monotonic(), frozenset(self._under_way.orders)
        ended = self._under_way.wait(_WAIT_SECONDS)
        waited = time.monotonic() - began
        self._idle.note(before, slots=self._backend.slots, seconds=waited)
        if not ended:
            return
        with self._store.together():
            self._store.diary.add_idle(self._idle.take())
            for task in ended:
                self._take_in(task)
        self._clear_spool()
        if self._failed_training is not None:
            raise CampaignFailed(f"the training failed: {self._failed_training}")

    def _take_in(self, task: Ended) -> None:
        key, order, error = task.key, task.order, task.error
        if isinstance(error, RungError) and not isinstance(error, PoisonTask):
            raise error
        result = self._spool.read(key) or lost_result(order, error, was_alone=task.was_alone)
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

    def _goes_to_larger_pool(self, key: str, result: TaskResult) -> bool:
        """Note a label that its pool gave too little, so that the plan asks for it again.

        The larger pool tries it once. A try that is noted already, by a driver that was killed
        before it could clear the spool, is not taken for that one.
        """
        if not (self._under_way.has_larger_pool and is_too_large(result)):
            return False
        loss = loss_of(result)
        before = self._under_way.outgrown(key)
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
