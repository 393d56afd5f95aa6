"""How many electrons and unpaired ones a file speaks of: charge and multiplicity from its keys.

Programs call them by many names. Those that mean one thing are understood; whatever else looks
like a charge or a spin is refused, because to pass over it is to compute another molecule.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chemistry.errors import InputError

SpinMeans: TypeAlias = Literal["2s", "2s+1"]
"""What `spin` and `total_spin` count: unpaired electrons, or the multiplicity."""

Electrons: TypeAlias = tuple[int | None, int | None]
"""Charge in e and multiplicity 2S + 1; None for what is not stated."""

_Quantity: TypeAlias = Literal["charge", "multiplicity", "unpaired", "spin"]

_WHOLE_MOLECULE = r"(total|tot|net|molecular|molecule|mol|system|pubchemtotal)?"
_NAMES: Final[Mapping[_Quantity, re.Pattern[str]]] = {
    "charge": re.compile(rf"{_WHOLE_MOLECULE}(formal)?charge|charge(total|tot)|chrg|chg|q(tot)?"),
    "multiplicity": re.compile(rf"{_WHOLE_MOLECULE}(spin)?(multiplicity|multip|mult)"),
    "unpaired": re.compile(r"uhf|(n|num|number)?(of)?unpaired(electrons?)?|(total)?magmom"),
    "spin": re.compile(rf"{_WHOLE_MOLECULE}spin"),
}
"""Names in lower case and without separators, by what they mean."""

_LIKE_CHARGE = re.compile(
    r"charge(?!s$)|chrg|chg|^(is)?(radical)?(cation|anion)(ic)?$|^q(total|net|mol)$|^(total|tot|net)q$"
)
_LIKE_SPIN = re.compile(
    r"spin|multiplicity|^mult|mult$|magmom|magneti[csz]|unpaired|^uhf|^nupdown$|^openshell$"
    r"|^(is)?(singlet|doublet|triplet)(state)?$|^(2s1?|twos|sz|ms2|nunp)$"
)
_OTHERWISE = re.compile(
    r"partial|nuclear|core|atomic|mulliken|l[oö]ewdin|lowdin|hirshfeld|esp|bader|mbis|nbo|npa"
    r"|gasteiger|bcc|chelpg|valence|multipole|multiwfn|spin(orbit|contamination|squared?|coupling)"
    r"|densit|populations?|transfer|penetration|(charge|spin)(model|method|scheme|type)"
)
"""Names that speak of parts of a molecule, or of other properties."""

_CHARGES_OF_ATOMS = re.compile(r"charges$")
_MOMENTS_OF_ATOMS = re.compile(r"(magmoms|magneticmoments|spins|spinpopulations)$")

_CHARGE_WORDS = re.compile(r"\b(mono|di|tri)?(cation|anion)(ic)?\b", re.IGNORECASE)
_SPIN_WORDS = re.compile(
    r"\b((bi|di)?radical|doublet|triplet|quartet|quintet|sextet|septet|2S(\s*\+\s*1)?)\b",
    re.IGNORECASE,
)
_TWO_NUMBERS = re.compile(r"([+-]?\d{1,2})[\s,;]+(\d{1,2})")
_TWO_NUMBERS_AND_WORDS = re.compile(r"[+-]?\d[\s,;]+[1-9][\s,;]+[A-Za-z]")
_PAIR = re.compile(
    r"""(?<!\d)(?P<key>[A-Za-z_]\w*)\s*=\s*"""
    r"""(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'"""
    # A comma ends a value only where another pair follows: 2,2-dimethylpropane is a name.
    r"""|(?P<bare>(?:(?![,;]+(?:\s|$)|[,;]\s*[A-Za-z_]\w*\s*=)\S)+))"""
)
_FORMULA_OF_AN_ION = re.compile(r"[\[(]?(?:[A-Z][a-z]?\d*)+[\])]?\^?[({]?\d*[+-]+[)}]?")
_WORD_AND_NUMBER = re.compile(r"(?P<key>[A-Za-z_]+)\s*:?\s*(?P<value>[+-]?\d+)?(?![\w.])")

_MAGNETIC_MOMENT_TOLERANCE = 0.01
"""In Bohr magnetons: programs print the number of unpaired electrons as 1.9999."""


