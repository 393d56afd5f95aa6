"""Error bars: what makes them of disagreements, and how often they hold."""

from model.conformal import (
    Coverage,
    Scores,
    coverage,
    cross_coverage,
    scores_by_molecule,
    scores_by_structure,
)
from model.intervals import FEWEST_GROUPS, LEVEL, IntervalFactors, Intervals
from workflow.report.page.records import Predicted, RungReport, RunReport
from workflow.report.page.section import Section, Table

_TEXT = (
    f"An error bar is the standard deviation of the committee's members times a factor that holds "
    f"{LEVEL:.0%} of the errors seen. Covered: the share that is held by factors taken from the "
    "others. Molecules that were never learned have factors of their own: they are taken from "
    f"held-out molecules where the campaign names {FEWEST_GROUPS} or more, or by `rung intervals`, "
    "which leaves molecules out."
)


def intervals(report: RunReport) -> Section | None:
    """Return the section of the error bars; None before any committee has them."""
    rows = [row for rung in report.rungs for row in _rows(rung)]
    if not rows:
        return None
    table = Table(
        label="Factors and coverage of error bars",
        caption=f"{LEVEL:.0%} intervals: half-width over standard deviation, and share covered",
        head=(
            "level, molecules",
            "from",
            "factor, energy",
            "relative energy",
            "force",
            "covered, energy",
            "relative energy",
            "force",
        ),
        rows=tuple(rows),
    )
    return Section(heading="Error bars", text=_TEXT, tables=(table,))


def _rows(rung: RungReport) -> list[tuple[str, ...]]:
    """Return a row for the molecules that a rung's committee has learned, and one for others."""
    found, held_out = rung.intervals, rung.held_out
    if found is None:
        return []
    known, unseen = _held_out_scores(found, held_out)
    rows = []
    if found.known is not None:
        rows.append(_row(f"{rung.level_name}, known", found.known, cross_coverage(known)))
    if found.unseen is None:
        return [*rows, (f"{rung.level_name}, unseen", "not measured", *("-",) * 6)]
    # What was taken from the held-out molecules cannot be held against them.
    own = found.unseen.source == "held-out molecules"
    covered = cross_coverage(unseen) if own else coverage(unseen, found.unseen)
    return [*rows, _row(f"{rung.level_name}, unseen", found.unseen, covered)]


def _held_out_scores(found: Intervals, held_out: Predicted | None) -> tuple[Scores, Scores]:
    """Return the scores of held-out structures of learned molecules, and of others."""
    pairs = [] if held_out is None else list(zip(held_out.rows, held_out.predictions, strict=True))
    known = [pair for pair in pairs if pair[0].structure.molecule_id in found.molecules]
    unseen = [pair for pair in pairs if pair[0].structure.molecule_id not in found.molecules]
    return (
        scores_by_structure([row for row, _ in known], [p for _, p in known]),
        scores_by_molecule([row for row, _ in unseen], [p for _, p in unseen]),
    )


def _row(what: str, factors: IntervalFactors, covered: Coverage | None) -> tuple[str, ...]:
    shares = (
        (None, None, None)
        if covered is None
        else (covered.energy, covered.relative_energy, covered.force)
    )
    return (
        what,
        f"{factors.n_groups} {factors.source}",
        *("-" if f is None else f"{f:.1f}" for f in _values(factors)),
        *("-" if share is None else f"{share:.0%}" for share in shares),
    )


def _values(factors: IntervalFactors) -> tuple[float | None, ...]:
    return factors.energy, factors.relative_energy, factors.force
