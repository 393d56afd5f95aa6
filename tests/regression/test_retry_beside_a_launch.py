"""`rung retry` opened the store for writing, and read it whole, before it looked for a lock."""

import pytest

from chemistry.errors import RunInUse, StoreError
from workflow.campaign.retry import retry
from workflow.run.folder import RunFolder, locked


def test_a_store_that_a_launch_holds_is_not_opened(tmp_path):
    folder = RunFolder(tmp_path)
    folder.store.write_bytes(b"a store that is being written")
    with locked(folder), pytest.raises(RunInUse, match="in use by process"):
        retry(folder)


def test_what_is_no_run_folder_is_left_as_it_is(tmp_path):
    with pytest.raises(StoreError, match="is not a run folder"):
        retry(RunFolder(tmp_path / "nowhere"))
    with pytest.raises(StoreError, match="is not a run folder"):
        retry(RunFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []
