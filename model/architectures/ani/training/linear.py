"""The climb by linearisation: ridge regression in the tangent features of the committee below.

What the energies of a member lack of the level above is fitted by a change of its weights as small
as can be, and by energies of elements that cost nothing: least is

    sum of squared errors / strength + squared length of the change of weights.

About given weights that is linear, with a closed form of as many unknowns as labels, exact
leave-one-out errors and so a strength that needs no held-out set. It is solved again about the new
weights, a few times: Gauss-Newton steps, cut where they overshoot. There are no epochs and no
learning rate, and the result is an ordinary committee. (The features are those of the neural
tangent kernel: Jacot, Gabriel and Hongler, arXiv:1806.07572.)
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from chemistry.records.structure import FloatArray
from chemistry.units import KCAL_MOL_PER_EV
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.network import StackedNetworks
from model.architectures.ani.states import with_states
from model.architectures.ani.tangent import StillStructures
from model.architectures.ani.training.rows import check_rows, training_record
from model.forecast import Forecast
from model.protocol import TrainingRequest, TrainingResult
from model.ridge import Columns, Ridge, fit_ridge
from model.self_energies import compositions

STRENGTHS = tuple(float(10.0**exponent) for exponent in np.arange(-7.0, 1.0, 0.5))
"""Ridge strengths that are tried, as shares of the kernel's mean diagonal."""
_AS_GOOD = 1.02
"""Of the least error left out: the strongest ridge that is as good is taken."""
_STEPS = 12
_HALVINGS = 5
_WORTH_A_STEP = 0.02
"""Share by which a step has to lower what is minimised, for another to follow."""
_FEWER, _DRAWS, _FEWEST = (0.25, 0.5, 0.75), 3, 8
"""Shares of the labels that are fitted alone, how often, and how many they are at least."""
_DIFFERENCE = 1e-3
"""Of the change of weights, for the derivative of energies along it."""


def climb_linear(request: TrainingRequest, below: AniCommittee) -> TrainingResult[AniCommittee]:
    """Teach a committee energies of another level; forces are not looked at.

    Raises
    ------
    InputError
        No data, a label of another level, or an unknown element.
    """
    began = time.perf_counter()
    rows = sorted(request.data, key=lambda row: row.structure.structure_id)
    below = with_states(below, request.all_states)
    check_rows(rows, request.level, below.elements, below.states)
    structures, energies = [row.structure for row in rows], [row.label.energy for row in rows]
    precise, states = below.to(torch.float64), below.state_energies_ev
    climb = _Climb(
        below=precise.networks,
        structures=StillStructures.of(precise, structures),
        targets=np.array(energies) - below.own_energies(structures),
        counts=compositions(structures, below.elements, with_states=states is not None),
    )
    climbed = climb.run(request.seed)
    return TrainingResult(
        committee=replace(
            below,
            networks=climbed.networks.to(below.networks.weights.dtype),
            self_energies_ev=below.self_energies_ev + climbed.shift,
            state_energies_ev=None if states is None else states + climbed.state_shift,
            level_id=request.level.level_id,
            level_name=request.level.name,
            record=training_record(request, rows, below),
        ),
        members=(),
        n_structures=len(rows),
        n_with_forces=0,
        notes=(f"ridge strength {climbed.strength:.0e}",),
        forecast=climbed.forecast,
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Climbed:
    """Where a climb ended.

    Attributes
    ----------
    networks : StackedNetworks
    shift : (E,) float64, eV
        Of the energies of elements.
    state_shift : (M, 0 or 3) float64, eV
        Of the energies of states.
    strength : float
        Of the ridge.
    forecast : Forecast or None
    """

    networks: StackedNetworks
    shift: FloatArray
    state_shift: FloatArray
    strength: float
    forecast: Forecast | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Climb:
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

    def run(self, seed: int) -> "_Climbed":
        """Return where the climb ends, and what the fits say of labels left out."""
        weights, energies = self._start, self.structures.energies(self.below)
        kernels = self._start_kernels / self._scales[:, None, None]
        missing = self.targets - energies
        fits = _strongest_of_the_best([_fit(kernels, self._columns, missing, s) for s in STRENGTHS])
        strength = fits[0].strength
        for _ in range(_STEPS):
            before = self._cost(weights, energies, strength)
            weights, energies = self._step(weights, fits, before)
            after = self._cost(weights, energies, strength)
            if (after > (1.0 - _WORTH_A_STEP) * before).all():
                break
            there = self._linearised(weights, energies)
            fits = _fit(there[0], self._columns, there[1], strength)
        fewer = self._errors_of_fewer(kernels, missing, strength, seed)
        now = len(self.counts), _mean_left_out(fits) * KCAL_MOL_PER_EV
        networks, shift, state_shift = self._balanced(weights, energies)
        return _Climbed(
            networks=networks,
            shift=shift,
            state_shift=state_shift,
            strength=strength,
            forecast=Forecast.of([*fewer, now]),
        )

    def _balanced(
        self, weights: Tensor, energies: FloatArray
    ) -> tuple[StackedNetworks, FloatArray, FloatArray]:
        """Return networks whose elements' energies fit best, what of it all members share, and the
        shifts of the energies of states."""
        found = self._free(self.targets - energies)  # (M, E + 0 or 3)
        free, of_states = np.split(found, [len(self.below.shape.elements)], axis=1)
        networks, shift = self._at(weights.clone()), free.mean(axis=0)
        for layers, own in zip(networks.layers, (free - shift).T, strict=True):
            layers[-1].bias[:, 0, 0] += torch.from_numpy(own).to(weights.device)
        return networks, shift, of_states

    @property
    def _start(self) -> Tensor:
        return self.below.weights

    @cached_property
    def _columns(self) -> Columns:
        return Columns.of(self.counts)

    @cached_property
    def _start_kernels(self) -> FloatArray:
        return self._kernels(self._start)

    @cached_property
    def _scales(self) -> FloatArray:
        """Mean of each member's kernel's diagonal below, (M,)."""
        kernels = self._start_kernels
        return np.asarray(np.einsum("mss->m", kernels) / kernels.shape[1])

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

    def _errors_of_fewer(
        self, kernels: FloatArray, missing: FloatArray, strength: float, seed: int
    ) -> list[tuple[int, float]]:
        """Return numbers of labels, and errors left out of fits to so many, kcal/mol."""
        generator, n_all = np.random.default_rng(seed), len(self.counts)
        found = []
        for share in _FEWER:
            n = round(share * n_all)
            errors = []
            for _ in range(_DRAWS):
                drawn = np.sort(generator.permutation(n_all)[:n])
                columns = Columns.of(self.counts[drawn])
                some = kernels[:, drawn][:, :, drawn]
                errors.append(_mean_left_out(_fit(some, columns, missing[:, drawn], strength)))
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
