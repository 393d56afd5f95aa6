"""Intervals: error bars that hold for nine structures of ten, also of molecules never seen.

Members of a committee learn the same labels, so their standard deviation is smaller than their
error, and by how much is another matter for a molecule that was learned than for one that was not.
So half the width of an interval is the standard deviation times a factor, one for the molecules
that were learned and one for others. `model.conformal` finds the factors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from chemistry.records.structure import FloatArray

LEVEL = 0.9
"""The share of structures whose error an interval shall hold."""

Source: TypeAlias = Literal["held-out structures", "held-out molecules", "molecules left out"]

FEWEST_GROUPS = 9
"""With fewer groups no factor is known to hold so often: LEVEL / (1 - LEVEL)."""


@dataclass(frozen=True, kw_only=True)
class IntervalFactors:
    """What standard deviations of the members are multiplied by: half the width of an interval.

    Attributes
    ----------
    n_groups : int
        How many structures or molecules gave the factors.
    source : "held-out structures", "held-out molecules" or "molecules left out"
        Which they are.
    energy, relative_energy, force : float or None
        Of total energies, of energies above the molecule's lowest structure, and of an atom's force
        (the length of the error's vector); None where too few groups, or members that agree where
        they are wrong, leave it open.
    """

    n_groups: int
    source: Source
    energy: float | None
    relative_energy: float | None
    force: float | None


NO_FACTORS = IntervalFactors(
    n_groups=0, source="held-out structures", energy=None, relative_energy=None, force=None
)
"""Of a molecule for which nobody has measured any."""


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """The factors of one committee.

    Attributes
    ----------
    molecules : tuple of str
        Those that it has learned, by molecule_id.
    known : IntervalFactors or None
        For them; None where no structures of them were held out.
    unseen : IntervalFactors or None
        For all others; None where nobody has measured it.
    level : float
        The share of structures that they hold for.
    """

    molecules: tuple[str, ...]
    known: IntervalFactors | None
    unseen: IntervalFactors | None
    level: float = LEVEL

    @property
    def percent(self) -> str:
        """The level as people write it: "90 %"."""
        return f"{100 * self.level:g} %"

    def of_molecule(self, molecule_id: str | None) -> IntervalFactors | None:
        """Return the factors for a molecule; one that is not named counts as unseen."""
        return self.known if molecule_id in self.molecules else self.unseen


def half_width(deviation: FloatArray | float, factor: float | None) -> Any:
    """Return half the width of an interval, in the unit of the deviation; NaN where it is open."""
    return deviation * (float("nan") if factor is None else factor)


def intervals_of(record: Mapping[str, Any]) -> Intervals | None:
    """Return the intervals in the record of a committee; None where it has none.

    Checkpoints that were written before there were intervals, and published ones, have none.
    """
    return intervals_from_json((record.get("calibration") or {}).get("intervals"))


def intervals_from_json(document: Any) -> Intervals | None:
    """Read what `dataclasses.asdict` made of intervals.

    Raises
    ------
    KeyError, TypeError
        It is not such a document.
    """
    if document is None:
        return None
    factors = {
        name: None if document[name] is None else IntervalFactors(**document[name])
        for name in ("known", "unseen")
    }
    return Intervals(molecules=tuple(document["molecules"]), level=document["level"], **factors)
