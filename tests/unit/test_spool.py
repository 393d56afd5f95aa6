"""The spool: whole results or none, never computed twice, and a log that can be counted."""

import errno
import json
import multiprocessing
import os
import signal
import stat
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from chemistry.errors import StoreError
from chemistry.records.label import Label, LabelFailure, Provenance
from chemistry.records.record_json import label_from_json, label_to_json
from workflow.work.spool import Spool

_FORK = multiprocessing.get_context("fork")


def _label(energy: float = -2079.123456789012345) -> Label:
    rng = np.random.default_rng(7)
    forces = rng.normal(size=(5, 3)) * 10.0 ** rng.integers(-300, 300, size=(5, 3))
    forces[0] = [np.pi, -0.0, np.nextafter(0.0, 1.0)]
    return Label(
        structure_id="0123456789abcdef0123",
        level_id="89abcdef",
        energy=energy,
        forces=forces,
        dipole=np.array([1.0, -1 / 3, 2e-17]),
        components={"hf": -1.1, "mp2": 0.1 + 0.2},
        force_components={"hf": forces / 3},
        diagnostics={"s2": 0.75},
        provenance=Provenance(
            program="pyscf",
            version="2.14",
            host="here",
            cpu_seconds=1.25,
            wall_seconds=np.float64(1.5),
            attempts=("diis", "newton"),
            finished_at=1.7e9 + 1 / 3,
        ),
    )


_FAILURE = LabelFailure(
    structure_id="0123456789abcdef0123",
    level_id="89abcdef",
    kind="convergence",
    message="SCF not converged: Å",
    attempts=("diis",),
    cpu_seconds=0.1,
)


def _labels(folder: Path) -> Spool[Label | LabelFailure]:
    folder.joinpath("spool").mkdir(parents=True, exist_ok=True)
    return Spool(
        folder=folder / "spool",
        log=folder / "labels.log",
        to_json=label_to_json,
        from_json=label_from_json,
        is_failure=lambda record: isinstance(record, LabelFailure),
    )


def _numbers(folder: Path) -> Spool[float]:
    folder.joinpath("spool").mkdir(parents=True, exist_ok=True)
    return Spool(folder=folder / "spool", log=folder / "labels.log", to_json=float, from_json=float)


def _events(spool: Spool[float]) -> Counter[str]:
    return Counter(line.split()[2] for line in spool.log.read_text().splitlines())


def test_a_label_comes_back_from_json_bit_for_bit() -> None:
    label = _label()
    back = label_from_json(json.loads(json.dumps(label_to_json(label))))
    assert isinstance(back, Label)
    assert label.forces is not None
    assert back.forces is not None
    assert back.dipole is not None
    assert label.dipole is not None
    assert back.forces.tobytes() == label.forces.tobytes()
    assert back.forces.shape == (5, 3)
    assert back.dipole.tobytes() == label.dipole.tobytes()
    assert back.energy == label.energy
    assert dict(back.components) == dict(label.components)
    assert list(back.force_components) == ["hf"]
    assert back.force_components["hf"].tobytes() == label.force_components["hf"].tobytes()
    assert dict(back.diagnostics) == dict(label.diagnostics)
    assert back.provenance == label.provenance
    assert label_from_json(json.loads(json.dumps(label_to_json(_FAILURE)))) == _FAILURE


def test_a_label_of_an_older_version_has_no_forces_of_parts() -> None:
    document = label_to_json(_label())
    del document["force_components_ev_angstrom"]
    back = label_from_json(document)
    assert isinstance(back, Label)
    assert back.force_components == {}


def test_what_was_not_computed_stays_none() -> None:
    document = label_to_json(_label()) | {"forces_ev_angstrom": None, "dipole_e_angstrom": None}
    back = label_from_json(json.loads(json.dumps(document)))
    assert isinstance(back, Label)
    assert back.forces is None
    assert back.dipole is None


def test_a_label_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    spool = _labels(tmp_path)
    file = spool.folder / "key.json"
    file.write_text(json.dumps(label_to_json(_FAILURE) | {"schema": 99}))
    with pytest.raises(StoreError, match="newer rung"):
        list(spool.collect())
    assert file.exists()


