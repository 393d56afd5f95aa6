"""Query by committee: the largest disagreement per CPU second, spread over the geometries."""

from collections import Counter
from collections.abc import Iterable, Mapping

from chemistry.records.potential import Threshold
from workflow.planning.records import Candidate
from workflow.planning.selection import Choice, CostModel, excess, farthest_points
from workflow.planning.selectors.base import Batch
from workflow.planning.state import Waiting

# Candidates that are weighed against each other for each one that may be chosen, and at least.
_WEIGHED_PER_CHOICE = 15
_WEIGHED_AT_LEAST = 500


def uncertain_per_cost(waiting: Waiting, batch: Batch) -> list[Choice]:
    """Choose the structures over the threshold whose labels promise most for their cost."""
    n_passed_over = len(batch.passed_over)
    room = batch.n + n_passed_over
    weighed = waiting.uncertain(
        n_passed_over + max(_WEIGHED_AT_LEAST, _WEIGHED_PER_CHOICE * room),
        most_of_a_molecule=batch.molecule_cap + n_passed_over,
        already=batch.already_chosen,
        least_excess=batch.least_excess,
    )
    return choose_uncertain(
        [c for c in weighed if c.structure.structure_id not in batch.passed_over],
        batch.n,
        threshold=batch.threshold,
        cost=batch.cost,
        already_chosen=batch.already_chosen,
        molecule_cap=batch.molecule_cap,
        least_excess=batch.least_excess,
    )


def choose_uncertain(
    waiting: Iterable[Candidate],
    n: int,
    *,
    threshold: Threshold,
    cost: CostModel,
    already_chosen: Mapping[str, int],
    molecule_cap: int,
    least_excess: float = 1.0,
) -> list[Choice]:
    """Choose up to `n` structures on which the committee disagrees.

    Query by committee: candidates over the threshold are ranked by their excess over it per
    predicted CPU second, capped per molecule, and those that remain of three times `n` are thinned
    to `n` by farthest-point sampling, so that one uncertain well does not fill a batch.

    Parameters
    ----------
    waiting : iterable of Candidate
        Those that no committee has judged are passed over.
    n : int
    threshold : Threshold
    cost : CostModel
    already_chosen : mapping of molecule_id to int
        Chosen since the last training; counts against the cap.
    molecule_cap : int
        Structures of one molecule between two trainings.
    least_excess : float
        How many times the threshold the disagreement has to be.
    """
    over = [(excess(c, threshold), c) for c in waiting if c.judged_by is not None]
    ranked = sorted(
        ((ratio / cost(c.structure), ratio, c) for ratio, c in over if ratio > least_excess),
        key=lambda item: (-item[0], item[2].structure.structure_id),
    )
    taken = Counter(already_chosen)
    shortlist: list[tuple[float, Candidate]] = []
    for _, ratio, candidate in ranked:
        if len(shortlist) == 3 * n:
            break
        if taken[candidate.structure.molecule_id] < molecule_cap:
            taken[candidate.structure.molecule_id] += 1
            shortlist.append((ratio, candidate))
    thinned = farthest_points([candidate for _, candidate in shortlist], n)
    return [
        Choice(
            structure_id=candidate.structure.structure_id,
            purpose="active",
            reason=f"{candidate.reason}; {ratio:.1f} x the threshold",
        )
        for ratio, candidate in (shortlist[i] for i in thinned)
    ]
