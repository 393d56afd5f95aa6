"""What was asked, and what came out: levels, molecules, the campaign, versions."""

from typing import Any

import yaml
from markupsafe import Markup

from chemistry.geometries.drawing import draw_svg
from workflow.report.page.records import RunReport
from workflow.report.page.section import Section, filled

_MOST_MOLECULES = 60


def asked(report: RunReport) -> Section:
    """Return the section that every report begins with."""
    campaign = report.campaign.model_dump(mode="json")
    html = filled(
        "sections/asked.html.jinja",
        report=report,
        drawings=_drawings(report),
        campaign_yaml=yaml.safe_dump(campaign, sort_keys=False, allow_unicode=True),
    )
    return Section(heading="What was asked, and what came out", short="Asked", html=html)


def _drawings(report: RunReport) -> list[dict[str, Any]]:
    return [
        {"name": molecule.name, "held_out": held_out, "svg": Markup(draw_svg(molecule) or "")}
        for molecule, held_out in report.molecules[:_MOST_MOLECULES]
    ]
