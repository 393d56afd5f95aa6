"""What is learned in closed form: a climb to another level, and energies beside learned forces.

What the energies of a member lack is fitted by a change of its weights as small as can be, and by
energies of elements that cost nothing (`training.tangent_fit`). There are no epochs and no learning
rate, and the result is an ordinary committee.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chemistry.records.structure import FloatArray, Structure
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.states import with_states
from model.architectures.ani.training.offsets import with_offsets
from model.architectures.ani.training.rows import check_rows, training_record
from model.architectures.ani.training.tangent_fit import TangentProblem
from model.protocol import TrainingRequest, TrainingResult

_STEPS, _REFIT_STEPS = 12, 2
"""At most."""


def climb_linear(request: TrainingRequest, below: AniCommittee) -> TrainingResult[AniCommittee]:
    """Teach a committee energies of another level; forces are not looked at.

    Raises
    ------
    InputError
        No data, a label of another level, or an unknown element.
    """
    began = time.perf_counter()
    rows = sorted(request.data, key=lambda row: row.structure.structure_id)
    below = with_states(below, request.all_states)
    check_rows(rows, request.level, below.elements, below.states)
    structures, energies = [row.structure for row in rows], [row.label.energy for row in rows]
    states = below.state_energies_ev
    climb = TangentProblem.of(below, structures, np.array([energies]))
    climbed = climb.run(_STEPS)
    shift = climbed.free.mean(axis=0)
    networks = with_offsets(climbed.networks, climbed.free - shift)
    return TrainingResult(
        committee=replace(
            below,
            networks=networks.to(below.networks.weights.dtype),
            self_energies_ev=below.self_energies_ev + shift,
            state_energies_ev=None if states is None else states + climbed.of_states,
            level_id=request.level.level_id,
            level_name=request.level.name,
            record=training_record(request, rows, below),
        ),
        members=(),
        n_structures=len(rows),
        n_with_forces=0,
        notes=(f"ridge strength {climbed.strength:.0e}",),
        forecast=climb.forecast(climbed, request.seed),
        seconds=time.perf_counter() - began,
    )


def refit_linear(
    committee: AniCommittee, structures: Sequence[Structure], energies_ev: FloatArray
) -> AniCommittee:
    """Fit energies that a committee has learned beside forces once more, in closed form.

    Where forces are learned the loss is mostly theirs, and they say little of how far apart minima
    and barriers are. Relaxed torsion of formic acid at ccsd*/cc-pvtz, 185 labels of five molecules,
    two seeds: 0.39 to 0.07 and 0.34 to 0.09 kcal/mol. Forces change by less than their error.

    Parameters
    ----------
    committee : AniCommittee
    structures : sequence of Structure, S of them
    energies_ev : (T, S) float64
        T is 1, or M where members have targets of their own.
    """
    states = committee.state_energies_ev
    climbed = TangentProblem.of(committee, structures, energies_ev).run(_REFIT_STEPS)
    networks = with_offsets(climbed.networks, climbed.free)
    return replace(
        committee,
        networks=networks.to(committee.networks.weights.dtype),
        state_energies_ev=None if states is None else states + climbed.of_states,
    )
