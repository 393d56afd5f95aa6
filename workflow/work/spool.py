"""The spool: results that are never lost and never computed twice, whichever process dies.

A worker claims a key by a lock on `KEY.claim`, which the kernel releases at its death, computes,
writes the result into that very file and renames it to `KEY.json`. So a result is either whole or
not there. The driver takes results in, commits them to the store and removes them. The room on the
disk is reserved before the computation, so that a full disk costs no result.

Each worker also notes in a log when it starts and ends a computation: what was computed how often
can be counted without trusting the store.
"""

import fcntl
import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from workflow.work.system.disk import as_store_errors

T = TypeVar("T")

_RESERVED_BYTES = 64 * 1024
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, kw_only=True)
class Spool(Generic[T]):
    """A folder of finished results by key, shared by the driver and all workers.

    Attributes
    ----------
    folder : Path
        Absolute; on a file system whose locks reach all workers.
    log : Path
        Absolute; lines "time key started|finished|failed pid host".
    to_json, from_json : callable
        To a JSON document and back; from_json raises KeyError, TypeError or ValueError for what
        is no such document.
    is_failure : callable
        Whether the log calls a result failed.
    """

    folder: Path
    log: Path
    to_json: Callable[[T], Any]
    from_json: Callable[[Any], T]
    is_failure: Callable[[T], bool] = lambda _: False

    def compute_once(self, key: str, compute: Callable[[], T]) -> T:
        """Return the finished result of `key` if there is one, else compute it and keep it.

        Waits while another process computes the same key, and then returns that result.

        Raises
        ------
        StoreError
            The disk is full (nothing was computed) or the folder cannot be written or locked.
        """
        with as_store_errors(self.folder):
            claim = self._claim(key)
        try:
            finished = self.read(key)
            if finished is not None:
                return finished
            self._note(key, "started")
            try:
                result = compute()
            except BaseException:
                self._file(key, "claim").unlink(missing_ok=True)
                self._note(key, "failed")
                raise
            with as_store_errors(self.folder):
                self._finish(key, claim, result)
            self._note(key, "failed" if self.is_failure(result) else "finished")
            return result
        finally:
            os.close(claim)

    def read(self, key: str) -> T | None:
        """Return the finished result of `key`, or None; a torn file is set aside as *.torn.

        Raises
        ------
        StoreError
            The file cannot be read, or was written by a newer version of rung.
        """
        file = self._file(key, "json")
        with as_store_errors(self.folder):
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                return None
        try:
            return self.from_json(json.loads(content))
        except (KeyError, TypeError, ValueError):
            with suppress(FileNotFoundError):
                file.rename(file.with_suffix(".json.torn"))
            return None

    def collect(self) -> Iterator[tuple[str, T]]:
        """Yield (key, result) of all finished results, by key; torn files are set aside."""
        for file in sorted(self.folder.glob("*.json")):
            result = self.read(file.stem)
            if result is not None:
                yield file.stem, result

    def remove(self, key: str) -> None:
        """Forget a result that the store has committed, once no task of that key is queued."""
        for suffix in ("json", "claim"):
            self._file(key, suffix).unlink(missing_ok=True)

    def claimed(self) -> Iterator[tuple[str, float]]:
        """Yield the keys that somebody has claimed, and when, in seconds since 1970.

        Whether he still computes them, `held` knows.
        """
        for file in self.folder.glob("*.claim"):
            with suppress(FileNotFoundError):  # renamed meanwhile: it is finished
                yield file.stem, file.stat().st_mtime

    def held(self, key: str) -> bool:
        """Return whether some process computes `key` at this moment."""
        with as_store_errors(self.folder):
            try:
                probe = os.open(self._file(key, "claim"), os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
            try:
                fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(probe)
            return False

    def _file(self, key: str, suffix: Literal["json", "claim"]) -> Path:
        if _KEY.fullmatch(key) is None:
            raise ValueError(f"not a key that is safe as a file name: {key!r}")
        return self.folder / f"{key}.{suffix}"

    def _claim(self, key: str) -> int:
        """Return a locked descriptor of the claim file, with room for the result reserved."""
        file = self._file(key, "claim")
        while True:
            claim = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(claim, fcntl.LOCK_EX)
                # Whoever held the lock may have renamed or removed the file that we have open.
                if _is_still(file, claim):
                    os.posix_fallocate(claim, 0, _RESERVED_BYTES)
                    return claim
            except BaseException:
                os.close(claim)
                raise
            os.close(claim)

    def _finish(self, key: str, claim: int, result: T) -> None:
        document = json.dumps(self.to_json(result)).encode()
        written = 0
        while written < len(document):
            written += os.pwrite(claim, document[written:], written)
        os.ftruncate(claim, len(document))
        os.fsync(claim)
        self._file(key, "claim").rename(self._file(key, "json"))
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _note(self, key: str, event: Literal["started", "finished", "failed"]) -> None:
        # One write to a file opened for appending: lines of different processes do not mix.
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = f"{now} {key} {event} {os.getpid()} {socket.gethostname()}\n"
        with as_store_errors(self.log.parent):
            log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(log, line.encode())
            finally:
                os.close(log)


def _is_still(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
