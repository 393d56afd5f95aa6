"""What is wrong with labels that a recomputation contradicts: pure functions name what fits."""

from collections.abc import Iterator, Sequence

import numpy as np
from ase.data import chemical_symbols

from chemistry.records.structure import FloatArray, hill_formula
from workflow.datasets.comparison import FORCE_SHARE, Alternative, Comparison, Tolerance
from workflow.datasets.layouts.units import ENERGIES_EV, FORCES

_FACTOR_RELATIVE = 5e-5
"""Factors such as 27.2114 and 23.06 are written with four or five digits."""
_NEAR_RELATIVE = 5e-4
"""Energies of a molecule at two levels differ by more only where the methods are far apart."""
_ATOMS_SUBTRACTED = 0.2
"""Energies without those of the atoms are a smaller share of total energies than this."""


def explain(
    wrong: Sequence[Comparison],
    tolerance: Tolerance,
    alternatives: Sequence[Alternative] | None = None,
    agreeing: Sequence[Comparison] = (),
) -> str | None:
    """Say what would make disagreeing labels agree, in a clause; None where nothing does.

    Parameters
    ----------
    wrong : sequence of Comparison
        What `disagreeing` returned.
    alternatives : sequence of Alternative or None
        Of the first of them; None while they are not known, and then constants are not tried:
        the other kind of d functions looks like one.
    agreeing : sequence of Comparison
        Labels that are right: of their formulas no constant is missing.
    """
    said: list[str] = []
    if not all(c.energy_agrees(tolerance) for c in wrong):
        found = next(_energy_explanations(wrong, tolerance, alternatives, agreeing), None)
        if found is None:
            return None
        said.append(found)
    if not all(c.forces_agree(tolerance) for c in wrong):
        found = _explain_forces(wrong, tolerance)
        # Where another state or a wrong basis explains the energies, forces differ with them.
        if found is None and not (said and alternatives):
            return None
        if found is not None:
            said.append(found)
    return "; ".join(said)


def _energy_explanations(
    wrong: Sequence[Comparison],
    tolerance: Tolerance,
    alternatives: Sequence[Alternative] | None,
    agreeing: Sequence[Comparison],
) -> Iterator[str]:
    """Yield what fits, the simplest first."""
    yield from _factors(wrong, tolerance)
    if alternatives is None:
        return
    first = wrong[0]
    for alternative in alternatives:
        if abs(alternative.energy - first.energy) <= tolerance.energy_ev:
            yield f"the energies are those of {alternative.name}: {alternative.advice}"
    if not {_formula(c) for c in wrong} & {_formula(c) for c in agreeing}:
        yield from _constants(wrong, tolerance)


def _factors(wrong: Sequence[Comparison], tolerance: Tolerance) -> Iterator[str]:
    given, computed = _energies(wrong)
    allowed = tolerance.energy_ev + _FACTOR_RELATIVE * np.abs(computed)
    read = wrong[0].units.energy
    for sign in (1.0, -1.0):
        for unit, ev in ENERGIES_EV.items():
            factor = sign * ev / ENERGIES_EV[read]
            if factor == 1.0 or not (np.abs(factor * given - computed) <= allowed).all():
                continue
            if unit == read:
                yield "the energies have the opposite sign"
            else:
                turned = " with the opposite sign" if sign < 0 else ""
                yield (
                    f"the energies fit in {unit}{turned}, not in {read} (a factor of "
                    f"{_shown(factor)}): say --energy-unit {unit}"
                )


def near_unit(wrong: Sequence[Comparison]) -> str | None:
    """Return the unit in which energies would be nearly right, though of another level; or None."""
    given, computed = _energies(wrong)
    read = wrong[0].units.energy
    for unit, ev in ENERGIES_EV.items():
        off = np.abs(ev / ENERGIES_EV[read] * given - computed)
        if unit != read and (off <= _NEAR_RELATIVE * np.abs(computed)).all():
            return unit
    return None


def _constants(wrong: Sequence[Comparison], tolerance: Tolerance) -> Iterator[str]:
    """Yield what fits up to constants, perhaps in other units.

    A constant a formula can explain anything but differences within one: it counts where there is
    such a difference, or where the forces say that the surface is the right one.
    """
    given, computed = _energies(wrong)
    read = wrong[0].units.energy
    units = [read, *(unit for unit in ENERGIES_EV if unit != read)]
    for unit in units:
        factor = ENERGIES_EV[unit] / ENERGIES_EV[read]
        missing = computed - factor * given
        scale = "" if unit == read else f" in {unit} (a factor of {_shown(factor)})"
        is_proved = _differences_fit(wrong, factor, tolerance) or (
            unit == read
            and _is_constant(wrong, missing, tolerance)
            and _forces_prove(wrong, tolerance)
        )
        if not is_proved:
            continue
        is_relative = np.abs(factor * given).mean() < _ATOMS_SUBTRACTED * np.abs(computed).mean()
        advice = (
            "energies of the atoms have been subtracted, and total electronic ones are needed"
            if is_relative
            else "they are of another level, or of a program with other conventions"
        )
        with_unit = "" if unit == read else f" (and --energy-unit {unit})"
        constant = _constant(wrong, missing, tolerance)
        yield f"the energies fit{scale} but for {constant}: {advice}{with_unit}"


