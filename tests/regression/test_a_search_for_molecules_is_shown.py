"""A launch that looked for new molecules said that nothing was under way."""

from dataclasses import replace
from typing import get_args

import pytest
from rich.console import Console

from chemistry.records.level import find_level
from workflow.campaign.observers.progress import Progress
from workflow.planning.keys import TaskKind
from workflow.planning.state import RungState
from workflow.run.state import read_rung_state
from workflow.run.store.store import Store
from workflow.settings.campaign import Campaign

LEVEL = find_level("hf/sto-3g")
CAMPAIGN = Campaign.model_validate(
    {"name": "x", "molecules": ["O"], "rungs": [{"level": LEVEL.name}]}
)


@pytest.fixture
def state(tmp_path) -> RungState:
    """A rung of which nothing is under way."""
    with Store.create(tmp_path / "store.sqlite", CAMPAIGN.model_dump_json()) as store:
        return read_rung_state(store, CAMPAIGN, 0, LEVEL)


def shown(state: RungState, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("workflow.campaign.observers.progress._PLAIN_LINE_EVERY_SECONDS", 0.0)
    console = Console(width=200, force_terminal=False)
    with console.capture() as capture, Progress(console, CAMPAIGN) as progress:
        progress.saw(state, LEVEL)
    return capture.get()


def test_a_launch_that_grows_says_that_it_looks_for_molecules(state, monkeypatch):
    assert "nothing" in shown(state, monkeypatch)
    growing = replace(state, tasks_in_flight=frozenset({"grow-0-3"}))
    assert "looking for molecules" in shown(growing, monkeypatch)
    assert "nothing" not in shown(growing, monkeypatch)


@pytest.mark.parametrize("kind", sorted(set(get_args(TaskKind)) - {"inherit"}))
def test_whatever_workers_do_is_not_nothing(state, monkeypatch, kind):
    busy = replace(state, tasks_in_flight=frozenset({f"{kind}-0-1"}))
    assert "nothing" not in shown(busy, monkeypatch)
