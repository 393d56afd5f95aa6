"""What Psi4 cannot compute, and what it computes otherwise than is meant."""

import re
from functools import lru_cache

import numpy as np

from chemistry.engines.base import Resources
from chemistry.engines.psi4.answer import failure_of, is_of_the_mean_field
from chemistry.engines.psi4.program import Psi4
from chemistry.engines.psi4.request import request_of
from chemistry.names import closest
from chemistry.records.recipe import Calculation, LocalNaturalOrbitals, PairNaturalOrbitals
from chemistry.records.structure import Structure

_DLPNO_SINCE = (1, 11)
_SPLIT_POLARISATION = re.compile(r"6-31\+{0,2}g\((\d|d,\d)")


def reason_against(psi4: Psi4, calculation: Calculation) -> str | None:
    """Say why a release of Psi4 cannot compute a part of a level, or return None."""
    if calculation.kind == "semiempirical":
        return f"Psi4 computes no {calculation.method}; take engine tblite"
    if calculation.kind == "teacher":
        return f"Psi4 computes no {calculation.method}; take engine teacher"
    if calculation.kind == "ccsd":
        return f"Psi4 gives no forces of {calculation.name}; take engine pyscf"
    if isinstance(calculation.truncation, LocalNaturalOrbitals):
        return "Psi4 computes no LNO-CCSD(T); take engine pyscf"
    if isinstance(calculation.truncation, PairNaturalOrbitals) and psi4.release < _DLPNO_SINCE:
        return f"DLPNO-CCSD(T) came with Psi4 1.11; this one is {psi4.version}"
    if _SPLIT_POLARISATION.match(str(calculation.basis)):
        return (
            f"{calculation.basis} may have other exponents in Psi4 than Gaussian's, which are "
            "meant; take engine pyscf"
        )
    if psi4.basis_elements(str(calculation.basis)) is None:
        offer = closest(str(calculation.basis), psi4.bases())
        return f"Psi4 knows no basis {calculation.basis!r}; the nearest known one is {offer!r}"
    if calculation.dispersion is not None:
        return f"Psi4 leaves {calculation.dispersion} to other programs; take engine pyscf"
    return _refuse_functional(psi4, calculation.method) if calculation.kind == "dft" else None


@lru_cache
def _refuse_functional(psi4: Psi4, functional: str) -> str | None:
    """Ask Psi4 itself, with a hydrogen molecule: it offers the nearest names.

    It takes any of its methods for a functional, and computes double hybrids only in part where the
    energy of the mean field is asked for: both are told by an energy that is not the mean field's.
    """
    hydrogen = Structure(
        atomic_numbers=np.array([1, 1]), positions=np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]])
    )
    calculation = Calculation(method=functional, basis="sto-3g")
    answer = psi4.call(request_of(calculation, "gradient", hydrogen, {}), Resources())
    if not answer["success"]:
        return failure_of(answer, ways=1)[1]
    if is_of_the_mean_field(answer["extras"]["qcvars"]):
        return None
    return (
        f"{functional} is no functional with forces in Psi4: its energy has a part beyond the mean "
        "field; take a functional such as b3lyp"
    )
