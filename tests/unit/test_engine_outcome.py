"""What happens around a calculation: failures become values, bugs do not."""

from collections.abc import Callable

import numpy as np
import pytest

from chemistry.engines.outcome import CalculationFailed, Outcome, attempt
from chemistry.records.label import Label, LabelFailure
from chemistry.records.level import find_level
from chemistry.records.structure import Structure

HYDROGEN = Structure(atomic_numbers=[1, 1], positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]])
PULL = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])


def run(compute: Callable[[list[str]], Outcome]) -> Label | LabelFailure:
    return attempt(HYDROGEN, find_level("gfn2-xtb"), ("toy", "1.0"), compute)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "resource"),
        (OSError(28, "No space left on device"), "infrastructure"),
        (CalculationFailed("convergence", "no"), "convergence"),
    ],
)
def test_expected_errors_become_failures_that_keep_the_attempts(
    error: Exception, kind: str
) -> None:
    def compute(steps: list[str]) -> Outcome:
        steps.append("DIIS")
        raise error

    failure = run(compute)
    assert isinstance(failure, LabelFailure)
    assert failure.kind == kind
    assert failure.attempts == ("DIIS",)
    assert HYDROGEN.structure_id in failure.message


def test_a_bug_raises() -> None:
    def compute(steps: list[str]) -> Outcome:
        return {}["no such key"]  # type: ignore[no-any-return]

    with pytest.raises(KeyError):
        run(compute)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome(energy=np.nan), "convergence"),
        (Outcome(energy=-1.0, forces=PULL + np.inf), "convergence"),
        (Outcome(energy=-1.0, forces=np.abs(PULL)), "suspect"),
    ],
)
def test_an_impossible_outcome_is_refused(outcome: Outcome, kind: str) -> None:
    failure = run(lambda steps: outcome)
    assert isinstance(failure, LabelFailure)
    assert failure.kind == kind


def test_a_good_outcome_is_a_label() -> None:
    label = run(lambda steps: Outcome(energy=-1.0, forces=PULL, diagnostics={"s2": 0.0}))
    assert isinstance(label, Label)
    assert (label.energy, label.diagnostics["s2"]) == (-1.0, 0.0)
    assert (label.provenance.program, label.provenance.version) == ("toy", "1.0")
    np.testing.assert_array_equal(label.forces, PULL)


def test_a_close_but_possible_hydrogen_molecule_is_computed() -> None:
    squeezed = Structure(atomic_numbers=[1, 1], positions=[[0, 0, 0], [0, 0, 0.40]])
    level = find_level("gfn2-xtb")
    label = attempt(squeezed, level, ("toy", "1"), lambda steps: Outcome(energy=-1.0))
    assert isinstance(label, Label)
