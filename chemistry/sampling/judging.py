"""Hold structures against the threshold."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from chemistry.geometries.geometry import GeometryRules
from chemistry.records.potential import Potential, Prediction, Threshold
from chemistry.records.structure import Structure
from chemistry.sampling.base import Offer, Sample


def judge(
    structures: Sequence[Structure],
    predictions: Sequence[Prediction] | None,
    threshold: Threshold | None,
    *,
    what: str,
    rejected: Mapping[str, int],
) -> Sample:
    """Offer the structures over the threshold, or all of them where there is no threshold.

    Parameters
    ----------
    structures : sequence of Structure
        Independent of each other.
    predictions : sequence of Prediction or None
        One for each structure; None only without a threshold.
    threshold : Threshold or None
    what : str
        What a structure is, for the reason of its offer: "conformer".
    rejected : mapping of str to int
        What filters refused before.
    """
    answers = predictions if predictions is not None else [None] * len(structures)
    pairs = zip(structures, answers, strict=True)
    if threshold is None:
        offers = [Offer(structure=s, prediction=p, reason=what) for s, p in pairs]
        return Sample(offers=tuple(offers), rejected=dict(rejected))
    offers = [
        Offer(structure=s, prediction=p, reason=f"{what}, {disagreement(p)}")
        for s, p in pairs
        if p is not None and threshold.exceeded_by(p)
    ]
    return Sample(
        offers=tuple(offers),
        judged=len(structures),
        over_threshold=len(offers),
        rejected=dict(rejected),
    )


def judge_sane(
    rules: GeometryRules,
    start: Structure,
    made: Sequence[Structure],
    potential: Potential,
    threshold: Threshold | None,
    *,
    max_energy_ev_per_atom: float,
    what: str,
) -> Sample:
    """Judge what was made from one start, less what breaks rules or lies too high above it.

    Parameters
    ----------
    rules : GeometryRules
        Of the molecule.
    start : Structure
    made : sequence of Structure
        Geometries of the same molecule, independent of each other.
    potential : Potential
    threshold : Threshold or None
    max_energy_ev_per_atom : float
    what : str
        What a structure is, for the reason of its offer.
    """
    if not made:
        return Sample(offers=())
    faults = rules.faults(np.array([s.positions for s in made]))
    rejected = Counter(str(fault.reason) for fault in faults if fault)
    sane = [s for s, fault in zip(made, faults, strict=True) if fault is None]
    reference, *predictions = potential.predict([start, *sane])
    if not reference.is_computed:
        return Sample(offers=(), rejected=rejected + Counter(not_computed=len(sane)))
    ceiling = reference.energy + max_energy_ev_per_atom * len(start)
    low = [row for row, p in enumerate(predictions) if p.energy <= ceiling]
    lost = sum(not p.is_computed for p in predictions)
    too_high = +Counter(energy=len(sane) - len(low) - lost, not_computed=lost)
    return judge(
        [sane[row] for row in low],
        [predictions[row] for row in low],
        threshold,
        what=what,
        rejected=rejected + too_high,
    )


def merge(samples: Iterable[Sample]) -> Sample:
    """Return what several calls found as one Sample."""
    samples = list(samples)
    rejected: Counter[str] = Counter()
    for sample in samples:
        rejected.update(sample.rejected)
    return Sample(
        offers=tuple(offer for sample in samples for offer in sample.offers),
        judged=sum(sample.judged for sample in samples),
        over_threshold=sum(sample.over_threshold for sample in samples),
        rejected=dict(rejected),
    )


def disagreement(prediction: Prediction) -> str:
    """Say how much a committee disagrees, for people."""
    return (
        f"disagreement {prediction.rho_kcal_mol:.2f} kcal/mol, "
        f"{prediction.force_sigma_kcal_mol_angstrom:.1f} kcal/mol/Å"
    )
