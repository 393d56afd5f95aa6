"""Hold a new label against the quality gates, with what the store knows of its structure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from chemistry.gates import (
    DOUBTS,
    Expectation,
    Finding,
    Steps,
    compare,
    examine,
    is_doubted,
    refusal,
)
from chemistry.geometries.rdkit_bridge import geometry_rules
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import find_level
from chemistry.records.structure import Structure
from chemistry.units import KCAL_MOL_PER_EV
from workflow.planning.keys import CheckKey, derive_seed
from workflow.planning.records import Candidate
from workflow.run.store.store import StoreReader
from workflow.settings.campaign import Campaign


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """A label, what the gates say of it, and what becomes of it.

    Attributes
    ----------
    label : Label
    findings : sequence of Finding
    quarantine : str or None
        Why it is not trained on; None where it is.
    wants_second : bool
        Whether it is computed again.
    said : str
        What a second opinion has said; empty before there was one.
    """

    label: Label
    findings: Sequence[Finding]
    quarantine: str | None
    wants_second: bool = False
    said: str = ""


def examine_label(store: StoreReader, campaign: Campaign, rung: int, label: Label) -> Examined:
    """Judge a new label; a doubted one is not used before a second opinion has come."""
    findings = _findings(store, campaign, rung, label)
    quarantine = refusal(findings)
    doubted = is_doubted(findings) and refusal(findings, except_for=DOUBTS) is None
    if doubted:
        quarantine = f"a second opinion is awaited, for {quarantine}"
    drawn = quarantine is None and _is_drawn(campaign, label)
    return Examined(
        label=label, findings=findings, quarantine=quarantine, wants_second=doubted or drawn
    )


def settle(
    store: StoreReader, campaign: Campaign, rung: int, first: Label, second: Label | LabelFailure
) -> Examined:
    """Say which of two labels of one structure is kept, and whether it is trained on.

    Where the second one agrees the first is kept, however far from the committee's opinion or from
    other steps: it is the committee that errs, and this is what it learns from. What the second
    one, which looks harder, found out about their common solution is kept with it. Where they are
    different solutions the lower one is the level's, by definition. What is doubted and nothing
    confirms is not trained on.
    """
    findings = _findings(store, campaign, rung, first)
    if isinstance(second, LabelFailure):
        said = f"could not be had ({second.kind}: {second.message})"
        quarantine = refusal(findings)
        if quarantine is not None:
            quarantine += f"; a second opinion {said}"
        return Examined(label=first, findings=findings, quarantine=quarantine, said=said)
    verdict = compare(first, second)
    difference = (second.energy - first.energy) * KCAL_MOL_PER_EV
    if verdict == "contradicts":
        said = f"contradicts: {difference:+.3f} kcal/mol, or other forces, on the same reference"
        return Examined(
            label=first, findings=findings, quarantine=f"a second opinion {said}", said=said
        )
    kept = second if verdict == "second is lower" else first
    if verdict == "agrees":
        kept = replace(first, diagnostics={**second.diagnostics, **first.diagnostics})
    findings = _findings(store, campaign, rung, kept)
    return Examined(
        label=kept,
        findings=findings,
        quarantine=refusal(findings, except_for=DOUBTS),
        said=verdict if verdict == "agrees" else f"{verdict} ({difference:+.2f} kcal/mol)",
    )


def _findings(
    store: StoreReader, campaign: Campaign, rung: int, label: Label
) -> tuple[Finding, ...]:
    candidate = store.candidates.find(rung, label.structure_id)
    if candidate is None:
        return ()
    structure = candidate.structure
    rules = geometry_rules(store.molecules.find(structure.molecule_id))
    is_same = np.array_equal(rules.atomic_numbers, structure.atomic_numbers)
    return examine(
        structure,
        label,
        campaign.gates,
        is_intact=is_same and rules.faults(structure.positions[None]) == [None],
        expected=_expectation(store, rung, candidate),
        steps=_steps(store, campaign, rung, structure, label),
    )


def _expectation(store: StoreReader, rung: int, candidate: Candidate) -> Expectation | None:
    """Return what the committee that judged a candidate last expected; None before there is one."""
    rho, energy, version = candidate.rho_kcal_mol, candidate.energy_ev, candidate.judged_by
    training = None if version is None else store.trainings.find(rung, version)
    if rho is None or energy is None or training is None:
        return None
    if version == 0 and training.errors is None:
        return None  # what the run began with may be off by more than its members are apart
    return Expectation(
        energy_ev=energy,
        sigma_ev=rho * math.sqrt(len(candidate.structure)) / KCAL_MOL_PER_EV,
        error_ev=(training.errors.energy_rmse_kcal_mol if training.errors else 0.0)
        / KCAL_MOL_PER_EV,
    )


def _steps(
    store: StoreReader, campaign: Campaign, rung: int, structure: Structure, label: Label
) -> Steps | None:
    """Return the steps from the rung below; None where that has no label of the structure."""
    if rung == 0:
        return None
    below_id = find_level(campaign.rungs[rung - 1].level).level_id
    below = store.labels.find(structure.structure_id, below_id)
    if below is None:
        return None
    others = store.labels.steps(rung, structure, label.level_id, below_id)
    return Steps(this_ev=label.energy - below.energy, others_ev=others)


def _is_drawn(campaign: Campaign, label: Label) -> bool:
    """Draw a share of labels for a check of consistency, always the same ones."""
    lot = (
        derive_seed(
            campaign, CheckKey(structure_id=label.structure_id, level_id=label.level_id).key
        )
        / 2**32
    )
    return lot < campaign.gates.second_share
