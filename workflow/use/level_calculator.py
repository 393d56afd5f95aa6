"""A level of theory as an ASE calculator of one molecule."""

from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from chemistry.engines.level_potential import LevelPotential
from chemistry.records.structure import Structure


class LevelCalculator(Calculator):  # type: ignore[misc]  # ASE has no types
    """Energy and forces of a level; charge and multiplicity are those of a structure."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces"]

    def __init__(self, level: LevelPotential, structure: Structure, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._level = level
        self._structure = structure

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,  # noqa: ARG002 (energy and forces come together)
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces; raises InputError where the level has none."""
        super().calculate(atoms, ["energy"], system_changes)
        here = self._structure.moved_to(self.atoms.get_positions(), self._structure.origin)
        [prediction] = self._level.predict([here])
        self.results = {
            "energy": prediction.energy,
            "free_energy": prediction.energy,
            "forces": prediction.forces,
        }
