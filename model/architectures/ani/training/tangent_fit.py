"""A fit of energies by changes of weights as small as can be, linearised about the weights.

What is least is

    sum of squared errors / strength + squared length of the change of weights,

with energies of elements that cost nothing. About given weights that is linear, with a closed form
of as many unknowns as labels, exact leave-one-out errors and so a strength that needs no held-out
set. It is solved again about the new weights, a few times: Gauss-Newton steps, cut where they
overshoot. (The features are those of the neural tangent kernel: Jacot, Gabriel and Hongler,
arXiv:1806.07572.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from chemistry.records.structure import FloatArray, Structure
from chemistry.units import KCAL_MOL_PER_EV
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.tangent import StillStructures, scaled_kernels
from model.forecast import Forecast
from model.ridge import Columns, Ridge, fit_ridge
from model.self_energies import compositions

_STRENGTHS = tuple(float(10.0**exponent) for exponent in np.arange(-7.0, 1.0, 0.5))
"""Ridge strengths that are tried, as shares of the kernel's mean diagonal."""
_AS_GOOD = 1.02
"""Of the least error left out: the strongest ridge that is as good is taken."""
_HALVINGS = 5
_WORTH_A_STEP = 0.02
"""Share by which a step has to lower what is minimised, for another to follow."""
_FEWER, _DRAWS, _FEWEST = (0.25, 0.5, 0.75), 3, 8
"""Shares of the labels that are fitted alone, how often, and how many they are at least."""
_DIFFERENCE = 1e-3
"""Of the change of weights, for the derivative of energies along it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TangentFit:
    """Where a fit ended.

    Attributes
    ----------
    networks : StackedNetworks
    free : (M, E) float64, eV
        What each member's elements have to get for its energies to fit best.
    of_states : (M, 0 or 3) float64, eV
        The same of the energies of states.
    strength : float
        Of the ridge.
    mean_left_out_ev : float
        Mean absolute error left out, about the weights before the last step.
    """

    networks: StackedNetworks
    free: FloatArray
    of_states: FloatArray
    strength: float
    mean_left_out_ev: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TangentProblem:
    """What is minimised, for every member by itself.

    Attributes
    ----------
    below : StackedNetworks
        In float64.
    structures : StillStructures, S of them
    targets : (1, S) or (M, S) float64, eV
        Energies without self-energies.
    counts : (S, E) or (S, E + 3) float64
        How many atoms of each element the structures have, and the columns of states.
    """

    below: StackedNetworks
    structures: StillStructures
    targets: FloatArray
    counts: FloatArray

    @classmethod
    def of(
        cls, committee: AniCommittee, structures: Sequence[Structure], energies_ev: FloatArray
    ) -> "TangentProblem":
        """Return the problem of a committee that is to have these energies, (1, S) or (M, S)."""
        precise = committee.to(torch.float64)
        several = committee.state_energies_ev is not None
        return cls(
            below=precise.networks,
            structures=StillStructures.of(precise, structures),
            targets=energies_ev - committee.own_energies(structures),
            counts=compositions(structures, committee.elements, with_states=several),
        )

    def run(self, steps: int) -> TangentFit:
        """Return where the fit ends after so many steps at most, and the errors left out."""
        weights, energies = self._start, self.targets - self._missing
        fits = _strongest_of_the_best(
            [_fit(self._start_kernels, self._columns, self._missing, s) for s in _STRENGTHS]
        )
        strength = fits[0].strength
        for step in range(steps):
            if step:
                kernels, missing = self._linearised(weights, energies)
                fits = _fit(kernels, self._columns, missing, strength)
            before = self._cost(weights, energies, strength)
            weights, energies = self._step(weights, fits, before)
            after = self._cost(weights, energies, strength)
            if (after > (1.0 - _WORTH_A_STEP) * before).all():
                break
        found = self._free(self.targets - energies)  # (M, E + 0 or 3)
        free, of_states = np.split(found, [len(self.below.shape.elements)], axis=1)
        return TangentFit(
            networks=self._at(weights),
            free=free,
            of_states=of_states,
            strength=strength,
            mean_left_out_ev=_mean_left_out(fits),
        )

    def forecast(self, fit: TangentFit, seed: int) -> Forecast | None:
        """Return how the error left out goes on, from fits to fewer labels."""
        fewer = self._errors_of_fewer(fit.strength, seed)
        now = len(self.counts), fit.mean_left_out_ev * KCAL_MOL_PER_EV
        return Forecast.of([*fewer, now])

    @property
    def _start(self) -> Tensor:
        return self.below.weights

    @cached_property
    def _columns(self) -> Columns:
        return Columns.of(self.counts)

    @cached_property
    def _missing(self) -> FloatArray:
        """What each member below lacks, (M, S) eV."""
        return self.targets - self.structures.energies(self.below)

    @cached_property
    def _scaled(self) -> tuple[FloatArray, FloatArray]:
        """Of each member below its kernel over its diagonal's mean, (M, S, S), and that mean."""
        return scaled_kernels(self.structures.features(self._at(self._start)))

    @property
    def _start_kernels(self) -> FloatArray:
        return self._scaled[0]

    @property
    def _scales(self) -> FloatArray:
        return self._scaled[1]

    def _at(self, weights: Tensor) -> StackedNetworks:
        return replace(self.below, weights=weights)

    def _kernels(self, weights: Tensor) -> FloatArray:
        features = self.structures.features(self._at(weights))
        return features.products(features)

    def _linearised(self, weights: Tensor, energies: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return kernels (M, S, S), scaled, and what a change from `below` has to yield, (M, S)."""
        change = weights - self._start
        ahead, behind = (
            self.structures.energies(self._at(weights + sign * _DIFFERENCE * change))
            for sign in (1.0, -1.0)
        )
        done = (ahead - behind) / (2.0 * _DIFFERENCE)
        kernels = self._kernels(weights) / self._scales[:, None, None]
        return kernels, self.targets - energies + done

    def _errors_of_fewer(self, strength: float, seed: int) -> list[tuple[int, float]]:
        """Return numbers of labels, and errors left out of fits to so many, kcal/mol."""
        generator, n_all = np.random.default_rng(seed), len(self.counts)
        found = []
        for share in _FEWER:
            n = round(share * n_all)
            errors = []
            for _ in range(_DRAWS):
                drawn = np.sort(generator.permutation(n_all)[:n])
                columns = Columns.of(self.counts[drawn])
                some = self._start_kernels[:, drawn][:, :, drawn]
                fits = _fit(some, columns, self._missing[:, drawn], strength)
                errors.append(_mean_left_out(fits))
            found.append((n, float(np.mean(errors)) * KCAL_MOL_PER_EV))
        return [(n, error) for n, error in found if n >= _FEWEST]

    def _step(
        self, weights: Tensor, fits: "_Fits", before: FloatArray
    ) -> tuple[Tensor, FloatArray]:
        """Return weights on the way to those of the fits, as far as each member gains by it."""
        coefficients = np.array([fit.coefficients for fit in fits]) / self._scales[:, None]
        goal = self._start + self.structures.along_features(self._at(weights), coefficients)
        share = np.ones(len(fits))
        for _ in range(_HALVINGS):
            shares = torch.from_numpy(share)[:, None].to(weights.device)
            there = torch.lerp(weights, goal, shares)
            energies = self.structures.energies(self._at(there))
            worse = self._cost(there, energies, fits[0].strength) > before
            if not worse.any():
                break
            share[worse] /= 2.0
        else:
            share[worse] = 0.0
            there = torch.lerp(weights, goal, torch.from_numpy(share)[:, None].to(weights.device))
            energies = self.structures.energies(self._at(there))
        return there, energies

    def _cost(self, weights: Tensor, energies: FloatArray, strength: float) -> FloatArray:
        """Return what is minimised, of each member, (M,)."""
        errors = self.targets - energies
        errors = errors - (errors @ self._columns.basis) @ self._columns.basis.T
        length = ((weights - self._start) ** 2).sum(1).cpu().numpy()
        return np.asarray((errors**2).sum(axis=1) / strength + length * self._scales)

    def _free(self, errors: FloatArray) -> FloatArray:
        """Return the energies of elements, (M, E) eV, that take most out of errors (M, S)."""
        return np.asarray((errors @ self._columns.basis) @ self._columns.to_basis.T)


_Fits = tuple[Ridge, ...]
"""One a member, all of one strength."""


def _fit(kernels: FloatArray, columns: Columns, missing: FloatArray, strength: float) -> _Fits:
    return tuple(
        fit_ridge(kernel, columns, of_member, strength)
        for kernel, of_member in zip(kernels, missing, strict=True)
    )


def _strongest_of_the_best(tried: Sequence[_Fits]) -> _Fits:
    """Return the last of those whose error left out is as good as the least: they grow stronger.

    Judged by root mean squares: of few labels the mean lets one be far off.
    """
    errors = [_rms_left_out(fits) for fits in tried]
    good = [fits for fits, e in zip(tried, errors, strict=True) if e <= _AS_GOOD * min(errors)]
    return good[-1]


def _left_out(fits: _Fits) -> FloatArray:
    """Return the errors left out of the members' mean, eV, where there are any to judge by."""
    found = np.mean([fit.left_out_errors for fit in fits], axis=0)
    return np.asarray(found[np.isfinite(found)])


def _rms_left_out(fits: _Fits) -> float:
    known = _left_out(fits)
    return float(np.sqrt((known**2).mean())) if len(known) else np.inf


def _mean_left_out(fits: _Fits) -> float:
    """Return the mean absolute error left out, eV."""
    known = _left_out(fits)
    return float(np.abs(known).mean()) if len(known) else np.inf
