"""Comment lines and names: their key=value pairs, and what stands beside them."""

import re

from chemistry.errors import InputError

_PAIR = re.compile(
    r"""(?P<key>[A-Za-z_]\w*)\s*=\s*"""
    r"""(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'"""
    # A comma ends a value only where another pair follows: 2,2-dimethylpropane is a name.
    r"""|(?P<bare>(?:(?![,;]+(?:\s|$)|[,;]\s*[A-Za-z_]\w*\s*=)\S)+))"""
)


def pairs_in(text: str, where: str) -> dict[str, str]:
    """Return the key=value pairs of a line, keys in lower case.

    Raises
    ------
    InputError
        A key is there twice with different values.
    """
    pairs: dict[str, str] = {}
    for match in _PAIR.finditer(text):
        value = next(
            match[kind] for kind in ("double", "single", "bare") if match[kind] is not None
        )
        key = match["key"].lower()
        if pairs.setdefault(key, value) != value:
            raise InputError(f"{where}: {key}={pairs[key]} and {key}={value} contradict each other")
    return pairs


def without_pairs(text: str) -> str:
    """Return what a line says beside its key=value pairs."""
    return " ".join(_PAIR.sub(" ", text).split())
