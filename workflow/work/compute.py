"""What happens on a worker: orders are carried out once, in a process of their own, and kept.

Pure functions compute (`compute`); around them stand the spool, so that nothing is computed twice
or lost, and isolation, so that limits hold.
"""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

from chemistry.engines import find_engine
from chemistry.engines.base import Resources
from chemistry.errors import InputError, StoreError
from chemistry.records.label import FailureKind, Label, LabelFailure, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential
from chemistry.sampling.base import Offer
from model import Committee, TrainingRequest, climb, find_architecture, load_committee
from model.checkpoint import add_to_record
from model.conformal import held_out_intervals
from model.evaluation import Errors, errors_of, predicted_beside_lowest
from model.history import TrainingHistory
from model.protocol import TrainingResult
from workflow.work.lost import is_lost
from workflow.work.orders import (
    DesignOrder,
    EvaluateOrder,
    GrowOrder,
    JudgeOrder,
    LabelOrder,
    Order,
    PotentialSource,
    SampleOrder,
    SavedCommittee,
    TrainOrder,
)
from workflow.work.results import (
    Answer,
    Broken,
    Cost,
    Designed,
    Judged,
    Judgement,
    Offered,
    Sampled,
    TaskResult,
    Trained,
    result_spool,
)
from workflow.work.system.child import Limits
from workflow.work.system.disk import disk_errors_explained
from workflow.work.system.isolate import IsolatedCalls
from workflow.work.system.outcomes import Died, Finished, Raised
from workflow.work.training_set import read_labelled

_JUDGED_AT_ONCE = 256


def work(run_folder: Path, orders: Mapping[str, Order], threads: int, limits: Limits) -> None:
    """Carry out orders whose results are not in the spool yet, and leave the results there.

    Raises
    ------
    StoreError
        The disk is full or the spool cannot be written: there is no result of the orders that are
        left.
    """
    spool, last = result_spool(run_folder), list(orders)[-1]
    with IsolatedCalls(limits) as calls:
        for key, order in orders.items():
            _preload(order, threads)
            own = partial(_isolated, calls, order, threads, limits.memory_gb, is_last=key == last)
            spool.compute_once(key, own)


def _isolated(
    calls: IsolatedCalls, order: Order, threads: int, memory_gb: float, *, is_last: bool
) -> TaskResult:
    started_at = time.time()
    outcome = calls.run(compute, order, threads, memory_gb, is_last=is_last)
    cost = Cost(
        worker=f"{socket.gethostname()}:{os.getpid()}",
        started_at=started_at,
        finished_at=time.time(),
        cpu_seconds=outcome.usage.cpu_seconds,
    )
    match outcome:
        case Finished():
            if isinstance(outcome.value, StoreError):
                raise outcome.value
            return TaskResult(answer=outcome.value, cost=cost)
        case Died():
            answer = _failed(order, outcome.kind, outcome.message, cost.cpu_seconds)
        case Raised():
            answer = _failed(order, "infrastructure", outcome.traceback.strip(), cost.cpu_seconds)
    return TaskResult(answer=answer, cost=cost)


def _failed(
    order: Order, kind: FailureKind, message: str, cpu_seconds: float
) -> LabelFailure | Broken:
    if isinstance(order, LabelOrder):
        return LabelFailure(
            structure_id=order.structure.structure_id,
            level_id=order.level.level_id,
            kind=kind,
            message=f"structure {order.structure.structure_id}: {message}",
            cpu_seconds=cpu_seconds,
        )
    return Broken(kind=kind, message=message)


def _preload(order: Order, threads: int) -> None:
    """Import here what the order needs, so that each child starts in milliseconds.

    Imports do not compute: no thread pool is started that a fork would break.
    """
    match order:
        case LabelOrder():
            find_engine(order.engine)
            if order.teacher is not None:
                # Here, not in the child: then it is there for the next labels, too.
                from chemistry.engines.teacher.calls import teacher_process

                teacher_process(order.teacher, threads)
        case SampleOrder():
            import_module("chemistry.geometries.embedding")
            import_module("chemistry.geometries.torsions")
            if isinstance(order.potential, SavedCommittee):
                find_architecture(order.potential.architecture).preload()
            else:
                import_module("chemistry.engines.tblite")
        case TrainOrder():
            find_architecture(order.settings.architecture).preload()
        case EvaluateOrder() | JudgeOrder() | DesignOrder() | GrowOrder():
            find_architecture(order.committee.architecture).preload()


