"""Where labels came from, and why some could not be made."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from workflow.report.page.plot import COLORS, Figure, axis
from workflow.report.page.records import Origin, RungReport, RunReport
from workflow.report.page.section import Section, Table, section_of_figures
from workflow.run.store.records import Unusable

_MOST_MOLECULES = 25
_MOST_MESSAGES = 12


def origins(report: RunReport) -> Section | None:
    """Return the section of where labels came from."""
    names = report.molecule_names
    return section_of_figures(
        "Where labels came from",
        labels_by_purpose(report.rungs),
        *(labels_by_molecule(rung, i, names) for i, rung in enumerate(report.rungs)),
    )


def failures(report: RunReport) -> Section:
    """Return the section of labels that failed or were refused, with the first messages."""
    heading = "Failures"
    figure = failures_by_kind(report.unusable)
    if figure is None:
        return Section(heading=heading, text="No label failed or was refused.")
    told = report.unusable[:_MOST_MESSAGES]
    messages = Table(
        label="Messages of failures",
        caption=f"{len(told)} of {len(report.unusable)} failures",
        head=("level", "kind", "molecule", "what happened"),
        rows=tuple((one.level_name, one.kind, one.molecule_name, one.message) for one in told),
        is_text=True,
    )
    return Section(heading=heading, figures=(figure,), tables=(messages,))


def labels_by_molecule(rung: RungReport, index: int, names: Mapping[str, str]) -> Figure | None:
    """Return the labels of a rung by molecule and sampler."""
    if not rung.origins:
        return None
    totals = _counts(rung.origins, "molecule_id")
    common = [molecule for molecule, _ in totals.most_common(_MOST_MOLECULES)]
    samplers = [sampler for sampler, _ in _counts(rung.origins, "sampler").most_common()]
    count: Counter[tuple[str, str]] = Counter()
    for origin in rung.origins:
        place = origin.molecule_id if origin.molecule_id in common else ""
        count[origin.sampler, place] += origin.n_labels
    rows = [*common, *([""] if len(totals) > len(common) else [])]
    # Plotly would add up molecules of one name; the number keeps them apart.
    shown = _distinct([names.get(m, m) if m else "all other molecules" for m in rows])
    return Figure(
        key=f"origins-{index}",
        title=f"{rung.level_name}: labels by molecule and sampler",
        alt="Labels by sampler: "
        + ", ".join(f"{s} {n}" for s, n in _counts(rung.origins, "sampler").most_common())
        + ".",
        note=""
        if len(totals) <= len(common)
        else f"The {len(common)} of {len(totals)} molecules with the most labels.",
        traces=[
            {
                "type": "bar",
                "orientation": "h",
                "name": sampler.replace("_", " "),
                "y": shown,
                "x": [count[sampler, m] for m in rows],
                "marker": {"color": COLORS[i % len(COLORS)]},
            }
            for i, sampler in enumerate(samplers)
        ],
        layout={
            "xaxis": axis("labels", rangemode="tozero"),
            "yaxis": axis("molecule", autorange="reversed"),
            "barmode": "stack",
        },
        height=200 + 24 * len(rows),
    )


def labels_by_purpose(rungs: Sequence[RungReport]) -> Figure | None:
    """Return the labels of all rungs by purpose."""
    counts = [_counts(rung.origins, "purpose") for rung in rungs]
    purposes = [p for p in ("initial", "active", "random", "held_out") if any(c[p] for c in counts)]
    if not purposes:
        return None
    levels = _distinct([rung.level_name for rung in rungs])
    return Figure(
        key="purposes",
        title="Why structures were labelled",
        alt="; ".join(
            f"{level}: " + ", ".join(f"{c[p]} {p.replace('_', '-')}" for p in purposes)
            for level, c in zip(levels, counts, strict=True)
        )
        + ".",
        note="initial: before there was a committee; active: the committee disagreed; random: by "
        "lot; held-out: only tested on.",
        traces=[
            {
                "type": "bar",
                "orientation": "h",
                "name": purpose.replace("_", "-"),
                "y": levels,
                "x": [c[purpose] for c in counts],
                "marker": {"color": COLORS[i]},
            }
            for i, purpose in enumerate(purposes)
        ],
        layout={
            "xaxis": axis("labels", rangemode="tozero"),
            "yaxis": axis("level of theory", autorange="reversed"),
            "barmode": "stack",
        },
        height=200 + 40 * len(levels),
    )


def failures_by_kind(unusable: Sequence[Unusable]) -> Figure | None:
    """Return the labels that failed or were refused, by kind and level."""
    if not unusable:
        return None
    kinds = sorted({one.kind for one in unusable})
    by_level: dict[str, Counter[str]] = defaultdict(Counter)
    for one in unusable:
        by_level[one.level_name][one.kind] += 1
    return Figure(
        key="failures-by-kind",
        title="Labels that failed or were refused",
        alt="; ".join(
            f"{level}: " + ", ".join(f"{n} {kind}" for kind, n in found.most_common())
            for level, found in by_level.items()
        )
        + ".",
        traces=[
            {
                "type": "bar",
                "orientation": "h",
                "name": level,
                "y": kinds,
                "x": [found[kind] for kind in kinds],
                "marker": {"color": COLORS[i % len(COLORS)]},
            }
            for i, (level, found) in enumerate(by_level.items())
        ],
        layout={
            "xaxis": axis("labels", rangemode="tozero"),
            "yaxis": axis("kind of failure"),
            "barmode": "stack",
        },
        height=200 + 30 * len(kinds),
    )


def _counts(origins: Sequence[Origin], field: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for origin in origins:
        counts[getattr(origin, field)] += origin.n_labels
    return counts


def _distinct(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result
