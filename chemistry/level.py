"""LevelOfTheory: which energy is meant, independent of the program that computes it.

A level is either one `Calculation` (a method in a basis) or a `Composite`: a sum of energies of
several calculations, some of them extrapolated to the complete basis set. Everything that changes
the number is part of `level_id`. What an engine chooses so that the number stays the same within
about 0.01 kcal/mol (integration grid, auxiliary basis, thresholds) is the engine's, and stands in
its documentation.
"""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from chemistry.errors import InputError

MethodKind: TypeAlias = Literal["semiempirical", "hf", "dft", "mp2", "ccsd(t)"]

SEMIEMPIRICAL_METHODS = ("gfn2-xtb", "gfn1-xtb")

# Their authors define 3-21G and the 6-31G family with six Cartesian d functions; Gaussian, and so
# the ANI data sets, follow them. 6-311G and all later families have five spherical ones.
_CARTESIAN_BASES = re.compile(r"(3-21|4-31|6-31)(\+{0,2})g")


@dataclass(frozen=True, kw_only=True)
class DensityFitted:
    """Coupled cluster from density-fitted integrals in all virtual orbitals."""


@dataclass(frozen=True, kw_only=True)
class FrozenNaturalOrbitals:
    """Correlation in the MP2 natural virtual orbitals that matter (doi:10.1063/1.3700845).

    Attributes
    ----------
    occupation : float
        The share of the virtual MP2 occupation that is kept, 0 to 1.
    """

    occupation: float = 0.99


@dataclass(frozen=True, kw_only=True)
class LocalNaturalOrbitals:
    """LNO-CCSD(T): a fragment for each localised occupied orbital (doi:10.1021/acs.jctc.9b00511).

    Attributes
    ----------
    threshold : float
        Natural orbitals of smaller occupation are dropped from a fragment (virtual orbitals;
        ten times larger for occupied ones).
    """

    threshold: float = 1e-5


Treatment: TypeAlias = DensityFitted | FrozenNaturalOrbitals | LocalNaturalOrbitals
"""How a correlated method is made cheaper; None where it is canonical."""

_PREFIX: dict[type[Treatment], str] = {
    DensityFitted: "df-",
    FrozenNaturalOrbitals: "fno-",
    LocalNaturalOrbitals: "lno-",
}


@dataclass(frozen=True, kw_only=True)
class Calculation:
    """One method in one basis. Open shells are unrestricted (UHF, UKS, UMP2, UCCSD(T)).

    Attributes
    ----------
    method : str
        Lower case: "gfn2-xtb", "hf", "mp2", "ccsd(t)" or the name of a density functional.
    basis : str or None
        Lower case; None for a semiempirical method.
    cartesian : bool
        Six d functions instead of five, ten f instead of seven.
    frozen_core : bool
        Chemical core orbitals are not correlated; without meaning for HF and DFT.
    density_fitting : bool
        SCF and MP2 from density-fitted integrals. Coupled cluster keeps exact integrals, on a
        density-fitted reference, unless its treatment is DensityFitted.
    treatment : Treatment or None
    """

    method: str
    basis: str | None
    cartesian: bool = False
    frozen_core: bool = False
    density_fitting: bool = True
    treatment: Treatment | None = None

    def __post_init__(self) -> None:
        if self.treatment is not None and self.kind not in ("mp2", "ccsd(t)"):
            raise ValueError(f"{self.method} has no correlation part that could be truncated")
        if (self.basis is None) != (self.kind == "semiempirical"):
            raise ValueError(f"{self.method} with basis {self.basis}: only xTB goes without one")

    @property
    def kind(self) -> MethodKind:
        """Family of the method; whatever is not known by name is a density functional."""
        if self.method in SEMIEMPIRICAL_METHODS:
            return "semiempirical"
        if self.method in ("hf", "mp2", "ccsd(t)"):
            return self.method  # type: ignore[return-value]
        return "dft"

    @property
    def name(self) -> str:
        """For people: "fno-ccsd(t)/cc-pvtz"."""
        prefix = "" if self.treatment is None else _PREFIX[type(self.treatment)]
        return prefix + self.method + ("" if self.basis is None else f"/{self.basis}")


