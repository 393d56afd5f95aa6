"""Recompute a few labels of a data set at the level that they are said to be of."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Any, TypeAlias

from chemistry.engines import find_engine
from chemistry.errors import InputError, StoreError
from chemistry.records.label import Label, LabelFailure, LabelledStructure
from chemistry.records.level import LevelOfTheory
from chemistry.records.recipe import Calculation
from chemistry.records.structure import Structure, hill_formula
from workflow.datasets.comparison import (
    Alternative,
    Comparison,
    Tolerance,
    disagreeing,
    tolerance_of,
)
from workflow.datasets.diagnosis import explain, near_unit
from workflow.datasets.layouts.units import AS_RUNG, Units
from workflow.planning.cost import n_electrons
from workflow.work.compute import compute
from workflow.work.orders import LabelOrder
from workflow.work.system.child import Limits
from workflow.work.system.isolate import run_isolated
from workflow.work.system.outcomes import Died, Finished, Raised

_STRUCTURES = 3
_BUDGET_SECONDS = 600.0
_MEMORY_GB = 8.0
_STATES_APART_EV = 30.0
"""States and ions of one molecule, one electron apart, lie within this."""

Recompute: TypeAlias = Callable[[Structure, LevelOfTheory, str, float], Label | LabelFailure]
"""Label a structure at a level with an engine, within so many seconds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """A label of a file that may be recomputed.

    Attributes
    ----------
    where : str
    known : LabelledStructure
    units : Units
        What the file's numbers were read in.
    """

    where: str
    known: LabelledStructure
    units: Units = AS_RUNG


@dataclass
class Sample:
    """Of each kind of molecule that passes by: its first and last label, its lowest and highest.

    Units that are mixed up, and one wrong number among many, are at the ends.
    """

    _by_kind: dict[tuple[str, int, int], dict[str, Given]] = field(default_factory=dict)

    def add(self, given: Given) -> None:
        """Look at one more label."""
        structure = given.known.structure
        formula = hill_formula(structure.atomic_numbers)
        kind = (formula, structure.charge, structure.multiplicity)
        ends = self._by_kind.setdefault(kind, {"highest": given, "lowest": given, "first": given})
        ends["last"] = given
        energy = given.known.label.energy
        if energy > ends["highest"].known.label.energy:
            ends["highest"] = given
        if energy < ends["lowest"].known.label.energy:
            ends["lowest"] = given

    def chosen(self) -> list[Given]:
        """Return a few, the cheapest first: two of the smallest molecule and one of the next."""
        kinds = sorted(
            self._by_kind.values(), key=lambda ends: n_electrons(ends["first"].known.structure)
        )
        wanted = [kinds[0]["highest"], kinds[0]["lowest"]] if kinds else []
        wanted += [ends["highest"] for ends in kinds[1:2]]
        wanted += [kinds[0]["first"], kinds[0]["last"]] if kinds else []
        unique = {given.known.structure.structure_id: given for given in wanted}
        return list(unique.values())[:_STRUCTURES]


def in_a_child(
    structure: Structure, level: LevelOfTheory, engine: str, seconds: float
) -> Label | LabelFailure:
    """Label a structure in a process of its own, on all cores of this machine.

    It is started afresh: the caller may have computed with OpenMP, whose threads survive no fork.
    """
    order = LabelOrder(structure=structure, level=level, engine=engine)
    limits = Limits(wall_seconds=seconds, memory_gb=_MEMORY_GB)
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as fresh:
        outcome = fresh.submit(_isolated, order, limits).result()
    if isinstance(outcome, Finished):
        if isinstance(outcome.value, StoreError):
            raise outcome.value
        assert isinstance(outcome.value, Label | LabelFailure), "an order of a label has no other"
        return outcome.value
    is_over = getattr(outcome, "kind", "") == "resource"
    return LabelFailure(
        structure_id=structure.structure_id,
        level_id=level.level_id,
        kind="resource" if is_over else "infrastructure",
        message=getattr(outcome, "message", "") or getattr(outcome, "error", ""),
    )


def _isolated(order: LabelOrder, limits: Limits) -> Finished[Any] | Raised | Died:
    find_engine(
        order.engine
    )  # a child starts in milliseconds if its caller has imported the program
    threads = len(os.sched_getaffinity(0))
    return run_isolated(compute, order, threads, limits.memory_gb, limits=limits)