def _constant(wrong: Sequence[Comparison], missing: FloatArray, tolerance: Tolerance) -> str:
    """Say which constants are missing: one, one an atom, one an element, or one a formula."""
    counts = np.array([len(c.structure) for c in wrong], dtype=float)
    formulas = [_formula(c) for c in wrong]
    if len(set(formulas)) == 1:
        return f"a constant of {np.mean(missing):.4f} eV for {formulas[0]}"
    if np.ptp(missing) <= 2 * tolerance.energy_ev:
        return f"a constant of {np.mean(missing):.4f} eV"
    per_atom = missing / counts
    if len(set(counts)) > 1 and (np.ptp(per_atom) * counts <= 2 * tolerance.energy_ev).all():
        return f"a constant of {np.mean(per_atom):.4f} eV an atom"
    elements, fitted = _per_element(wrong, missing)
    residual = np.abs(_composition(wrong, elements) @ fitted - missing).max()
    if len(set(formulas)) > len(elements) and residual <= 2 * tolerance.energy_ev:
        said = ", ".join(
            f"{chemical_symbols[z]} {e:.4f} eV" for z, e in zip(elements, fitted, strict=True)
        )
        return f"a constant an element ({said})"
    said = ", ".join(
        f"{f} {m:.4f} eV" for f, m in dict(zip(formulas, missing, strict=True)).items()
    )
    return f"a constant a formula ({said})"


def _per_element(wrong: Sequence[Comparison], missing: FloatArray) -> tuple[list[int], FloatArray]:
    elements = sorted({z for c in wrong for z in c.structure.atomic_numbers.tolist()})
    fitted, *_ = np.linalg.lstsq(_composition(wrong, elements), missing, rcond=None)
    return elements, np.asarray(fitted)


def _composition(wrong: Sequence[Comparison], elements: Sequence[int]) -> FloatArray:
    """Return how many atoms of each element the structures have, (R, E)."""
    return np.array(
        [[float((c.structure.atomic_numbers == z).sum()) for z in elements] for c in wrong]
    )


def _is_constant(wrong: Sequence[Comparison], missing: FloatArray, tolerance: Tolerance) -> bool:
    """Whether structures of one formula lack the same."""
    formulas = np.array([_formula(c) for c in wrong])
    spreads = [np.ptp(missing[formulas == formula]) for formula in set(formulas.tolist())]
    return bool(max(spreads) <= 2 * tolerance.energy_ev)


def _differences_fit(wrong: Sequence[Comparison], factor: float, tolerance: Tolerance) -> bool:
    """Whether energies relative to others of the same formula fit, and say something."""
    given, computed = _energies(wrong)
    formulas = np.array([_formula(c) for c in wrong])
    has_evidence = False
    for formula in set(formulas.tolist()):
        rows = formulas == formula
        off = computed[rows] - factor * given[rows]
        if np.ptp(off) > 2 * tolerance.energy_ev:
            return False
        has_evidence |= bool(np.ptp(computed[rows]) > 5 * tolerance.energy_ev)
    return has_evidence


def _forces_prove(wrong: Sequence[Comparison], tolerance: Tolerance) -> bool:
    """Whether forces are there, large enough to say something, and agree."""
    largest = max(
        (
            float(np.abs(c.computed_forces).max(initial=0.0))
            for c in wrong
            if c.forces is not None and c.computed_forces is not None
        ),
        default=0.0,
    )
    return largest > 5 * tolerance.force_ev_angstrom and all(
        c.forces_agree(tolerance) for c in wrong
    )


def _explain_forces(wrong: Sequence[Comparison], tolerance: Tolerance) -> str | None:
    given, computed = _all_forces(wrong)
    allowed = tolerance.force_ev_angstrom + FORCE_SHARE * np.abs(computed).max()
    read = wrong[0].units.force
    # The unit that was read comes first: a sign alone is the simplest of all.
    for unit in (read, *(unit for unit in FORCES if unit != read)):
        for sign in (1.0, -1.0):
            factor = sign * FORCES[unit] / FORCES[read]
            if factor == 1.0 or np.abs(factor * given - computed).max() > allowed:
                continue
            said = []
            if sign < 0:
                said.append("the forces have the sign of gradients: say --gradients (or, where")
                said[-1] += " they were taken for gradients, --no-gradients)"
            if unit != read:
                said.append(
                    f"the forces fit in {unit}, not in {read} (a factor of "
                    f"{_shown(abs(factor))}): say --force-unit {unit}"
                )
            return "; ".join(said)
    return None


def _all_forces(wrong: Sequence[Comparison]) -> tuple[FloatArray, FloatArray]:
    pairs = [
        (c.forces, c.computed_forces)
        for c in wrong
        if c.forces is not None and c.computed_forces is not None
    ]
    given, computed = zip(*((g.ravel(), c.ravel()) for g, c in pairs), strict=True)
    return np.concatenate(given), np.concatenate(computed)


def _energies(wrong: Sequence[Comparison]) -> tuple[FloatArray, FloatArray]:
    given = np.array([c.energy for c in wrong])
    return given, np.array([c.computed_energy for c in wrong])


def _formula(comparison: Comparison) -> str:
    return hill_formula(comparison.structure.atomic_numbers)


def _shown(factor: float) -> str:
    return f"{factor:.6g}"
