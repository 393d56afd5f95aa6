"""Whether a committee from elsewhere is lost among the geometries of a molecule."""

from collections.abc import Sequence

import numpy as np

from chemistry.geometries.embedding import embedded
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Potential
from chemistry.records.structure import Origin, Structure

_LOST_KCAL_MOL = 1.0
"""Four times the disagreement that asked for a label in ANI-1x: what moves atoms by such energies
goes where nobody would."""
_EMBEDDINGS = 5


def is_lost(
    potential: Potential, molecule: Molecule, starts: Sequence[Structure], seed: int
) -> bool:
    """Say whether members disagree widely on most of a molecule's geometries.

    Those that are there: conformers, or those of its file, or a few embedded ones.
    """
    geometries = starts or molecule.geometries
    geometries = geometries or embedded(
        molecule, _EMBEDDINGS, Origin(sampler="embedding", seed=seed)
    )
    found = [prediction.rho_kcal_mol for prediction in potential.predict(geometries)]
    return bool(found) and float(np.median(found)) > _LOST_KCAL_MOL
