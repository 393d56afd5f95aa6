"""Take the result of a task into the store."""

from dataclasses import replace

from chemistry.errors import InputError, StoreError
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import find_level
from model.evaluation import Errors
from workflow.campaign.quality import examine_label, settle
from workflow.planning.keys import (
    CheckKey,
    DesignKey,
    EvaluateKey,
    GrowKey,
    JudgeKey,
    LabelKey,
    SampleTask,
    TaskKey,
    TrainKey,
    parse_key,
)
from workflow.planning.records import Candidate, Purpose, Training
from workflow.planning.selection import Choice
from workflow.planning.thresholds import threshold_of
from workflow.run.folder import checkpoint_name
from workflow.run.store.records import GrowDetail, SampleDetail
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign
from workflow.work.results import (
    Broken,
    Cost,
    Designed,
    Grown,
    Judged,
    Sampled,
    TaskResult,
    Trained,
)

_NAMES_SAID = 5


def commit_result(store: Store, campaign: Campaign, key: str, result: TaskResult) -> str:
    """Commit one result and return what is worth saying of it, or nothing.

    A result that is known already changes nothing, so that a crash between the commit and the
    removal from the spool does no harm.

    Raises
    ------
    StoreError
        It is the answer to no task that this version of rung knows.
    """
    try:
        task = parse_key(key)
    except ValueError as error:
        raise _not_ours(key) from error
    answer, cost = result.answer, result.cost
    match task, answer:
        case LabelKey(), Label() | LabelFailure():
            return _commit_label(store, campaign, key, answer, cost)
        case CheckKey(), Label() | LabelFailure():
            return _commit_second(store, campaign, key, answer, cost)
        case SampleTask(), Sampled():
            return _commit_sample(store, campaign, task, answer, cost)
        case TrainKey(members=None), Trained():
            return _commit_training(store, task, answer, cost)
        case TrainKey(), Trained():
            store.trainings.commit_part(key, task.rung, task.version, cost)
            return ""
        case EvaluateKey(), Trained():
            return _commit_evaluation(store, campaign, task, answer, cost)
        case JudgeKey(), Judged():
            _commit_judgement(store, campaign, task, answer, cost)
            return ""
        case DesignKey(), Designed():
            _commit_design(store, task, answer, cost)
            return ""
        case GrowKey(), Grown():
            return _commit_growth(store, task, answer, cost)
        case _, Broken():
            return _commit_broken(store, campaign, task, answer, cost)
    raise _not_ours(key)


def _not_ours(key: str) -> StoreError:
    return StoreError(
        f"the spool holds a result {key}.json that answers no task of this rung: use the "
        "version of rung that made it, or delete the file"
    )


def _commit_label(
    store: Store, campaign: Campaign, key: str, answer: Label | LabelFailure, cost: Cost
) -> str:
    rung = _rung_of_level(campaign, answer.level_id)
    if isinstance(answer, Label):
        examined = examine_label(store, campaign, rung, answer)
        store.labels.commit(
            key,
            rung,
            answer,
            cost,
            findings=examined.findings,
            quarantine=examined.quarantine,
            wants_second=examined.wants_second,
        )
        if examined.quarantine is None:
            return ""
        return f"label of structure {answer.structure_id} refused: {examined.quarantine}"
    store.unusable.commit_failure(key, rung, answer, cost)
    return f"label failed ({answer.kind}): {answer.message}"


def _commit_second(
    store: Store, campaign: Campaign, key: str, second: Label | LabelFailure, cost: Cost
) -> str:
    rung = _rung_of_level(campaign, second.level_id)
    first = store.labels.find(second.structure_id, second.level_id)
    if first is None:
        return ""
    settled = settle(store, campaign, rung, first, second)
    store.unusable.commit_second(
        key,
        rung,
        settled.label,
        cost,
        said=settled.said,
        findings=settled.findings,
        quarantine=settled.quarantine,
    )
    return f"second opinion on structure {second.structure_id}: {settled.said}"


def _rung_of_level(campaign: Campaign, level_id: str) -> int:
    for index, rung in enumerate(campaign.rungs):
        if find_level(rung.level).level_id == level_id:
            return index
    raise InputError(f"the spool holds a label of level {level_id}, which no rung asks for")


def _commit_sample(
    store: Store,
    campaign: Campaign,
    task: SampleTask,
    sampled: Sampled,
    cost: Cost,
    *,
    is_broken: bool = False,
) -> str:
    purpose: Purpose = "held_out" if task.purpose == "held_out" else "initial"
    if task.purpose == "explore":
        purpose = "active"
    candidates = [
        Candidate(
            structure=offer.structure,
            purpose=purpose,
            rho_kcal_mol=offer.rho_kcal_mol,
            force_sigma_kcal_mol_angstrom=offer.force_sigma_kcal_mol_angstrom,
            energy_ev=offer.energy_ev,
            judged_by=task.version if offer.rho_kcal_mol is not None else None,
            reason=offer.reason,
        )
        for offer in sampled.offers
    ]
    detail = SampleDetail(
        purpose=task.purpose,
        rung=task.rung,
        version=task.version,
        sweep=task.sweep,
        judged=sampled.judged,
        over_threshold=sampled.over_threshold,
        rejected=dict(sampled.rejected),
        is_broken=is_broken,
    )
    store.candidates.commit_sample(
        task.key,
        task.rung,
        candidates,
        are_starts=task.purpose == "start",
        threshold=threshold_of(campaign.select, store.trainings.find(task.rung, task.version)),
        detail=detail,
        cost=cost,
    )
    if task.purpose == "start" and not candidates:
        name = store.molecules.find(task.molecule_id).name
        return f"no conformer of molecule {name} was found: it is left out"
    return ""


