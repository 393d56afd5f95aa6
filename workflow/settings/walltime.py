"""Walltimes as people and schedulers write them."""

import re
from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

_WALLTIME = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")


def walltime_seconds(walltime: str) -> float:
    """Return the seconds in "1:30:00" or "2-12:00:00" (days-hours:minutes:seconds).

    Raises
    ------
    ValueError
        Anything else, zero included.
    """
    match = _WALLTIME.fullmatch(walltime.strip())
    if match is None:
        raise ValueError(f'a walltime is written "hours:minutes:seconds", not `{walltime}`')
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    if total == 0:
        raise ValueError("a walltime of zero leaves no time for anything")
    return total


def hours_minutes_seconds(walltime: str) -> str:
    """Write "2-12:00:00" as "60:00:00", which is all that Parsl reads."""
    minutes, seconds = divmod(int(walltime_seconds(walltime)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _checked_walltime(walltime: str) -> str:
    walltime_seconds(walltime)
    return walltime


Walltime: TypeAlias = Annotated[str, AfterValidator(_checked_walltime)]
