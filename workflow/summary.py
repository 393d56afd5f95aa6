"""What a run has done so far, read from its store: for `rung status` and the end of a launch."""

from collections import Counter
from dataclasses import dataclass

from chemistry.level import LevelOfTheory, find_level
from workflow.campaign import Campaign
from workflow.records import Cost, Purpose, Sweep, Training
from workflow.run_folder import RunFolder, stored_campaign
from workflow.snapshot import rung_state
from workflow.store import Store


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """What one kind of task has cost."""

    tasks: int
    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True, kw_only=True)
class MoleculeName:
    """What people call a molecule, and whether it is only tested on."""

    molecule_id: str
    name: str
    held_out: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class RungSummary:
    """What one rung has done so far.

    Attributes
    ----------
    labels : Counter of Purpose
    failures : Counter of FailureKind
    trainings : tuple of Training
    sweeps : tuple of Sweep
    waiting : int
        Candidates that nobody chose yet.
    to_label : int
        Chosen, not yet labelled.
    """

    level: LevelOfTheory
    labels: Counter[Purpose]
    failures: Counter[str]
    trainings: tuple[Training, ...]
    sweeps: tuple[Sweep, ...]
    waiting: int
    to_label: int

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
    busy_share : float or None
        Worker time in tasks over worker time there was, until the last label; None before one.
    wall_seconds : float
        Of all launches together.
    """

    name: str
    finished: str | None
    molecules: tuple[MoleculeName, ...]
    rungs: tuple[RungSummary, ...]
    stages: dict[str, StageCost]
    busy_share: float | None
    wall_seconds: float


def summarize(folder: RunFolder) -> RunSummary:
    """Read the summary of a run.

    Raises
    ------
    StoreError
        The folder has no readable store.
    """
    with Store.open(folder.store, read_only=True) as store:
        campaign = stored_campaign(store)
        tasks = [(kind, cost) for _, kind, _, cost in store.tasks()]
        spans = _spans(store, [cost for _, cost in tasks])
        return RunSummary(
            name=campaign.name,
            finished=store.meta("finished"),
            molecules=tuple(
                MoleculeName(molecule_id=m.molecule_id, name=m.name, held_out=held_out)
                for m, held_out in store.molecules()
            ),
            rungs=tuple(_rung(store, campaign, i) for i in range(len(campaign.rungs))),
            stages=_stages(tasks),
            busy_share=busy_share(tasks, spans),
            wall_seconds=sum(end - start for start, end, _ in spans),
        )


def _rung(store: Store, campaign: Campaign, index: int) -> RungSummary:
    level = find_level(campaign.rungs[index].level)
    state = rung_state(store, campaign, index, level)
    return RungSummary(
        level=level,
        labels=store.count_labels(index, level.level_id),
        failures=Counter(f.kind for f in store.failures() if f.level_id == level.level_id),
        trainings=state.trainings,
        sweeps=state.sweeps,
        waiting=len(state.waiting),
        to_label=len(state.to_label),
    )


def _stages(tasks: list[tuple[str, Cost]]) -> dict[str, StageCost]:
    stages = {}
    for name in ("sample", "label", "train", "judge"):
        costs = [cost for kind, cost in tasks if kind == name]
        stages[name] = StageCost(
            tasks=len(costs),
            cpu_seconds=sum(cost.cpu_seconds for cost in costs),
            wall_seconds=sum(cost.finished_at - cost.started_at for cost in costs),
        )
    return stages


def _spans(store: Store, costs: list[Cost]) -> list[tuple[float, float, int]]:
    """Return (start, end, slots) of each launch; a killed one ended with its last task."""
    launches = store.launches()
    spans = []
    for i, (start, end, slots) in enumerate(launches):
        following = launches[i + 1][0] if i + 1 < len(launches) else float("inf")
        within = [c.finished_at for c in costs if start <= c.finished_at < following]
        spans.append((start, end if end is not None else max(within, default=start), slots))
    return spans


def busy_share(
    tasks: list[tuple[str, Cost]], spans: list[tuple[float, float, int]]
) -> float | None:
    """Return worker time in tasks over worker time there was, until the last label ended."""
    ends = [cost.finished_at for kind, cost in tasks if kind == "label"]
    if not ends:
        return None
    last = max(ends)
    available = sum(slots * max(0.0, min(end, last) - start) for start, end, slots in spans)
    used = sum(max(0.0, min(cost.finished_at, last) - cost.started_at) for _, cost in tasks)
    return used / available if available else None