def _commit_training(store: Store, task: TrainKey, trained: Trained, cost: Cost) -> str:
    training = Training(
        version=task.version,
        checkpoint=checkpoint_name(task.rung, task.version),
        n_labels=trained.n_labels,
        errors=trained.errors,
        history=trained.history,
    )
    store.trainings.commit(task.key, task.rung, training, cost)
    said = f"training {task.version} on {trained.n_labels} labels"
    return said + _errors_said(trained.errors)


def _commit_evaluation(
    store: Store, campaign: Campaign, task: EvaluateKey, found: Trained, cost: Cost
) -> str:
    """Keep how good what the run began with is, and hold what it judged to the new threshold."""
    begun_with = store.trainings.find(0, task.version)
    assert begun_with is not None, "only what is there is evaluated"
    evaluated = replace(begun_with, errors=found.errors, history=found.history)
    store.trainings.commit_evaluation(task.key, evaluated, cost)
    store.candidates.hold_to(task.rung, task.version, threshold_of(campaign.select, evaluated))
    return f"{begun_with.checkpoint}, which the run begins with{_errors_said(found.errors)}"


def _errors_said(errors: Errors | None) -> str:
    if errors is None:
        return ""
    said = f": held-out energy MAE {errors.energy_mae_kcal_mol:.2f} kcal/mol"
    above = errors.above_lowest_mae_kcal_mol
    said += "" if above is None else f" ({above:.2f} above the lowest structures)"
    force_mae = errors.force_mae_kcal_mol_angstrom
    return said if force_mae is None else f"{said}, force MAE {force_mae:.2f} kcal/mol/Å"


def _commit_judgement(
    store: Store,
    campaign: Campaign,
    task: JudgeKey,
    judged: Judged,
    cost: Cost,
    *,
    is_broken: bool = False,
) -> None:
    training = store.trainings.find(task.rung, task.version)
    store.candidates.commit_judgement(
        task.key,
        task.rung,
        task.version,
        judged.judgements,
        threshold=threshold_of(campaign.select, training),
        cost=cost,
        is_broken=is_broken,
    )


def _commit_design(store: Store, task: DesignKey, designed: Designed, cost: Cost) -> None:
    """Choose the first set; what has no design is chosen as held-out sets are."""
    choices = [
        Choice(structure_id=structure_id, purpose="initial", reason=reason)
        for ids, reason in (
            (designed.known, "of the lowest, which relative energies are taken from"),
            (designed.informative, "its energy says most of the others'"),
        )
        for structure_id in ids
    ]
    store.candidates.commit_design(task.key, task.rung, choices, cost)


def _commit_growth(
    store: Store, task: GrowKey, grown: Grown, cost: Cost, *, is_broken: bool = False
) -> str:
    store.molecules.commit_growth(
        task.key,
        task.rung,
        [new.molecule for new in grown.molecules],
        detail=GrowDetail(
            version=task.version,
            molecule_ids=tuple(new.molecule.molecule_id for new in grown.molecules),
            heavy_atoms=grown.heavy_atoms,
            judged=grown.judged,
            skipped=grown.skipped,
            reasons=tuple(new.reason for new in grown.molecules),
            is_broken=is_broken,
        ),
        cost=cost,
    )
    if not grown.molecules:
        return f"no new molecule among {grown.judged} of the pool: the committee is certain of them"
    names = ", ".join(new.molecule.name for new in grown.molecules[:_NAMES_SAID])
    more = len(grown.molecules) - _NAMES_SAID
    return f"{len(grown.molecules)} new molecules of {grown.heavy_atoms} heavy atoms: {names}" + (
        f" and {more} more" if more > 0 else ""
    )


def _commit_broken(
    store: Store, campaign: Campaign, task: TaskKey, broken: Broken, cost: Cost
) -> str:
    """Note a task that could not be done; the next launch tries it again."""
    said = f"{task.key} could not be done ({broken.kind}): {broken.message}"
    store.diary.add_event("broken task", said)
    match task:
        case SampleTask():
            nothing = Sampled(offers=(), judged=0, over_threshold=0, rejected={})
            _commit_sample(store, campaign, task, nothing, cost, is_broken=True)
        case JudgeKey():
            _commit_judgement(store, campaign, task, Judged(judgements=()), cost, is_broken=True)
        case DesignKey():
            _commit_design(store, task, Designed(known=(), informative=()), cost)
        case TrainKey():
            store.trainings.forget_parts(task.rung, task.version)
        case GrowKey():
            none = Grown(molecules=(), heavy_atoms=None, judged=0, skipped=0)
            _commit_growth(store, task, none, cost, is_broken=True)
    return said
