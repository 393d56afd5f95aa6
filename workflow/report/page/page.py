"""The page: all sections in one template, every script and style embedded."""

import time

from markupsafe import Markup

from workflow.report.page.plot import Figure
from workflow.report.page.records import RunReport
from workflow.report.page.section import as_json, filled, page_file
from workflow.report.page.sections import SECTIONS
from workflow.report.time_spent import duration


def render(report: RunReport) -> str:
    """Return the whole report as one HTML page that needs nothing else."""
    made = {anchor: make(report) for anchor, make in SECTIONS.items()}
    sections = {anchor: section for anchor, section in made.items() if section is not None}
    scripts = [page_file("vendor/plotly-basic.min.js"), page_file("page.js")]
    scripts += [script for section in sections.values() for script in section.scripts]
    return filled(
        "page.html.jinja",
        report=report,
        summary=report.summary,
        written=time.strftime("%Y-%m-%d %H:%M", time.localtime(report.written_at)),
        wall=duration(report.summary.wall_seconds),
        sections=sections,
        plot=_plot,
        style=Markup(page_file("page.css")),
        scripts=[Markup(script.replace("</script", "<\\/script")) for script in scripts],
    )


def _plot(figure: Figure) -> Markup:
    return as_json({"data": figure.traces, "layout": {**figure.layout, "height": figure.height}})
