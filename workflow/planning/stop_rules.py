"""When a rung is done, and when to give up: pure functions."""

from collections.abc import Sequence

from model.evaluation import Errors
from workflow.planning.records import Training
from workflow.planning.state import RungState
from workflow.settings.campaign import FailureBudget
from workflow.settings.rung import Rung, StopRules


def stop_reason(state: RungState, rung: Rung) -> str | None:
    """Say why a rung needs no more labels; None while it does."""
    stop = rung.stop
    if (spent := budget_spent(state, rung)) is not None:
        return spent
    if stop.trainings is not None and state.n_trainings >= stop.trainings:
        return f"{stop.trainings} trainings done"
    for error, bound, unit in _bounded(state.newest.errors if state.newest else None, stop):
        if bound is not None and error is not None and error <= bound:
            return f"held-out error reached ({error:.3g} <= {bound:g} {unit})"
    return _certain(state, rung)


def budget_spent(state: RungState, rung: Rung) -> str | None:
    """Say which budget of a rung is spent, for good; None while none is."""
    budget = rung.budget
    if state.n_chosen >= budget.labels:
        return f"label budget spent ({budget.labels})"
    if budget.cpu_hours is not None and state.label_cpu_hours >= budget.cpu_hours:
        return f"CPU budget spent ({budget.cpu_hours:g} h)"
    return None


def _bounded(
    errors: Errors | None, stop: StopRules
) -> tuple[tuple[float | None, float | None, str], ...]:
    """Return (error, its bound, their unit); an error that was not computed is None."""
    if errors is None:
        return ()
    anchors = errors.by_kind.get("anchor")
    return (
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
    )


def error_bounds(
    trainings: Sequence[Training], stop: StopRules
) -> list[tuple[float, tuple[tuple[int, float], ...]]]:
    """Return each bound on an error with what trainings have had of it: (labels, error).

    What the run began with is none of them: no labels of this run have made its error.
    """
    by_unit: dict[str, tuple[float, list[tuple[int, float]]]] = {}
    for training in trainings:
        if training.version == 0:
            continue
        for error, bound, unit in _bounded(training.errors, stop):
            if bound is not None and error is not None:
                by_unit.setdefault(unit, (bound, []))[1].append((training.n_labels, error))
    return [(bound, tuple(errors)) for bound, errors in by_unit.values()]


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
