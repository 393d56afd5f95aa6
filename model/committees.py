"""Committees of any architecture: trained, carried over to another level, read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.level import LevelOfTheory
from model.architectures import ARCHITECTURES, find_architecture
from model.checkpoint import read_checkpoint
from model.evaluation import Errors, held_out_errors
from model.protocol import Committee, TrainingRequest, TrainingResult
from model.settings import AUTO, TrainingSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class Climb:
    """A committee that climbed.

    Attributes
    ----------
    result : TrainingResult
    way : str
        The way that it took; never "auto".
    tried : mapping of str to float
        Held-out energy MAE in kcal/mol of each way that was tried; empty where only one was.
    """

    result: TrainingResult[Committee]
    way: str
    tried: Mapping[str, float]


def train_committee(
    data: Sequence[LabelledStructure],
    settings: TrainingSettings,
    *,
    elements: Sequence[int],
    level: LevelOfTheory,
    seed: int,
    start: Committee | None = None,
) -> TrainingResult[Committee]:
    """Train a committee of the settings' architecture on the CPU (`Architecture.train`).

    Parameters are those of `model.protocol.TrainingRequest`; `start` is a committee of the same
    level to start from. Raises InputError as `Architecture.train` does.
    """
    request = TrainingRequest(
        data=data, settings=settings, elements=tuple(elements), level=level, seed=seed
    )
    return find_architecture(settings.architecture).train(request, start)


def climb(
    request: TrainingRequest,
    below: Committee,
    way: str,
    held_out: Sequence[LabelledStructure] = (),
) -> Climb:
    """Teach a committee of one level of theory the labels of another.

    Parameters
    ----------
    request : TrainingRequest
    below : Committee
    way : str
        One of the architecture's, or "auto": all are tried and the one with the least held-out
        errors is kept (`Errors.of_energies_and_forces`).
    held_out : sequence of LabelledStructure
        All at the request's level; what "auto" decides by.

    Raises
    ------
    InputError
        No data, a label of another level, an unknown element, or "auto" without a held-out set.
    """
    architecture = find_architecture(request.settings.architecture)
    if way != AUTO:
        return Climb(result=architecture.climb(request, below, way), way=way, tried={})
    if not held_out:
        raise InputError("transfer: auto needs a held-out set to decide by; name a way instead")
    results = {name: architecture.climb(request, below, name) for name in architecture.ways}
    errors = {name: _errors(result.committee, held_out) for name, result in results.items()}
    best = min(errors, key=lambda name: errors[name].of_energies_and_forces)
    tried = {name: found.energy_mae_kcal_mol for name, found in errors.items()}
    return Climb(result=results[best], way=best, tried=tried)


def _errors(committee: Committee, held_out: Sequence[LabelledStructure]) -> Errors:
    errors = held_out_errors(committee, held_out)
    assert errors is not None, "the held-out set is not empty"
    return errors


def load_committee(path: Path, device: str = "cpu") -> Committee:
    """Read a committee of any architecture.

    Parameters
    ----------
    path : Path
    device : str
        Where it shall compute; only cpu is tested.

    Raises
    ------
    InputError
        The file is missing, cut short, not a committee, of another version or of an architecture
        that is not installed, or the device is not there.
    """
    checkpoint = read_checkpoint(path)
    try:
        architecture = find_architecture(checkpoint.architecture)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    try:
        return architecture.load(checkpoint, device)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is not a whole committee: {error}") from error


def save_committee(committee: Committee, path: Path) -> None:
    """Write a committee; the file is whole or absent, whatever happens."""
    committee.save(path)


def read_published(folder: Path) -> Committee | None:
    """Read an ensemble that others have published; None where no architecture knows the folder.

    Raises
    ------
    InputError
        A file is missing or not what it should be.
    """
    for architecture in map(find_architecture, ARCHITECTURES):
        if architecture.is_published(folder):
            return architecture.read_published(folder)
    return None


def read_installed(name: str) -> tuple[Path, Committee]:
    """Read a model whose files another package keeps on this machine; return its file, too.

    Raises
    ------
    InputError
        No architecture knows the name, or the package or its file is not there.
    """
    for architecture in map(find_architecture, ARCHITECTURES):
        found = architecture.read_installed(name)
        if found is not None:
            return found
    raise InputError(f"there is no model {name!r} of torchani: take ani-1x, ani-1ccx or ani-2x")
