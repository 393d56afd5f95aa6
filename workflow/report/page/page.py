"""The page: sections of figures and tables in one template, every script and style embedded."""

import json
import time
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from chemistry.geometries.drawing import draw_svg
from workflow.report.page import accuracy, labels, learning, work
from workflow.report.page.explorer import explorer_data
from workflow.report.page.plot import Figure
from workflow.report.page.records import RunReport
from workflow.report.screen import duration

_MOST_MOLECULES = 60
_MOST_MESSAGES = 12


def render(report: RunReport) -> str:
    """Return the whole report as one HTML page that needs nothing else."""
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    explorer = explorer_data(report.rungs, report.molecule_names)
    return template.from_string(_part("page.html.jinja")).render(
        report=report,
        campaign=report.campaign,
        summary=report.summary,
        campaign_yaml=yaml.safe_dump(
            report.campaign.model_dump(mode="json"), sort_keys=False, allow_unicode=True
        ),
        written=time.strftime("%Y-%m-%d %H:%M", time.localtime(report.written_at)),
        wall=duration(report.summary.wall_seconds),
        drawings=_drawings(report),
        forecasts=[
            work.forecast(rung, finished=_is_over(report, i)) for i, rung in enumerate(report.rungs)
        ],
        sections=_sections(report),
        messages=_messages(report),
        n_failed=len(report.unusable),
        explorer=explorer,
        explorer_json=_json(explorer),
        style=Markup(_part("page.css")),
        scripts=[
            Markup(_part(name).replace("</script", "<\\/script"))
            for name in (
                "vendor/plotly-basic.min.js",
                *(["vendor/3Dmol-min.js"] if explorer else []),
                "page.js",
                *(["explorer.js"] if explorer else []),
            )
        ],
    )


def _sections(report: RunReport) -> list[tuple[str, str, list[Figure], list[Markup]]]:
    """Return (anchor, heading, figures, their data as JSON) of the sections of plots."""
    names = report.molecule_names
    rungs = list(enumerate(report.rungs))
    sections: list[tuple[str, str, list[Figure | None]]] = [
        ("learning", "Learning curves", [*learning.learning_curves(report.rungs)]),
        (
            "disagreement",
            "Disagreement, before and after",
            [
                learning.uncertain_shares(report.rungs),
                *(learning.disagreement_before_and_after(rung, i) for i, rung in rungs),
            ],
        ),
        ("calibration", "Calibration", [accuracy.calibration(rung, i) for i, rung in rungs]),
        (
            "parity",
            "Predictions against labels",
            [
                figure
                for i, rung in rungs
                for figure in (
                    accuracy.energy_parity(rung, i, names),
                    accuracy.force_parity(rung, i),
                )
            ],
        ),
        (
            "climbing",
            "Transfer, direct training, delta learning",
            [learning.ways_of_climbing(report.climb) if report.climb else None],
        ),
        (
            "origins",
            "Where labels came from",
            [
                labels.labels_by_purpose(report.rungs),
                *(labels.labels_by_molecule(rung, i, names) for i, rung in rungs),
            ],
        ),
        ("failures", "Failures", [labels.failures_by_kind(report.unusable)]),
        (
            "workers",
            "Workers",
            [work.timeline(report.tasks), work.busy_over_time(report.tasks, report.spans)],
        ),
        ("cost", "Cost", [work.cost_by_stage(report.summary.stages)]),
    ]
    drawn = [(a, h, [f for f in figures if f is not None]) for a, h, figures in sections]
    return [
        (anchor, heading, figures, [_plot(figure) for figure in figures])
        for anchor, heading, figures in drawn
    ]


def _plot(figure: Figure) -> Markup:
    return _json({"data": figure.traces, "layout": {**figure.layout, "height": figure.height}})


def _is_over(report: RunReport, index: int) -> bool:
    """Say whether a rung is done: the campaign is, or a later rung has begun."""
    later = report.rungs[index + 1 :]
    return report.summary.finished is not None or any(r.summary.labels.total() for r in later)


def _drawings(report: RunReport) -> list[dict[str, Any]]:
    return [
        {"name": molecule.name, "held_out": held_out, "svg": Markup(draw_svg(molecule) or "")}
        for molecule, held_out in report.molecules[:_MOST_MOLECULES]
    ]


def _messages(report: RunReport) -> list[tuple[str, str, str, str]]:
    """Return (level, kind, molecule, message) of the first failures."""
    return [
        (one.level_name, one.kind, one.molecule_name, one.message)
        for one in report.unusable[:_MOST_MESSAGES]
    ]


def _json(document: Any) -> Markup:
    """Return JSON that is safe within a <script> element."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _part(name: str) -> str:
    return files("workflow.report.page").joinpath(name).read_text(encoding="utf-8")
