"""LNO-CCSD(T) by pyscf-forge, an extra of rung: `pip install rung[lno]`.

Ye and Berkelbach, doi:10.1021/acs.jctc.4c00584.
"""

from importlib.util import find_spec
from typing import Any

import numpy as np
from pyscf.lo import PipekMezey

from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf.correlated.correlation import (
    CoupledCluster,
    core_orbitals,
    largest_t2,
    limit_and_tolerances,
    t1_diagnostic,
    with_integrals,
)
from chemistry.records.recipe import Calculation, LocalNaturalOrbitals
from chemistry.records.structure import FloatArray

_OCCUPIED_TO_VIRTUAL_THRESHOLD = 10.0
_LOCALISATION_ATTEMPTS = 100


def lno_is_installed() -> bool:
    """Whether pyscf-forge is there."""
    return find_spec("pyscf.lno") is not None


def lno_ccsd_t(
    mf: Any, calculation: Calculation, attempts: list[str], memory_mb: float
) -> CoupledCluster:
    """Return LNO-CCSD(T) on a closed-shell mean field; `mp2` is that of the fragments.

    Raises
    ------
    CalculationFailed
        A localisation or a fragment that does not converge.
    """
    if not lno_is_installed():
        raise CalculationFailed(
            "input", "a molecule of this size needs pyscf-forge here: pip install rung[lno]"
        )
    from pyscf.lno import lnoccsd

    class CheckedLNO(lnoccsd.LNOCCSD_T):  # type: ignore[misc]
        """Keeps what PySCF only warns about: fragments whose CCSD has not converged."""

        def impurity_solve(
            self, mf: Any, mo_coeff: Any, uocc_loc: Any, eris: Any, frozen: Any, log: Any = None
        ) -> Any:
            frozen, active = lnoccsd.get_maskact(frozen, self.mo_occ.size)
            solver = lnoccsd.CCSD(mf, mo_coeff=mo_coeff, frozen=frozen)
            solver.set(_s1e=self._s1e, _h1e=self._h1e, _vhf=self._vhf)
            limit_and_tolerances(solver, memory_mb)
            found = lnoccsd.impurity_solve(
                solver, mo_coeff, uocc_loc, self.mo_occ, active, eris, ccsd_t=True, log=log
            )
            if solver.t1 is not None:
                if not solver.converged:
                    raise CalculationFailed(
                        "convergence", "CCSD of a fragment not converged; try another geometry"
                    )
                sizes.append((t1_diagnostic(solver), largest_t2(solver), solver.nmo - solver.nocc))
            return found

    assert isinstance(calculation.truncation, LocalNaturalOrbitals)
    attempts.append("LNO-CCSD(T)")
    sizes: list[tuple[float, float, int]] = [(0.0, 0.0, 0)]
    threshold = calculation.truncation.threshold
    core = core_orbitals(mf.mol, calculation)
    localised = _localise(mf, core)
    solver = CheckedLNO(
        with_integrals(mf, calculation, memory_mb),
        localised,
        [[i] for i in range(localised.shape[1])],
        frozen=core,
        lno_thresh=[_OCCUPIED_TO_VIRTUAL_THRESHOLD * threshold, threshold],
    )
    solver.verbose = solver.verbose_imp = 0
    solver.max_memory = memory_mb
    solver.kernel()
    return CoupledCluster(
        mp2=float(solver.e_corr_pt2),
        ccsd=float(solver.e_corr_ccsd),
        triples=float(solver.e_corr_ccsd_t - solver.e_corr_ccsd),
        t1=max(t1 for t1, _, _ in sizes),
        t2_max=max(t2 for _, t2, _ in sizes),
        virtuals=max(virtuals for _, _, virtuals in sizes),
    )


def _localise(mf: Any, core: int) -> FloatArray:
    """Return Pipek-Mezey orbitals at a maximum; at a saddle point the fragments are arbitrary."""
    orbitals = mf.mo_coeff[:, core : int(np.count_nonzero(mf.mo_occ))]
    guess: str | None = "atomic"
    for _ in range(_LOCALISATION_ATTEMPTS):
        localiser = PipekMezey(mf.mol, orbitals)
        localiser.verbose, localiser.init_guess = 0, guess
        localiser.kernel()
        guess = None  # from now on the orbitals as they are, moved off the saddle point
        orbitals, stable = localiser.stability_jacobi(return_status=True)
        if stable:
            return np.asarray(orbitals, dtype=np.float64)
    raise CalculationFailed("convergence", "the occupied orbitals could not be localised")
