"""Three-dimensional geometries from bonds alone: ETKDG embedding and MMFF94 relaxation."""

from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from chemistry.geometries.force_field import mmff94_covers
from chemistry.geometries.ligands import spread_ligands
from chemistry.geometries.rdkit_bridge import atomic_numbers_of, geometry_rules, to_rdkit
from chemistry.geometries.stereo import has_stereo_of
from chemistry.records.molecule import Molecule
from chemistry.records.structure import FloatArray, Origin, Structure

_RELAXATION_STEPS = 5000


def embed(molecule: Molecule, count: int, seed: int) -> FloatArray | None:
    """Make geometries of a molecule, relaxed and most stable first where MMFF94 covers it.

    ETKDGv3 (Wang, Witek, Landrum and Riniker, doi:10.1021/acs.jcim.0c00025); plain distance
    geometry where it fails.

    Parameters
    ----------
    molecule : Molecule
    count : int
        How many to try; fewer may succeed.
    seed : int

    Returns
    -------
    (R, N, 3) float64, Å, or None
        None where it cannot be done: no bonds, several fragments, or no embedding succeeds with
        the stereochemistry that the molecule specifies.
    """
    if molecule.mol_block is None:
        return None
    mol = to_rdkit(molecule)
    if len(Chem.GetMolFrags(mol)) > 1:
        return None
    with rdBase.BlockLogs():
        ids = _embed_conformers(mol, count, seed)
        if not ids:
            return None
        if mmff94_covers(molecule):
            relaxed = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(
                mol, numThreads=1, maxIters=_RELAXATION_STEPS
            )
            energies = np.array([energy for _, energy in relaxed])
            ids = [ids[row] for row in np.argsort(energies, kind="stable")]
    found = [spread_ligands(mol, np.asarray(mol.GetConformer(i).GetPositions())) for i in ids]
    return _best(molecule, mol, np.array(found, dtype=np.float64))


def _best(molecule: Molecule, mol: Any, positions: FloatArray) -> FloatArray | None:
    """Leave out other stereoisomers, and what breaks the rules unless all do; None for nothing."""
    isomers = np.array([has_stereo_of(mol, geometry) for geometry in positions])
    positions = positions[isomers]
    if not len(positions):
        return None
    good = np.array([fault is None for fault in geometry_rules(molecule).faults(positions)])
    return positions[good] if good.any() else positions


def embedded(molecule: Molecule, count: int, origin: Origin) -> list[Structure]:
    """Return what `embed` makes, with the seed of an origin, as structures; empty for None."""
    positions = embed(molecule, count, origin.seed or 0)
    if positions is None:
        return []
    numbers = atomic_numbers_of(to_rdkit(molecule))
    return [
        Structure(
            atomic_numbers=numbers,
            positions=geometry,
            charge=molecule.charge,
            multiplicity=molecule.multiplicity,
            molecule_id=molecule.molecule_id,
            origin=origin,
        )
        for geometry in positions
    ]


def _embed_conformers(mol: Any, count: int, seed: int) -> list[int]:
    """Add conformers to an RDKit Mol and return their ids; empty where none can be embedded."""
    # What ETKDG knows of flat rings and straight triple bonds is not true of strained rings such
    # as cyclooctyne: those embed by distances alone.
    methods: tuple[Any, ...] = (rdDistGeom.ETKDGv3(), rdDistGeom.EmbedParameters())
    for parameters in methods:
        parameters.randomSeed = int(np.random.default_rng(seed).integers(2**31 - 1))
        parameters.numThreads = 1
        # One first: failure is slow, and fifty failures are fifty times as slow.
        if rdDistGeom.EmbedMolecule(Chem.Mol(mol), parameters) >= 0:
            return list(rdDistGeom.EmbedMultipleConfs(mol, count, parameters))
    return []
