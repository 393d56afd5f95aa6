"""Cheap labels go to workers together; dear ones, and those that were lost before, alone."""

import pytest

from workflow.planning.together import labels_ahead, labels_at_once, shared_out


@pytest.mark.parametrize(
    ("seconds", "at_once"), [(None, 1), (0.0, 16), (0.002, 16), (0.1, 5), (0.3, 1), (3600.0, 1)]
)
def test_the_cheaper_labels_are_the_more_go_together(seconds, at_once):
    assert labels_at_once(seconds) == at_once
    assert labels_ahead(seconds, 3) == 6 * at_once


def test_every_worker_has_some():
    assert shared_out(range(8), at_once=16, slots=2) == [range(4), range(4, 8)]
    assert shared_out(range(3), at_once=16, slots=4) == [range(1), range(1, 2), range(2, 3)]
    assert shared_out([], at_once=16, slots=2) == []


def test_no_worker_has_more_than_go_together():
    parts = shared_out(range(70), at_once=16, slots=2)
    assert [len(part) for part in parts] == [16, 16, 16, 16, 6]
    assert [i for part in parts for i in part] == list(range(70))
