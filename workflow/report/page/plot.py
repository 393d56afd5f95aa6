"""Figures as plain data in plotly's JSON schema; pure functions make them, the page draws them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

COLORS = ("#3b82c4", "#e08a1e", "#2a9d6f", "#cf4a4a", "#8d6cc4", "#9a7b4f", "#d06aa8", "#8a8f98")
"""Of middle lightness, so that they show on light and on dark ground."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """One plot.

    Attributes
    ----------
    key : str
        Unique on the page.
    title : str
    alt : str
        What the plot says, for those who do not see it.
    note : str
        What was left out or how it was made; empty for nothing to say.
    traces : list of plotly traces
    layout : dict
        Of plotly; each axis has a title with its unit.
    height : int, CSS pixels
    """

    key: str
    title: str
    alt: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    note: str = ""
    height: int = 360


def axis(title: str, *, log: bool = False, **more: Any) -> dict[str, Any]:
    """Return an axis of a layout; the title names quantity and unit."""
    kind = {"type": "log", "exponentformat": "power"} if log else {}
    return {"title": {"text": title, "standoff": 12}, "automargin": True, **kind, **more}


def typed(values: npt.ArrayLike, dtype: str = "f4") -> dict[str, str]:
    """Return numbers as plotly's typed array: base64 of little-endian binary."""
    data = np.asarray(values).astype(f"<{dtype}").tobytes()
    return {"dtype": dtype, "bdata": base64.b64encode(data).decode("ascii")}


def thinned(n: int, most: int) -> npt.NDArray[np.int64]:
    """Return which of n points are drawn: all, or `most` of them by a fixed lot."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, size=most, replace=False))


def shown_of(shown: int, n_all: int, what: str) -> str:
    """Say how many of how many are drawn."""
    if shown == n_all:
        return f"All {n_all:,} {what} are shown."
    return f"{shown:,} of {n_all:,} {what} are shown, drawn at random."


def diagonal(values: Sequence[float] | npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return the line on which two axes agree, over the range of the values."""
    ends = [float(np.min(values)), float(np.max(values))]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": ends,
        "y": ends,
        "name": "equal",
        "line": {"dash": "dash", "width": 1, "color": COLORS[-1]},
        "hoverinfo": "skip",
    }
