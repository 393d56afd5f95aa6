"""What a person says of the electrons of all entries of a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chemistry.readers.electrons import Electrons, SpinMeans, electrons_from


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a person says of all entries of a file.

    Attributes
    ----------
    charge, multiplicity : int or None
        Overrule what the file says.
    spin_means : "2s", "2s+1" or None
        What the keys `spin` and `total_spin` count.
    """

    charge: int | None = None
    multiplicity: int | None = None
    spin_means: SpinMeans | None = None

    def or_stated(
        self, facts: Mapping[str, Any], where: str, *, place: str, comment: str = ""
    ) -> Electrons:
        """Return what a person says, else what an entry states; see `electrons_from`."""
        return electrons_from(
            facts,
            where,
            place=place,
            comment=comment,
            spin_means=self.spin_means,
            charge=self.charge,
            multiplicity=self.multiplicity,
        )


NOTHING_GIVEN: Final = Given()
