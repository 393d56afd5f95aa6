"""What a section of the report is made of: filled in `sections/`, shown by the page."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeAlias

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from workflow.report.page.plot import Figure
from workflow.report.page.records import RunReport

_NOTHING = Markup()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    label, caption : str
        What it is, for those who do not see it; what stands above it.
    head : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
    is_text : bool
        Whether its cells are words; else they are numbers, and the first of a row says of what.
    """

    label: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_text: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """One section of the page, its parts in this order; its anchor is its name in the registry.

    Attributes
    ----------
    heading : str
    short : str
        What the list of sections calls it; empty: by its heading.
    text : str
        A paragraph.
    figures : tuple of Figure
    html : Markup
        Anything else.
    tables : tuple of Table
    scripts : tuple of str
        JavaScript that it needs, beside plotly and what draws the figures.
    """

    heading: str
    short: str = ""
    text: str = ""
    figures: tuple[Figure, ...] = ()
    html: Markup = _NOTHING
    tables: tuple[Table, ...] = ()
    scripts: tuple[str, ...] = ()


MakeSection: TypeAlias = Callable[[RunReport], Section | None]
"""Makes a section of what a report tells of; None where there is nothing to show."""


def section_of_figures(heading: str, *figures: Figure | None) -> Section | None:
    """Return a section of those figures that there are; None without any."""
    drawn = tuple(figure for figure in figures if figure is not None)
    return Section(heading=heading, figures=drawn) if drawn else None


def filled(template: str, **values: Any) -> Markup:
    """Return a template of this package with values put in."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return Markup(environment.from_string(page_file(template)).render(**values))


def page_file(name: str) -> str:
    """Return the text of a file of this package."""
    return files("workflow.report.page").joinpath(name).read_text(encoding="utf-8")


def as_json(document: Any) -> Markup:
    """Return JSON that is safe within a <script> element."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))
