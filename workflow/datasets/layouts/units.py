"""Units that files state, by the names that people give them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from chemistry.errors import InputError
from chemistry.units import ANGSTROM_PER_BOHR, E_ANGSTROM_PER_DEBYE, EV_PER_HARTREE, EV_PER_KCAL_MOL

ENERGIES_EV: Final[Mapping[str, float]] = {
    "eV": 1.0,
    "meV": 1e-3,
    "hartree": EV_PER_HARTREE,
    "rydberg": EV_PER_HARTREE / 2,
    "kcal/mol": EV_PER_KCAL_MOL,
    "kJ/mol": EV_PER_KCAL_MOL / 4.184,
}
LENGTHS_ANGSTROM: Final[Mapping[str, float]] = {"Å": 1.0, "bohr": ANGSTROM_PER_BOHR, "nm": 10.0}
DIPOLES_E_ANGSTROM: Final[Mapping[str, float]] = {
    "e·Å": 1.0,
    "debye": E_ANGSTROM_PER_DEBYE,
    "e·bohr": ANGSTROM_PER_BOHR,
}
FORCES: Final[Mapping[str, float]] = {
    f"{energy}/{length}": energies / lengths
    for energy, energies in ENERGIES_EV.items()
    for length, lengths in LENGTHS_ANGSTROM.items()
}
"""In eV/Å."""

_SYNONYMS: Final[Mapping[str, str]] = {
    **{name.lower(): name for name in (*ENERGIES_EV, *LENGTHS_ANGSTROM, *DIPOLES_E_ANGSTROM)},
    **dict.fromkeys(("ha", "eh", "e_h", "hartrees", "hartree/particle", "a.u.", "au"), "hartree"),
    **dict.fromkeys(("ry", "rydbergs"), "rydberg"),
    **dict.fromkeys(("electronvolt", "electronvolts", "electron_volt"), "eV"),
    **dict.fromkeys(("kcal", "kcalmol", "kcal_mol", "kcalpermol", "kcal*mol^-1"), "kcal/mol"),
    **dict.fromkeys(("kcal.mol-1", "kcalmol-1", "kcalmol^-1", "kcal/mole"), "kcal/mol"),
    **dict.fromkeys(("kj", "kjmol", "kj_mol", "kjpermol", "kj*mol^-1", "kj/mole"), "kJ/mol"),
    **dict.fromkeys(("kj.mol-1", "kjmol-1", "kjmol^-1"), "kJ/mol"),
    **dict.fromkeys(("a", "ang", "angs", "angstrom", "angstroms", "ångström", "ångstrom"), "Å"),
    **dict.fromkeys(("bohrs", "a0", "a_0"), "bohr"),
    **dict.fromkeys(("nanometer", "nanometers", "nanometre"), "nm"),
    **dict.fromkeys(("d", "debyes"), "debye"),
    **dict.fromkeys(("e*a", "e*ang", "e*angstrom", "eang", "e·a", "ea", "e*å", "e.ang"), "e·Å"),
    **dict.fromkeys(("e*bohr", "ebohr", "e*a0", "ea0", "e.bohr"), "e·bohr"),
}
_SYSTEMS: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("au", "a.u.", "atomic", "atomic_units"), ("hartree", "bohr")),
    "metal": ("eV", "Å"),
    "real": ("kcal/mol", "Å"),
    "ase": ("eV", "Å"),
}
_TABLES: Final[Mapping[str, tuple[Mapping[str, float], str]]] = {
    "energy": (ENERGIES_EV, "an energy"),
    "length": (LENGTHS_ANGSTROM, "a length"),
    "dipole": (DIPOLES_E_ANGSTROM, "a dipole"),
}
_STATES = {
    "energy": re.compile(r"(ref_)?energ(y|ies)_?units?|units?_?(of_)?energ(y|ies)"),
    "force": re.compile(
        r"(ref_)?(forces?|gradients?|grad)_?units?|units?_?(of_)?(forces?|grad\w*)"
    ),
    "length": re.compile(
        r"(lengths?|pos|positions?|coords?|coordinates?|distances?)_?units?"
        r"|units?_?(of_)?(lengths?|pos|positions?|coord\w*|distances?)"
    ),
    "dipole": re.compile(r"(ref_)?dipoles?_?units?|units?_?(of_)?dipoles?"),
}
_SPEAKS_OF_UNITS = re.compile(r"(^|_)units?($|_)|units?$")


@dataclass(frozen=True, kw_only=True)
class Units:
    """What the numbers of a label are in.

    Attributes
    ----------
    energy, length, force, dipole : str
        Keys of the tables of this module.
    """

    energy: str = "eV"
    length: str = "Å"
    force: str = "eV/Å"
    dipole: str = "e·Å"

    @property
    def ev(self) -> float:
        """One unit of energy in eV."""
        return ENERGIES_EV[self.energy]

    @property
    def angstrom(self) -> float:
        """One unit of length in Å."""
        return LENGTHS_ANGSTROM[self.length]

    @property
    def ev_per_angstrom(self) -> float:
        """One unit of force in eV/Å."""
        return FORCES[self.force]

    @property
    def e_angstrom(self) -> float:
        """One unit of dipole in e Å."""
        return DIPOLES_E_ANGSTROM[self.dipole]


AS_RUNG: Final = Units()
AS_ANI: Final = Units(energy="hartree", force="hartree/Å")
ATOMIC: Final = Units(energy="hartree", length="bohr", force="hartree/bohr", dipole="e·bohr")


def energy_unit(text: str, where: str) -> str:
    """Return the name of an energy's unit; InputError where it is none."""
    return _unit(text, where, ENERGIES_EV, "an energy")


