"""The initial and the held-out set: an even number of structures of each molecule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from workflow.planning.keys import SamplePurpose, SampleTask, sample_tasks
from workflow.planning.state import MoleculeState, RungState
from workflow.settings.campaign import Campaign

# Samplers of a first set run again, with other random numbers, until it is full or so often.
_FIRST_SET_ROUNDS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstSet:
    """One molecule's part of the initial or of the held-out set, nothing of it chosen yet.

    Attributes
    ----------
    quota : int
        Structures wanted.
    n_offers : int
        What the samplers have found so far.
    rounds : int
        How many times all samplers have run; a rung that climbs has no samplers.
    next_tasks : tuple of SampleTask
        The next round.
    is_amid_a_round : bool
        Whether a part of the next round is done already.
    """

    purpose: Literal["initial", "held_out"]
    molecule_id: str
    has_starts: bool
    quota: int
    n_offers: int
    rounds: int
    next_tasks: tuple[SampleTask, ...]
    is_amid_a_round: bool

    @property
    def is_sampled(self) -> bool:
        """Whether there is enough to choose from, or no hope of it.

        Never amid a round: what is chosen shall not depend on which sampler was the faster one.
        """
        if self.rounds >= _FIRST_SET_ROUNDS:
            return True
        return self.rounds > 0 and not self.is_amid_a_round and self.n_offers >= self.quota

    @property
    def is_settled(self) -> bool:
        """Whether nothing will be chosen for it."""
        return self.is_sampled and not self.n_offers


def open_first_sets(state: RungState, campaign: Campaign) -> Iterator[FirstSet]:
    """Yield the parts of the initial and of the held-out set of which nothing is chosen yet."""
    given = [m for m in state.molecules if not m.has_grown]
    # A rung that climbs has labels of the rung below to choose from, of all molecules.
    trained_on = [m for m in (state.molecules if state.climbs else given) if not m.held_out]
    initial_labels, held_out = campaign.first_sets(state.index)
    yield from _open_shares(state, campaign, "initial", trained_on, initial_labels)
    yield from _open_shares(state, campaign, "held_out", given, held_out)


def _open_shares(
    state: RungState,
    campaign: Campaign,
    purpose: Literal["initial", "held_out"],
    molecules: Sequence[MoleculeState],
    total: int,
) -> Iterator[FirstSet]:
    """Divide a set evenly over molecules."""
    for i, molecule in enumerate(molecules):
        quota = total // len(molecules) + (i < total % len(molecules))
        if not quota or state.chosen[purpose, molecule.molecule_id]:
            continue
        if purpose == "initial" and _begins_explored(state, campaign, molecule):
            continue
        rounds = _rounds(campaign, state.index, purpose, molecule.molecule_id)
        if state.climbs:
            rounds = iter(())
        done, next_tasks = 0, tuple[SampleTask, ...]()
        for tasks in rounds:
            if any(task.key not in state.finished_tasks for task in tasks):
                next_tasks = tasks
                break
            done += 1
        else:
            done = _FIRST_SET_ROUNDS
        yield FirstSet(
            purpose=purpose,
            molecule_id=molecule.molecule_id,
            has_starts=molecule.has_starts,
            quota=quota,
            n_offers=state.waiting[purpose, molecule.molecule_id],
            rounds=done,
            next_tasks=next_tasks,
            is_amid_a_round=any(task.key in state.finished_tasks for task in next_tasks),
        )


def _begins_explored(state: RungState, campaign: Campaign, molecule: MoleculeState) -> bool:
    """Say whether a molecule needs no initial set: the run began with a committee that knows it."""
    return molecule.in_start and not state.climbs and campaign.rungs[0].budget.labels > 0


def _rounds(
    campaign: Campaign, rung: int, purpose: SamplePurpose, molecule_id: str
) -> Iterator[tuple[SampleTask, ...]]:
    for number in range(_FIRST_SET_ROUNDS):
        yield sample_tasks(campaign, rung, purpose, molecule_id, sweep=number)
