"""The closed-form climb: ridge regression in the tangent features of the committee below.

Each member is linearised about its weights; what its energies lack of the level above is fitted by
a change of weights as small as can be, and by energies of elements that cost nothing. One linear
system of as many unknowns as labels, no epochs, no learning rate; the strength of the ridge is the
one whose exact leave-one-out errors are least. (The linear regime of fine-tuning: Jacot, Gabriel
and Hongler, arXiv:1806.07572.)
"""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from chemistry.records.structure import FloatArray
from chemistry.units import KCAL_MOL_PER_EV
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.tangent import along_features, tangent_features
from model.architectures.ani.training.rows import check_rows, data_hash
from model.protocol import TrainingRequest, TrainingResult
from model.ridge import Columns, Ridge, fit_ridge
from model.self_energies import element_counts

STRENGTHS = tuple(float(10.0**exponent) for exponent in np.arange(-7.0, 1.0, 0.5))
"""Ridge strengths that are tried, as shares of the kernel's mean diagonal."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """The members' regressions with one strength.

    Attributes
    ----------
    strength : float
    members : tuple of Ridge
    """

    strength: float
    members: tuple[Ridge, ...]

    @property
    def left_out_errors(self) -> FloatArray:
        """Of the members' mean, (S,) eV; NaN where a structure alone has an element."""
        return np.asarray(np.mean([fit.left_out_errors for fit in self.members], axis=0))

    @property
    def left_out_mae(self) -> float:
        """Mean absolute error left out, eV; infinite where there is none to judge by."""
        found = self.left_out_errors
        known = found[np.isfinite(found)]
        return float(np.abs(known).mean()) if len(known) else np.inf


def climb_linear(request: TrainingRequest, below: AniCommittee) -> TrainingResult[AniCommittee]:
    """Teach a committee energies of another level in closed form; forces are not looked at.

    Raises
    ------
    InputError
        No data, a label of another level, or an unknown element.
    """
    began = time.perf_counter()
    rows = sorted(request.data, key=lambda row: row.structure.structure_id)
    check_rows(rows, request.level, below.elements)
    structures = [row.structure for row in rows]
    energies = np.array([row.label.energy for row in rows])
    known = np.stack([p.member_energies for p in below.predict(structures)], axis=1)  # (M, S)
    features = tangent_features(below, structures)
    fit, scales = _best_fit(
        features.products(features),
        element_counts(structures, below.elements),
        energies - known,
    )
    steps = along_features(
        below,
        structures,
        np.array([r.coefficients / scale for r, scale in zip(fit.members, scales, strict=True)]),
    )
    committee = _moved(below, steps, np.array([r.free for r in fit.members]))
    return TrainingResult(
        committee=replace(
            committee,
            level_id=request.level.level_id,
            level_name=request.level.name,
            record={
                "seed": request.seed,
                "settings": request.settings.model_dump(mode="json"),
                "data_hash": data_hash(rows),
                "n_structures": len(rows),
                "started_from_data_hash": below.record.get("data_hash"),
            },
        ),
        members=(),
        n_structures=len(rows),
        n_with_forces=0,
        notes=(
            f"ridge strength {fit.strength:.0e}, mean error of energies left out "
            f"{fit.left_out_mae * KCAL_MOL_PER_EV:.3f} kcal/mol",
        ),
        seconds=time.perf_counter() - began,
    )


def _best_fit(
    kernels: FloatArray, counts: FloatArray, missing: FloatArray
) -> tuple[_Fit, FloatArray]:
    """Return the fit of least error left out, and what each member's kernel was divided by.

    Parameters
    ----------
    kernels : (M, S, S) float64
    counts : (S, E) float64
    missing : (M, S) float64, eV
    """
    columns = Columns.of(counts)
    scales = np.einsum("mss->m", kernels) / kernels.shape[1]
    fits = (
        _Fit(
            strength=strength,
            members=tuple(
                fit_ridge(kernel / scale, columns, of_member, strength)
                for kernel, scale, of_member in zip(kernels, scales, missing, strict=True)
            ),
        )
        for strength in STRENGTHS
    )
    return min(fits, key=lambda fit: fit.left_out_mae), scales


def _moved(below: AniCommittee, steps: torch.Tensor, free: FloatArray) -> AniCommittee:
    """Return a committee with a change of weights (M, W) and of the elements' energies (M, E)."""
    networks = replace(below.networks, weights=below.networks.weights + steps)
    for layers, own in zip(networks.layers, (free - free.mean(axis=0)).T, strict=True):
        layers[-1].bias[:, 0, 0] += torch.from_numpy(own).to(networks.weights)
    return replace(
        below, networks=networks, self_energies_ev=below.self_energies_ev + free.mean(axis=0)
    )
