"""Places that cannot be written are said in one sentence, which names them."""

from pathlib import Path

import pytest

from chemistry.errors import StoreError
from workflow.work.system.disk import disk_errors_explained, own_folder


def a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file"


def below_a_file(folder: Path) -> Path:
    return a_file(folder) / "below"


def with_a_long_name(folder: Path) -> Path:
    return folder / ("x" * 300)


def in_a_circle(folder: Path) -> Path:
    (folder / "circle").symlink_to(folder / "circle")
    return folder / "circle" / "below"


@pytest.mark.parametrize("place", [a_file, below_a_file, with_a_long_name, in_a_circle])
def test_a_folder_that_cannot_be_made(tmp_path, place):
    path = place(tmp_path)
    with (
        pytest.raises(StoreError, match=r"cannot be written .*: correct that and try again"),
        disk_errors_explained(tmp_path),
    ):
        own_folder(path)
