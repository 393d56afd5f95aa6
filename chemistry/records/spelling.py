"""One spelling for each method and basis, so that levels compare as levels.

Programs and people write `B3LYP/6-31G(d)`, `b3lyp/6-31g*` and `B3LYP/631G*` for one level. The
spelling is chosen by what the letters and digits say; separators and case are the writer's.
"""

import re

_METHODS = """
b97-1 b97-2 b97-3 b97-3c b97-d b97-k b97m-v cam-b3lyp hcth-93 hcth-120 hcth-147 hcth-407 lc-blyp
lc-vv10 lc-wpbe lrc-wpbe lrc-wpbeh m05-2x m06-2x m06-hf m06-l m06-sx m08-hx m08-so m11-l mn12-l
mn12-sx mn15-l n12-sx pbe0 r2scan-3c scan-rvv10 scan-vv10 wb97m-v wb97x-3c wb97x-d wb97x-d3
wb97x-v
""".split()  # noqa: SIM905
_SAME_METHOD = {"pbe1pbe": "pbe0", "pbeh": "pbe0", "b3lypg": "b3lyp"}
"""Other names of one functional, as libxc defines them."""

_BASES = """
minao dz dzp tzp qzp adzp atzp aqzp tzv dzvp dzvp2 iglo-iii lanl2dz lanl2tz lanl08 sbkjc crenbl
crenbs stuttgart-dz stuttgart-rsc pob-tzvp pob-tzvpp crystal-cc-pvdz cc-pvdpdz aug-cc-pvdpdz
roos-dz roos-tz ano-rcc def2-mtzvp def2-mtzvpp
""".split()  # noqa: SIM905
_FAMILIES = (
    (("", "aug-"), ("cc-pv", "cc-pcv", "cc-pwcv"), "dtq56", "z", ("", "-pp", "-dk", "-f12")),
    (("", "ma-"), ("def2-",), ("sv", "tzv", "qzv"), "p", ("", "d", "p", "pd")),
    (("", "aug-"), ("pc-", "pcseg-"), "01234", "", ("",)),
    (("ccecp-", "ccecp-he-", "ccecp-reg-"), ("cc-pv", "aug-cc-pv"), "dtq56", "z", ("",)),
    (("bfd-",), ("v",), "dtq5", "z", ("",)),
    (("sto-",), ("",), "36", "g", ("",)),
)

_SEPARATORS = re.compile(r"[-_ ]")
_LIBXC_WHOLE = re.compile(r"^(?:hyb_)?(?:lda|gga|mgga)_xc_")
_D3_BJ = re.compile(r"-g?d3-?(?:\(bj\)|-bj|bj)$")
_D3_ZERO = re.compile(r"-g?d3-?(?:\(0\)|-zero|zero)$")
_POPLE = re.compile(r"([346])-?(21|31|311)(\+{0,2})g(.*)")
_STARS = {"(d,p)": "**", "(d)": "*", "ss": "**", "s": "*"}
DISPERSIONS = ("d3bj", "d3zero", "d4")
"""What may follow a functional's name: `b3lyp-d3bj`."""


def _bare(text: str) -> str:
    return _SEPARATORS.sub("", text)


_USUAL_METHOD = {_bare(name): name for name in _METHODS}
_USUAL_BASIS = {_bare(name): name for name in _BASES} | {
    _bare(a + b + x + z + c): a + b + x + z + c
    for before, stems, sizes, z, after in _FAMILIES
    for a in before
    for b in stems
    for x in sizes
    for c in after
}


def usual_spelling(level: str) -> str:
    """Return the usual spelling of a level's name; what is not known stays, in lower case."""
    text = level.strip().lower().replace("ω", "w")
    method, slash, basis = text.partition("/")
    return usual_method(method) + slash + usual_basis(basis)


def usual_method(name: str) -> str:
    """Return the usual spelling of a method, `cam-b3lyp-d3bj` for `CAMB3LYP-D3(BJ)`."""
    name = _D3_ZERO.sub("-d3zero", _D3_BJ.sub("-d3bj", name))
    functional, dispersion = split_dispersion(name)
    bare = _bare(_LIBXC_WHOLE.sub("", functional))
    known = _SAME_METHOD.get(bare) or _USUAL_METHOD.get(bare)
    if known is None:
        known = _LIBXC_WHOLE.sub("", functional)
    return known if dispersion is None else f"{known}-{dispersion}"


def split_dispersion(name: str) -> tuple[str, str | None]:
    """Return functional and dispersion correction of a method's name in lower case."""
    functional, _, last = name.rpartition("-")
    return (functional, last) if functional and last in DISPERSIONS else (name, None)


def usual_basis(name: str) -> str:
    """Return the usual spelling of a basis, `6-31g*` for `631G(d)`."""
    pople = _POPLE.fullmatch(name)
    if pople is None:
        # What ends with "_" has brackets of its own: def2-sv_p_ is not def2-svp.
        return name if name.endswith("_") else _USUAL_BASIS.get(_bare(name), name)
    core, valence, plus, polarisation = pople.groups()
    polarisation = polarisation.replace(" ", "")
    return f"{core}-{valence}{plus}g{_STARS.get(polarisation, polarisation)}"
