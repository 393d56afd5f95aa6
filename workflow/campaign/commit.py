"""Take the result of a task into the store."""

from chemistry.errors import InputError
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import find_level
from workflow.campaign.quality import examine_label, settle
from workflow.planning.keys import SampleTask, parse_version
from workflow.planning.records import Candidate, Purpose, Training
from workflow.planning.thresholds import threshold_of
from workflow.run.folder import checkpoint_name
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign
from workflow.work.results import Broken, Cost, Grown, Judged, Sampled, TaskResult, Trained

_NAMES_SAID = 5


def commit_result(store: Store, campaign: Campaign, key: str, result: TaskResult) -> str:
    """Commit one result and return what is worth saying of it, or nothing.

    A result that is known already changes nothing, so that a crash between the commit and the
    removal from the spool does no harm.
    """
    match result.answer:
        case Label() | LabelFailure():
            return _commit_label(store, campaign, key, result.answer, result.cost)
        case Sampled():
            return _commit_sample(
                store, campaign, SampleTask.parse(key), result.answer, result.cost
            )
        case Trained():
            return _commit_training(store, key, result.answer, result.cost)
        case Judged():
            _commit_judgement(store, campaign, key, result.answer, result.cost)
            return ""
        case Grown():
            return _commit_growth(store, key, result.answer, result.cost)
        case Broken():
            return _commit_broken(store, campaign, key, result.answer, result.cost)


def _commit_label(
    store: Store, campaign: Campaign, key: str, answer: Label | LabelFailure, cost: Cost
) -> str:
    rung = _rung_of_level(campaign, answer.level_id)
    if key.startswith("check-"):
        return _commit_second(store, campaign, key, rung, answer, cost)
    if isinstance(answer, Label):
        examined = examine_label(store, campaign, rung, answer)
        store.commit_label(
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
    store.commit_failure(key, rung, answer, cost)
    return f"label failed ({answer.kind}): {answer.message}"


def _commit_second(
    store: Store,
    campaign: Campaign,
    key: str,
    rung: int,
    second: Label | LabelFailure,
    cost: Cost,
) -> str:
    first = store.label(second.structure_id, second.level_id)
    if first is None:
        return ""
    settled = settle(store, campaign, rung, first, second)
    store.commit_second(
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
    detail = {
        "purpose": task.purpose,
        "rung": task.rung,
        "version": task.version,
        "sweep": task.sweep,
        "judged": sampled.judged,
        "over_threshold": sampled.over_threshold,
        "rejected": dict(sampled.rejected),
        "is_broken": is_broken,
    }
    store.commit_sample(
        task.key,
        task.rung,
        candidates,
        are_starts=task.purpose == "start",
        threshold=threshold_of(campaign.select, store.training(task.rung, task.version)),
        detail=detail,
        cost=cost,
    )
    if task.purpose == "start" and not candidates:
        name = store.molecule(task.molecule_id).name
        return f"no conformer of molecule {name} was found: it is left out"
    return ""


def _commit_training(store: Store, key: str, trained: Trained, cost: Cost) -> str:
    rung, version = parse_version(key)
    training = Training(
        version=version,
        checkpoint=checkpoint_name(rung, version),
        n_labels=trained.n_labels,
        errors=None if trained.errors is None else dict(trained.errors),
        history=dict(trained.history),
    )
    store.commit_training(key, rung, training, cost)
    said = f"training {version} on {trained.n_labels} labels"
    if training.errors is None:
        return said
    said += f": held-out energy MAE {training.errors['energy_mae_kcal_mol']:.2f} kcal/mol"
    force_mae = training.errors["force_mae_kcal_mol_angstrom"]
    return said if force_mae is None else f"{said}, force MAE {force_mae:.2f} kcal/mol/Å"


def _commit_judgement(
    store: Store,
    campaign: Campaign,
    key: str,
    judged: Judged,
    cost: Cost,
    *,
    is_broken: bool = False,
) -> None:
    rung, version = parse_version(key)
    store.commit_judgement(
        key,
        rung,
        version,
        judged.judgements,
        threshold=threshold_of(campaign.select, store.training(rung, version)),
        cost=cost,
        is_broken=is_broken,
    )


def _commit_growth(
    store: Store, key: str, grown: Grown, cost: Cost, *, is_broken: bool = False
) -> str:
    rung, version = parse_version(key)
    store.commit_growth(
        key,
        rung,
        version,
        [new.molecule for new in grown.molecules],
        detail={
            "heavy_atoms": grown.heavy_atoms,
            "judged": grown.judged,
            "skipped": grown.skipped,
            "reasons": [new.reason for new in grown.molecules],
            "is_broken": is_broken,
        },
        cost=cost,
    )
    if not grown.molecules:
        return f"no new molecule among {grown.judged} of the pool: the committee is certain of them"
    names = ", ".join(new.molecule.name for new in grown.molecules[:_NAMES_SAID])
    more = len(grown.molecules) - _NAMES_SAID
    return f"{len(grown.molecules)} new molecules of {grown.heavy_atoms} heavy atoms: {names}" + (
        f" and {more} more" if more > 0 else ""
    )


def _commit_broken(store: Store, campaign: Campaign, key: str, broken: Broken, cost: Cost) -> str:
    """Note a task that could not be done; the next launch tries it again."""
    said = f"{key} could not be done ({broken.kind}): {broken.message}"
    store.add_event("broken task", said)
    if key.startswith("sample-"):
        task = SampleTask.parse(key)
        nothing = Sampled(offers=(), judged=0, over_threshold=0, rejected={})
        _commit_sample(store, campaign, task, nothing, cost, is_broken=True)
    elif key.startswith("judge-"):
        _commit_judgement(store, campaign, key, Judged(judgements=()), cost, is_broken=True)
    elif key.startswith("grow-"):
        none = Grown(molecules=(), heavy_atoms=None, judged=0, skipped=0)
        _commit_growth(store, key, none, cost, is_broken=True)
    return said
