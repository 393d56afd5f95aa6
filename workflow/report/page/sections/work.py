"""What the workers did: timeline, busy share, cost spent and forecast."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chemistry.records.structure import FloatArray
from workflow.report.page.plot import COLORS, Figure, axis, typed
from workflow.report.page.records import RungReport, RunReport
from workflow.report.page.section import Section, Table, section_of_figures
from workflow.report.time_spent import STAGE_NAMES, duration, time_spent
from workflow.run.store.records import StageCost
from workflow.work.results import Cost

_MOST_WORKERS = 40
_RESOLUTION = 1000
_N_MOMENTS = 240
_HOUR = 3600.0


def workers(report: RunReport) -> Section | None:
    """Return the section of who did what when."""
    found = section_of_figures(
        "Workers", timeline(report.tasks), busy_over_time(report.tasks, report.spans)
    )
    share = report.summary.busy_share
    if found is None or share is None:
        return found
    text = f"Until the last label, {100 * share:.0f} % of the workers' time was in tasks."
    return replace(found, text=text)


def cost(report: RunReport) -> Section | None:
    """Return the section of what was spent, and what is to come."""
    figure = cost_by_stage(report.summary.stages)
    if figure is None:
        return None
    forecasts = [
        forecast(rung, finished=_is_over(report, i)) for i, rung in enumerate(report.rungs)
    ]
    table = Table(
        label="Spent and forecast",
        caption="Labels: spent, and what the rest of the budget would take at the mean cost so far",
        head=(
            "level",
            "labels made",
            "CPU h spent",
            "CPU s a label",
            "labels to go, at most",
            "CPU h to go, at most",
        ),
        rows=tuple(
            (
                one.level_name,
                str(one.n_made),
                f"{one.cpu_hours:.3f}",
                _or_dash(one.cpu_seconds_per_label, 2),
                str(one.n_to_go),
                _or_dash(one.cpu_hours_to_go, 3),
            )
            for one in forecasts
        ),
    )
    return Section(heading="Cost", figures=(figure,), tables=(_time_table(report), table))


def _time_table(report: RunReport) -> Table:
    """Return where the time of the workers went, and what those waited for that had no task."""
    return Table(
        label="Where time went",
        caption="Tasks by their kind, and workers that had none by what they waited for",
        head=("stage", "tasks", "CPU time", "share of CPU time", "worker time"),
        rows=tuple(
            (
                row.name,
                _or_dash(row.tasks, 0),
                "\N{EN DASH}" if row.cpu_seconds is None else duration(row.cpu_seconds),
                "\N{EN DASH}" if row.cpu_share is None else f"{row.cpu_share:.1%}",
                duration(row.worker_seconds),
            )
            for row in time_spent(report.summary.stages, report.summary.idle)
        ),
    )


def _is_over(report: RunReport, index: int) -> bool:
    """Say whether a rung is done: the campaign is, or a later rung has begun."""
    later = report.rungs[index + 1 :]
    return report.summary.finished is not None or any(r.summary.labels.total() for r in later)


def _or_dash(value: float | None, digits: int) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}"


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What the labels of a rung have cost, and what is to come at most.

    Attributes
    ----------
    level_name : str
    n_made, n_to_go : int
        Labels, the held-out ones included.
    cpu_hours : float
        Spent on labels, failed ones included.
    cpu_seconds_per_label, cpu_hours_to_go : float or None
        None before the first label.
    """

    level_name: str
    n_made: int
    n_to_go: int
    cpu_hours: float
    cpu_seconds_per_label: float | None
    cpu_hours_to_go: float | None


def forecast(rung: RungReport, *, finished: bool) -> Forecast:
    """Forecast the cost of a rung's labels: its whole budget at the mean cost so far."""
    made = rung.summary.labels.total()
    planned = rung.planned.budget.labels + rung.n_held_out_planned
    to_go = 0 if finished else max(0, planned - made)
    each = rung.label_cpu_seconds / made if made else None
    return Forecast(
        level_name=rung.level_name,
        n_made=made,
        n_to_go=to_go,
        cpu_hours=rung.label_cpu_seconds / _HOUR,
        cpu_seconds_per_label=each,
        cpu_hours_to_go=None if each is None else to_go * each / _HOUR,
    )


