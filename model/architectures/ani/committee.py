"""AniCommittee: a potential whose members disagree where they have not been taught."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from chemistry.errors import InputError
from chemistry.records.potential import Prediction
from chemistry.records.structure import FloatArray, Structure
from model.architectures.ani.checkpoint import (
    networks_of,
    self_energies_of,
    state_energies_of,
    tensors_of,
)
from model.architectures.ani.descriptor.batch import (
    ATOMS_AT_ONCE,
    ATOMS_AT_ONCE_FOR_MEANS,
    AtomBatch,
    chunks,
)
from model.architectures.ani.descriptor.environments import Environments, environments
from model.architectures.ani.device import require_device
from model.architectures.ani.forces import energies_and_forces, energies_and_mean_forces
from model.architectures.ani.network import StackedNetworks, stacked
from model.architectures.ani.replicas import CommitteeReplicas
from model.architectures.ani.restriction import NarrowNetworks, restrict
from model.architectures.ani.settings import NAME
from model.architectures.ani.shape import AniShape
from model.architectures.ani.systems import CommitteeSystems
from model.calibration import Calibration
from model.checkpoint import Checkpoint, write_checkpoint
from model.protocol import MeanPrediction
from model.self_energies import element_counts, own_energies
from model.states import State
from model.structures import check_structures
from model.systems import Precision

_RESTRICTIONS_KEPT = 8

_Compute: TypeAlias = Callable[
    [StackedNetworks, AtomBatch, Environments], tuple[torch.Tensor, torch.Tensor]
]


@dataclass(frozen=True, kw_only=True, eq=False)
class AniCommittee:
    """Members that share descriptor and self-energies; a `model.protocol.Committee`.

    Attributes
    ----------
    networks : StackedNetworks
    self_energies_ev : (n_elements,) float64, eV
    level_id, level_name : str
        The level of theory that it was trained on.
    record : mapping
        How it came about (seed, settings, data, calibration), as JSON; nothing depends on it.
    state_energies_ev : (M, 3) float64, eV, or None
        Of the columns of states; None where there is only one.
    """

    networks: StackedNetworks
    self_energies_ev: FloatArray
    level_id: str
    level_name: str
    record: Mapping[str, Any] = field(default_factory=dict)
    state_energies_ev: FloatArray | None = None
    _restricted: dict[tuple[int, ...], "AniCommittee"] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: str) -> "AniCommittee":
        """Return the committee of a checkpoint; raises as `model.protocol.Architecture.load`."""
        place = require_device(device)
        networks = networks_of(checkpoint.shape, checkpoint.tensors)
        return cls(
            networks=networks.to(place),
            self_energies_ev=self_energies_of(checkpoint.tensors, networks.shape),
            level_id=checkpoint.level_id,
            level_name=checkpoint.level_name,
            record=checkpoint.record,
            state_energies_ev=state_energies_of(checkpoint.tensors, networks),
        )

    @property
    def checkpoint(self) -> Checkpoint:
        """What a file of it holds."""
        return Checkpoint(
            architecture=NAME,
            shape=self.shape.model_dump(mode="json"),
            level_id=self.level_id,
            level_name=self.level_name,
            record=self.record,
            tensors=tensors_of(self.networks, self.self_energies_ev, self.state_energies_ev),
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file is whole or absent, whatever happens."""
        write_checkpoint(self.checkpoint, path)

    @property
    def shape(self) -> AniShape:
        """Elements, symmetry functions and layer sizes."""
        return self.networks.shape

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that it knows."""
        return self.shape.elements

    @property
    def states(self) -> tuple[State, ...]:
        """States that it was made for; empty where that is not known."""
        return self.shape.states

    @property
    def n_members(self) -> int:
        """Number of members."""
        return self.networks.n_members

    def to(self, target: torch.dtype | torch.device) -> "AniCommittee":
        """Return the same committee computing in another precision, or on another device."""
        return replace(self, networks=self.networks.to(target))

    def first(self, members: int) -> "AniCommittee":
        """Return the committee of the first members alone."""
        return self.only(range(members))

    def only(self, members: range) -> "AniCommittee":
        """Return the committee of some members."""
        states = self.state_energies_ev
        if states is not None:
            states = states[members.start : members.stop].copy()
        return replace(self, networks=self.networks.only(members), state_energies_ev=states)

    def predict(self, structures: Sequence[Structure]) -> list[Prediction]:
        """Return energies and forces of every member for structures of any sizes, in order.

        Raises
        ------
        InputError
            A structure has an element or a state that the committee does not know, positions that
            are not finite, coinciding atoms, or an energy that is not finite.
        """
        return [
            Prediction(member_energies=energies, member_forces=forces)
            for energies, forces in self._compute(structures, energies_and_forces, ATOMS_AT_ONCE)
        ]

    def predict_mean(self, structures: Sequence[Structure]) -> list[MeanPrediction]:
        """Return energies of every member but only the mean forces, which takes less time.

        Raises InputError as `predict` does.
        """
        return [
            MeanPrediction(member_energies=energies, forces=forces[0])
            for energies, forces in self._compute(
                structures, energies_and_mean_forces, ATOMS_AT_ONCE_FOR_MEANS
            )
        ]

    def replicas(self, structure: Structure) -> CommitteeReplicas:
        """Return what computes energies and mean forces of one molecule's geometries.

        Raises InputError for an element or a state that the committee does not know.
        """
        check_structures([structure], self.elements, self.states)
        smaller = self.restricted_to(structure.atomic_numbers.tolist())
        return CommitteeReplicas(
            networks=smaller.narrowed_to([structure]),
            own_energies_ev=smaller.own_energies([structure])[:, 0],
            structure=structure,
        )

    def in_precision(self, precision: Precision) -> "AniCommittee":
        """Return the same committee computing in single or double precision."""
        return self.to({"single": torch.float32, "double": torch.float64}[precision])

    def systems(self, structures: Sequence[Structure]) -> CommitteeSystems:
        """Return what computes systems of which each structure is one geometry.

        Raises InputError for an element or a state that the committee does not know.
        """
        check_structures(structures, self.elements, self.states)
        numbers = np.concatenate([structure.atomic_numbers for structure in structures])
        smaller = self.restricted_to(set(numbers.tolist()))
        return CommitteeSystems(
            networks=smaller.narrowed_to(structures),
            own_energies_ev=smaller.own_energies(structures),
            structures=tuple(structures),
        )

    def calibrated(self, calibration: Calibration | None) -> "AniCommittee":
        """Return the same committee whose record says how its errors go with its disagreement."""
        found = None if calibration is None else asdict(calibration)
        return replace(self, record={**self.record, "calibration": found})

    def own_energies(self, structures: Sequence[Structure]) -> FloatArray:
        """Return what elements and states contribute to energies, (1, B), or (M, B) eV."""
        return own_energies(
            structures, self.elements, self.self_energies_ev, self.state_energies_ev
        )

    def narrowed_to(self, structures: Sequence[Structure]) -> NarrowNetworks:
        """Return the networks with no more inputs than atoms of these structures may see."""
        most = element_counts(structures, self.elements).max(axis=0)
        return NarrowNetworks.of(self.networks, most.astype(int).tolist())

    def restricted_to(self, elements: Collection[int]) -> "AniCommittee":
        """Return a committee of the same energies that knows only these elements, some of its own.

        The last few are kept, so that dynamics need not make them at each step.
        """
        chosen = tuple(z for z in self.elements if z in elements)
        if chosen == self.elements:
            return self
        if chosen not in self._restricted:
            if len(self._restricted) == _RESTRICTIONS_KEPT:
                self._restricted.pop(next(iter(self._restricted)))
            kept = [self.elements.index(z) for z in chosen]
            self._restricted[chosen] = replace(
                self,
                networks=restrict(self.networks, chosen),
                self_energies_ev=self.self_energies_ev[kept],
            )
        return self._restricted[chosen]

    def _compute(
        self, structures: Sequence[Structure], compute: _Compute, atoms_at_once: int
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Return member energies (M,) and forces (M or 1, N, 3) of each structure."""
        check_structures(structures, self.elements, self.states)
        rows_of: dict[frozenset[int], list[int]] = {}
        for row, structure in enumerate(structures):
            rows_of.setdefault(frozenset(structure.atomic_numbers.tolist()), []).append(row)
        found: dict[int, tuple[FloatArray, FloatArray]] = {}
        for elements, rows in rows_of.items():
            part = self.restricted_to(elements)
            found.update(
                zip(
                    rows,
                    part._compute_alike([structures[r] for r in rows], compute, atoms_at_once),
                    strict=True,
                )
            )
        return [found[row] for row in range(len(structures))]

    def _compute_alike(
        self, structures: Sequence[Structure], compute: _Compute, atoms_at_once: int
    ) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield the same for structures that have passed `check_structures`, in order."""
        for chunk in chunks(structures, atoms_at_once):
            batch = AtomBatch.of(chunk, self.elements, self.networks.device)
            with torch.no_grad():
                surroundings = environments(batch, self.shape, self.networks.weights.dtype)
                energies, forces = compute(self.networks, batch, surroundings)
            members = energies.cpu().numpy() + self.own_energies(chunk)
            ordered = forces[:, batch.place].double().cpu().numpy()
            ends = np.cumsum(batch.sizes)[:-1]
            for structure, own, pull in zip(
                chunk, members.T, np.split(ordered, ends, axis=1), strict=True
            ):
                if not (np.isfinite(own).all() and np.isfinite(pull).all()):
                    raise InputError(
                        f"the committee has no finite energy or forces for structure "
                        f"{structure.structure_id}: do two atoms coincide?"
                    )
                yield own.copy(), pull


def all_members(parts: Sequence[AniCommittee]) -> AniCommittee:
    """Return the first part with the members of all, in order; they are of one shape."""
    states = [part.state_energies_ev for part in parts if part.state_energies_ev is not None]
    return replace(
        parts[0],
        networks=stacked([part.networks for part in parts]),
        state_energies_ev=np.concatenate(states) if states else None,
    )
