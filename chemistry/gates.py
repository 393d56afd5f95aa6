"""Quality gates: is a label that an engine gave worth training on? Pure functions.

An engine refuses by itself what has no number (an SCF that did not converge). A gate looks at a
number: each one that applies leaves a finding, kept with the label, and a label that any of them
refuses is kept but not trained on.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from chemistry.records.label import Label
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import KCAL_MOL_PER_EV

_SAME_SOLUTION_KCAL_MOL = 0.05
"""Two SCFs of one geometry that differ by more have found different solutions: engines converge to
1e-8 hartree, and their grids and fitted integrals are the same."""
_SAME_FORCES_EV_ANGSTROM = 0.01

_FEWEST_STEPS = 12
"""Of fewer others a median absolute deviation says little, above all of the first, relaxed ones."""
_SIGMA_PER_MAD = 1.4826
"""Standard deviation over median absolute deviation, of a normal distribution."""

DOUBTS = ("outlier", "step")
"""Gates that ask for a second opinion: what they doubt may be right."""


class Gates(BaseModel):
    """Thresholds of the quality gates; null switches a gate off."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    spin_contamination: float | None = Field(
        0.2, gt=0, description="Excess of S² over S(S + 1), at most."
    )
    gap_ev: float | None = Field(
        0.5, gt=0, description="Gap between occupied and empty orbitals, at least."
    )
    instability_kcal_mol: float | None = Field(
        0.1,
        gt=0,
        description="How far an unrestricted solution may lie below a closed shell; looked for "
        "only where a bond is stretched or the orbitals are suspicious.",
    )
    t1: float | None = Field(
        0.045, gt=0, description="T1 diagnostic of coupled cluster; 0.02 is the usual warning."
    )
    force_ev_angstrom: float | None = Field(
        100.0,
        gt=0,
        description="Largest force on an atom. Thermal geometries reach about 10; an early "
        "committee leads to contacts with up to 85, from which it has to learn.",
    )
    topology: bool = Field(True, description="Bonds must be those of the molecule.")
    outlier: float | None = Field(
        8.0,
        gt=0,
        description="Error of the committee's prediction over what it expects (its disagreement "
        "and its held-out error, added in squares) that asks for a second opinion.",
    )
    step: float | None = Field(
        8.0,
        gt=0,
        description="Distance of a label's step from the rung below to the median step of its "
        "molecule, over the robust spread of these steps, that asks for a second opinion.",
    )
    second_share: float = Field(
        0.01, ge=0, le=1, description="Share of labels computed again, as a check of consistency."
    )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one gate measured.

    Attributes
    ----------
    gate : str
        Its field in `Gates`.
    value, limit : float
    refused : bool
    """

    gate: str
    value: float
    limit: float
    refused: bool


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a committee that had not seen the label expected of it.

    Attributes
    ----------
    energy_ev : float
    sigma_ev : float
        Standard deviation of its members' energies.
    error_ev : float
        Root mean square error of its energies on the held-out set; 0 where there is none.
    """

    energy_ev: float
    sigma_ev: float
    error_ev: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """How far labels of one molecule lie above those of the same structures on the rung below.

    Attributes
    ----------
    this_ev : float
        Of the label that is examined.
    others_ev : (K,) float64
        Of labels that passed.
    """

    this_ev: float
    others_ev: FloatArray

    @property
    def deviation(self) -> float | None:
        """Distance from the median of the others, over their spread; None of too few.

        The spread is 1.4826 times their median absolute deviation, and no less than what two
        computations of one number may differ by.
        """
        if len(self.others_ev) < _FEWEST_STEPS:
            return None
        median = float(np.median(self.others_ev))
        spread = _SIGMA_PER_MAD * float(np.median(np.abs(self.others_ev - median)))
        return abs(self.this_ev - median) / max(spread, _SAME_SOLUTION_KCAL_MOL / KCAL_MOL_PER_EV)


def examine(
    structure: Structure,
    label: Label,
    gates: Gates,
    *,
    is_intact: bool = True,
    expected: Expectation | None = None,
    steps: Steps | None = None,
) -> tuple[Finding, ...]:
    """Return what each gate that applies has found.

    Parameters
    ----------
    structure, label, gates
    is_intact : bool
        Whether the geometry has the molecule's bonds, and no others.
    expected : Expectation or None
        None where no committee had an opinion before the label was there.
    steps : Steps or None
        None where the rung below has no label of the structure.
    """
    found = [*_upper_bounds(structure, label, gates)]
    gap = label.diagnostics.get("gap_ev")
    if gates.gap_ev is not None and gap is not None:
        found.append(
            Finding(gate="gap_ev", value=gap, limit=gates.gap_ev, refused=gap < gates.gap_ev)
        )
    if gates.topology:
        found.append(_at_most("topology", float(not is_intact), 0.0))
    if gates.outlier is not None and expected is not None:
        spread = float(np.hypot(expected.sigma_ev, expected.error_ev))
        if spread > 0.0:
            off = abs(label.energy - expected.energy_ev) / spread
            found.append(_at_most("outlier", off, gates.outlier))
    if gates.step is not None and steps is not None and (off_step := steps.deviation) is not None:
        found.append(_at_most("step", off_step, gates.step))
    return tuple(found)


