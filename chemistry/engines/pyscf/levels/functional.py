"""What the name of a density functional means: which parts of libxc, which exact exchange.

PySCF's own parser reads a name as arithmetic where it does not know it: `pbe0-2` is PBE0 minus
functional no. 2 of libxc. Here a name is looked up whole, and taken only where PySCF computes all
of what it stands for.
"""

import ctypes
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from pyscf.dft import libxc

from chemistry.errors import InputError
from chemistry.names import closest
from chemistry.records.spelling import split_dispersion

_FAMILIES = tuple(f"{h}{family}" for h in ("", "HYB_") for family in ("LDA", "GGA", "MGGA"))
_PART = re.compile(r"(?:HYB_)?(?:LDA|GGA|MGGA)_(XC|X|C|K)(?:_|$)")
_DOUBLE_HYBRID = re.compile(
    r"^b2|^mpw2|plyp$|xyg\d|^(rev)?d[so]d|pbe0-?(2|dh)$|qidh|wb97x-?2|wb97m-?\(?2|^pwpb95|^ptpss"
)
_OWN_DISPERSION = re.compile(
    r"-d\d?$|-3c$|vdw|^cf22d$|^(oblyp|opbe|opwlyp|otpss|ssb|revssb|b97|wb97x)d\d?$"
)
_HAS_AN_ENERGY = 1
"""libxc's XC_FLAGS_HAVE_EXC."""
_RVV10 = re.compile(r"rvv10")
_MEANS = {
    # Functionals whose VV10 part gives way to D3(BJ), doi:10.1021/acs.jctc.8b00842, or to D4,
    # doi:10.1002/jcc.26411; and Grimme's functional, which is not Becke's hybrid B97.
    ("wb97x", "d3bj"): "wb97x-v",
    ("wb97m", "d3bj"): "wb97m-v",
    ("b97m", "d3bj"): "b97m-v",
    ("wb97m", "d4"): "wb97m-v",
    ("b97m", "d4"): "b97m-v",
    ("b97", "d3bj"): "b97-d",
    ("b97", "d3zero"): "b97-d",
}
"""Functional and correction -> the functional whose density part they have."""
_MEANS_TWO_THINGS = (("wb97x", "d4"), ("wb97x", "d3zero"), ("b97", "d4"))


@dataclass(frozen=True, kw_only=True)
class Functional:
    """A density functional as PySCF computes it.

    Attributes
    ----------
    code : str
        What PySCF is given as `xc`.
    parts : tuple of (str, float)
        libxc's names and their factors.
    short_range_exchange, long_range_exchange : float
        Share of exact exchange; one number where there is no range separation.
    omega_per_bohr : float
        Range separation by erf(omega r); 0 where there is none.
    is_nonlocal : bool
        Whether VV10 is computed.
    """

    code: str
    parts: tuple[tuple[str, float], ...]
    short_range_exchange: float
    long_range_exchange: float
    omega_per_bohr: float
    is_nonlocal: bool

    @property
    def nlc(self) -> Literal["", False]:
        """What PySCF is given as `nlc`: by the functional's own flag, or off."""
        return "" if self.is_nonlocal else False


@lru_cache
def functional_of(method: str) -> Functional:
    """Return the functional of a method's name, without its dispersion correction.

    Raises
    ------
    InputError
        libxc has no such functional, or PySCF would compute only a part of it.
    """
    name, dispersion = split_dispersion(method)
    density_part = _MEANS.get((name, str(dispersion)))
    if density_part is None:
        _refuse_incomplete(name, dispersion)
    code = _find(density_part or name)
    if code is None:
        offer = closest(name.upper(), [*libxc.XC_ALIAS, *_short_names()]).lower()
        raise InputError(
            f"PySCF knows no density functional {name!r}; the nearest known one is {offer!r}"
        )
    functional = _described(name, code)
    if not functional.is_nonlocal or dispersion is None:
        return functional
    if density_part is None:
        raise InputError(f"{name} has dispersion by VV10; a second correction would count it twice")
    return replace(functional, is_nonlocal=False)


def _refuse_incomplete(name: str, dispersion: str | None) -> None:
    """Refuse what PySCF would take without complaint and compute in part."""
    hyphenated = name.replace("_", "-")
    if _DOUBLE_HYBRID.search(hyphenated):
        raise InputError(
            f"{name} is a double hybrid, whose second-order part this engine does not compute; "
            "take a hybrid such as wb97m-v, or a correlated level"
        )
    if _RVV10.search(name):
        raise InputError(
            f"{name} needs rVV10, of which PySCF computes only the relative VV10; take wb97m-v"
        )
    if _OWN_DISPERSION.search(hyphenated):
        raise InputError(
            f"{name} has a dispersion correction of its own, which this engine does not compute; "
            f"take {'b97-d3bj' if name.startswith('b97') else 'wb97m-v or b3lyp-d3bj'}"
        )
    if (name, dispersion) in _MEANS_TWO_THINGS:
        raise InputError(
            f"{name}-{dispersion} means different things in different programs; "
            "take wb97x-d3bj, wb97m-d4 or wb97m-v"
        )


