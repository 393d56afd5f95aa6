"""The run itself: its facts, its launches, and a diary of what happened."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from workflow.run.store.database import Database, WritableDatabase


@dataclass(frozen=True)
class DiaryReader:
    """Facts, launches and events of a run, to be read."""

    database: Database

    def fact(self, key: str) -> str | None:
        """Return one of the run's facts ("campaign", "finished"), or None."""
        row = self.database.one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row[0])

    def idle(self) -> dict[str, float]:
        """Return the worker seconds for which there was no task, by what was waited for."""
        return dict(json.loads(self.fact("idle") or "{}"))

    def events(self, last: int | None = None) -> list[tuple[float, str, str]]:
        """Return the diary, or its last entries: (seconds since 1970, kind, text) in order."""
        found = self.database.all(
            "SELECT * FROM events ORDER BY rowid DESC LIMIT ?", -1 if last is None else last
        )
        return [tuple(row) for row in reversed(found)]

    def launches(self) -> list[tuple[float, float | None, int]]:
        """Return (started_at, ended_at or None, slots) of every launch, in order."""
        return [
            tuple(row) for row in self.database.all("SELECT * FROM launches ORDER BY started_at")
        ]

    def has_open_launch(self) -> bool:
        """Say whether the last launch has not ended: it still runs, or was cut off."""
        return self.database.has_open_launch()


@dataclass(frozen=True)
class DiaryWriter(DiaryReader):
    """Facts, launches and events of a run, to be written."""

    database: WritableDatabase

    def set_fact(self, key: str, value: str) -> None:
        """Write one of the run's facts."""
        with self.database.write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def clear_fact(self, key: str) -> None:
        """Forget one of the run's facts."""
        with self.database.write() as db:
            db.execute("DELETE FROM meta WHERE key = ?", (key,))

    def add_idle(self, seconds: Mapping[str, float]) -> None:
        """Add to the worker seconds for which there was no task."""
        if not seconds:
            return
        before = self.idle()
        added = {reason: before.get(reason, 0.0) + more for reason, more in seconds.items()}
        self.set_fact("idle", json.dumps(before | added))

    def add_event(self, kind: str, text: str) -> None:
        """Append to the run's diary."""
        with self.database.write() as db:
            db.execute("INSERT INTO events VALUES (?, ?, ?)", (time.time(), kind, text))

    def begin_launch(self, slots: int) -> float:
        """Note that workers start; the answer names the launch."""
        now = time.time()
        with self.database.write() as db:
            db.execute("INSERT INTO launches VALUES (?, NULL, ?)", (now, slots))
        return now

    def end_launch(self, started_at: float) -> None:
        """Note that the workers of a launch are gone."""
        with self.database.write() as db:
            db.execute(
                "UPDATE launches SET ended_at = ? WHERE started_at = ?", (time.time(), started_at)
            )