def force_unit(text: str, where: str) -> str:
    """Return the name of a force's unit, `ENERGY/LENGTH`; InputError where it is none."""
    energy, slash, length = _plain(text).replace("per", "/").rpartition("/")
    if not slash:
        raise _unknown(text, where, "a force", FORCES)
    return (
        f"{_unit(energy, where, ENERGIES_EV, 'an energy')}/"
        f"{_unit(length, where, LENGTHS_ANGSTROM, 'a length')}"
    )


def unit_of(quantity: str, text: str) -> str | None:
    """Return the unit that ends a column's name, `kcal_mol_angstrom` for a force; None if none."""
    plain = text.replace("kcal_mol", "kcal*mol^-1").replace("kj_mol", "kj*mol^-1")
    try:
        if quantity == "force":
            return force_unit(plain.replace("_", "/"), "")
        return _unit(plain.replace("_", "*"), "", *_TABLES[quantity])
    except InputError:
        return None


def stated_units(facts: Mapping[str, Any], where: str, default: Units) -> Units:
    """Return the units that the keys of a label state, the others as by default.

    A force's unit that is not stated is that of the energy over that of the length.

    Raises
    ------
    InputError
        A key speaks of units and is not understood, or two contradict each other.
    """
    stated: dict[str, str] = {}
    for key, value in facts.items():
        if _SPEAKS_OF_UNITS.search(str(key).lower()):
            for what, unit in _statement(str(key), str(value), where).items():
                if stated.setdefault(what, unit) != unit:
                    raise InputError(f"{where}: it states {stated[what]} and {unit} for one {what}")
    return with_stated(default, stated)


def with_stated(default: Units, stated: Mapping[str, str]) -> Units:
    """Return units of which some are stated: keys are those of `Units`."""
    units = replace(default, **stated)
    if "force" not in stated and ("energy" in stated or "length" in stated):
        units = replace(units, force=f"{units.energy}/{units.length}")
    return units


def _statement(key: str, value: str, where: str) -> dict[str, str]:
    """Return what one key states of units: {"energy": "hartree"}."""
    place = f"{where}: {key}={value}"
    for what, pattern in _STATES.items():
        if pattern.fullmatch(key.lower()):
            if what == "force":
                return {what: force_unit(value, place)}
            return {what: _unit(value, place, *_TABLES[what])}
    if key.lower() not in ("unit", "units"):
        raise InputError(
            f"{place} is not understood: say energy_unit=, length_unit= or force_unit="
        )
    if _plain(value) in _SYSTEMS:
        return dict(zip(("energy", "length"), _SYSTEMS[_plain(value)], strict=True))
    stated: dict[str, str] = {}
    for part in re.split(r"[,;\s]+", value.strip()):
        stated |= _one_of_many(part, place)
    return stated


def _one_of_many(text: str, where: str) -> dict[str, str]:
    """Return what a unit is of, which stands without a key of its own."""
    name = _SYNONYMS.get(_plain(text), "")
    for what, table in (("energy", ENERGIES_EV), ("length", LENGTHS_ANGSTROM)):
        if name in table:
            return {what: name}
    if name in DIPOLES_E_ANGSTROM:
        return {"dipole": name}
    return {"force": force_unit(text, where)}


def _plain(text: str) -> str:
    return text.strip().lower().replace(" ", "")


def _unit(text: str, where: str, table: Mapping[str, float], kind: str) -> str:
    plain = _plain(text)
    name = _SYNONYMS.get(plain, "")
    # Atomic units have one abbreviation for all quantities.
    if plain in ("au", "a.u."):
        name = {"an energy": "hartree", "a length": "bohr", "a dipole": "e·bohr"}[kind]
    if name not in table:
        raise _unknown(text, where, kind, table)
    return name


def _unknown(text: str, where: str, kind: str, table: Mapping[str, float]) -> InputError:
    return InputError(f"{where}: {text!r} is not a unit of {kind}: one of {', '.join(table)}")
