"""The connection to a SQLite file: opened with care, each error said in one sentence."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from chemistry.errors import StoreError

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
    """A connection to a run's store that can only read.

    Others may write meanwhile: a reader sees what was committed when its question began (WAL).
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the store of a run to read it.

        Raises
        ------
        StoreError
            There is none, it is damaged, or another version of rung wrote it.
        """
        require_store(path)
        database = cls(path, _connect(path, read_only=True))
        database._require_schema()
        return database

    def close(self) -> None:
        """Let the file go."""
        self.connection.close()

    def one(self, sql: str, *values: Any) -> Any:
        """Return the first row of an answer, or None."""
        with explained(self.path):
            return self.connection.execute(sql, values).fetchone()

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of an answer."""
        with explained(self.path):
            return self.connection.execute(sql, values).fetchall()

    def rows(self, sql: str, *values: Any) -> Iterator[sqlite3.Row]:
        """Yield the rows of an answer that may be too long for the memory."""
        with explained(self.path):
            yield from self.connection.execute(sql, values)

    def has_open_launch(self) -> bool:
        """Say whether the last launch has not ended: it goes on, or was cut off."""
        last = self.one("SELECT ended_at FROM launches ORDER BY started_at DESC LIMIT 1")
        return last is not None and last[0] is None

    def _require_schema(self) -> None:
        row = self.one("SELECT value FROM meta WHERE key = 'schema_version'")
        found = None if row is None else str(row[0])
        if found != str(SCHEMA_VERSION):
            raise StoreError(
                f"{self.path} has schema version {found}, this rung reads {SCHEMA_VERSION}: "
                f"use the version of rung in {self.path.parent / 'versions.json'}"
            )


class WritableDatabase(Database):
    """A connection that also writes: one process and one thread at a time has it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
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
        database = cls(unfinished, _connect(unfinished, read_only=False))
        with closing(database), database.write() as db:
            db.executescript(files("workflow.run.store").joinpath("schema.sql").read_text("utf-8"))
            db.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [("schema_version", str(SCHEMA_VERSION)), ("campaign", campaign)],
            )
        unfinished.rename(path)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the store of a run to write it; raises as `Database.open` does."""
        require_store(path)
        database = cls(path, _connect(path, read_only=False))
        # Not when it is made: a file that is renamed must not have a part of it in another one.
        database.one("PRAGMA journal_mode = WAL")
        database._require_schema()
        database._require_sound()
        return database

    def _require_sound(self) -> None:
        """Refuse a damaged file before anything is written to it.

        SQLite itself refuses, at its first look, a file that is shorter than it should be. To see
        the rest it reads the whole file: half a minute for five million structures. So a large one
        is read only where the last launch was cut off, perhaps with its machine; where damage goes
        unseen, it is said when somebody reads that part.
        """
        if self.path.stat().st_size > _ALWAYS_READ_BYTES and not self.has_open_launch():
            return
        [found] = self.one("PRAGMA quick_check(1)")
        if found != "ok":
            with explained(self.path):
                raise sqlite3.DatabaseError(found)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that is written inside: one wait for the disk."""
        self._is_open_transaction = True
        try:
            with explained(self.path), self.connection:
                yield
        finally:
            self._is_open_transaction = False

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Make one transaction of what is written inside, or a part of the one that is open."""
        with explained(self.path):
            if self._is_open_transaction:
                yield self.connection
                return
            with self.connection as db:
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