def electrons_from(
    facts: Mapping[str, Any],
    where: str,
    *,
    comment: str = "",
    place: str = "in the comment",
    spin_means: SpinMeans | None = None,
    charge: int | None = None,
    multiplicity: int | None = None,
) -> Electrons:
    """Return the charge and the multiplicity that a file states.

    Parameters
    ----------
    facts : mapping of str to Any
        Keys of a frame, fields of a record. Sequences of numbers with a name such as
        `initial_charges` are taken for those of the atoms, and must add up to what is stated.
    where : str
        File and place, for messages: "water.xyz:1".
    comment : str
        Text beside the keys. Two whole numbers, if there is nothing else, are charge and
        multiplicity, as in the input of most programs.
    place : str
        Where in it the keys stand, for messages.
    spin_means : "2s", "2s+1" or None
        None refuses the keys `spin` and `total_spin`, unless they are 0.
    charge, multiplicity : int or None
        What a person says: then what the file says of it is not looked at.

    Returns
    -------
    (int or None, int or None)
        None for what the file does not state.

    Raises
    ------
    InputError
        Something looks like a charge or a spin and is not understood, or two contradict each other.
    """
    words = " ".join(str(key) for key, value in facts.items() if value is True)
    stated = {str(key): value for key, value in facts.items() if value is not True}
    stated |= _said_in_words(f"{comment} {words}".strip(), where)
    text = (comment or words).replace("_", " ")
    read = partial(_agreed, stated, where=where, place=place, spin_means=spin_means)
    if charge is None:
        charge = read(("charge",))
        _refuse_doubtful(stated, _LIKE_CHARGE, _CHARGE_WORDS, "charge=… in e", where)
        _check_sum(stated, _CHARGES_OF_ATOMS, charge or 0, "charge=…", where)
        _refuse_words(text, _CHARGE_WORDS, charge, "charge=…", where)
        if charge is None and _FORMULA_OF_AN_ION.fullmatch(comment.strip()):
            raise InputError(f"{where}: {comment.strip()!r} looks like an ion's: say charge=…")
    if multiplicity is None:
        multiplicity = read(("multiplicity", "unpaired", "spin"))
        _refuse_doubtful(stated, _LIKE_SPIN, _SPIN_WORDS, "multiplicity=… (2S+1)", where)
        unpaired = (multiplicity or 1) - 1
        _check_sum(stated, _MOMENTS_OF_ATOMS, unpaired, "multiplicity=… (2S+1)", where)
        _refuse_words(text, _SPIN_WORDS, multiplicity, "multiplicity=…", where)
    if None in (charge, multiplicity) and _TWO_NUMBERS_AND_WORDS.match(comment):
        raise InputError(
            f"{where}: {comment[:40]!r} may begin with a charge and a multiplicity: "
            "say charge=… and multiplicity=…"
        )
    return charge, multiplicity


