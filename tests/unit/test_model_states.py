"""States that a committee has learned: said in its record, and asked before a simulation."""

import numpy as np
import pytest

from chemistry.errors import InputError
from chemistry.records.structure import Structure
from model.states import check_state, states_in, states_of, states_text


def of(charge: int, multiplicity: int) -> Structure:
    return Structure(
        atomic_numbers=np.array([1]),
        positions=np.zeros((1, 3)),
        charge=charge,
        multiplicity=multiplicity,
    )


def test_each_state_is_listed_once_and_read_back():
    found = states_of([of(0, 1), of(-1, 1), of(0, 1), of(0, 3)])
    assert found == [[-1, 1], [0, 1], [0, 3]]
    assert states_in({"states": found}) == [(-1, 1), (0, 1), (0, 3)]
    assert states_text([(-1, 1), (0, 3)]) == "charge -1, multiplicity 1; charge 0, multiplicity 3"


def test_only_learned_states_pass_where_they_are_known():
    record = {"states": [[1, 2]]}
    check_state(record, 1, 2)
    with pytest.raises(InputError, match=r"charge 0, multiplicity 1: it knows charge \+1"):
        check_state(record, 0, 1)
    check_state({}, 7, 9)
    assert states_in({}) is None
