"""What every layout of labelled data gives: labels, one after the other, or why one is none."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from chemistry.errors import InputError
from chemistry.readers.electrons import SpinMeans, electrons_from
from chemistry.records.level import LevelOfTheory, find_level
from chemistry.records.structure import FloatArray, Structure
from workflow.datasets.layouts.units import AS_RUNG, Units, energy_unit, force_unit


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a person says of a file that the file does not say itself.

    Attributes
    ----------
    energy_unit, force_unit : str or None
        None takes what the file says, else what its layout means.
    gradients : bool or None
        Whether the file has gradients in the place of forces, whatever it calls them; None takes
        what their name and the layout mean.
    spin_means : SpinMeans or None
        What the file means where it says `spin`.
    """

    energy_unit: str | None = None
    force_unit: str | None = None
    gradients: bool | None = None
    spin_means: SpinMeans | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FileLabel:
    """A label as a file tells it, the structure's molecule not yet known.

    Attributes
    ----------
    where : str
        For messages: "data.xyz, frame 3".
    level : str or None
        The level as the file spells it; None where it names none.
    structure : Structure
        In the file's order of atoms, or, where the file says it, in that from before.
    energy : float, eV
    forces : (N, 3) float64, eV/Å, or None
    dipole : (3,) float64, e Å, or None
    components, diagnostics : mapping
        As in `Label`.
    facts : mapping
        Texts and numbers that rung's own exports have: sampler, split, program, …
    units : Units
        What energy and forces were read in.
    """

    where: str
    level: str | None
    structure: Structure
    energy: float
    forces: FloatArray | None
    dipole: FloatArray | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    units: Units = AS_RUNG


Labels: TypeAlias = Iterator[FileLabel | InputError]


@dataclass(kw_only=True)
class Reading:
    """What is wanted of a file, and what was met in it.

    Attributes
    ----------
    level : LevelOfTheory or None
        None takes labels of every level.
    stated : Stated
    net_force_limit_ev_angstrom : float or None
        Forces may add up to this much; None takes the rule of `admission`.
    skip_bad : bool
        Labels that cannot be used are collected in `bad`; else the first one refuses the file.
    bad : list of InputError
    levels : Counter of str
        Levels that labels name, by how many.
    seen : Counter of str
        Keys, columns or datasets of the file, for the message that nothing fits.
    notes : Counter of str
        What was decided for a label and a person should know.
    """

    level: LevelOfTheory | None = None
    stated: Stated = field(default_factory=Stated)
    net_force_limit_ev_angstrom: float | None = None
    skip_bad: bool = False
    bad: list[InputError] = field(default_factory=list)
    levels: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def wants(self, level: str | None, count: int = 1) -> bool:
        """Note a level that a file names, and say whether its labels are asked for."""
        if level is None:
            return True
        self.levels[level] += count
        return self.level is None or self._ids(level) == self.level.level_id

    def _ids(self, level: str) -> str | None:
        if level not in self._known:
            try:
                self._known[level] = find_level(level).level_id
            except InputError:  # a name of somebody's own: it is listed as it stands
                self._known[level] = None
        return self._known[level]

    @cached_property
    def _known(self) -> dict[str, str | None]:
        return {}

    def refuse(self, error: InputError) -> None:
        """Note a label that cannot be used, or raise where none is skipped."""
        if not self.skip_bad:
            raise error
        self.bad.append(error)

    def units(self, of_file: Units) -> Units:
        """Return the units of a label: what a person states overrules the file."""
        stated = {}
        if self.stated.energy_unit is not None:
            stated["energy"] = energy_unit(self.stated.energy_unit, "--energy-unit")
        if self.stated.force_unit is not None:
            stated["force"] = force_unit(self.stated.force_unit, "--force-unit")
        return replace(of_file, **stated)

    def electrons(self, facts: Mapping[str, Any], where: str, comment: str = "") -> tuple[int, int]:
        """Return charge and multiplicity, 0 and 1 where the file is silent."""
        charge, multiplicity = electrons_from(
            facts, where, comment=comment, spin_means=self.stated.spin_means
        )
        return charge or 0, multiplicity or 1

    def are_gradients(self, of_file: bool) -> bool:
        """Say whether what stands for forces has the sign of gradients."""
        return of_file if self.stated.gradients is None else self.stated.gradients


class Layout(Protocol):
    """One way of writing labelled structures into a file or a folder."""

    @property
    def name(self) -> str:
        """For people: "extended XYZ"."""
        ...

    def fits(self, path: Path) -> bool:
        """Say, by name and kind alone, whether a path may be of this layout."""
        ...

    def read(self, path: Path, reading: Reading) -> Labels:
        """Yield the labels that are wanted; an InputError in the place of each that is none.

        Raises
        ------
        InputError
            The file cannot be read on.
        """
        ...