def _upper_bounds(structure: Structure, label: Label, gates: Gates) -> Iterator[Finding]:
    found = label.diagnostics
    if gates.spin_contamination is not None and "s2" in found:
        spin = (structure.multiplicity - 1) / 2
        yield _at_most(
            "spin_contamination", found["s2"] - spin * (spin + 1), gates.spin_contamination
        )
    if gates.instability_kcal_mol is not None and "uhf_lowering_ev" in found:
        lowering = found["uhf_lowering_ev"] * KCAL_MOL_PER_EV
        yield _at_most("instability_kcal_mol", lowering, gates.instability_kcal_mol)
    if gates.t1 is not None and "t1" in found:
        yield _at_most("t1", found["t1"], gates.t1)
    if gates.force_ev_angstrom is not None and label.forces is not None and len(structure):
        largest = float(np.linalg.norm(label.forces, axis=1).max())
        yield _at_most("force_ev_angstrom", largest, gates.force_ev_angstrom)


def _at_most(gate: str, value: float, limit: float) -> Finding:
    return Finding(gate=gate, value=value, limit=limit, refused=value > limit)


_SAID: dict[str, Callable[[Finding], str]] = {
    "spin_contamination": lambda f: f"S² exceeds S(S + 1) by {f.value:.2f} (limit {f.limit:g})",
    "gap_ev": lambda f: f"the orbital gap is {f.value:.2f} eV (at least {f.limit:g})",
    "instability_kcal_mol": lambda f: (
        f"an unrestricted solution lies {f.value:.1f} kcal/mol lower (limit {f.limit:g})"
    ),
    "t1": lambda f: f"the T1 diagnostic is {f.value:.3f} (limit {f.limit:g})",
    "force_ev_angstrom": lambda f: f"a force is {f.value:.1f} eV/Å (limit {f.limit:g})",
    "topology": lambda _: "the bonds are not those of the molecule",
    "outlier": lambda f: (
        f"the energy is {f.value:.1f} times as far from the committee's as it expects "
        f"(limit {f.limit:g})"
    ),
    "step": lambda f: (
        f"its step from the rung below is {f.value:.1f} times the usual spread away from the "
        f"molecule's others (limit {f.limit:g})"
    ),
}


def refusal(findings: Iterable[Finding], *, except_for: Collection[str] = ()) -> str | None:
    """Say in one sentence what was refused; None where nothing was."""
    said = [_SAID[f.gate](f) for f in findings if f.refused and f.gate not in except_for]
    return "; ".join(said) or None


def is_doubted(findings: Iterable[Finding]) -> bool:
    """Whether a gate asks for a second computation."""
    return any(f.gate in DOUBTS and f.refused for f in findings)


Verdict: TypeAlias = Literal["agrees", "first is lower", "second is lower", "contradicts"]


def compare(first: Label, second: Label) -> Verdict:
    """Say which of two labels of one structure at one level holds.

    A level means the lowest solution of its self-consistent field: where the two have different
    ones, the lower of these energies holds, by the variational principle. For correlated levels
    the reference energies are compared, not the totals, which are not variational. Equal references
    with different totals contradict each other: then neither can be trusted.
    """
    references = [_reference_ev(label) for label in (first, second)]
    difference = (references[1] - references[0]) * KCAL_MOL_PER_EV
    if difference < -_SAME_SOLUTION_KCAL_MOL:
        return "second is lower"
    if difference > _SAME_SOLUTION_KCAL_MOL:
        return "first is lower"
    total = abs(second.energy - first.energy) * KCAL_MOL_PER_EV
    forces = 0.0
    if first.forces is not None and second.forces is not None:
        forces = float(np.abs(second.forces - first.forces).max(initial=0.0))
    is_same = total <= _SAME_SOLUTION_KCAL_MOL and forces <= _SAME_FORCES_EV_ANGSTROM
    return "agrees" if is_same else "contradicts"


def _reference_ev(label: Label) -> float:
    """Return the Hartree-Fock energy of the smallest basis, or the energy of a mean field."""
    found = [value for name, value in label.components.items() if name.startswith("hf/")]
    return max(found) if found else label.energy


def findings_to_json(findings: Sequence[Finding]) -> str:
    """Return findings as JSON text."""
    return json.dumps([asdict(finding) for finding in findings])


def findings_from_json(text: str) -> tuple[Finding, ...]:
    """Read what `findings_to_json` made."""
    return tuple(Finding(**finding) for finding in json.loads(text))
