"""LevelOfTheory: which energy is meant, independent of the program that computes it.

Everything that changes the number is part of `level_id`. What an engine chooses so that the number
stays the same within about 0.01 kcal/mol (integration grid, auxiliary basis, thresholds) is the
engine's, and stands in its documentation.
"""

import hashlib
import json
import re
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any

from chemistry.errors import InputError
from chemistry.names import closest
from chemistry.records.recipe import (
    SEMIEMPIRICAL_METHODS,
    TEACHER,
    BySize,
    Calculation,
    Component,
    Composite,
    Extrapolation,
    FrozenNaturalOrbitals,
    LocalNaturalOrbitals,
    PairNaturalOrbitals,
    Recipe,
    Term,
    Truncation,
)
from chemistry.records.spelling import usual_spelling
from chemistry.records.structure import Structure

# Their authors define 3-21G and the 6-31G family with six Cartesian d functions; Gaussian, and so
# the ANI data sets, follow them. 6-311G and all later families have five spherical ones. The f
# functions of 6-31G(2df,p), the basis of QM9, are seven spherical ones there.
_CARTESIAN_BASES = re.compile(r"(3-21|4-31|6-31)\+{0,2}g")


@dataclass(frozen=True, kw_only=True)
class LevelOfTheory:
    """A named recipe for an energy.

    Attributes
    ----------
    name : str
        For people and files; not part of `level_id`.
    recipe : Calculation, Composite or BySize
    """

    name: str
    recipe: Recipe

    def recipe_for(self, structure: Structure) -> Calculation | Composite:
        """Return what is computed for this structure."""
        return self._recipe_of(structure.heavy_atoms)

    def _recipe_of(self, heavy_atoms: int) -> Calculation | Composite:
        if not isinstance(self.recipe, BySize):
            return self.recipe
        few = heavy_atoms <= self.recipe.heavy_atoms
        return self.recipe.small if few else self.recipe.large

    def refuse_shell(self, *, multiplicity: int, heavy_atoms: int) -> str | None:
        """Say in one sentence why the level is not for a molecule's electrons; None if it is."""
        if multiplicity == 1 or not self._recipe_of(heavy_atoms).closed_shells_only:
            return None
        size = f" of {heavy_atoms} heavy atoms" if isinstance(self.recipe, BySize) else ""
        return (
            f"{self.name} is for closed shells, and multiplicity {multiplicity}{size} is an open "
            "one: take a canonical level such as ccsd(t)/cc-pvdz"
        )

    @property
    def calculations(self) -> tuple[Calculation, ...]:
        """Every calculation that some structure may need, once."""
        recipe = self.recipe
        choices = (recipe.small, recipe.large) if isinstance(recipe, BySize) else (recipe,)
        return tuple(
            dict.fromkeys(
                calculation
                for choice in choices
                for calculation in (
                    (choice,) if isinstance(choice, Calculation) else choice.calculations
                )
            )
        )

    @property
    def gives_forces(self) -> bool:
        """Whether labels hold forces: derived from the recipe."""
        return self.recipe.gives_forces

    @cached_property
    def level_id(self) -> str:
        """Hash of everything that changes the number, 12 hexadecimal digits."""
        text = json.dumps(_identity(self.recipe), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _identity(value: Any) -> Any:
    """Return what a level_id hashes: types, and the fields that are not at their defaults.

    Fields at their defaults are left out so that a field that is added later does not change the
    older ids: the default of an existing field must therefore never change. Sources (compare=False)
    are left out because they do not change the number.
    """
    if isinstance(value, tuple):
        return [_identity(item) for item in value]
    if not is_dataclass(value):
        return value
    kept = {
        f.name: _identity(getattr(value, f.name))
        for f in fields(value)
        if f.compare and (f.default is MISSING or getattr(value, f.name) != f.default)
    }
    return {"type": type(value).__name__, **kept}


_ANI_1CCX = "ANI-1ccx, doi:10.1038/s41467-019-10827-4"

HF_CBS = Extrapolation(
    form="exp(-a sqrt(X))",
    exponent=5.46,
    cardinals=(3, 4),
    source=f"{_ANI_1CCX}, after Neese and Valeev, doi:10.1021/ct100396y",
)
CORRELATION_CBS = Extrapolation(form="X^-a", exponent=2.51, cardinals=(3, 4), source=_ANI_1CCX)


def _correlation(method: str, basis: str, truncation: Truncation | None = None) -> Component:
    calculation = Calculation(method=method, basis=basis, frozen_core=True, truncation=truncation)
    return Component(calculation=calculation, quantity="correlation")


def _cbs_terms() -> tuple[Term, ...]:
    """Return HF/CBS(T,Q) + MP2/CBS(T,Q), the latter a correlation energy."""
    hartree_fock = tuple(
        Component(calculation=Calculation(method="hf", basis=b), quantity="total")
        for b in ("cc-pvtz", "cc-pvqz")
    )
    mp2 = tuple(_correlation("mp2", b) for b in ("cc-pvtz", "cc-pvqz"))
    return (
        Term(weight=1.0, components=hartree_fock, extrapolation=HF_CBS),
        Term(weight=1.0, components=mp2, extrapolation=CORRELATION_CBS),
    )


def gold_standard(basis: str, truncation: Truncation | None = None) -> Composite:
    """Return CCSD(T)*/CBS of ANI-1ccx (doi:10.1038/s41467-019-10827-4) for open programs.

    E = HF/CBS(T,Q) + MP2/CBS(T,Q) + [CCSD(T) - MP2]/basis, the last two correlation energies with
    frozen core. The authors have DLPNO-CCSD(T) in the last term, and a correction for its
    thresholds that vanishes for canonical CCSD(T).
    """
    return Composite(
        terms=(
            *_cbs_terms(),
            Term(weight=1.0, components=(_correlation("ccsd(t)", basis, truncation),)),
            Term(weight=-1.0, components=(_correlation("mp2", basis),)),
        )
    )


def middle_rung(basis: str, smaller: str) -> Composite:
    """Return [HF + MP2]/basis + [CCSD - MP2]/smaller, frozen core, with forces.

    What CCSD(T)*/CBS adds to it, triples and the basis set limit of MP2, depends little on the
    geometry.
    """
    hartree_fock = Calculation(method="hf", basis=basis)
    parts = (
        (1.0, Component(calculation=hartree_fock, quantity="total")),
        (1.0, _correlation("mp2", basis)),
        (1.0, _correlation("ccsd", smaller)),
        (-1.0, _correlation("mp2", smaller)),
    )
    return Composite(terms=tuple(Term(weight=w, components=(part,)) for w, part in parts))


def _ani_1ccx() -> Composite:
    """Return CCSD(T)*/CBS with the authors' own DLPNO terms, tight minus normal in cc-pVDZ."""
    normal = PairNaturalOrbitals()
    tight = PairNaturalOrbitals(thresholds="tight")
    return Composite(
        terms=(
            *_cbs_terms(),
            Term(weight=1.0, components=(_correlation("ccsd(t)", "cc-pvtz", normal),)),
            Term(weight=-1.0, components=(_correlation("mp2", "cc-pvtz"),)),
            Term(weight=1.0, components=(_correlation("ccsd(t)", "cc-pvdz", tight),)),
            Term(weight=-1.0, components=(_correlation("ccsd(t)", "cc-pvdz", normal),)),
        )
    )


def _spelled(method: str, basis: str, truncation: Truncation | None = None) -> LevelOfTheory:
    """Return the level of a method in a basis, with the settings that the field expects."""
    calculation = Calculation(
        method=method,
        basis=basis,
        cartesian=_CARTESIAN_BASES.match(basis) is not None,
        frozen_core=method in ("mp2", "ccsd", "ccsd(t)"),
        # Canonical CCSD(T) is what others are measured by: no approximation in its integrals.
        density_fitting=method != "ccsd(t)" or truncation is not None,
        truncation=truncation,
    )
    return LevelOfTheory(name=calculation.name, recipe=calculation)


_FNO, _LNO = FrozenNaturalOrbitals(), LocalNaturalOrbitals()
_TRUNCATIONS: tuple[Truncation, ...] = (_FNO, _LNO, PairNaturalOrbitals())

LEVELS: dict[str, LevelOfTheory] = {
    level.name: level
    for level in (
        LevelOfTheory(name="gfn2-xtb", recipe=Calculation(method="gfn2-xtb", basis=None)),
        LevelOfTheory(name="gfn1-xtb", recipe=Calculation(method="gfn1-xtb", basis=None)),
        _spelled("hf", "sto-3g"),
        _spelled("wb97x", "6-31g*"),
        _spelled("hf", "cc-pvtz"),
        _spelled("mp2", "cc-pvtz"),
        _spelled("ccsd", "cc-pvdz"),
        LevelOfTheory(name="ccsd*/cc-pvtz", recipe=middle_rung("cc-pvtz", "cc-pvdz")),
        _spelled("ccsd(t)", "cc-pvdz"),
        _spelled("ccsd(t)", "cc-pvdz", _LNO),
        _spelled("ccsd(t)", "cc-pvtz", _FNO),
        LevelOfTheory(
            name="ccsd(t)*/cbs",
            recipe=BySize(
                heavy_atoms=8,
                small=gold_standard("cc-pvdz"),
                large=gold_standard("cc-pvdz", _LNO),
            ),
        ),
        LevelOfTheory(name="lno-ccsd(t)*/cbs", recipe=gold_standard("cc-pvdz", _LNO)),
        LevelOfTheory(name="fno-ccsd(t)*/cbs", recipe=gold_standard("cc-pvtz", _FNO)),
        LevelOfTheory(name="ccsd(t)*/cbs(tz)", recipe=gold_standard("cc-pvtz")),
        LevelOfTheory(name="dlpno-ccsd(t)*/cbs", recipe=_ani_1ccx()),
    )
}
"""The levels that have a name; `find_level` also takes any `method/basis`.

The composites differ in their last term, CCSD(T) - MP2 in a smaller basis. Its errors against
canonical cc-pVTZ in kcal/mol, as measured: of relative energies of conformers up to 25 kcal/mol
apart, of random displacements of 0.08 Å, and of bonds stretched by 15 to 25 %; and the range of its
absolute error for H2O, NH3, CH4, C2H6, HCN, H2CO and CH3OH.

| level            | basis, treatment | conformers | random | stretched | absolute       |
|------------------|------------------|------------|--------|-----------|----------------|
| ccsd(t)*/cbs     | cc-pVDZ          | 0.07       | 0.16   | 0.43      | -0.44 to 0.62  |
| fno-ccsd(t)*/cbs | cc-pVTZ, FNO     | 0.07       | 0.05   | 0.13      | -1.92 to -0.34 |
| ccsd(t)*/cbs(tz) | cc-pVTZ          | 0          | 0      | 0         | 0              |

`ccsd(t)*/cbs` is canonical up to eight heavy atoms and lno-ccsd(t)*/cbs beyond (within 0.2 of
canonical in the same basis). It stays in one basis for molecules of every size, so that energies of
different molecules compare; FNO is not used in it, because in cc-pVDZ it was off by 0.45 kcal/mol
for a pair of conformers. `ccsd(t)*/cbs(tz)` is the form of ANI-1ccx itself, about thirty times as
expensive, and `dlpno-ccsd(t)*/cbs` that with its DLPNO terms, for Psi4 from 1.11.

`ccsd*/cc-pvtz` is [HF + MP2]/cc-pVTZ + [CCSD - MP2]/cc-pVDZ and gives forces: the rung below gold.
"""


def find_level(spec: str) -> LevelOfTheory:
    """Return the level of this name, or the one spelled out as `method/basis`.

    `teacher:NAME` is a potential that is known, or configured, by this name: which one, `level_id`
    does not say, and every label does.

    The method is a density functional, hf, mp2, ccsd, ccsd(t), or the latter with fno-, lno- or
    dlpno- before it. Whether a program knows functional and basis is for `Engine.refuse` to say.

    Raises
    ------
    InputError
        The spec is neither; the message offers the nearest known name.
    """
    if spec.strip().lower().startswith(TEACHER):
        return _teacher(spec)
    text = usual_spelling(spec)
    if text in LEVELS:
        return LEVELS[text]
    method, _, basis = text.partition("/")
    _refuse_many_meanings(spec, method)
    truncation = next((t for t in _TRUNCATIONS if method == f"{t.prefix}ccsd(t)"), None)
    spelled_out = bool(method and basis) and not re.search(r"[/\s]", method + basis)
    if spelled_out and not basis.startswith("cbs") and method not in SEMIEMPIRICAL_METHODS:
        return _spelled("ccsd(t)" if truncation else method, basis, truncation)
    raise InputError(
        f"unknown level of theory {spec!r}; the nearest known one is {closest(text, LEVELS)!r}: "
        f"take one of {', '.join(LEVELS)}, or spell one out as functional/basis"
    )


def _teacher(spec: str) -> LevelOfTheory:
    name = spec.strip().lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name.removeprefix(TEACHER)):
        raise InputError(
            f"level {spec!r}: the name of a teacher is letters, digits and `.`, `_`, `-`, such as "
            "teacher:so3lr"
        )
    return LevelOfTheory(name=name, recipe=Calculation(method=name, basis=None))


def _refuse_many_meanings(spec: str, method: str) -> None:
    """Refuse a method that programs would take for different things.

    Raises
    ------
    InputError
    """
    if re.search(r"[*+,:;]|^[-.\d]", method):
        raise InputError(
            f"level {spec!r}: a functional is one name without numbers or operators, such as "
            "b3lyp or pbe0; sums of functionals are not computed"
        )
    if re.search(r"-d3(atm|2b|m|op)?$", method) and method != "wb97x-d3":
        functional = method.rpartition("-")[0]
        raise InputError(
            f"level {spec!r} does not say which damping its dispersion has: "
            f"write {functional}-d3bj or {functional}-d3zero"
        )
