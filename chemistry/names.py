"""What a person probably meant by a name that is not known, for error messages."""

import difflib
from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str:
    """Return the known name that looks most like the word, however little."""
    return difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)[0]


def nearest(given: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, else which there are."""
    names = list(dict.fromkeys(known))
    by_plain = {_plain(name): name for name in names}
    close = difflib.get_close_matches(_plain(given), by_plain, n=1, cutoff=0.6)
    return f"did you mean `{by_plain[close[0]]}`?" if close else f"use {one_of(names)}"


def one_of(names: Iterable[str]) -> str:
    """Return "`a`", or "one of `a`, `b`"."""
    listed = [f"`{name}`" for name in dict.fromkeys(names)]
    return listed[0] if len(listed) == 1 else f"one of {', '.join(listed)}"


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
