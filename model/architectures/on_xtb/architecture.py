"""OnXtb: committees of ANI networks on top of GFN2-xTB, as an architecture."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from chemistry.errors import InputError
from chemistry.records.level import LevelOfTheory
from chemistry.records.structure import Structure
from model.architectures.ani.architecture import Ani
from model.architectures.on_xtb.settings import BASELINE, NAME, OnXtbSettings
from model.checkpoint import Checkpoint
from model.protocol import Architecture, Committee, Fit, TrainingRequest, TrainingResult
from model.settings import TrainingSettings

if TYPE_CHECKING:
    from model.architectures.ani.committee import AniCommittee
    from model.architectures.on_xtb.committee import OnXtbCommittee

_ANI = Ani()


class OnXtb(Architecture):
    """What a level of theory is above GFN2-xTB is smoother than the level, and short-ranged.

    After the delta learning of Ramakrishnan et al., doi:10.1021/acs.jctc.5b00099, eq. 1.
    """

    name = NAME
    settings = OnXtbSettings
    ways: ClassVar[Mapping[str, str]] = Ani.ways
    default_way = Ani.default_way
    default_way_with_forces = Ani.default_way_with_forces
    devices = Ani.devices

    def refuse(self, level: LevelOfTheory) -> str | None:
        """Say why GFN2-xTB itself is not learned."""
        if level.name != BASELINE:
            return None
        return f"train.architecture {NAME} stands on {BASELINE}: leave this rung out"

    def train(
        self, request: TrainingRequest, start: Committee | None = None
    ) -> "TrainingResult[OnXtbCommittee]":
        """Train the networks on labels less GFN2-xTB; as `Architecture.train`."""
        asked, notes = _above(request)
        return _on_top(_ANI.train(asked, None if start is None else _networks(start)), notes)

    def climb(
        self, request: TrainingRequest, below: Committee, way: str
    ) -> "TrainingResult[OnXtbCommittee]":
        """Teach the networks labels of another level less GFN2-xTB; as `Architecture.climb`."""
        asked, notes = _above(request)
        return _on_top(_ANI.climb(asked, _networks(below), way), notes)

    def groups(self, settings: TrainingSettings, way: str | None, device: str) -> tuple[range, ...]:
        """Return the groups of the networks."""
        return _ANI.groups(settings, way, device)

    def joined(self, parts: Sequence[Committee]) -> "TrainingResult[OnXtbCommittee]":
        """Put the members of all parts into one committee; as `Architecture.joined`."""
        return _on_top(_ANI.joined([_networks(part) for part in parts]), ())

    def informative(
        self, below: Committee, structures: Sequence[Structure], known: Sequence[int], n: int
    ) -> tuple[int, ...]:
        """Return those that the networks have most to learn from."""
        return _ANI.informative(_networks(below), structures, known, n)

    def shifted(self, request: TrainingRequest, below: Committee) -> "OnXtbCommittee":
        """Refit the energies of elements alone."""
        from model.architectures.on_xtb.committee import OnXtbCommittee

        return OnXtbCommittee(networks=_ANI.shifted(_above(request)[0], _networks(below)))

    def load(self, checkpoint: Checkpoint, device: str) -> "OnXtbCommittee":
        """Return the committee of a checkpoint."""
        from model.architectures.on_xtb.committee import OnXtbCommittee

        return OnXtbCommittee(networks=_ANI.load(checkpoint, device))

    def fitted(self, committee: Committee, fit: Fit) -> "OnXtbCommittee":
        """Cut a committee of this architecture, or give it members, elements and states."""
        from model.architectures.on_xtb.committee import OnXtbCommittee

        return OnXtbCommittee(networks=_ANI.fitted(_networks(committee), fit))

    def preload(self) -> None:
        """Import torch and what stands on it."""
        _ANI.preload()


def _above(request: TrainingRequest) -> tuple[TrainingRequest, tuple[str, ...]]:
    """Return the request for the networks, and what a person should know of it."""
    from model.architectures.on_xtb.baseline import without_baseline

    above, lost = without_baseline(request.data)
    notes = (f"not learned, for GFN2-xTB has no answer: {', '.join(lost)}",) if lost else ()
    return replace(request, data=above), notes


def _on_top(
    result: "TrainingResult[AniCommittee]", notes: tuple[str, ...]
) -> "TrainingResult[OnXtbCommittee]":
    from model.architectures.on_xtb.committee import OnXtbCommittee

    return TrainingResult(
        **{
            **vars(result),
            "committee": OnXtbCommittee(networks=result.committee),
            "notes": (*result.notes, *notes),
        }
    )


def _networks(committee: Committee) -> "AniCommittee":
    from model.architectures.on_xtb.committee import OnXtbCommittee

    if not isinstance(committee, OnXtbCommittee):
        raise InputError(
            f"the committee of {committee.level_name} to start from is not of architecture {NAME}: "
            f"start a run of its own"
        )
    return committee.networks
