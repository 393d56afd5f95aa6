"""PySCFEngine: energies and forces of mean fields, MP2 and CCSD, energies of CCSD(T), by PySCF.

The recipe keeps the number within 0.015 kcal/mol and 0.02 kcal/mol/Å of the exact one: a
cc-pVTZ/JK auxiliary basis, grid level 4 with its response in the gradient, and 1e-8 hartree.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import ClassVar

import numpy as np
import pyscf

# PySCF would load these at the first attribute that one of its objects lacks, and when it first
# needs a gradient: in the process of each label anew, 0.1 s.
import pyscf.__all__
import pyscf.df.grad
from pyscf import lib
from pyscf.dft import libxc

from chemistry.engines.base import Resources
from chemistry.engines.outcome import Outcome, attempt
from chemistry.engines.pyscf import molecule, scf, states
from chemistry.engines.pyscf.closed import refuse_settings
from chemistry.engines.pyscf.correlated.lno import lno_is_installed
from chemistry.engines.pyscf.dispersion import dispersion, refuse_dispersion
from chemistry.engines.pyscf.levels.functional import functional_of
from chemistry.engines.pyscf.levels.library import refuse_basis
from chemistry.engines.pyscf.parts import Parts
from chemistry.engines.surroundings import Surroundings
from chemistry.errors import InputError
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import LevelOfTheory
from chemistry.records.recipe import (
    BySize,
    Calculation,
    Component,
    Composite,
    LocalNaturalOrbitals,
    PairNaturalOrbitals,
)
from chemistry.records.structure import Structure
from chemistry.units import EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR, EV_PER_HARTREE

_SURROUNDINGS = Surroundings()


class PySCFEngine:
    """`PySCFEngine(level, Resources()).label(structure)`."""

    name: ClassVar[str] = "pyscf"

    def __init__(self, level: LevelOfTheory, resources: Resources) -> None:
        refuse_settings()
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
            if calculation.kind == "teacher":
                return f"PySCF computes no {calculation.method}; take engine teacher"
            if isinstance(calculation.truncation, PairNaturalOrbitals):
                return "PySCF computes no DLPNO-CCSD(T); take engine psi4"
            reason = _refuse_functional(calculation) or refuse_basis(str(calculation.basis))
            reason = reason or refuse_dispersion(calculation)
            if reason:
                return reason
        return None

    @classmethod
    def unsupported_elements(
        cls, level: LevelOfTheory, atomic_numbers: Iterable[int]
    ) -> tuple[int, ...]:
        """Return the elements that one of the level's bases cannot describe."""
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
                _surroundings(self._level, self._resources),
            )

    def _run(self, structure: Structure, steps: list[str], *, is_second: bool) -> Outcome:
        recipe = self._level.recipe_for(structure)
        parts = Parts(
            structure,
            self._memory_mb,
            steps,
            with_forces=self._level.gives_forces,
            is_second=is_second,
        )
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
        energy = float(mf.e_tot) * EV_PER_HARTREE
        forces, components = scf.forces(mf, self._memory_mb), {}
        if calculation.dispersion is not None:
            correction, gradient = dispersion(mol, calculation)
            components["dispersion"] = correction * EV_PER_HARTREE
            energy += components["dispersion"]
            forces = forces - gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR
        return Outcome(
            energy=energy,
            forces=forces,
            dipole=scf.dipole(mf),
            components=components,
            diagnostics=scf.diagnostics(mf, cycles)
            | states.instability(mf, structure, always=is_second),
        )

    def _correlated(self, calculation: Calculation, parts: Parts) -> Outcome:
        parts.compute([calculation])
        components, forces = parts.components(), parts.force_components()
        names = (
            f"hf/{calculation.basis}",
            Component(calculation=calculation, quantity="correlation").name,
        )
        return Outcome(
            energy=sum(components[name] for name in names),
            forces=np.sum([forces[name] for name in names], axis=0) if forces else None,
            components=components,
            force_components=forces,
            diagnostics=parts.diagnostics,
        )

    def _composite(self, recipe: Composite, parts: Parts) -> Outcome:
        parts.compute(recipe.calculations)
        components, forces = parts.components(), parts.force_components()
        return Outcome(
            energy=recipe.energy(components),
            forces=recipe.forces(forces) if forces else None,
            components=components,
            force_components=forces,
            diagnostics=parts.diagnostics,
        )


@contextmanager
def _session(resources: Resources) -> Iterator[None]:
    """Lend PySCF's process-wide settings, threads and scratch folder, to one label."""
    folder = lib.param.TMPDIR
    if resources.scratch is not None:
        lib.param.TMPDIR = os.fspath(resources.scratch)
    try:
        with _SURROUNDINGS.limited(resources.threads):
            yield
    finally:
        lib.param.TMPDIR = folder


def _surroundings(level: LevelOfTheory, resources: Resources) -> dict[str, str]:
    """Return what a label records of its surroundings."""
    facts = {"settings": "none of PySCF's configuration", "libxc": libxc.libxc_version()}
    if any(calculation.dispersion for calculation in level.calculations):
        facts["pyscf-dispersion"] = version("pyscf-dispersion")
    return facts | _SURROUNDINGS.facts(resources.threads)


def _always_local(level: LevelOfTheory) -> bool:
    """Whether the level needs local natural orbitals for molecules of every size."""
    recipe = level.recipe.small if isinstance(level.recipe, BySize) else level.recipe
    calculations = (recipe,) if isinstance(recipe, Calculation) else recipe.calculations
    return any(isinstance(c.truncation, LocalNaturalOrbitals) for c in calculations)


def _refuse_functional(calculation: Calculation) -> str | None:
    if calculation.kind != "dft":
        return None
    try:
        functional_of(calculation.method)
    except InputError as error:
        return str(error)
    return None
