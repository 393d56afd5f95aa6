"""One SQLite file: opened with care, each error said in one sentence."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from chemistry.errors import StoreError
from workflow.work.results import Cost

SCHEMA_VERSION = 2
_ALWAYS_READ_BYTES = 2**28  # in a third of a second
_ABOUT_THE_FOLDER = (
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_IOERR",
    "SQLITE_LOCKED",
    "SQLITE_PERM",
    "SQLITE_READONLY",
)


class Database:
    """The connection to a run's store; open it with `create` or `open`, in a `with` block."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._is_open_transaction = False

    @classmethod
    def create(cls, path: Path, campaign: str) -> Self:
        """Make a new store for a campaign (its JSON text).

        Raises
        ------
        StoreError
            The file exists already or cannot be written.
        """
        if path.exists():
            raise StoreError(f"{path} exists already: it is not overwritten")
        # Made under another name, so that a crash leaves a whole store or none.
        unfinished = path.with_name(f"{path.name}.new")
        for leftover in path.parent.glob(f"{unfinished.name}*"):
            leftover.unlink()
        with cls(unfinished, _connect(unfinished, read_only=False)) as store, store._write() as db:
            db.executescript(files("workflow.run.store").joinpath("schema.sql").read_text("utf-8"))
            db.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [("schema_version", str(SCHEMA_VERSION)), ("campaign", campaign)],
            )
        unfinished.rename(path)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open the store of a run.

        Raises
        ------
        StoreError
            There is none, it is damaged, or another version of rung wrote it.
        """
        require_store(path)
        store = cls(path, _connect(path, read_only=read_only))
        with explained(path):
            if not read_only:
                # Not before: a file that is renamed must not have a part of it in another one.
                store._one("PRAGMA journal_mode = WAL")
            found = store.meta("schema_version")
            if not read_only:
                store._require_sound()
        if found != str(SCHEMA_VERSION):
            raise StoreError(
                f"{path} has schema version {found}, this rung reads {SCHEMA_VERSION}: "
                f"use the version of rung in {path.parent / 'versions.json'}"
            )
        return store

    def _require_sound(self) -> None:
        """Refuse a damaged file before anything is written to it.

        SQLite itself refuses, at its first look, a file that is shorter than it should be. To see
        the rest it reads the whole file: half a minute for five million structures. So a large one
        is read only where the last launch was cut off, perhaps with its machine; where damage goes
        unseen, it is said when somebody reads that part.
        """
        if self.path.stat().st_size > _ALWAYS_READ_BYTES and not self.has_open_launch():
            return
        [found] = self._one("PRAGMA quick_check(1)")
        if found != "ok":
            raise sqlite3.DatabaseError(found)

    def has_open_launch(self) -> bool:
        """Say whether the last launch has not ended: it goes on, or was cut off."""
        last = self._one("SELECT ended_at FROM launches ORDER BY started_at DESC LIMIT 1")
        return last is not None and last[0] is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def meta(self, key: str) -> str | None:
        """Return one of the run's facts ("campaign", "finished"), or None."""
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row[0])

    def _one(self, sql: str, *values: Any) -> Any:
        with explained(self.path):
            return self._connection.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with explained(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _cursor(self, sql: str, *values: Any) -> Iterator[sqlite3.Row]:
        with explained(self.path):
            yield from self._connection.execute(sql, values)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that is written inside: one wait for the disk."""
        self._is_open_transaction = True
        try:
            with explained(self.path), self._connection:
                yield
        finally:
            self._is_open_transaction = False

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path):
            if self._is_open_transaction:
                yield self._connection
                return
            with self._connection as db:
                yield db


def require_store(path: Path) -> None:
    """Raise StoreError where there is no store."""
    if not path.is_file():
        raise StoreError(
            f"{path.parent} is not a run folder: it has no {path.name}, which "
            f"`rung launch CAMPAIGN` makes"
        )


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    with explained(path):
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(uri, uri=True, timeout=30.0)
        connection.row_factory = sqlite3.Row
        if not read_only:
            # FULL: a committed label survives a power cut, not only a crash of the process.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        return connection


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one sentence that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL":
            advice = "make room on the disk and launch again; all committed labels are kept"
        elif name.startswith(_ABOUT_THE_FOLDER):
            advice = "check the folder's permissions and its disk, then launch again"
        else:
            advice = "it is damaged; put back a copy, or recover it with `sqlite3 FILE .recover`"
        raise StoreError(f"the store {path} cannot be used ({error}): {advice}") from error


def insert_task(
    db: sqlite3.Connection,
    key: str,
    rung: int,
    kind: str,
    version: int,
    detail: dict[str, Any],
    cost: Cost,
) -> bool:
    """Note a finished task; say whether it was not known before."""
    added = db.execute(
        "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            rung,
            kind,
            version,
            json.dumps(detail),
            cost.worker,
            cost.started_at,
            cost.finished_at,
            cost.cpu_seconds,
        ),
    )
    return added.rowcount > 0
