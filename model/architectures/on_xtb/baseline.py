"""GFN2-xTB beneath a committee: its energies and forces, and labels without them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from chemistry.engines.base import Resources
from chemistry.engines.tblite import TBLiteEngine
from chemistry.errors import InputError
from chemistry.records.label import LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.potential import Prediction
from chemistry.records.structure import FloatArray, Structure
from model.architectures.on_xtb.settings import BASELINE


@cache
def _engine() -> TBLiteEngine:
    return TBLiteEngine(find_level(BASELINE), Resources(threads=1))


def beneath(structures: Sequence[Structure]) -> list[Prediction]:
    """Return what GFN2-xTB says; `Prediction.not_computed` where its charges do not converge."""
    return [_beneath(structure) for structure in structures]


def _beneath(structure: Structure) -> Prediction:
    energies, forces = beneath_at(structure, structure.positions[None])
    if not np.isfinite(energies).all():
        return Prediction.not_computed(len(structure))
    return Prediction(member_energies=energies, member_forces=forces)


def beneath_at(structure: Structure, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return energies (R,) eV and forces (R, N, 3) eV/Å at (R, N, 3) Å; NaN where there is none."""
    return _engine().moved(structure, positions)


def without_baseline(
    data: Sequence[LabelledStructure],
) -> tuple[list[LabelledStructure], tuple[str, ...]]:
    """Return labels of what is above GFN2-xTB, and ids of structures for which it has no answer.

    Raises
    ------
    InputError
        It has an answer for none of them.
    """
    above, lost = [], []
    for row, below in zip(data, beneath([row.structure for row in data]), strict=True):
        if not below.is_computed:
            lost.append(row.structure.structure_id)
            continue
        energy, forces = row.label.energy - below.energy, row.label.forces
        forces = None if forces is None else forces - below.forces
        above.append(replace(row, label=replace(row.label, energy=energy, forces=forces)))
    if data and not above:
        raise InputError("GFN2-xTB converges for none of the labelled structures: check them")
    return above, tuple(lost)
