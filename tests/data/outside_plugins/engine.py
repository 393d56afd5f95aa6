"""An engine: all atoms repel each other a little."""

import numpy as np

from chemistry.engines.outcome import Outcome, attempt
from chemistry.records.structure import interatomic_distances


class SpringsEngine:
    name = "springs"

    def __init__(self, level, resources):
        self._level = level

    @classmethod
    def version(cls):
        return "1.0"

    @classmethod
    def refuse(cls, level):
        return None

    @classmethod
    def unsupported_elements(cls, level, atomic_numbers):
        return ()

    def label(self, structure, *, is_second=False):
        program = (self.name, self.version())
        return attempt(structure, self._level, program, lambda steps: self._run(structure))

    def _run(self, structure):
        # E = sum over pairs of (r / Å - 1)^2 / 2, in eV
        distances = interatomic_distances(structure.positions)
        np.fill_diagonal(distances, 1.0)
        vectors = structure.positions[:, None] - structure.positions[None]
        gradient = ((distances - 1.0) / distances)[:, :, None] * vectors
        energy = float(((distances - 1.0) ** 2).sum()) / 4.0
        return Outcome(energy=energy, forces=-gradient.sum(axis=1))