def require_recomputed(
    chosen: Sequence[Given],
    level: LevelOfTheory,
    engine: str,
    recompute: Recompute,
    data: str,
) -> int:
    """Recompute labels, the cheapest first, for ten minutes at most; return how many agree.

    Raises
    ------
    InputError
        They disagree, and the message says what fits; or the first could not be recomputed.
    """
    deadline = time.monotonic() + _BUDGET_SECONDS
    tolerance = tolerance_of(level)
    compared: list[Comparison] = []
    for given in chosen:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            break
        answer = recompute(given.known.structure, level, engine, seconds)
        if isinstance(answer, Label):
            compared.append(_comparison(given, answer))
        elif not compared and (answer.kind == "resource" or given is chosen[-1]):
            raise InputError(_not_recomputed(answer, given, level, data))
    wrong = disagreeing(compared, tolerance)
    if not wrong:
        return len(compared)
    said = explain(wrong, tolerance)
    if said is None:
        seconds = max(deadline - time.monotonic(), 1.0)
        alternatives = _alternatives(wrong[0], level, engine, recompute, seconds)
        agreeing = [comparison for comparison in compared if comparison not in wrong]
        said = explain(wrong, tolerance, alternatives, agreeing)
    raise InputError(_contradiction(wrong, len(compared), level, data, tolerance, said))


def _comparison(given: Given, computed: Label) -> Comparison:
    label = given.known.label
    return Comparison(
        where=given.where,
        structure=given.known.structure,
        energy=label.energy,
        computed_energy=computed.energy,
        units=given.units,
        forces=label.forces,
        computed_forces=computed.forces,
    )


def _alternatives(
    wrong: Comparison, level: LevelOfTheory, engine: str, recompute: Recompute, seconds: float
) -> list[Alternative]:
    """Compute what the energy would be of another state, another ion, or another kind of d."""
    if abs(wrong.energy - wrong.computed_energy) > _STATES_APART_EV:
        return []
    deadline = time.monotonic() + seconds
    found = []
    for name, advice, structure, other in _other_meanings(wrong.structure, level):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        answer = recompute(structure, other, engine, left)
        if isinstance(answer, Label):
            found.append(Alternative(name=name, energy=answer.energy, advice=advice))
    return found


def _other_meanings(
    structure: Structure, level: LevelOfTheory
) -> Iterable[tuple[str, str, Structure, LevelOfTheory]]:
    """Yield name, advice, structure and level of what may have been meant."""
    recipe = level.recipe
    if isinstance(recipe, Calculation) and recipe.basis is not None:
        functions = (
            "five spherical d functions" if recipe.cartesian else "six Cartesian d functions"
        )
        other = replace(recipe, cartesian=not recipe.cartesian)
        yield (
            f"{level.name} with {functions}",
            "rung's level has the other kind, so that these are labels of another level",
            structure,
            LevelOfTheory(name=f"{level.name}, {functions}", recipe=other),
        )
    charge, multiplicity = structure.charge, structure.multiplicity
    states = [(charge, multiplicity + 2), (charge, multiplicity - 2)]
    states += [(charge + q, multiplicity + m) for q in (1, -1) for m in (1, -1)]
    for other_charge, other_multiplicity in states:
        electrons = int(structure.atomic_numbers.sum()) - other_charge
        if not 1 <= other_multiplicity <= electrons + 1 or electrons < 1:
            continue
        is_ion = other_charge != charge
        name = f"charge {other_charge} and multiplicity {other_multiplicity}"
        state = replace(structure, charge=other_charge, multiplicity=other_multiplicity)
        yield (
            name if is_ion else f"multiplicity {other_multiplicity}",
            f"state charge={other_charge} multiplicity={other_multiplicity} in the file",
            state,
            level,
        )


def _not_recomputed(answer: LabelFailure, given: Given, level: LevelOfTheory, data: str) -> str:
    if answer.kind == "resource":
        return (
            f"{data}: a label of {level.name} is too costly to be recomputed here, {given.where}, "
            f"the cheapest, {answer.message}: import with --trust, and nobody will have checked it"
        )
    return (
        f"{data}: {given.where} could not be recomputed at {level.name} ({answer.message}): import "
        "with --trust to take the labels unchecked"
    )


def _contradiction(
    wrong: Sequence[Comparison],
    n_compared: int,
    level: LevelOfTheory,
    data: str,
    tolerance: Tolerance,
    said: str | None,
) -> str:
    first = wrong[0]
    energies_agree = all(comparison.energy_agrees(tolerance) for comparison in wrong)
    if not energies_agree:
        first = next(comparison for comparison in wrong if not comparison.energy_agrees(tolerance))
        differs = (
            f"{first.where} has {first.energy:.6f} eV, recomputed {first.computed_energy:.6f} eV"
        )
        nothing_fits = (
            "no unit, sign, constant, charge or multiplicity explains it: they are of another "
            "level or another state"
        )
        if (near := near_unit(wrong)) is not None:
            nothing_fits = (
                f"they are nearly right in {near} (--energy-unit {near}), but of another level"
            )
    else:
        off = first.largest_force_difference
        differs = f"{first.where} has forces that are off by up to {off:.3f} eV/Å"
        nothing_fits = "no unit or sign explains it: correct or remove them"
    return (
        f"{data}: {len(wrong)} of {n_compared} labels that were recomputed at {level.name} "
        f"disagree: {differs}; {said or nothing_fits} (--trust takes them as they are)"
    )
