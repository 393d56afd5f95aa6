"""Systems that move: the same numbers as predictions, in the open and in periodic boxes."""

import numpy as np
import pytest
import torch
from ase import Atoms
from model_examples import cluster, committee

from chemistry.errors import InputError
from chemistry.records.structure import Structure
from model import CommitteeCalculator
from model.architectures.ani.descriptor import candidates, neighbours
from model.architectures.ani.descriptor.batch import AtomBatch
from model.systems import check_cells, systems_of

POTENTIAL = committee()
CUBE = np.diag([11.0, 12.0, 10.5])
TILTED = np.array([[12.0, 0.0, 0.0], [2.5, 11.5, 0.0], [-1.5, 2.0, 11.0]])


def crowd(n_atoms: int, cell: np.ndarray, seed: int) -> Structure:
    """Atoms of random elements near the points of a grid that fills a box."""
    rng = np.random.default_rng(seed)
    edge = int(np.ceil(n_atoms ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(edge)] * 3), axis=-1).reshape(-1, 3)[:n_atoms]
    positions = (grid + rng.uniform(-0.2, 0.2, grid.shape)) / edge @ cell
    return Structure(atomic_numbers=rng.choice((1, 6, 7, 8), n_atoms), positions=positions)


def all_within_bins(monkeypatch, *, always: bool) -> None:
    for module in (candidates, neighbours):
        monkeypatch.setattr(module, "MOST_ATOMS_IN_ALL_PAIRS", 0 if always else 10**9)