def timeline(tasks: Sequence[tuple[str, Cost]]) -> Figure | None:
    """Return who did what when: one line a worker, one colour a kind of task.

    Tasks of one kind that follow each other at less than a thousandth of the time shown are one
    bar, so that the plot of a million labels is no larger than that of a thousand.
    """
    work = [(kind, cost) for kind, cost in tasks if kind in STAGE_NAMES]
    if not work:
        return None
    begin = min(cost.started_at for _, cost in work)
    span = max(cost.finished_at for _, cost in work) - begin
    by_worker: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for kind, cost in work:
        by_worker[cost.worker][kind].append((cost.started_at - begin, cost.finished_at - begin))
    busiest = sorted(by_worker, key=lambda w: -sum(map(len, by_worker[w].values())))
    drawn = sorted(busiest[:_MOST_WORKERS])
    traces = []
    for i, (kind, name) in enumerate(STAGE_NAMES.items()):
        x: list[float | None] = []
        y: list[str | None] = []
        for worker in drawn:
            for start, end in merged(by_worker[worker][kind], span / _RESOLUTION):
                x += [start / _HOUR, end / _HOUR, None]
                y += [worker, worker, None]
        if x:
            color = COLORS[i % len(COLORS)]
            traces.append(
                {"type": "scatter", "mode": "lines", "name": name, "x": _rounded(x), "y": y}
                | {"line": {"width": 14, "color": color}, "hoverinfo": "name+x"}
            )
    return Figure(
        key="timeline",
        title="Timeline of workers",
        alt=f"{len(by_worker)} workers did {len(work)} tasks within {span / _HOUR:.2f} hours.",
        note=f"{len(drawn)} of {len(by_worker)} workers. Tasks of one kind less than a thousandth "
        "of the whole time apart are drawn as one bar.",
        traces=traces,
        layout={
            "xaxis": axis("time since the first task, h", rangemode="tozero"),
            "yaxis": axis("worker (host:process)", type="category"),
        },
        height=220 + 26 * len(drawn),
    )


def merged(spans: Sequence[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    """Return spans of time in order, those that are closer than a gap joined."""
    result: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if result and start - result[-1][1] <= gap:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def _rounded(hours: Sequence[float | None]) -> list[float | None]:
    return [None if h is None else round(h, 6) for h in hours]


def busy_over_time(
    tasks: Sequence[tuple[str, Cost]], spans: Sequence[tuple[float, float, int]]
) -> Figure | None:
    """Return the share of the workers' slots that had a task, over time."""
    costs = [cost for kind, cost in tasks if kind in STAGE_NAMES]
    if not costs or not spans:
        return None
    begin = min(cost.started_at for cost in costs)
    end = max(cost.finished_at for cost in costs)
    edges = np.linspace(begin, end, _N_MOMENTS + 1)
    used = _time_within(edges, [(c.started_at, c.finished_at, 1.0) for c in costs])
    there = _time_within(edges, [(start, stop, float(n)) for start, stop, n in spans])
    share = np.divide(100.0 * used, there, out=np.zeros_like(used), where=there > 0.0)
    return Figure(
        key="busy",
        title="Share of workers that are busy",
        alt=f"Over the whole time {100.0 * used.sum() / max(there.sum(), 1e-9):.0f} % of the "
        "workers' time was in tasks.",
        note="Time between launches counts as nothing.",
        traces=[
            {
                "type": "scatter",
                "mode": "lines",
                "x": typed((edges - begin) / _HOUR),
                "y": typed(np.append(np.minimum(share, 100.0), 0.0)),
                "line": {"shape": "hv", "color": COLORS[0]},
                "fill": "tozeroy",
                "name": "busy",
            }
        ],
        layout={
            "xaxis": axis("time since the first task, h", rangemode="tozero"),
            "yaxis": axis("busy share, %", range=[0, 105]),
            "showlegend": False,
        },
        height=280,
    )


def _time_within(edges: FloatArray, spans: Sequence[tuple[float, float, float]]) -> FloatArray:
    """Return the weighted time that spans spend between successive edges."""
    # The time spent before a moment t is sum w max(0, t - start) - sum w max(0, t - end): a sum
    # of ramps, from sorted ends, instead of every span against every edge.
    start, end, weight = (np.array(values, dtype=np.float64) for values in zip(*spans, strict=True))
    until = _ramps(edges, start, weight) - _ramps(edges, end, weight)
    return np.asarray(np.diff(until), dtype=np.float64)


def _ramps(at: FloatArray, begin: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the sum over ramps of weight * max(0, at - begin)."""
    order = np.argsort(begin)
    # Off the first edge, so that differences of large times do not lose digits.
    shifted, moments = begin[order] - at[0], at - at[0]
    weights = np.concatenate([[0.0], np.cumsum(weight[order])])
    moved = np.concatenate([[0.0], np.cumsum(weight[order] * shifted)])
    n = np.searchsorted(shifted, moments, side="right")
    return np.asarray(weights[n] * moments - moved[n], dtype=np.float64)


def cost_by_stage(stages: dict[str, StageCost]) -> Figure | None:
    """Return CPU time and worker time by kind of task."""
    names = [kind for kind in STAGE_NAMES if kind in stages and stages[kind].tasks]
    if not names:
        return None
    series: list[tuple[str, list[float]]] = [
        ("CPU time", [stages[kind].cpu_seconds / _HOUR for kind in names]),
        ("worker time", [stages[kind].wall_seconds / _HOUR for kind in names]),
    ]
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": [STAGE_NAMES[kind] for kind in names],
            "x": hours,
            "marker": {"color": COLORS[i]},
        }
        for i, (name, hours) in enumerate(series)
    ]
    return Figure(
        key="cost-by-stage",
        title="Cost by stage",
        alt="CPU hours: "
        + ", ".join(f"{STAGE_NAMES[kind]} {stages[kind].cpu_seconds / _HOUR:.2f}" for kind in names)
        + ".",
        traces=traces,
        layout={
            "xaxis": axis("time, h", rangemode="tozero"),
            "yaxis": axis("stage", autorange="reversed"),
            "barmode": "group",
        },
        height=180 + 40 * len(names),
    )
