"""The state of a rung at its beginning, for tests that change what they are about."""

from collections import Counter

from workflow.planning.state import MoleculeState, RungState

EMPTY = RungState(
    index=0,
    has_inherited=False,
    molecules=(MoleculeState(molecule_id="a", held_out=False, has_starts=False),),
    finished_tasks=frozenset(),
    tasks_in_flight=frozenset(),
    labels_in_flight=frozenset(),
    checks_in_flight=frozenset(),
    n_large_in_flight=0,
    waiting=(),
    candidates=None,
    chosen=Counter(),
    chosen_by_newest=Counter(),
    to_label=(),
    to_check=(),
    first_to_label=Counter(),
    n_training_labels=0,
    n_labels=0,
    n_failures=0,
    n_quarantined=0,
    n_lost=0,
    label_cpu_hours=0.0,
    trainings=(),
    sweeps=(),
)
