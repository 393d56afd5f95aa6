"""When a rung is done, and when to give up: pure functions."""

from workflow.planning.state import RungState
from workflow.settings.campaign import FailureBudget, Rung


def stop_reason(state: RungState, rung: Rung) -> str | None:
    """Say why a rung needs no more labels; None while it does."""
    budget, stop = rung.budget, rung.stop
    if state.n_chosen >= budget.labels:
        return f"label budget spent ({budget.labels})"
    if budget.cpu_hours is not None and state.label_cpu_hours >= budget.cpu_hours:
        return f"CPU budget spent ({budget.cpu_hours:g} h)"
    if stop.trainings is not None and state.n_trainings >= stop.trainings:
        return f"{stop.trainings} trainings done"
    errors = state.newest.errors if state.newest else None
    if errors is None:
        return _certain(state, rung)
    anchors = errors.by_kind.get("anchor")
    for error, bound, unit in (
        (errors.energy_mae_kcal_mol, stop.energy_mae_kcal_mol, "kcal/mol"),
        # None: a level without forces has no force error
        (
            errors.force_mae_kcal_mol_angstrom,
            stop.force_mae_kcal_mol_angstrom,
            "kcal/mol/Å",
        ),
        (
            errors.above_lowest_mae_kcal_mol,
            stop.above_lowest_mae_kcal_mol,
            "kcal/mol above the lowest",
        ),
        (
            anchors.above_lowest_mae_kcal_mol if anchors else None,
            stop.anchor_above_lowest_mae_kcal_mol,
            "kcal/mol above the lowest, of anchors",
        ),
    ):
        if bound is not None and error is not None and error <= bound:
            return f"held-out error reached ({error:.3g} <= {bound:g} {unit})"
    return _certain(state, rung)


def _certain(state: RungState, rung: Rung) -> str | None:
    """Say whether the last sweeps found next to nothing uncertain, and no molecule is left."""
    if state.may_grow or state.has_start_to_evaluate:
        return None
    bound, k = rung.stop.uncertain_share, rung.stop.sweeps
    oldest = 0 if all(m.in_start for m in state.molecules) else 1  # version 0 explored not all
    whole = [s for s in state.sweeps if s.is_complete and not s.of_waiting]
    last = [s for s in whole if s.version >= oldest][-k:]
    if bound is None or len(last) < k:
        return None
    if all(sweep.judged and sweep.uncertain_share <= bound for sweep in last):
        return f"at most {bound:.1%} of the explored structures over the threshold, {k} times"
    return None


def failure_reason(state: RungState, budget: FailureBudget) -> str | None:
    """Say why to give up; None while there is no reason."""
    if state.n_lost > budget.lost_tasks:
        return f"{state.n_lost} tasks were lost with their processes in this launch"
    bad = state.n_failures + state.n_quarantined
    tried = state.n_labels + bad
    if bad > budget.tolerated and bad > budget.share * tried:
        return f"{bad} of {tried} labels failed or were refused"
    if any(sweep.is_complete and sweep.is_broken for sweep in state.sweeps[-1:]):
        return "none of the last explorations could be carried out"
    return None