def _find(name: str) -> str | None:
    """Return PySCF's or libxc's own name of a whole functional; None where there is none."""
    upper = name.upper()
    for spelling in dict.fromkeys((upper, upper.replace("-", "_"), upper.replace("-", ""))):
        if spelling in libxc.XC_ALIAS or spelling in libxc.XC_CODES:
            return spelling
        whole, exchange, correlation = (
            [
                f"{f}_{kind}_{spelling}"
                for f in _FAMILIES
                if f"{f}_{kind}_{spelling}" in libxc.XC_CODES
            ]
            for kind in ("XC", "X", "C")
        )
        if len(whole) == 1:
            return whole[0]
        if len(exchange) == len(correlation) == 1:
            return f"{exchange[0]},{correlation[0]}"
    return None


def _short_names() -> list[str]:
    """Return the names that libxc's whole functionals have without their prefix."""
    return [str(name).split("_XC_")[-1] for name in libxc.XC_CODES if "_XC_" in str(name)]


def _described(name: str, code: str) -> Functional:
    """Return the functional of a name of PySCF or libxc.

    Raises
    ------
    InputError
        It lacks exchange or correlation, or needs what PySCF has not.
    """
    try:
        cache = libxc.XCFunctionalCache(code)
        omega, long_range, beta = (float(value) for value in cache.rsh_coeff)
        short_range = float(cache.hybrid_coeff) if not omega else long_range + beta
    except (KeyError, ValueError, AssertionError) as error:
        raise InputError(f"PySCF cannot compute the functional {name!r}: {error}") from error
    parts = tuple(
        (_libxc_name(number), float(factor))
        for number, factor in zip(cache.fn_ids, cache.facs, strict=True)
    )
    _refuse_half(name, parts, short_range)
    if not _has_an_energy(cache):
        raise InputError(f"{name} is a potential without an energy; take a functional such as pbe0")
    if (long_range or short_range) and omega and not _separates_by_erf(cache):
        raise InputError(f"{name} separates ranges by another function than erf, unlike PySCF")
    if cache.needs_laplacian:
        raise InputError(f"{name} needs the Laplacian of the density, which PySCF has no forces of")
    return Functional(
        code=code,
        parts=parts,
        short_range_exchange=short_range,
        long_range_exchange=long_range if omega else short_range,
        omega_per_bohr=omega,
        is_nonlocal=bool(cache.is_nlc),
    )


def _refuse_half(name: str, parts: tuple[tuple[str, float], ...], exact: float) -> None:
    """Refuse exchange without correlation and the reverse, and functionals of kinetic energy."""
    kinds = {found[1] for part, _ in parts if (found := _PART.match(part))}
    has_exchange = bool({"XC", "X"} & kinds) or exact > 0
    has_correlation = bool({"XC", "C"} & kinds)
    if "K" in kinds or not (has_exchange and has_correlation):
        what = ", ".join(part for part, _ in parts).lower()
        raise InputError(
            f"{name} alone ({what}) is not exchange and correlation; "
            "take a whole functional such as svwn, pbe or b3lyp"
        )


def _has_an_energy(cache: Any) -> bool:
    """Whether libxc has the energy of every part: of some it has the potential alone."""
    info, flags = libxc._itrf.xc_func_get_info, libxc._itrf.xc_func_info_get_flags
    info.argtypes, info.restype = [ctypes.c_void_p], ctypes.c_void_p
    flags.argtypes = [ctypes.c_void_p]
    return all(flags(info(part)) & _HAS_AN_ENERGY for part in cache.xc_objs)


def _separates_by_erf(cache: Any) -> bool:
    """Whether every range-separated part of a functional does so by the error function."""
    for part in cache.xc_objs:
        numbers = (ctypes.c_double * 3)()
        libxc._itrf.LIBXC_rsh_coeff(part, numbers)
        is_separated = numbers[0] != 0 and (numbers[1] != 0 or numbers[2] != 0)
        if is_separated and not libxc._itrf.LIBXC_is_cam_rsh(part):
            return False
    return True


def _libxc_name(number: int) -> str:
    name: bytes = libxc._itrf.xc_functional_get_name(ctypes.c_int(int(number)))
    return name.decode().upper()
