"""`rung climb-report` ended with a traceback on a campaign that this version cannot read."""

import json

import pytest

from chemistry.errors import StoreError
from workflow.report.climb_report import climb_report
from workflow.run.folder import RunFolder
from workflow.run.store.store import Store


def test_it_says_which_version_can_read_it(tmp_path):
    folder = RunFolder(tmp_path)
    text = json.dumps({"name": "x", "molecules": ["O"], "rungs": [{"levels_of_theory": ["hf"]}]})
    with Store.create(folder.store, text):
        pass
    with pytest.raises(StoreError, match="use the version of rung in"):
        climb_report(folder.path)