def compute(order: Order, threads: int, memory_gb: float) -> Answer | StoreError:
    """Carry out an order; only bugs raise.

    A full disk says nothing of the order: it is returned for the caller to raise, so that the
    campaign stops and the order is carried out by the next launch.
    """
    try:
        with disk_errors_explained(Path.cwd()):
            return _compute(order, threads, memory_gb)
    except InputError as error:
        return _failed(order, "input", str(error), cpu_seconds=0.0)
    except StoreError as error:
        return error


def _compute(order: Order, threads: int, memory_gb: float) -> Answer:
    match order:
        case LabelOrder():
            return _label(order, threads, memory_gb)
        case SampleOrder():
            return _sample(order, threads)
        case TrainOrder():
            return _train(order)
        case EvaluateOrder():
            return _evaluate(order)
        case JudgeOrder():
            return _judge(order)
        case DesignOrder():
            return _design(order)
        case GrowOrder():
            from workflow.work.find_molecules import find_molecules

            return find_molecules(order, load_committee(order.committee.checkpoint, order.device))


def _label(order: LabelOrder, threads: int, memory_gb: float) -> Label | LabelFailure:
    resources = Resources(
        threads=threads, memory_gb=memory_gb, scratch=Path.cwd(), teacher=order.teacher
    )
    engine = find_engine(order.engine)(order.level, resources)
    return engine.label(order.structure, is_second=order.is_second)


def _sample(order: SampleOrder, threads: int) -> Sampled:
    source = order.potential
    potential = load_potential(source, order.molecule, threads, order.device)
    if order.otherwise is not None and is_lost(potential, order.molecule, order.starts, order.seed):
        source = order.otherwise
        potential = load_potential(source, order.molecule, threads)
    sample = order.sampler.sample(
        order.molecule,
        order.starts,
        potential,
        seed=order.seed,
        threshold=order.threshold,
    )
    # A bootstrap potential is alone: it cannot disagree.
    has_committee = isinstance(source, SavedCommittee)
    offers = [_offered(offer, has_committee=has_committee) for offer in sample.offers]
    return Sampled(
        offers=tuple(offers),
        judged=sample.judged,
        over_threshold=sample.over_threshold,
        rejected=sample.rejected,
    )


def _offered(offer: Offer, *, has_committee: bool) -> Offered:
    said = offer.prediction
    p = said if has_committee else None
    return Offered(
        structure=offer.structure,
        rho_kcal_mol=None if p is None else p.rho_kcal_mol,
        force_sigma_kcal_mol_angstrom=None if p is None else p.force_sigma_kcal_mol_angstrom,
        reason=offer.reason,
        energy_ev=None if said is None else said.energy,
    )


def load_potential(
    source: PotentialSource, molecule: Molecule, threads: int, device: str = "cpu"
) -> Potential:
    """Return a bootstrap potential by name, or the committee of a checkpoint on a device.

    For a molecule that MMFF94 does not cover it is GFN2-xTB in any case.
    """
    if isinstance(source, SavedCommittee):
        return load_committee(source.checkpoint, device)
    from chemistry.engines.potential import EnginePotential
    from chemistry.geometries.force_field import MMFF94, mmff94_covers

    if source == "mmff94" and mmff94_covers(molecule):
        return MMFF94(molecule)
    level = find_level("gfn2-xtb")
    return EnginePotential(find_engine("tblite")(level, Resources(threads=threads)))