def test_systems_of_any_sizes_are_predictions():
    structures = [cluster(12, seed=1), cluster(3, seed=2), cluster(7, seed=3)]
    systems = systems_of(POTENTIAL, structures)
    found = systems.predict_mean(np.concatenate([s.positions for s in structures]))
    expected = POTENTIAL.predict(structures)
    assert found.sizes == (12, 3, 7)
    np.testing.assert_allclose(found.energies, [p.energy for p in expected], rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        found.forces, np.concatenate([p.forces for p in expected]), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(found.rho_kcal_mol, [p.rho_kcal_mol for p in expected], rtol=1e-9)


def test_atoms_that_come_near_and_part_are_as_anew():
    """Triples are kept from call to call while the same pairs are near: none may be stale."""
    structure = cluster(9, seed=4)
    kept = systems_of(POTENTIAL, [structure])
    away = structure.positions.copy()
    away[0] += 4.0
    for positions in (structure.positions, away, structure.positions + 0.001, away[::-1].copy()):
        found = kept.predict_mean(positions)
        anew = systems_of(POTENTIAL, [structure]).predict_mean(positions)
        assert np.array_equal(found.member_energies, anew.member_energies)
        assert np.array_equal(found.forces, anew.forces)


def test_few_and_many_triples_are_summed_alike(monkeypatch):
    structures = [cluster(12, seed=1), cluster(3, seed=2), cluster(7, seed=3)]
    found = []
    for most in (0, 10**9):
        monkeypatch.setattr(neighbours, "_FEW_TRIPLES", most)
        found.append(POTENTIAL.predict(structures))
    for by_group, one_by_one in zip(*found, strict=True):
        np.testing.assert_allclose(
            by_group.member_energies, one_by_one.member_energies, rtol=0, atol=1e-10
        )
        np.testing.assert_allclose(
            by_group.member_forces, one_by_one.member_forces, rtol=0, atol=1e-12
        )


def test_a_calculator_may_leave_out_the_forces_of_each_member():
    structure = cluster(8, seed=5)
    atoms = Atoms(structure.atomic_numbers, structure.positions)
    whole = CommitteeCalculator(POTENTIAL)
    mean = CommitteeCalculator(POTENTIAL, force_disagreement=False)
    for _ in range(2):
        atoms.rattle(0.05, seed=6)
        for calculator in (whole, mean):
            calculator.calculate(atoms)
        np.testing.assert_allclose(
            mean.results["forces"], whole.results["forces"], rtol=0, atol=1e-12
        )
        for key in ("energy", "energy_sigma", "rho_kcal_mol"):
            assert mean.results[key] == pytest.approx(whole.results[key], abs=1e-9)
        assert "force_sigma_kcal_mol_angstrom" in whole.results
        assert "force_sigma_kcal_mol_angstrom" not in mean.results
    atoms.set_atomic_numbers(np.roll(structure.atomic_numbers, 1))
    for calculator in (whole, mean):
        calculator.calculate(atoms)
    assert mean.results["energy"] == pytest.approx(whole.results["energy"], abs=1e-9)


def test_more_systems_than_are_computed_at_once_are_all_there():
    structures = [cluster(9, seed=seed) for seed in range(240)]
    systems = systems_of(POTENTIAL, structures)
    found = systems.predict_mean(np.concatenate([s.positions for s in structures]))
    expected = POTENTIAL.predict_mean(structures)
    np.testing.assert_allclose(found.energies, [p.energy for p in expected], rtol=0, atol=1e-8)
    np.testing.assert_allclose(
        found.forces, np.concatenate([p.forces for p in expected]), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("cell", [CUBE, TILTED], ids=["cube", "tilted"])
def test_a_box_is_a_piece_of_its_images(cell):
    """An atom in a box has the energy that it has amid 26 copies of the box."""
    structure = crowd(40, cell, seed=4)
    found = systems_of(POTENTIAL, [structure]).predict_mean(structure.positions, cell[None])
    shifts = np.stack(np.meshgrid(*[[0, -1, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    images = np.concatenate([structure.positions + shift @ cell for shift in shifts])
    many = Structure(atomic_numbers=np.tile(structure.atomic_numbers, 27), positions=images)
    [whole] = POTENTIAL.predict_mean([many])
    # Of the energy of all images the middle box has what its atoms' forces say: compare those.
    np.testing.assert_allclose(found.forces, whole.forces[:40], rtol=0, atol=1e-11)
    assert np.abs(found.forces).max() > 0.01


@pytest.mark.parametrize("cell", [CUBE, TILTED], ids=["cube", "tilted"])
def test_where_an_image_lies_does_not_matter(cell):
    structure = crowd(30, cell, seed=5)
    systems = systems_of(POTENTIAL, [structure])
    here = systems.predict_mean(structure.positions, cell[None])
    moves = np.random.default_rng(6).integers(-3, 4, (30, 3))
    there = systems.predict_mean(structure.positions + moves @ cell, cell[None])
    np.testing.assert_allclose(there.energies, here.energies, rtol=0, atol=1e-9)
    np.testing.assert_allclose(there.forces, here.forces, rtol=0, atol=1e-11)


@pytest.mark.parametrize("cell", [None, CUBE, TILTED, 1.5 * CUBE, 2.1 * TILTED])
def test_bins_find_the_pairs_that_looking_at_all_finds(cell, monkeypatch):
    structures = [crowd(120, 2 * CUBE if cell is None else cell, seed=seed) for seed in (7, 8)]
    batch = AtomBatch.of(structures, POTENTIAL.elements)
    if cell is not None:
        batch = batch.moved(
            np.concatenate([s.positions for s in structures]),
            torch.from_numpy(np.stack([cell, cell * 1.01])),
        )
    found = []
    for always in (False, True):
        all_within_bins(monkeypatch, always=always)
        found.append(neighbours.find_pairs(batch, 5.2, torch.float64))
    plain, binned = found
    assert len(plain) > 120
    assert torch.equal(plain.centre, binned.centre)
    assert torch.equal(plain.neighbour, binned.neighbour)
    assert torch.equal(plain.element, binned.element)


def test_bins_cost_nothing_where_there_is_nothing(monkeypatch):
    all_within_bins(monkeypatch, always=True)
    near = cluster(6, seed=1)
    apart = np.concatenate([near.positions, near.positions + 1e9])
    pair = Structure(atomic_numbers=np.tile(near.atomic_numbers, 2), positions=apart)
    [one], [both] = POTENTIAL.predict_mean([near]), POTENTIAL.predict_mean([pair])
    assert both.energy == pytest.approx(2 * one.energy, abs=1e-6)


def test_the_candidates_of_bins_grow_linearly():
    def found(n_atoms: int) -> int:
        cell = np.eye(3) * 2.2 * n_atoms ** (1 / 3)
        batch = AtomBatch.of([crowd(n_atoms, cell, seed=0)], POTENTIAL.elements)
        return len(candidates.candidate_pairs(batch, 5.2)[0])

    assert found(8000) / found(2000) < 4.8  # all pairs: 16


def test_strain_derivatives_are_those_of_the_energy():
    structure = crowd(40, TILTED, seed=9)
    systems = systems_of(POTENTIAL, [structure])
    found = systems.predict_mean(structure.positions, TILTED[None]).strain_derivatives[0]
    step = 1e-4
    for row, column in ((0, 0), (1, 1), (0, 1), (2, 1)):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[row, column] += sign * step
            moved = systems.predict_mean(structure.positions @ strain, (TILTED @ strain)[None])
            energies.append(moved.energies[0])
        slope = (energies[0] - energies[1]) / (2 * step)
        assert found[row, column] == pytest.approx(slope, abs=1e-6, rel=1e-5)
    assert np.abs(found).max() > 0.01


def test_the_calculator_gives_stress_in_a_box():
    from ase import Atoms

    structure = crowd(40, TILTED, seed=9)
    atoms = Atoms(numbers=structure.atomic_numbers, positions=structure.positions, cell=TILTED)
    atoms.calc = CommitteeCalculator(POTENTIAL)
    alone = atoms.get_potential_energy()
    atoms.pbc = True
    found = systems_of(POTENTIAL, [structure]).predict_mean(structure.positions, TILTED[None])
    assert atoms.get_potential_energy() == pytest.approx(found.energies[0], abs=1e-9)
    assert atoms.get_potential_energy() != pytest.approx(alone, abs=1e-5)
    np.testing.assert_allclose(atoms.get_forces(), found.forces, atol=1e-12)
    expected = found.strain_derivatives[0] / atoms.get_volume()
    np.testing.assert_allclose(atoms.get_stress(voigt=False), expected, atol=1e-12)
    assert atoms.calc.results["rho_kcal_mol"] == pytest.approx(found.rho_kcal_mol[0])
    atoms.pbc = (True, True, False)
    with pytest.raises(InputError, match="periodic in some directions alone"):
        atoms.get_potential_energy()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (np.diag([12.0, 10.3, 12.0]), r"10\.30 Å wide.*at least 10\.4 Å wide"),
        (np.array([[12.0, 0, 0], [9.0, 11.0, 0], [0, 0, 12.0]]), r"9\.29 Å wide"),
        (np.diag([12.0, 12.0, 0.0]), "has no volume"),
    ],
)
def test_boxes_that_are_too_small_are_refused(cell, message):
    with pytest.raises(InputError, match=message):
        check_cells(cell[None], 5.2)
    structure = crowd(8, CUBE, seed=1)
    with pytest.raises(InputError, match=message):
        systems_of(POTENTIAL, [structure]).predict_mean(structure.positions, cell[None])


def test_what_has_exploded_is_refused():
    structure = cluster(5, seed=1)
    systems = systems_of(POTENTIAL, [structure])
    positions = structure.positions.copy()
    positions[2] = positions[1]
    with pytest.raises(InputError, match="coincide"):
        systems.predict_mean(positions)
    positions[2] = np.inf
    with pytest.raises(InputError, match="exploded"):
        systems.predict_mean(positions)
