"""What a run has done so far, read from its store: for `rung status` and the end of a launch."""

from collections import Counter
from dataclasses import dataclass

from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.potential import Threshold
from workflow.planning.records import Purpose, Sweep, Training
from workflow.planning.state import RungState
from workflow.planning.thresholds import threshold_of
from workflow.planning.to_go import ToGo, to_go
from workflow.run.folder import RunFolder
from workflow.run.launches import launch_spans
from workflow.run.state import read_rung_state
from workflow.run.store.records import StageCost
from workflow.run.store.store import StoreReader
from workflow.run.stored_campaign import stored_campaign
from workflow.run.under_way import UnderWay, tasks_under_way
from workflow.settings.campaign import Campaign

_EVENTS = 5


@dataclass(frozen=True, kw_only=True)
class MoleculeName:
    """What people call a molecule, whether it is only tested on, whether it is from the pool."""

    molecule_id: str
    name: str
    held_out: bool
    has_grown: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class RungSummary:
    """What one rung has done so far.

    Attributes
    ----------
    labels : Counter of Purpose
    failures : Counter of FailureKind
        "suspect": refused by a quality gate.
    trainings : tuple of Training
    thresholds : tuple of Threshold
        Of the committee of each.
    sweeps : tuple of Sweep
    waiting : int
        Candidates that nobody chose yet.
    to_label : int
        Chosen, not yet labelled.
    label_cpu_hours : float
        Of all labels of the rung, failed ones included.
    to_go : ToGo or None
        What is left of it; None where it has not begun or is done.
    """

    level: LevelOfTheory
    labels: Counter[Purpose]
    failures: Counter[str]
    trainings: tuple[Training, ...]
    thresholds: tuple[Threshold, ...]
    sweeps: tuple[Sweep, ...]
    waiting: int
    to_label: int
    label_cpu_hours: float
    to_go: ToGo | None = None

    def first_sweep(self, version: int) -> Sweep | None:
        """Return the first complete sweep with a committee: comparable from one to the next."""
        found = (s for s in self.sweeps if s.version == version and s.is_complete)
        return next(found, None)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunSummary:
    """What a run has done so far.

    Attributes
    ----------
    finished : str or None
        Why it ended; None while it has not.
    stages : dict of task kind to StageCost
    lost : Counter of kind
        Tries that were lost and repeated.
    events : tuple of (float, str, str)
        The last entries of the diary: seconds since 1970, kind, text.
    busy_share : float or None
        Worker time in tasks over worker time there was, until the last label; None before one.
    wall_seconds : float
        Of all launches together.
    slots : int
        Tasks that the workers of the last launch do at once.
    idle : dict of str
        Worker seconds without a task, by what was waited for.
    under_way : tuple of UnderWay
        What workers compute at this moment.
    """

    name: str
    finished: str | None
    molecules: tuple[MoleculeName, ...]
    rungs: tuple[RungSummary, ...]
    stages: dict[str, StageCost]
    lost: Counter[str]
    events: tuple[tuple[float, str, str], ...]
    busy_share: float | None
    wall_seconds: float
    slots: int
    idle: dict[str, float]
    under_way: tuple[UnderWay, ...]

    @property
    def rung_under_way(self) -> RungSummary | None:
        """The rung that is being worked at."""
        return next((rung for rung in self.rungs if rung.to_go is not None), None)


def summarize(folder: RunFolder) -> RunSummary:
    """Read the summary of a run, from what the store has counted: as fast for millions of labels.

    Raises
    ------
    StoreError
        The folder has no readable store.
    """
    with StoreReader.open(folder.store) as store:
        campaign = stored_campaign(store)
        spans = launch_spans(store)
        grown = store.molecules.grown().molecule_ids
        slots = spans[-1][2] if spans else 1
        finished = store.diary.fact("finished")
        states = [
            read_rung_state(store, campaign, index, find_level(rung.level))
            for index, rung in enumerate(campaign.rungs)
        ]
        begun = [i for i, state in enumerate(states) if i == 0 or state.has_inherited]
        current = None if finished else begun[-1]
        return RunSummary(
            name=campaign.name,
            finished=finished,
            molecules=tuple(
                MoleculeName(
                    molecule_id=molecule_id,
                    name=name,
                    held_out=held_out,
                    has_grown=molecule_id in grown,
                )
                for molecule_id, name, held_out in store.molecules.names()
            ),
            rungs=tuple(
                _rung(
                    store,
                    campaign,
                    state,
                    to_go(state, campaign, slots=slots) if state.index == current else None,
                )
                for state in states
            ),
            stages=_stages(store),
            lost=store.tasks.count_losses(),
            events=tuple(store.diary.events(last=_EVENTS)),
            busy_share=_busy_share(store, spans),
            wall_seconds=sum(end - start for start, end, _ in spans),
            slots=slots,
            idle=_idle(store, spans),
            under_way=() if finished else tasks_under_way(folder),
        )


def _rung(
    store: StoreReader, campaign: Campaign, state: RungState, left: ToGo | None
) -> RungSummary:
    level = find_level(campaign.rungs[state.index].level)
    return RungSummary(
        level=level,
        labels=store.labels.count(state.index),
        failures=store.unusable.count(level.level_id),
        trainings=state.trainings,
        thresholds=tuple(threshold_of(campaign.select, t) for t in state.trainings),
        sweeps=state.sweeps,
        waiting=state.n_waiting,
        to_label=state.n_unanswered,
        label_cpu_hours=state.label_cpu_hours,
        to_go=left,
    )


def _stages(store: StoreReader) -> dict[str, StageCost]:
    nothing = StageCost(tasks=0, cpu_seconds=0.0, wall_seconds=0.0)
    found = store.tasks.stages()
    always = {
        name: found.get(name, nothing) for name in ("sample", "label", "check", "train", "judge")
    }
    return always | {name: found[name] for name in ("evaluate", "design", "grow") if name in found}


def _idle(store: StoreReader, spans: list[tuple[float, float, int]]) -> dict[str, float]:
    """Return the worker time without a task: what for, as far as the driver has counted it."""
    there = sum(slots * (end - start) for start, end, slots in spans)
    busy = sum(stage.wall_seconds for stage in store.tasks.stages().values())
    counted = store.diary.idle()
    rest = there - busy - sum(counted.values())
    return {**counted, "starting, between tasks, not counted": max(0.0, rest)}


def _busy_share(store: StoreReader, spans: list[tuple[float, float, int]]) -> float | None:
    """Return worker time in tasks over worker time there was, until the last label ended."""
    last = store.tasks.last_end("label")
    if last is None:
        return None
    available = sum(slots * max(0.0, min(end, last) - start) for start, end, slots in spans)
    wall = sum(stage.wall_seconds for stage in store.tasks.stages().values())
    return (wall - store.tasks.busy_seconds_after(last)) / available if available else None
