"""All calculations of one label, with the work that they share.

One Hartree-Fock solution serves all methods in its basis, and each basis starts from the density of
the one before, from small to large.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.pyscf import molecule, scf, states
from chemistry.engines.pyscf.correlated import correlation
from chemistry.engines.pyscf.correlated.densities import Densities
from chemistry.engines.pyscf.correlated.gradients import gradients
from chemistry.engines.pyscf.correlated.lno import lno_ccsd_t
from chemistry.records.recipe import Calculation, Component, LocalNaturalOrbitals
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import (
    EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR,
    EV_PER_HARTREE,
    KCAL_MOL_PER_EV,
)

# Only a molecule with larger amplitudes than most is asked whether its closed-shell reference is
# the wrong one, which costs several SCFs.
_SUSPICIOUS_T1 = 0.02
_SUSPICIOUS_T2 = 0.15
_TIGHT_HARTREE = 1e-10
"""Correlation energies change with the first order of an error of the orbitals, so that forces at
the usual 1e-8 were off by up to 5e-6 hartree/bohr."""


class Parts:
    """Energies and forces by component name, as they are computed for one structure.

    Attributes
    ----------
    energies : dict of str to float, hartree
        By `Component.name`; also the parts that were not asked for but came with the others.
    gradients : dict of str to (N, 3) float64, hartree/bohr
        Of Hartree-Fock and of what was asked for; empty where no forces are wanted.
    diagnostics : dict of str to float
    """

    def __init__(
        self,
        structure: Structure,
        memory_mb: float,
        attempts: list[str],
        *,
        with_forces: bool = False,
        is_second: bool = False,
    ) -> None:
        self.energies: dict[str, float] = {}
        self.gradients: dict[str, FloatArray] = {}
        self.diagnostics: dict[str, float] = {}
        self._structure = structure
        self._memory_mb = memory_mb
        self._attempts = attempts
        self._with_forces = with_forces
        self._is_second = is_second
        self._densities: dict[str, list[Densities]] = {}
        self._integrals: Any = None

    def compute(self, calculations: Iterable[Calculation]) -> None:
        """Compute Hartree-Fock, MP2 and coupled-cluster calculations.

        Raises
        ------
        CalculationFailed
        """
        groups: dict[tuple[str, bool, bool], list[Calculation]] = {}
        for calculation in calculations:
            groups.setdefault(_reference(calculation), []).append(calculation)
        jobs = [(molecule.build(self._structure, group[0]), group) for group in groups.values()]
        for mol, group in jobs:
            for calculation in group:
                correlation.forecast_memory(
                    mol, calculation, self._memory_mb, with_densities=self._with_forces
                )
        previous = None
        for mol, group in sorted(jobs, key=lambda job: int(job[0].nao)):
            previous = self._converge(mol, group[0], previous)
            self.energies[f"hf/{group[0].basis}"] = float(previous.e_tot)
            self._correlate(previous, group)
            if self._with_forces:
                self._differentiate(previous, group)

    def _converge(self, mol: Any, calculation: Calculation, previous: Any) -> Any:
        mf = scf.mean_field(mol, calculation, self._memory_mb)
        if self._with_forces:
            mf.conv_tol = _TIGHT_HARTREE
        density = None if previous is None else scf.projected_density(previous, mol)
        cycles = states.converge(mf, self._attempts, density, is_second=self._is_second)
        cycles += int(self.diagnostics.get("scf_cycles", 0))
        self.diagnostics.update(scf.diagnostics(mf, cycles))
        if previous is None:
            found = states.instability(mf, self._structure, always=self._is_second)
            self.diagnostics.update(found)
        return mf

    def _correlate(self, mf: Any, calculations: list[Calculation]) -> None:
        """Canonical coupled cluster first: it brings the MP2 energy of the same integrals.

        That MP2 energy is the one to subtract from it; truncated coupled cluster is completed by
        MP2 in all orbitals.
        """
        self._densities, self._integrals = {}, None
        canonical = [c for c in calculations if c.coupled_cluster and c.truncation is None]
        truncated = [c for c in calculations if c.coupled_cluster and c.truncation is not None]
        for calculation in canonical:
            self._coupled_cluster(mf, calculation)
        for calculation in (c for c in calculations if c.correlated and c not in canonical):
            self._mp2(mf, calculation)
        for calculation in truncated:
            self._coupled_cluster(mf, calculation)

    def _mp2(self, mf: Any, calculation: Calculation) -> None:
        name = _mp2_name(calculation)
        wants_densities = self._with_forces and calculation.kind == "mp2"
        if name in self.energies and not wants_densities:
            return
        if not correlation.has_pairs(mf.mol, calculation):
            self.energies[name] = 0.0
        elif wants_densities:
            mp2 = correlation.fitted_mp2(mf, calculation, self._memory_mb, self._integrals)
            self._densities[name], self._integrals = mp2.densities(), mp2.integrals
            self.energies[name] = mp2.energy()
        else:
            self.energies[name] = correlation.mp2_energy(mf, calculation, self._memory_mb)

    def _coupled_cluster(self, mf: Any, calculation: Calculation) -> None:
        """Store MP2, CCSD and CCSD(T) correlation energies."""
        name = Component(calculation=calculation, quantity="correlation").name
        mp2_name = _mp2_name(calculation)
        if not correlation.has_pairs(mf.mol, calculation):
            self.energies.update({mp2_name: 0.0, name: 0.0})
            return
        if isinstance(calculation.truncation, LocalNaturalOrbitals):
            found = lno_ccsd_t(mf, calculation, self._attempts, self._memory_mb)
        else:
            found = correlation.coupled_cluster(
                mf,
                calculation,
                self._attempts,
                self._memory_mb,
                with_densities=self._with_forces,
            )
        if found.densities is not None:
            self._densities[name], self._integrals = found.densities, found.integrals
        full_mp2 = self.energies.setdefault(mp2_name, found.mp2)
        ccsd = found.ccsd + full_mp2 - found.mp2
        self.energies[name.replace("ccsd(t)", "ccsd")] = ccsd
        self.energies[name] = ccsd + found.triples
        self.diagnostics |= {
            "t1": found.t1,
            "t2_max": found.t2_max,
            "cc_virtuals": float(found.virtuals),
        }
        self._check_reference(mf)

    def _differentiate(self, mf: Any, calculations: list[Calculation]) -> None:
        """Store the gradients of Hartree-Fock and of what was correlated on it."""
        found: list[FloatArray] = []
        if self._densities:
            hartree_fock, found = gradients(mf, self._integrals, list(self._densities.values()))
        else:
            hartree_fock = scf.gradient(mf, self._memory_mb)
        self.gradients[f"hf/{calculations[0].basis}"] = hartree_fock
        for calculation in calculations:
            if calculation.correlated:
                name = Component(calculation=calculation, quantity="correlation").name
                self.gradients[name] = np.zeros_like(hartree_fock)
        self.gradients.update(zip(self._densities, found, strict=True))

    def _check_reference(self, mf: Any) -> None:
        """Refuse a closed shell that is none: coupled cluster on it gives no error, but errs."""
        t1, t2_max = self.diagnostics["t1"], self.diagnostics["t2_max"]
        suspicious = t1 > _SUSPICIOUS_T1 or t2_max > _SUSPICIOUS_T2
        if mf.mol.spin != 0 or not suspicious:
            return
        lowering_ev = states.unrestricted_lowering(mf) * EV_PER_HARTREE
        # Of two electrons CCSD is exact, whatever the reference.
        if mf.mol.nelectron > 2 and lowering_ev * KCAL_MOL_PER_EV > states.WRONG_STATE_KCAL_MOL:
            raise CalculationFailed(
                "suspect",
                f"an unrestricted reference lies {lowering_ev * KCAL_MOL_PER_EV:.0f} kcal/mol "
                f"below the closed shell (T1 {t1:.3f}, largest T2 {t2_max:.2f}): "
                "coupled cluster on it cannot be trusted",
            )

    def components(self) -> dict[str, float]:
        """Return the energies in eV."""
        return {name: value * EV_PER_HARTREE for name, value in self.energies.items()}

    def force_components(self) -> dict[str, FloatArray]:
        """Return the forces in eV/Å."""
        return {
            name: -gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR
            for name, gradient in self.gradients.items()
        }


def _reference(calculation: Calculation) -> tuple[str, bool, bool]:
    """What determines the Hartree-Fock solution."""
    return str(calculation.basis), calculation.cartesian, calculation.density_fitting


def _mp2_name(calculation: Calculation) -> str:
    return f"mp2/{calculation.basis} correlation"
