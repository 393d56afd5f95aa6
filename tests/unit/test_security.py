"""No file that a campaign or a person brings runs as code, and others cannot write into a run."""

import ast
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chemistry.errors import InputError, RungError
from chemistry.readers.molecules import read_molecules
from model import load_committee
from workflow.datasets.evaluate import evaluate_potential
from workflow.settings.backend import read_backend
from workflow.settings.campaign import read_campaign
from workflow.work.results import result_spool
from workflow.work.system.disk import own_folder

ROOT = Path(__file__).parents[2]

_CAN_RUN_CODE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "runpy", "joblib"}
_ALLOWED = {
    (
        "workflow/work/system/isolate.py",
        "pickle",
    ),  # between a worker and its own child, through a pipe
    ("workflow/work/system/child.py", "pickle"),  # its other end
    ("workflow/work/pools/python_file.py", "runpy"),  # the documented exception
    ("model/architectures/ani/torchani_files.py", "pickle"),  # the name of an error alone
}


class _Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, int]]:
        return os.open, (str(self.file), os.O_CREAT)


def _spooled(path: Path) -> None:
    """Read what somebody put into a spool: it is set aside."""
    spool = path.parent / "spool"
    spool.mkdir()
    path.rename(spool / "key.json")
    if result_spool(path.parent).read("key") is None:
        raise InputError("set aside")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("molecules.xyz", read_molecules),
        ("molecules.extxyz", read_molecules),
        ("molecules.sdf", read_molecules),
        ("molecules.smi", read_molecules),
        ("committee.safetensors", load_committee),
        ("data.extxyz", lambda path: evaluate_potential(path, path)),
        ("spooled.json", _spooled),
        ("campaign.yaml", read_campaign),
        ("backend.yaml", read_backend),
    ],
)
def test_a_pickle_in_the_place_of_any_file_is_refused_and_not_loaded(
    tmp_path: Path, name: str, read: Callable[[Path], Any]
) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(_Bomb(tmp_path / "went-off"), protocol=0))
    with pytest.raises(RungError):
        read(tmp_path / name)
    assert not (tmp_path / "went-off").exists()
    pickle.loads(pickle.dumps(_Bomb(tmp_path / "went-off"), protocol=0))
    assert (tmp_path / "went-off").exists(), "the bomb of this test is none"


@pytest.mark.parametrize("read", [read_campaign, read_backend])
def test_yaml_cannot_make_objects(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(f"name: !!python/object/apply:os.mkdir [{tmp_path}/made]\n")
    with pytest.raises(InputError):
        read(file)
    assert not (tmp_path / "made").exists()


def test_nothing_that_runs_code_from_data_is_imported_elsewhere() -> None:
    found = set()
    for package in ("chemistry", "model", "workflow"):
        for path in (ROOT / package).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {(name, alias.name.partition(".")[0]) for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add((name, (node.module or "").partition(".")[0]))
                elif isinstance(node, ast.Call):
                    call = ast.unparse(node.func)
                    assert call not in ("eval", "exec"), (name, node.lineno)
                    # Without code in it: tensors alone.
                    assert call != "torch.load" or "weights_only=True" in ast.unparse(node), name
                    assert "allow_pickle" not in [k.arg for k in node.keywords], name
    assert {(name, module) for name, module in found if module in _CAN_RUN_CODE} == _ALLOWED


def test_a_folder_that_others_could_write_into_is_closed_to_them(tmp_path: Path) -> None:
    own_folder(tmp_path / "new" / "spool")
    assert (tmp_path / "new" / "spool").stat().st_mode & 0o077 == 0
    old = tmp_path / "old"
    old.mkdir()
    old.chmod(0o777)
    own_folder(old)
    assert old.stat().st_mode & 0o777 == 0o755  # reading it may be meant


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(InputError, match="belongs to another user"):
        own_folder(tmp_path)
