"""The protocol of samplers, and what they return.

A sampler is a frozen pydantic model: its fields are the settings that a person writes in the
campaign file (`kind: normal_modes`, `temperature_k: 600`), and `sample` is its work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Protocol, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, PositiveFloat

from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential, Prediction, Threshold
from chemistry.records.structure import Structure


@dataclass(frozen=True, kw_only=True, eq=False)
class Offer:
    """A structure that a sampler offers for labelling.

    Attributes
    ----------
    structure : Structure
    prediction : Prediction or None
        What the potential said of it; None where the sampler did not need to ask.
    reason : str
        Why it is offered, for people: "first over 0.23 kcal/mol after 81 fs at 640 K".
    """

    structure: Structure
    prediction: Prediction | None
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What one call of a sampler found.

    Attributes
    ----------
    offers : tuple of Offer
    judged : int
        Independent structures that were held against the threshold (frames of a trajectory count
        as one: it either stops or reaches its end).
    over_threshold : int
        How many of them exceeded it.
    rejected : mapping of str to int
        Structures and trajectories that a filter refused, by reason: those of
        `chemistry.geometries.geometry.FaultReason`, "energy" (too far above the start),
        "temperature" (atoms too fast), "not_at_rest" (a relaxation had no steps left),
        "not_computed" (the potential has no answer) and "duplicate". They are neither offered nor
        judged; of a trajectory the last structure before may be offered.
    """

    offers: tuple[Offer, ...]
    judged: int = 0
    over_threshold: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)


def _in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    least, most = bounds
    if least > most:
        raise ValueError(f"[{least:g}, {most:g}] must be the least, then the most")
    return bounds


PositiveRange: TypeAlias = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_in_order)]
"""Two positive numbers, the least first."""


class SamplerSettings(BaseModel):
    """Base class of samplers: settings that do not change and know no other keys.

    What a sampler makes is hot, unless its `kind` begins with `anchor_` (`Origin.kind`).

    Attributes
    ----------
    repeats_itself : bool
        Whether the same starts and potential give the same structures for every seed. What is
        trained on would be in the held-out set, too: such a sampler has no part in it, but for
        molecules that are only tested on.
    """

    repeats_itself: ClassVar[bool] = False

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Sampler(Protocol):
    """Makes structures of one molecule, starting from some that are known."""

    repeats_itself: ClassVar[bool]

    @property
    def kind(self) -> str:
        """Name of the sampler in campaign files and in `Origin.sampler`."""
        ...

    def sample(
        self,
        molecule: Molecule,
        starts: Sequence[Structure],
        potential: Potential,
        *,
        seed: int,
        threshold: Threshold | None = None,
    ) -> Sample:
        """Return structures to label.

        Parameters
        ----------
        molecule : Molecule
        starts : sequence of Structure
            Geometries of the molecule to start from; the same result for the same starts and seed.
        potential : Potential
        seed : int
        threshold : Threshold or None
            Only structures on which the potential disagrees more are offered; None (no committee
            yet, or a held-out set) offers all.
        """
        ...
