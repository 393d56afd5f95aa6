"""How an energy is put together: calculations, components, extrapolations, composites.

A recipe is independent of the program. It is either one `Calculation` (a method in a basis), or a
`Composite`: a signed sum of energies of several calculations, some of them extrapolated to the
complete basis set, or `BySize`: one of two such recipes, chosen by the number of heavy atoms.
`chemistry.records.level` gives recipes their names.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from chemistry.records.spelling import split_dispersion
from chemistry.records.structure import FloatArray

MethodKind: TypeAlias = Literal["semiempirical", "hf", "dft", "mp2", "ccsd", "ccsd(t)", "teacher"]
ValueT = TypeVar("ValueT", float, FloatArray)
"""An energy, or the forces that belong to it: both combine alike."""

SEMIEMPIRICAL_METHODS = ("gfn2-xtb", "gfn1-xtb")

TEACHER = "teacher:"
"""Before the name of a potential that is a level of theory."""


@dataclass(frozen=True, kw_only=True)
class FrozenNaturalOrbitals:
    """Coupled cluster in the MP2 natural virtual orbitals that matter (doi:10.1063/1.3700845).

    What MP2 gives beyond them is part of the correlation energy: E(CC, kept) + E(MP2) -
    E(MP2, kept).

    Attributes
    ----------
    occupation : float
        The share of the virtual MP2 occupation that is kept, 0 to 1.
    """

    occupation: float = 0.99

    @property
    def prefix(self) -> str:
        """What is put before the method's name."""
        return "fno-"


@dataclass(frozen=True, kw_only=True)
class LocalNaturalOrbitals:
    """LNO-CCSD(T): a fragment for each localised occupied orbital (doi:10.1021/acs.jctc.9b00511).

    What MP2 gives beyond the fragments is part of the correlation energy, as with
    FrozenNaturalOrbitals. This is not DLPNO.

    Attributes
    ----------
    threshold : float
        Virtual natural orbitals of smaller occupation are dropped from a fragment, and occupied
        ones below ten times as much.
    """

    threshold: float = 1e-5

    @property
    def prefix(self) -> str:
        """What is put before the method's name."""
        return "lno-"


@dataclass(frozen=True, kw_only=True)
class PairNaturalOrbitals:
    """DLPNO-CCSD(T) (doi:10.1063/1.4821834), with the thresholds that programs name by a word.

    Attributes
    ----------
    thresholds : "normal" or "tight"
    """

    thresholds: Literal["normal", "tight"] = "normal"

    @property
    def prefix(self) -> str:
        """What is put before the method's name."""
        return "dlpno-" if self.thresholds == "normal" else "tight-dlpno-"


Truncation: TypeAlias = FrozenNaturalOrbitals | LocalNaturalOrbitals | PairNaturalOrbitals
"""How coupled cluster is made cheaper; None where it is canonical."""


@dataclass(frozen=True, kw_only=True)
class Calculation:
    """One method in one basis. Open shells are unrestricted (UHF, UKS, UMP2, UCCSD, UCCSD(T)).

    Attributes
    ----------
    method : str
        Lower case: "gfn2-xtb", "hf", "mp2", "ccsd", "ccsd(t)" or the name of a density functional;
        "hf" and functionals may bear a dispersion correction, "b3lyp-d3bj"; "teacher:NAME" is a
        potential.
    basis : str or None
        Lower case; None for a semiempirical method and for a teacher.
    cartesian : bool
        Six d functions instead of five; f functions stay seven, as Gaussian has them in 6-31G*.
    frozen_core : bool
        Chemical core orbitals are not correlated; without meaning for HF and DFT.
    density_fitting : bool
        All electron repulsion integrals are density-fitted.
    truncation : Truncation or None
        Of "ccsd(t)" only.
    """

    method: str
    basis: str | None
    cartesian: bool = False
    frozen_core: bool = False
    density_fitting: bool = True
    truncation: Truncation | None = None

    def __post_init__(self) -> None:
        if self.truncation is not None and self.kind != "ccsd(t)":
            raise ValueError(f"truncated orbitals are for coupled cluster, not for {self.method}")
        if (self.basis is None) != (self.kind in ("semiempirical", "teacher")):
            raise ValueError(
                f"{self.method} with basis {self.basis}: only xTB and teachers go without one"
            )

    @property
    def kind(self) -> MethodKind:
        """Family of the method; whatever is not known by name is a density functional."""
        if self.method in SEMIEMPIRICAL_METHODS:
            return "semiempirical"
        if self.method.startswith(TEACHER):
            return "teacher"
        if self.method in ("mp2", "ccsd", "ccsd(t)"):
            return self.method  # type: ignore[return-value]
        return "hf" if self.functional == "hf" else "dft"

    @property
    def functional(self) -> str:
        """The method without its dispersion correction."""
        return split_dispersion(self.method)[0]

    @property
    def dispersion(self) -> str | None:
        """The dispersion correction on top of the mean field: "d3bj", "d3zero", "d4" or None."""
        return split_dispersion(self.method)[1]

    @property
    def correlated(self) -> bool:
        """Whether there is a correlation energy on top of Hartree-Fock."""
        return self.kind in ("mp2", "ccsd", "ccsd(t)")

    @property
    def coupled_cluster(self) -> bool:
        """Whether CCSD amplitudes are solved for."""
        return self.kind in ("ccsd", "ccsd(t)")

    @property
    def gives_forces(self) -> bool:
        """Whether engines compute forces: of correlated methods for MP2 and CCSD, fitted.

        Never for CCSD(T): PySCF's gradient of it is wrong where the core is frozen (methanol,
        cc-pVDZ: -0.00350 hartree/bohr, where differences of the energy give -0.00388) and costs as
        much as a dozen energies.
        """
        return not self.correlated or (self.kind != "ccsd(t)" and self.density_fitting)

    @property
    def closed_shells_only(self) -> bool:
        """Whether it is refused for open shells: truncated coupled cluster is."""
        return self.truncation is not None

    @property
    def name(self) -> str:
        """For people: "fno-ccsd(t)/cc-pvtz"."""
        prefix = "" if self.truncation is None else self.truncation.prefix
        return prefix + self.method + ("" if self.basis is None else f"/{self.basis}")


