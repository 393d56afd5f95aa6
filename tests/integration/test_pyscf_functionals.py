"""Functionals that PySCF computes whole, and those that it would take without doing so."""

import pytest

from chemistry.engines.pyscf.engine import PySCFEngine
from chemistry.engines.pyscf.levels.functional import functional_of
from chemistry.errors import InputError
from chemistry.records.level import find_level

DOUBLE_HYBRID = "double hybrid"
OWN_DISPERSION = "dispersion correction of its own"
HALF = "not exchange and correlation"
UNKNOWN = "knows no density functional"


@pytest.mark.parametrize(
    ("method", "says"),
    [
        *((m, DOUBLE_HYBRID) for m in ("wb97x-2", "pbe0-2", "pbe0-dh", "b2plyp", "b2gpplyp")),
        *((m, DOUBLE_HYBRID) for m in ("xyg3", "dsd-pbep86", "dsd-blyp", "mpw2plyp", "pbe-qidh")),
        *((m, DOUBLE_HYBRID) for m in ("wb97m(2)", "pwpb95", "revdsd-pbep86", "dod-scan")),
        *((m, OWN_DISPERSION) for m in ("b97-d", "b97_d", "b97_3c", "b97-3c", "r2scan-3c")),
        *((m, OWN_DISPERSION) for m in ("hyb_gga_xc_wb97x_d", "wb97xd", "wb97x-d", "wb97x-d3")),
        *((m, OWN_DISPERSION) for m in ("b3lyp-d", "b3lyp-d2", "pbeh-3c", "hf-3c", "cf22d")),
        *((m, OWN_DISPERSION) for m in ("beefvdw", "gga_xc_oblyp_d", "otpss-d", "opbe_d")),
        *((m, "rVV10") for m in ("scan-rvv10", "vcml_rvv10")),
        *((m, HALF) for m in ("lda", "slater", "b88", "vwn5", "gga_x_pbe", "mgga_x_scan")),
        *((m, "than erf") for m in ("camy-b3lyp", "lcy_pbe", "camy_blyp", "bn05")),
        *((m, UNKNOWN) for m in ("pbe0-1", "pbe-2", "b3lyp-7", "tpss0-3", "b3lypp", "mp3", "lyp")),
        ("tih", "potential without an energy"),
        ("wb97m-v-d3bj", "count it twice"),
        ("vv10-d4", "count it twice"),
        ("wb97x-d4", "different things"),
        ("svwn-d3bj", "no d3bj parameters"),
    ],
)
def test_what_is_computed_in_part_is_refused(method: str, says: str) -> None:
    assert says in str(PySCFEngine.refuse(find_level(f"{method}/sto-3g")))


@pytest.mark.parametrize(
    ("method", "parts", "exchange", "omega"),
    [
        ("b3lyp", {"HYB_GGA_XC_B3LYP"}, 0.2, 0.0),
        ("pbe0", {"HYB_GGA_XC_PBEH"}, 0.25, 0.0),
        ("wb97x", {"HYB_GGA_XC_WB97X"}, 1.0, 0.3),
        ("cam-b3lyp", {"HYB_GGA_XC_CAM_B3LYP"}, 0.65, 0.33),
        ("hse06", {"HYB_GGA_XC_HSE06"}, 0.0, 0.11),
        ("m06-2x", {"HYB_MGGA_X_M06_2X", "MGGA_C_M06_2X"}, 0.54, 0.0),
        ("m08-hx", {"HYB_MGGA_X_M08_HX", "MGGA_C_M08_HX"}, 0.5223, 0.0),
        ("bmk", {"HYB_MGGA_X_BMK", "GGA_C_BMK"}, 0.42, 0.0),
        ("pbe", {"GGA_X_PBE", "GGA_C_PBE"}, 0.0, 0.0),
        ("r2scan", {"MGGA_X_R2SCAN", "MGGA_C_R2SCAN"}, 0.0, 0.0),
        ("svwn", {"LDA_X", "LDA_C_VWN"}, 0.0, 0.0),
        ("bp86", {"GGA_X_B88", "GGA_C_P86"}, 0.0, 0.0),
        ("tpss0", {"MGGA_X_TPSS", "MGGA_C_TPSS"}, 0.25, 0.0),
        ("b97-d3bj", {"GGA_XC_B97_D"}, 0.0, 0.0),
        ("wb97m-d3bj", {"HYB_MGGA_XC_WB97M_V"}, 1.0, 0.3),
    ],
)
def test_what_a_name_means(method: str, parts: set[str], exchange: float, omega: float) -> None:
    functional = functional_of(method)
    assert {name for name, _ in functional.parts} == parts
    assert functional.long_range_exchange == pytest.approx(exchange, abs=1e-6)
    assert functional.omega_per_bohr == pytest.approx(omega)
    assert PySCFEngine.refuse(find_level(f"{method}/sto-3g")) is None


@pytest.mark.parametrize(
    ("method", "is_nonlocal"),
    [
        *((method, True) for method in ("wb97m-v", "wb97x-v", "lc-vv10", "scan-vv10")),
        *((method, False) for method in ("wb97m-d3bj", "wb97x-d3bj", "b97m-d4", "wb97x")),
    ],
)
def test_vv10_is_computed_where_it_belongs(method: str, is_nonlocal: bool) -> None:
    assert functional_of(method).is_nonlocal is is_nonlocal


def test_unknown_functional_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="nearest known one is 'b3lyp'"):
        functional_of("b3lypp")