def _train(order: TrainOrder) -> Trained:
    data = read_labelled(order.training_set)
    if order.members is not None:
        result, _, _ = _taught(order, data, ())
        result.committee.save(order.checkpoint)
        return Trained(n_labels=len(data), errors=None, history=TrainingHistory())
    held_out = read_labelled(order.held_out)
    result, transfer, tried = _taught(order, data, held_out)
    errors = _held_out_errors(result.committee, data, held_out)
    calibration = None if errors is None else errors.calibration
    result.committee.calibrated(calibration).save(order.checkpoint)
    add_to_record(order.checkpoint, license=order.license)
    return Trained(
        n_labels=len(data),
        errors=errors,
        history=TrainingHistory(
            members=result.members,
            n_with_forces=result.n_with_forces,
            notes=result.notes,
            seconds=result.seconds,
            transfer=transfer,
            tried=tried,
            forecast=result.forecast,
        ),
    )


def _evaluate(order: EvaluateOrder) -> Trained:
    """Hold a committee against held-out labels, and let its checkpoint know."""
    began = time.perf_counter()
    committee = load_committee(order.committee.checkpoint, order.device)
    errors = _held_out_errors(committee, [], read_labelled(order.held_out))
    calibration = None if errors is None else errors.calibration
    committee.calibrated(calibration).save(order.committee.checkpoint)
    return Trained(
        n_labels=0,
        errors=errors,
        history=TrainingHistory(seconds=time.perf_counter() - began),
    )


def _taught(
    order: TrainOrder, data: list[LabelledStructure], held_out: Sequence[LabelledStructure]
) -> tuple[TrainingResult[Committee], str | None, Mapping[str, float]]:
    """Return what was trained, how it climbed, and the errors of other ways that were tried."""
    request = TrainingRequest(
        data=data,
        settings=order.settings,
        elements=order.elements,
        level=order.level,
        seed=order.seed,
        device=order.device,
        members=order.members,
        states=order.states,
    )
    architecture = find_architecture(order.settings.architecture)
    way = None if order.start is None else order.transfer
    if order.parts:
        parts = [load_committee(path, order.device) for path in order.parts]
        return architecture.joined(parts), way, {}
    start = None if order.start is None else load_committee(order.start, order.device)
    if start is None or way is None:
        return architecture.train(request, start), None, {}
    climbed = climb(request, start, way, held_out)
    return climbed.result, climbed.way, climbed.tried


def _held_out_errors(
    committee: Committee, learned: list[LabelledStructure], held_out: list[LabelledStructure]
) -> Errors | None:
    """Compare a committee with held-out labels, and take its intervals from them."""
    predictions, beside = predicted_beside_lowest(committee, held_out, learned)
    errors = errors_of(held_out, predictions, beside)
    if errors is None or errors.calibration is None:
        return errors
    intervals = held_out_intervals(learned, held_out, predictions)
    return replace(errors, calibration=replace(errors.calibration, intervals=intervals))


def _judge(order: JudgeOrder) -> Judged:
    committee = load_committee(order.committee.checkpoint, order.device)
    found = []
    for first in range(0, len(order.structures), _JUDGED_AT_ONCE):
        structures = order.structures[first : first + _JUDGED_AT_ONCE]
        for structure, p in zip(structures, committee.predict(structures), strict=True):
            found.append(
                Judgement(
                    structure_id=structure.structure_id,
                    rho_kcal_mol=p.rho_kcal_mol,
                    force_sigma=p.force_sigma_kcal_mol_angstrom,
                    energy_ev=p.energy,
                )
            )
    return Judged(judgements=tuple(found))


def _design(order: DesignOrder) -> Designed:
    committee = load_committee(order.committee.checkpoint, order.device)
    architecture = find_architecture(order.committee.architecture)
    known, informative = list[str](), list[str]()
    for molecule in order.molecules:
        ids = [structure.structure_id for structure in molecule.structures]
        there = range(molecule.n_known)
        picks = architecture.informative(committee, molecule.structures, there, molecule.n)
        if picks is None:
            return Designed(known=(), informative=())
        known += ids[: molecule.n_known]
        informative += [ids[place] for place in picks]
    return Designed(known=tuple(known), informative=tuple(informative))
