"""How the newest committee is used in other programs."""

from model.simulation.snippets import PROGRAMS
from workflow.report.page.records import RunReport
from workflow.report.page.section import Section, filled

_TEXT = (
    "The committee that was trained last, in the programs that people simulate with. Each piece "
    "works as it stands; `rung potential RUN --for NAME` prints it, too, and for torchani, which "
    "knows potentials of networks alone, also writes what it needs."
)


def use(report: RunReport) -> Section | None:
    """Return the section with which the report ends; None before there is a committee."""
    if not report.snippets:
        return None
    uses = [
        {"title": PROGRAMS[name].title, "install": _install(PROGRAMS[name].extra), "text": text}
        for name, text in report.snippets.items()
    ]
    html = filled("sections/use.html.jinja", uses=uses)
    return Section(heading="Use it", text=_TEXT, html=html)


def _install(extra: str) -> str:
    return f"pip install 'rung[{extra}]'" if extra else ""
