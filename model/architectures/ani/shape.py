"""What a committee looks like before it has weights: symmetry functions and layer sizes."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from math import pi
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.states import N_STATE_COLUMNS, State

PUBLISHED_HIDDEN_SIZES: Mapping[int, tuple[int, ...]] = {
    1: (160, 128, 96),
    6: (144, 112, 96),
    7: (128, 112, 96),
    8: (128, 112, 96),
}
"""Hidden layers of the published ANI-1x and ANI-1ccx networks, by atomic number."""

OTHER_HIDDEN_SIZES = (128, 112, 96)
"""Hidden layers of an element that ANI-1x does not have."""


SMALLER_HIDDEN_SIZES = (96, 64, 48)
"""Hidden layers of networks that a campaign trains from nothing: from 200 and from 1,000 labels
they learn forces as well as the published sizes, in two thirds of the time."""


class SymmetryFunctions(BaseModel):
    """Constants of the ANI symmetry functions; the defaults are those of ANI-1x and ANI-1ccx.

    Smith, Isayev, Roitberg, doi:10.1039/C6SC05720A, eqs. 2 to 4; values from the authors' files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    radial_cutoff_angstrom: float = Field(default=5.2, gt=0)
    angular_cutoff_angstrom: float = Field(default=3.5, gt=0)
    radial_eta_per_angstrom2: float = Field(default=16.0, gt=0)
    radial_shifts_angstrom: tuple[float, ...] = tuple(0.9 + 0.26875 * k for k in range(16))
    angular_eta_per_angstrom2: float = Field(default=8.0, gt=0)
    angular_zeta: float = Field(default=32.0, ge=1)
    angular_shifts_angstrom: tuple[float, ...] = (0.9, 1.55, 2.2, 2.85)
    angular_sections_radian: tuple[float, ...] = tuple((2 * k + 1) * pi / 16 for k in range(8))

    @property
    def n_radial(self) -> int:
        """Radial functions for each element of the neighbour."""
        return len(self.radial_shifts_angstrom)

    @property
    def n_angular(self) -> int:
        """Angular functions for each pair of elements of the two neighbours."""
        return len(self.angular_shifts_angstrom) * len(self.angular_sections_radian)


class AniShape(BaseModel):
    """Elements, symmetry functions and layer sizes: with the weights, all of a committee.

    Attributes
    ----------
    elements : tuple of int
        Atomic numbers, in the order of the blocks of the environment vector.
    hidden_sizes : tuple of tuple of int
        Hidden layers of each element's network, in the order of `elements`.
    symmetry_functions : SymmetryFunctions
    celu_alpha : float
        CELU(x) = max(x, 0) + min(alpha (exp(x / alpha) - 1), 0).
    states : tuple of (int, int)
        Charge and multiplicity that it was made for; empty where that is not known, and then it
        takes any state for the one that it has learned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[int, ...] = Field(min_length=1)
    hidden_sizes: tuple[tuple[int, ...], ...]
    symmetry_functions: SymmetryFunctions = SymmetryFunctions()
    celu_alpha: float = Field(default=0.1, gt=0)
    states: tuple[State, ...] = ()

    @model_validator(mode="after")
    def _one_network_an_element(self) -> Self:
        if len(set(self.elements)) != len(self.elements):
            raise ValueError("an element is listed twice")
        if len(self.hidden_sizes) != len(self.elements):
            raise ValueError("hidden_sizes needs one entry for each element")
        if any(len(sizes) == 0 for sizes in self.hidden_sizes):
            raise ValueError("a network needs at least one hidden layer")
        if any(size < 1 for sizes in self.hidden_sizes for size in sizes):
            raise ValueError("a hidden layer needs at least one node")
        return self

    @classmethod
    def published(
        cls,
        elements: Sequence[int],
        hidden_sizes: Mapping[int, tuple[int, ...]] | None = None,
        states: Collection[State] = (),
    ) -> "AniShape":
        """Return the shape of ANI-1x for these elements (atomic numbers) and states, in any order.

        `hidden_sizes` replaces the published layers of the elements that it names.
        """
        ordered = tuple(sorted(set(elements)))
        known = {**PUBLISHED_HIDDEN_SIZES, **(hidden_sizes or {})}
        sizes = tuple(known.get(z, OTHER_HIDDEN_SIZES) for z in ordered)
        return cls(elements=ordered, hidden_sizes=sizes, states=tuple(sorted(set(states))))

    @property
    def n_element_pairs(self) -> int:
        """Unordered pairs of elements, an element with itself included."""
        return len(self.elements) * (len(self.elements) + 1) // 2

    @property
    def n_radial_features(self) -> int:
        """Length of the radial part of an environment vector, which comes first."""
        return len(self.elements) * self.symmetry_functions.n_radial

    @property
    def n_angular_features(self) -> int:
        """Length of the angular part of an environment vector."""
        return self.n_element_pairs * self.symmetry_functions.n_angular

    @property
    def n_geometric_features(self) -> int:
        """Length of an environment vector without what tells states apart."""
        return self.n_radial_features + self.n_angular_features

    @property
    def n_state_features(self) -> int:
        """Numbers that tell states apart and stand behind the environment vector; 0 for one."""
        return N_STATE_COLUMNS if len(self.states) > 1 else 0

    @property
    def n_features(self) -> int:
        """Length of what a network is given: 384 for H, C, N and O, more where there are states."""
        return self.n_geometric_features + self.n_state_features

    @cached_property
    def pair_table(self) -> tuple[tuple[int, ...], ...]:
        """Block of each pair of elements in the angular part: upper triangle, row by row."""
        n = len(self.elements)
        return tuple(
            tuple(min(a, b) * n - min(a, b) * (min(a, b) - 1) // 2 + abs(a - b) for b in range(n))
            for a in range(n)
        )
