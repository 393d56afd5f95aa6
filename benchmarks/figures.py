"""The lines in which benchmarks end: what was measured, the goal, and whether it is met."""


def print_figure(
    name: str,
    value: float,
    *,
    digits: int = 2,
    at_most: float | None = None,
    at_least: float | None = None,
    between: tuple[float, float] | None = None,
) -> None:
    """Print "FIGURE name value goal met|missed"; without a goal "- -" stands for both."""
    goal, verdict = "-", "-"
    if at_most is not None:
        goal, verdict = f"<={at_most:g}", "met" if value <= at_most else "missed"
    elif at_least is not None:
        goal, verdict = f">={at_least:g}", "met" if value >= at_least else "missed"
    elif between is not None:
        low, high = between
        goal, verdict = f"{low:g}-{high:g}", "met" if low <= value <= high else "missed"
    print(f"FIGURE {name} {value:.{digits}f} {goal} {verdict}", flush=True)
