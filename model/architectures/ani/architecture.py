"""Ani: committees of ANI networks, as an architecture. What computes is imported when used."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from chemistry.errors import InputError
from chemistry.records.structure import Structure
from model.architectures.ani.settings import NAME, AniSettings, groups_of
from model.checkpoint import Checkpoint
from model.protocol import Architecture, Committee, Fit, TrainingRequest, TrainingResult
from model.settings import AUTO, TrainingSettings

if TYPE_CHECKING:
    from model.architectures.ani.committee import AniCommittee


class Ani(Architecture):
    """Smith, Isayev, Roitberg, doi:10.1039/C6SC05720A; climbing as ANI-1ccx and in other ways."""

    name = NAME
    settings = AniSettings
    ways: ClassVar[Mapping[str, str]] = {
        "linear": "transfer, linearised",
        "scratch": "direct training",
        "full": "transfer, all weights",
        "freeze": "transfer, layers 1 and 3 frozen",
        "delta": "delta learning",
    }
    default_way = "linear"
    default_way_with_forces = "full"
    devices = ("cpu", "cuda")

    def train(
        self, request: TrainingRequest, start: Committee | None = None
    ) -> "TrainingResult[AniCommittee]":
        """Train all members at once; as `Architecture.train`."""
        from model.architectures.ani.training.groups import as_asked
        from model.architectures.ani.training.train import train_committee

        start = None if start is None else _own(start)
        return as_asked(request, train_committee(request, start=start))

    def climb(
        self, request: TrainingRequest, below: Committee, way: str
    ) -> "TrainingResult[AniCommittee]":
        """Learn labels of another level; as `Architecture.climb`."""
        from model.architectures.ani.training.groups import as_asked
        from model.architectures.ani.training.transfer import climb

        return as_asked(request, climb(request, _own(below), way))

    def groups(self, settings: TrainingSettings, way: str | None, device: str) -> tuple[range, ...]:
        """Return groups of a few members; all where one of them needs to know of the others."""
        if way in ("linear", AUTO):
            return (range(settings.members),)
        return groups_of(settings.members, device)

    def joined(self, parts: Sequence[Committee]) -> "TrainingResult[AniCommittee]":
        """Put the members of all parts into one committee; as `Architecture.joined`."""
        from model.architectures.ani.training.groups import joined

        return joined([_own(part) for part in parts])

    def informative(
        self, below: Committee, structures: Sequence[Structure], known: Sequence[int], n: int
    ) -> tuple[int, ...]:
        """Return those that lower most what a `linear` climb expects to err by."""
        from model.architectures.ani.tangent import mean_kernel
        from model.design import most_informative

        kinds = [structure.origin.kind for structure in structures]
        return most_informative(mean_kernel(_own(below), structures), known, n, kinds)

    def shifted(self, request: TrainingRequest, below: Committee) -> "AniCommittee":
        """Refit the self-energies alone."""
        from model.architectures.ani.training.transfer import shifted

        return shifted(_own(below), request.data, request.level)

    def load(self, checkpoint: Checkpoint, device: str) -> "AniCommittee":
        """Return the committee of a checkpoint."""
        from model.architectures.ani.committee import AniCommittee

        return AniCommittee.of(checkpoint, device)

    def is_published(self, folder: Path) -> bool:
        """Say whether a folder is a NeuroChem one."""
        return any(folder.glob("*.params"))

    def read_published(self, folder: Path) -> "AniCommittee":
        """Read the NeuroChem folders of the ANI authors."""
        from model.architectures.ani.neurochem import read_neurochem
        from model.architectures.ani.published import recognised

        return recognised(read_neurochem(folder))

    def fitted(self, committee: Committee, fit: Fit) -> "AniCommittee":
        """Cut a committee, or give it further members, elements and states."""
        from model.architectures.ani.growth import fitted

        return fitted(_own(committee), fit)

    def read_installed(self, name: str) -> "tuple[Path, AniCommittee] | None":
        """Read the files that torchani has fetched."""
        from model.architectures.ani.torchani_files import NAMES, read_torchani

        return read_torchani(name) if name in NAMES else None

    def preload(self) -> None:
        """Import torch and what stands on it."""
        import_module("model.architectures.ani.training.transfer")


def _own(committee: Committee) -> "AniCommittee":
    from model.architectures.ani.committee import AniCommittee

    if not isinstance(committee, AniCommittee):
        raise InputError(
            f"the committee of {committee.level_name} to start from is not of architecture ani: "
            f"start a run of its own"
        )
    return committee