@dataclass(frozen=True, kw_only=True)
class Component:
    """One energy that a calculation yields: a term of a composite, a key of `Label.components`.

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

    def limit(self, smaller: float, larger: float) -> float:
        """Return E(CBS), in the unit of the energies in the smaller and the larger basis."""
        f_smaller, f_larger = (self.decay(cardinal) for cardinal in self.cardinals)
        return (larger * f_smaller - smaller * f_larger) / (f_smaller - f_larger)


@dataclass(frozen=True, kw_only=True)
class Term:
    """A signed part of a composite: one component, or two that are extrapolated.

    Attributes
    ----------
    name : str
        Key of its value in `Label.components`, for people: "hf/cbs(t,q)".
    weight : float
        Usually 1 or -1.
    components : tuple of one or two Components
    extrapolation : Extrapolation or None
    """

    name: str
    weight: float
    components: tuple[Component, ...]
    extrapolation: Extrapolation | None = None

    def __post_init__(self) -> None:
        if len(self.components) != (1 if self.extrapolation is None else 2):
            raise ValueError(f"{self.name}: two components to extrapolate, or one as it is")

    def value(self, energies: Mapping[str, float]) -> float:
        """Return the term without its weight, from energies by component name (any unit)."""
        values = [energies[component.name] for component in self.components]
        return values[0] if self.extrapolation is None else self.extrapolation.limit(*values)


@dataclass(frozen=True, kw_only=True)
class Composite:
    """A sum of terms; every component is kept in `Label.components`, to be recombined later."""

    terms: tuple[Term, ...]

    @property
    def components(self) -> tuple[Component, ...]:
        """Every component once, in the order of the terms."""
        return tuple(dict.fromkeys(c for term in self.terms for c in term.components))

    def energy(self, energies: Mapping[str, float]) -> float:
        """Return the composite energy from energies by component name (any unit)."""
        return sum(term.weight * term.value(energies) for term in self.terms)


@dataclass(frozen=True, kw_only=True)
class LevelOfTheory:
    """A named recipe for an energy.

    Attributes
    ----------
    name : str
        For people and files; not part of `level_id`.
    recipe : Calculation or Composite
    """

    name: str
    recipe: Calculation | Composite

    @property
    def calculations(self) -> tuple[Calculation, ...]:
        """Every calculation once."""
        if isinstance(self.recipe, Calculation):
            return (self.recipe,)
        return tuple(dict.fromkeys(c.calculation for c in self.recipe.components))

    @property
    def gives_forces(self) -> bool:
        """Whether labels hold forces; of correlated methods and composites only energies."""
        return isinstance(self.recipe, Calculation) and self.recipe.kind not in ("mp2", "ccsd(t)")

    @cached_property
    def level_id(self) -> str:
        """Hash of everything that changes the number, 12 hexadecimal digits."""
        text = json.dumps(_identity(self.recipe), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _identity(value: Any) -> Any:
    """Return what a level_id hashes: types, and the fields that are not at their defaults.

    Fields at their defaults are left out so that a field that is added later does not change the
    older ids: the default of an existing field must therefore never change. Names and sources
    (compare=False) are left out because they do not change the number.
    """
    if isinstance(value, tuple):
        return [_identity(item) for item in value]
    if not is_dataclass(value):
        return value
    kept = {
        f.name: _identity(getattr(value, f.name))
        for f in fields(value)
        if f.name != "name"
        and f.compare
        and (f.default is MISSING or getattr(value, f.name) != f.default)
    }
    return {"type": type(value).__name__, **kept}


def _registry(levels: Iterable[LevelOfTheory]) -> dict[str, LevelOfTheory]:
    return {level.name: level for level in levels}


def _mean_field(method: str, basis: str) -> LevelOfTheory:
    calculation = Calculation(
        method=method, basis=basis, cartesian=_CARTESIAN_BASES.match(basis) is not None
    )
    return LevelOfTheory(name=calculation.name, recipe=calculation)


LEVELS: dict[str, LevelOfTheory] = _registry(
    [
        LevelOfTheory(name="gfn2-xtb", recipe=Calculation(method="gfn2-xtb", basis=None)),
        LevelOfTheory(name="gfn1-xtb", recipe=Calculation(method="gfn1-xtb", basis=None)),
        _mean_field("hf", "sto-3g"),
        _mean_field("wb97x", "6-31g*"),
    ]
)
"""The levels that have a name; `find_level` also takes any `functional/basis`."""


def find_level(spec: str) -> LevelOfTheory:
    """Return the level of this name, or the one spelled out as `functional/basis` or `hf/basis`.

    Whether a program knows the functional and the basis is for `Engine.refuse` to say.

    Raises
    ------
    InputError
        The spec is neither; the message offers the nearest known name.
    """
    text = _canonical(spec)
    if text in LEVELS:
        return LEVELS[text]
    method, _, basis = text.partition("/")
    spelled_out = bool(method and basis) and not re.search(r"[/\s]", method + basis)
    if spelled_out and method not in (*SEMIEMPIRICAL_METHODS, "mp2", "ccsd(t)"):
        return _mean_field(method, basis)
    raise InputError(
        f"unknown level of theory {spec!r}; the nearest known one is {nearest(text, LEVELS)!r}: "
        f"take one of {', '.join(LEVELS)}, or spell one out as functional/basis"
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known name that looks most like the word, for error messages."""
    return difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)[0]


def _canonical(spec: str) -> str:
    """Lower case, and one spelling for the polarisation functions of Pople's bases."""
    text = spec.strip().lower().replace("ω", "w")
    return text.replace("g(d,p)", "g**").replace("g(d)", "g*")
