"""How a campaign grows: it takes in molecules of a pool that the committee is unsure of.

The smallest come first, as in ANI-1x (Smith et al., doi:10.1063/1.5023802): molecules with one
heavy atom more are looked at only when the committee is certain of those with fewer.
"""

from pathlib import Path
from typing import Self

from ase.data import atomic_numbers
from pydantic import Field, field_validator, model_validator

from workflow.settings.yaml_file import StrictModel


class GrowSettings(StrictModel):
    """Where new molecules come from, and when they are taken."""

    pool: Path = Field(
        description="A .smi file of any length, relative to the campaign file: a SMILES and "
        "perhaps a name on each line."
    )
    heavy_atoms: tuple[int, int] = Field(
        (1, 8), description="Least and most heavy atoms; the smallest are taken first."
    )
    elements: tuple[str, ...] | None = Field(
        None,
        description="Molecules with other elements are passed over; default: the elements of "
        "`molecules`.",
    )
    molecules: int = Field(10, ge=1, description="New molecules at a time, at most.")
    judged: int = Field(
        200, ge=1, description="Molecules of each size, drawn by lot, that the committee judges."
    )
    uncertain_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Grow when at most this share of a sweep is over the threshold.",
    )
    skip_bad: bool = Field(
        False,
        description="Pass over lines that are no molecule, instead of reading the whole pool at "
        "launch and refusing it for them.",
    )

    @model_validator(mode="after")
    def _sizes_in_order(self) -> Self:
        least, most = self.heavy_atoms
        if not 1 <= least <= most:
            raise ValueError(f"heavy_atoms [{least}, {most}] must be the least, then the most")
        return self

    @field_validator("elements")
    @classmethod
    def _symbols(cls, elements: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = [symbol for symbol in elements or () if not atomic_numbers.get(symbol)]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not the symbol of an element")
        return elements

    @property
    def atomic_numbers(self) -> tuple[int, ...]:
        """Of the elements, if they are given."""
        return tuple(sorted(atomic_numbers[symbol] for symbol in self.elements or ()))