@dataclass(frozen=True, kw_only=True)
class Component:
    """One energy that a calculation yields: a part of a composite.

    Attributes
    ----------
    calculation : Calculation
    quantity : "total" or "correlation"
        The total electronic energy, or that minus the Hartree-Fock energy in the same basis.
    """

    calculation: Calculation
    quantity: Literal["total", "correlation"]

    @property
    def name(self) -> str:
        """Key in `Label.components`: "hf/cc-pvtz", "mp2/cc-pvtz correlation"."""
        suffix = "" if self.quantity == "total" else " correlation"
        return self.calculation.name + suffix


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """To the complete basis set from two cardinal numbers X: E(X) = E(CBS) + A f(X).

    Attributes
    ----------
    form : "exp(-a sqrt(X))" or "X^-a"
        f.
    exponent : float
        a.
    cardinals : (int, int)
        Of the two components, in their order.
    source : str
        Where form and exponent come from; not part of the level's identity.
    """

    form: Literal["exp(-a sqrt(X))", "X^-a"]
    exponent: float
    cardinals: tuple[int, int]
    source: str = field(compare=False)

    def decay(self, cardinal: int) -> float:
        """Return f(X)."""
        if self.form == "X^-a":
            return math.pow(cardinal, -self.exponent)
        return math.exp(-self.exponent * math.sqrt(cardinal))

    def limit(self, smaller: ValueT, larger: ValueT) -> ValueT:
        """Return E(CBS), in the unit of the energies in the smaller and the larger basis."""
        f_smaller, f_larger = (self.decay(cardinal) for cardinal in self.cardinals)
        return (larger * f_smaller - smaller * f_larger) / (f_smaller - f_larger)


@dataclass(frozen=True, kw_only=True)
class Term:
    """A signed part of a composite: one component, or two that are extrapolated.

    Attributes
    ----------
    weight : float
        Usually 1 or -1.
    components : tuple of one or two Components
    extrapolation : Extrapolation or None
    """

    weight: float
    components: tuple[Component, ...]
    extrapolation: Extrapolation | None = None

    def __post_init__(self) -> None:
        if len(self.components) != (1 if self.extrapolation is None else 2):
            raise ValueError("a term has two components to extrapolate, or one as it is")

    def value(self, parts: Mapping[str, ValueT]) -> ValueT:
        """Return the term without its weight, from energies or forces by component name."""
        values = [parts[component.name] for component in self.components]
        return values[0] if self.extrapolation is None else self.extrapolation.limit(*values)


@dataclass(frozen=True, kw_only=True)
class Composite:
    """A sum of terms; every component is kept in `Label.components`, to be recombined later."""

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        names = [component.name for component in self.components]
        if len(set(names)) != len(names):
            raise ValueError(f"two components of a composite have one name: {names}")

    @property
    def components(self) -> tuple[Component, ...]:
        """Every component once, in the order of the terms."""
        return tuple(dict.fromkeys(c for term in self.terms for c in term.components))

    @property
    def calculations(self) -> tuple[Calculation, ...]:
        """Every calculation once, in the order of the terms."""
        return tuple(dict.fromkeys(component.calculation for component in self.components))

    @property
    def gives_forces(self) -> bool:
        """Whether all its calculations give forces."""
        return all(calculation.gives_forces for calculation in self.calculations)

    @property
    def closed_shells_only(self) -> bool:
        """Whether one of its calculations is refused for open shells."""
        return any(calculation.closed_shells_only for calculation in self.calculations)

    def energy(self, energies: Mapping[str, float]) -> float:
        """Return the composite energy from energies by component name (any unit)."""
        return sum(term.weight * term.value(energies) for term in self.terms)

    def forces(self, forces: Mapping[str, FloatArray]) -> FloatArray:
        """Return the composite's forces from forces by component name (any unit)."""
        return np.asarray(sum(term.weight * term.value(forces) for term in self.terms))


@dataclass(frozen=True, kw_only=True)
class BySize:
    """What is affordable for small molecules, and an approximation to it for larger ones.

    The choice depends on the molecule alone, so all its geometries get the same recipe.

    Attributes
    ----------
    heavy_atoms : int
        The most atoms other than hydrogen that a small molecule has.
    small, large : Calculation or Composite
    """

    heavy_atoms: int
    small: Calculation | Composite
    large: Calculation | Composite

    @property
    def gives_forces(self) -> bool:
        """Whether labels of molecules of every size have forces."""
        return self.small.gives_forces and self.large.gives_forces


Recipe: TypeAlias = Calculation | Composite | BySize