def pairs_in(text: str, where: str, *, keeps_case: bool = False) -> dict[str, str]:
    """Return the key=value pairs of a line, keys in lower case unless that is kept.

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
        key = match["key"] if keeps_case else match["key"].lower()
        if pairs.setdefault(key, value) != value:
            raise InputError(f"{where}: {key}={pairs[key]} and {key}={value} contradict each other")
    return pairs


def without_pairs(text: str) -> str:
    """Return what a line says beside its key=value pairs."""
    return " ".join(_PAIR.sub(" ", text).split())


def _said_in_words(text: str, where: str) -> dict[str, str]:
    """Return what a text without key=value pairs states: "0 3", or "charge: 1, multiplicity 2"."""
    if both := _TWO_NUMBERS.fullmatch(text):
        return {"charge": both[1], "multiplicity": both[2]}
    said: dict[str, str] = {}
    for match in _WORD_AND_NUMBER.finditer(text):
        key, value = match["key"], match["value"]
        if len(key) == 1 or _quantity(key) is None:
            continue
        if value is None:
            raise InputError(f"{where}: {text[:60]!r} names a {key}, but not which: say {key}=…")
        if said.setdefault(key, value) != value:
            raise InputError(f"{where}: {key} {said[key]} and {key} {value} contradict each other")
    return said


def _quantity(key: str) -> _Quantity | None:
    """Return which quantity a key names, None for another or one that is not understood."""
    plain = _plain(key)
    return next((quantity for quantity, name in _NAMES.items() if name.fullmatch(plain)), None)


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _agreed(
    stated: Mapping[str, Any],
    quantities: tuple[_Quantity, ...],
    *,
    where: str,
    place: str,
    spin_means: SpinMeans | None,
) -> int | None:
    """Return the one value that all statements about a quantity have, None without any."""
    found: dict[int, str] = {}
    for key, value in stated.items():
        quantity = _quantity(key)
        if quantity in quantities:
            shown = f"{key}={_short(value)}"
            number = _value(quantity, value, key, f"{where}: {shown} {place}", spin_means)
            found.setdefault(number, shown)
    if len(found) > 1:
        raise InputError(f"{where}: {' and '.join(found.values())} contradict each other")
    return next(iter(found), None)


def _value(
    quantity: _Quantity, value: Any, key: str, said: str, spin_means: SpinMeans | None
) -> int:
    """Return a charge as it is, everything else as a multiplicity."""
    is_moment = "magmom" in _plain(key)
    number = _whole_number(value, _MAGNETIC_MOMENT_TOLERANCE if is_moment else 0.0)
    if number is None:
        raise InputError(f"{said} is not a whole number")
    if quantity == "charge":
        return number
    if quantity == "spin" and number and spin_means is None:
        raise InputError(
            f"{said} means 2S to some programs and 2S+1 to others: say which with "
            "--spin-means 2s or --spin-means 2s+1 (spin_means in a campaign file), or write "
            "multiplicity=…"
        )
    if is_moment:
        number = abs(number)
    is_multiplicity = quantity == "multiplicity" or (quantity == "spin" and spin_means == "2s+1")
    multiplicity = number if is_multiplicity else number + 1
    if multiplicity < 1:
        raise InputError(f"{said} cannot be: a multiplicity is 2S+1, at least 1")
    return multiplicity


def _whole_number(value: Any, tolerance: float) -> int | None:
    if isinstance(value, bool | np.bool_) or np.size(value) != 1:
        return None
    try:
        number = float(np.asarray(value).item())
    except (TypeError, ValueError):
        return None
    if not np.isfinite(number) or abs(number - round(number)) > tolerance:
        return None
    return round(number)


def _refuse_doubtful(
    stated: Mapping[str, Any],
    looks_like: re.Pattern[str],
    words: re.Pattern[str],
    say: str,
    where: str,
) -> None:
    """Refuse keys that look like a charge or a spin, and such a word under any key."""
    known = {quantity: key for key in stated if (quantity := _quantity(key))}
    is_stated = ("charge" in known) if words is _CHARGE_WORDS else bool({*known} - {"charge"})
    for key, value in stated.items():
        plain = _plain(key)
        is_word = isinstance(value, str) and words.fullmatch(value.strip()) and not is_stated
        if not is_word and (
            _quantity(key) or _OTHERWISE.search(plain) or _MOMENTS_OF_ATOMS.search(plain)
        ):
            continue
        if is_word or looks_like.search(plain):
            raise InputError(
                f"{where}: {key}={_short(value)} looks like a charge or a spin but is not "
                f"understood: say {say}"
            )


def _check_sum(
    stated: Mapping[str, Any], of_atoms: re.Pattern[str], expected: int, say: str, where: str
) -> None:
    """Refuse numbers of the atoms that do not add up to what is stated, or taken without it."""
    for key, total in _sums(stated, of_atoms):
        # Which way spins point is nobody's business.
        found = abs(total) if of_atoms is _MOMENTS_OF_ATOMS else total
        if abs(found - expected) >= 0.5:
            raise InputError(
                f"{where}: {key} of the atoms add up to {total:.2f}, not to {expected}: say {say}"
            )


def _sums(stated: Mapping[str, Any], of_atoms: re.Pattern[str]) -> Iterator[tuple[str, float]]:
    for key, values in stated.items():
        if of_atoms.search(_plain(key)) and not isinstance(values, str):
            numbers = np.asarray(values)
            if numbers.ndim == 1 and np.issubdtype(numbers.dtype, np.number):
                yield key, float(numbers.sum())


def _refuse_words(
    text: str, words: re.Pattern[str], stated: int | None, say: str, where: str
) -> None:
    if stated is None and (match := words.search(text)):
        raise InputError(f"{where}: the text speaks of {match[0]!r}, but states none: say {say}")


def _short(value: Any) -> str:
    text = str(value).strip()
    return text if len(text) <= 30 else f"{text[:30]}…"
