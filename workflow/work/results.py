"""What workers answer, and its JSON form in the spool: every float64 exact."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from chemistry.errors import StoreError
from chemistry.records.label import FailureKind, Label, LabelFailure
from chemistry.records.molecule import Molecule
from chemistry.records.record_json import (
    label_from_json,
    label_to_json,
    molecule_from_json,
    molecule_to_json,
    structure_from_json,
    structure_to_json,
)
from chemistry.records.structure import Structure
from model.evaluation import Errors, errors_from_json, errors_to_json
from model.history import TrainingHistory, history_from_json, history_to_json
from workflow.work.spool import Spool

_SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a committee says of a structure.

    Attributes
    ----------
    rho_kcal_mol, force_sigma : float
        Disagreement on the energy, and on the forces in kcal/mol/Å.
    energy_ev : float
        Mean of its members.
    """

    structure_id: str
    rho_kcal_mol: float
    force_sigma: float
    energy_ev: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a finished task took, for accounts and the timeline of workers.

    Attributes
    ----------
    worker : str
        host:pid of the worker process.
    started_at, finished_at : float
        Seconds since 1970-01-01 UTC.
    cpu_seconds : float
    """

    worker: str
    started_at: float
    finished_at: float
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Offered:
    """A structure that a sampler offers, with what its potential said of it."""

    structure: Structure
    rho_kcal_mol: float | None
    force_sigma_kcal_mol_angstrom: float | None
    reason: str
    energy_ev: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """What a sampler found."""

    offers: tuple[Offered, ...]
    judged: int
    over_threshold: int
    rejected: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training says of itself; the committee lies in its checkpoint."""

    n_labels: int
    errors: Errors | None
    history: TrainingHistory


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a committee says of each structure."""

    judgements: tuple[Judgement, ...]


@dataclass(frozen=True, kw_only=True)
class Designed:
    """The first set of a rung that climbs.

    Attributes
    ----------
    known : tuple of structure_id
        Those that belong to it in any case.
    informative : tuple of structure_id
        Those that say most of the others; empty where the architecture cannot tell.
    """

    known: tuple[str, ...]
    informative: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NewMolecule:
    """A molecule from a pool, and why it was taken."""

    molecule: Molecule
    reason: str


@dataclass(frozen=True, kw_only=True)
class Grown:
    """New molecules.

    Attributes
    ----------
    molecules : tuple of NewMolecule
        Empty where the committee is certain of all that were judged.
    heavy_atoms : int or None
        What they have of them.
    judged, skipped : int
        Molecules of the pool that the committee judged, and entries that are no molecule.
    """

    molecules: tuple[NewMolecule, ...]
    heavy_atoms: int | None
    judged: int
    skipped: int


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A task other than a label that could not be carried out."""

    kind: FailureKind
    message: str


Answer: TypeAlias = Label | LabelFailure | Sampled | Trained | Judged | Designed | Grown | Broken


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskResult:
    """The answer of a task and what it cost."""

    answer: Answer
    cost: Cost


def result_spool(run_folder: Path) -> Spool[TaskResult]:
    """Return the spool of a run; `logs/tasks.log` notes each start and end of a computation."""
    return Spool(
        folder=run_folder.resolve() / "spool",
        log=run_folder.resolve() / "logs" / "tasks.log",
        to_json=_to_json,
        from_json=_from_json,
        is_failure=lambda result: isinstance(result.answer, LabelFailure | Broken),
    )


def _to_json(result: TaskResult) -> dict[str, Any]:
    name, encode, _ = _CODECS[type(result.answer)]
    return {
        "schema": _SCHEMA_VERSION,
        "cost": asdict(result.cost),
        "type": name,
        "answer": encode(result.answer),
    }


def _from_json(document: Any) -> TaskResult:
    schema = document["schema"]
    if isinstance(schema, int) and schema > _SCHEMA_VERSION:
        raise StoreError(
            f"a task's result was written by a newer rung (schema {schema}, this one reads "
            f"{_SCHEMA_VERSION}): use the version of rung that began this run"
        )
    if schema != _SCHEMA_VERSION:
        raise ValueError(f"no schema version of a task's result: {schema!r}")
    decode = _DECODERS[document["type"]]
    return TaskResult(answer=decode(document["answer"]), cost=Cost(**document["cost"]))


def _sampled_to_json(sampled: Sampled) -> dict[str, Any]:
    return {
        "offers": [
            {
                "structure": structure_to_json(offer.structure),
                "rho_kcal_mol": offer.rho_kcal_mol,
                "force_sigma_kcal_mol_angstrom": offer.force_sigma_kcal_mol_angstrom,
                "reason": offer.reason,
                "energy_ev": offer.energy_ev,
            }
            for offer in sampled.offers
        ],
        "judged": sampled.judged,
        "over_threshold": sampled.over_threshold,
        "rejected": dict(sampled.rejected),
    }


def _sampled_from_json(document: Any) -> Sampled:
    offers = tuple(
        Offered(**{**offer, "structure": structure_from_json(offer["structure"])})
        for offer in document["offers"]
    )
    return Sampled(**{**document, "offers": offers})


def _trained_to_json(trained: Trained) -> dict[str, Any]:
    return {
        "n_labels": trained.n_labels,
        "errors": None if trained.errors is None else errors_to_json(trained.errors),
        "history": history_to_json(trained.history),
    }


def _trained_from_json(document: Any) -> Trained:
    errors = document["errors"]
    return Trained(
        n_labels=document["n_labels"],
        errors=None if errors is None else errors_from_json(errors),
        history=history_from_json(document["history"]),
    )


def _judged_to_json(judged: Judged) -> list[list[Any]]:
    return [[j.structure_id, j.rho_kcal_mol, j.force_sigma, j.energy_ev] for j in judged.judgements]


def _judged_from_json(document: Any) -> Judged:
    return Judged(
        judgements=tuple(
            Judgement(structure_id=i, rho_kcal_mol=rho, force_sigma=force, energy_ev=energy)
            for i, rho, force, energy in document
        )
    )


def _designed_from_json(document: Any) -> Designed:
    return Designed(**{name: tuple(ids) for name, ids in document.items()})


def _grown_to_json(grown: Grown) -> dict[str, Any]:
    return {
        "molecules": [[molecule_to_json(new.molecule), new.reason] for new in grown.molecules],
        "heavy_atoms": grown.heavy_atoms,
        "judged": grown.judged,
        "skipped": grown.skipped,
    }


def _grown_from_json(document: Any) -> Grown:
    molecules = tuple(
        NewMolecule(molecule=molecule_from_json(text), reason=reason)
        for text, reason in document["molecules"]
    )
    return Grown(**{**document, "molecules": molecules})


_Codec: TypeAlias = tuple[str, Callable[[Any], Any], Callable[[Any], Any]]
_CODECS: dict[type[Answer], _Codec] = {
    Label: ("label", label_to_json, label_from_json),
    LabelFailure: ("label_failure", label_to_json, label_from_json),
    Sampled: ("sampled", _sampled_to_json, _sampled_from_json),
    Trained: ("trained", _trained_to_json, _trained_from_json),
    Judged: ("judged", _judged_to_json, _judged_from_json),
    Designed: ("designed", asdict, _designed_from_json),
    Grown: ("grown", _grown_to_json, _grown_from_json),
    Broken: ("broken", asdict, lambda document: Broken(**document)),
}
_DECODERS = {name: decode for name, _, decode in _CODECS.values()}