def test_a_result_is_computed_once_collected_and_removed(tmp_path: Path) -> None:
    spool = _labels(tmp_path)
    calls = []

    def compute() -> Label | LabelFailure:
        calls.append(1)
        return _FAILURE

    assert spool.compute_once("a-b", compute) == _FAILURE
    assert spool.compute_once("a-b", compute) == _FAILURE
    assert len(calls) == 1
    assert list(spool.collect()) == [("a-b", _FAILURE)]
    spool.remove("a-b")
    assert list(spool.collect()) == []
    assert list(spool.folder.iterdir()) == []
    events = [line.split()[1:3] for line in spool.log.read_text().splitlines()]
    assert events == [["a-b", "started"], ["a-b", "failed"]]
    assert int(spool.log.read_text().split()[3]) == os.getpid()


def test_results_and_log_are_closed_to_other_users(tmp_path: Path) -> None:
    spool = _labels(tmp_path)
    spool.compute_once("k", lambda: _FAILURE)
    for path in (spool.folder / "k.json", spool.log):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_an_exception_of_the_computation_passes_and_leaves_no_claim(tmp_path: Path) -> None:
    spool = _numbers(tmp_path)
    with pytest.raises(ZeroDivisionError):
        spool.compute_once("k", lambda: 1 / 0)
    assert list(spool.folder.iterdir()) == []
    assert spool.compute_once("k", lambda: 2.0) == 2.0
    assert _events(spool) == {"started": 2, "failed": 1, "finished": 1}


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 1}', b"\x00" * 50, b"[1, 2]", b"\xff"])
def test_a_torn_file_is_set_aside_and_computed_anew(tmp_path: Path, content: bytes) -> None:
    spool = _labels(tmp_path)
    (spool.folder / "k.json").write_bytes(content)
    (spool.folder / "other.json").write_text(json.dumps(label_to_json(_FAILURE)))
    assert [key for key, _ in spool.collect()] == ["other"]
    assert (spool.folder / "k.json.torn").read_bytes() == content
    assert spool.compute_once("k", lambda: _FAILURE) == _FAILURE


def test_every_cut_of_a_file_is_noticed(tmp_path: Path) -> None:
    spool = _labels(tmp_path)
    whole = json.dumps(label_to_json(_label())).encode()
    for length in range(0, len(whole), 37):
        (spool.folder / "k.json").write_bytes(whole[:length])
        assert spool.read("k") is None


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".hidden", "a b", "x" * 300, "a\n"])
def test_a_key_that_is_no_file_name_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="safe as a file name"):
        _numbers(tmp_path).compute_once(key, lambda: 1.0)


def test_many_processes_compute_a_key_once(tmp_path: Path) -> None:
    spool = _numbers(tmp_path)

    def work() -> None:
        def compute() -> float:
            time.sleep(0.05)
            return float(os.getpid())

        for key in ("a", "b", "c"):
            spool.compute_once(key, compute)

    workers = [_FORK.Process(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert _events(spool) == {"started": 3, "finished": 3}
    assert [key for key, _ in spool.collect()] == ["a", "b", "c"]


def test_a_killed_worker_leaves_no_result_and_its_claim_is_free(tmp_path: Path) -> None:
    spool = _numbers(tmp_path)
    computing = tmp_path / "computing"

    def work() -> None:
        def compute() -> float:
            computing.touch()
            time.sleep(60)
            return 1.0

        spool.compute_once("k", compute)

    assert not spool.held("k")
    worker = _FORK.Process(target=work)
    worker.start()
    while not computing.exists():
        time.sleep(0.01)
    assert spool.held("k")
    assert list(spool.collect()) == []
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert not spool.held("k")
    assert list(spool.collect()) == []
    assert spool.compute_once("k", lambda: 2.0) == 2.0
    assert not spool.held("k")


def test_a_full_disk_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = _numbers(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StoreError, match="is full: make room there"):
        spool.compute_once("k", lambda: pytest.fail("computed on a full disk"))


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    spool = Spool(folder=tmp_path / "gone", log=tmp_path / "log", to_json=float, from_json=float)
    with pytest.raises(StoreError, match="gone cannot be written"):
        spool.compute_once("k", lambda: 1.0)
