"""PySCFEngine: energies and forces of mean-field methods by PySCF.

The recipe keeps the number within 0.015 kcal/mol and 0.02 kcal/mol/Å of the exact one: a
cc-pVTZ/JK auxiliary basis, grid level 4 with its response in the gradient, and 1e-8 hartree.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import pyscf

# PySCF would load these at the first attribute that one of its objects lacks, and when it first
# needs a gradient: in the process of each label anew, 0.1 s.
import pyscf.__all__
import pyscf.df.grad
from pyscf import lib
from pyscf.dft import libxc
from pyscf.scf import dispersion

from chemistry.engines.base import Resources
from chemistry.engines.outcome import Outcome, attempt
from chemistry.engines.pyscf import molecule, scf, states
from chemistry.engines.pyscf.lno import lno_is_installed
from chemistry.engines.pyscf.parts import Parts
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LevelOfTheory, nearest
from chemistry.records.recipe import (
    BySize,
    Calculation,
    Component,
    Composite,
    LocalNaturalOrbitals,
    PairNaturalOrbitals,
)
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_HARTREE


class PySCFEngine:
    """`PySCFEngine(level, Resources()).label(structure)`."""

    name: ClassVar[str] = "pyscf"

    def __init__(self, level: LevelOfTheory, resources: Resources) -> None:
        self._level = level
        self._resources = resources
        self._memory_mb = resources.memory_gb * 1000

    @classmethod
    def version(cls) -> str:
        """Return the version of PySCF."""
        return str(pyscf.__version__)

    @classmethod
    def refuse(cls, level: LevelOfTheory) -> str | None:
        """Say why PySCF cannot compute the level: method, functional or basis that it lacks."""
        if _always_local(level) and not lno_is_installed():
            return f"{level.name} needs pyscf-forge: pip install rung[lno]"
        for calculation in level.calculations:
            if calculation.kind == "semiempirical":
                return f"PySCF computes no {calculation.method}; take engine tblite"
            if isinstance(calculation.truncation, PairNaturalOrbitals):
                return "PySCF computes no DLPNO-CCSD(T); take engine psi4"
            functional = calculation.method if calculation.kind == "dft" else "hf"
            reason = _refuse_functional(functional) or _refuse_basis(str(calculation.basis))
            if reason:
                return reason
        return None

    @classmethod
    def unsupported_elements(
        cls, level: LevelOfTheory, atomic_numbers: Iterable[int]
    ) -> tuple[int, ...]:
        """Return the elements that one of the level's bases lacks."""
        numbers = set(atomic_numbers)
        missing = {
            z
            for calculation in level.calculations
            for z in molecule.elements_without(str(calculation.basis), numbers)
        }
        return tuple(sorted(missing))

    def label(self, structure: Structure, *, is_second: bool = False) -> Label | LabelFailure:
        """Compute energy, forces and dipole; the dipole of an ion is that about the origin."""
        program = (self.name, self.version())
        with _session(self._resources):
            return attempt(
                structure,
                self._level,
                program,
                lambda steps: self._run(structure, steps, is_second=is_second),
            )

    def _run(self, structure: Structure, steps: list[str], *, is_second: bool) -> Outcome:
        recipe = self._level.recipe_for(structure)
        parts = Parts(structure, self._memory_mb, steps, is_second=is_second)
        if isinstance(recipe, Composite):
            return self._composite(recipe, parts)
        if recipe.correlated:
            return self._correlated(recipe, parts)
        return self._mean_field(recipe, structure, steps, is_second=is_second)

    def _mean_field(
        self, calculation: Calculation, structure: Structure, steps: list[str], *, is_second: bool
    ) -> Outcome:
        mol = molecule.build(structure, calculation)
        mf = scf.mean_field(mol, calculation, self._memory_mb)
        cycles = states.converge(mf, steps, is_second=is_second)
        return Outcome(
            energy=float(mf.e_tot) * EV_PER_HARTREE,
            forces=scf.forces(mf, self._memory_mb),
            dipole=scf.dipole(mf),
            diagnostics=scf.diagnostics(mf, cycles)
            | states.instability(mf, structure, always=is_second),
        )

    def _correlated(self, calculation: Calculation, parts: Parts) -> Outcome:
        parts.compute([calculation])
        components = parts.components()
        correlation = Component(calculation=calculation, quantity="correlation").name
        return Outcome(
            energy=components[f"hf/{calculation.basis}"] + components[correlation],
            components=components,
            diagnostics=parts.diagnostics,
        )

    def _composite(self, recipe: Composite, parts: Parts) -> Outcome:
        parts.compute(recipe.calculations)
        components = parts.components()
        return Outcome(
            energy=recipe.energy(components), components=components, diagnostics=parts.diagnostics
        )


@contextmanager
def _session(resources: Resources) -> Iterator[None]:
    """Lend PySCF's process-wide settings, threads and scratch folder, to one label."""
    threads, folder = lib.num_threads(), lib.param.TMPDIR
    lib.num_threads(resources.threads)
    if resources.scratch is not None:
        lib.param.TMPDIR = os.fspath(resources.scratch)
    try:
        yield
    finally:
        lib.num_threads(threads)
        lib.param.TMPDIR = folder


def _always_local(level: LevelOfTheory) -> bool:
    """Whether the level needs local natural orbitals for molecules of every size."""
    recipe = level.recipe.small if isinstance(level.recipe, BySize) else level.recipe
    calculations = (recipe,) if isinstance(recipe, Calculation) else recipe.calculations
    return any(isinstance(c.truncation, LocalNaturalOrbitals) for c in calculations)


def _refuse_functional(name: str) -> str | None:
    known = [*libxc.XC_ALIAS, *(code.split("_XC_")[-1] for code in libxc.XC_CODES)]
    try:
        libxc.parse_xc(name)
        corrected = dispersion.parse_dft(name)[2]
    except (KeyError, ValueError, AssertionError):
        offer = nearest(name.upper(), [str(k) for k in known]).lower()
        return f"PySCF knows no density functional {name!r}; the nearest known one is {offer!r}"
    except NotImplementedError:
        corrected = name
    # libxc strips the suffix and PySCF then needs a package that rung does not bring.
    if corrected or name.replace("-", "").replace("_", "") in ("wb97xd", "wb97xd3"):
        return f"{name} needs a dispersion correction, which this engine does not compute"
    return None


def _refuse_basis(name: str) -> str | None:
    if molecule.knows_basis(name):
        return None
    offer = nearest(name, molecule.known_bases())
    return f"PySCF knows no basis {name!r}; the nearest known one is {offer!r}"
