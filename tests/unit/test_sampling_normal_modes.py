"""Normal modes: wavenumbers, what is projected out, and thermal amplitudes."""

import numpy as np
import pytest
from fake_potentials import Defiant, FakeCommittee, Springs

from chemistry.errors import InputError
from chemistry.geometries.force_field import MMFF94
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.potential import Threshold
from chemistry.records.structure import Structure
from chemistry.sampling import AnchorVibrations, Conformers, NormalModes
from chemistry.sampling.modes import hessians, vibrations
from chemistry.units import (
    BOLTZMANN_EV_PER_K,
    EV_PER_DALTON_ANGSTROM2_PER_FS2,
    HBAR_EV_FS,
    PER_FS_PER_INVERSE_CM,
)

N2 = Structure(atomic_numbers=np.array([7, 7]), positions=np.array([[0.0, 0, 0], [0.4, 0.6, 0.8]]))


def relaxed(smiles: str) -> tuple[Structure, MMFF94]:
    molecule = molecule_from_smiles(smiles)
    potential = MMFF94(molecule)
    offers = Conformers(embeddings=5).sample(molecule, (), potential, seed=1).offers
    return offers[0].structure, potential


def modes_of(structure: Structure, potential, step=0.005):
    (hessian,) = hessians([structure], potential, step)
    return vibrations(hessian, structure.positions, structure.masses)


def test_the_hessian_of_a_spring_is_that_of_the_formula():
    (hessian,) = hessians([N2], Springs(rest=N2, stiffness=20.0), 0.01)
    axis = N2.positions[1] / np.linalg.norm(N2.positions[1])
    block = 20.0 * np.outer(axis, axis)
    expected = np.block([[block, -block], [-block, block]])
    assert hessian == pytest.approx(expected, abs=2e-3)


def test_all_hessians_come_from_one_call():
    potential = Springs(rest=N2)
    hessians([N2, N2, N2], potential, 0.01)
    assert potential.calls == [3 * 12]


def test_a_diatomic_vibrates_with_the_wavenumber_of_the_formula():
    modes = modes_of(N2, Springs(rest=N2, stiffness=143.0))
    reduced = N2.masses[0] / 2.0
    omega = np.sqrt(143.0 / (reduced * EV_PER_DALTON_ANGSTROM2_PER_FS2))
    assert modes.wavenumbers_per_cm == pytest.approx([omega / PER_FS_PER_INVERSE_CM], rel=1e-4)
    # 143 eV/Å² is the force constant of N2: 2359 1/cm.
    assert modes.wavenumbers_per_cm[0] == pytest.approx(2359, rel=0.01)


@pytest.mark.parametrize(
    ("smiles", "count"), [("N#N", 1), ("O=C=O", 4), ("C#N", 4), ("O", 3), ("CCO", 21)]
)
def test_a_molecule_has_3n_minus_6_modes_or_3n_minus_5(smiles, count):
    structure, potential = relaxed(smiles)
    assert len(modes_of(structure, potential).curvatures) == count


@pytest.mark.parametrize("smiles", ["O", "CCO", "O=C=O", "CC(=O)N"])
def test_modes_neither_move_nor_turn_the_molecule(smiles):
    structure, potential = relaxed(smiles)
    modes = modes_of(structure, potential)
    masses = structure.masses[None, :, None]
    centred = structure.positions - structure.masses @ structure.positions / structure.masses.sum()
    momentum = (masses * modes.displacements).sum(axis=1)
    angular = (masses * np.cross(centred[None], modes.displacements)).sum(axis=1)
    assert np.abs(momentum).max() < 1e-10
    assert np.abs(angular).max() < 0.02  # what is left of a linear molecule's bend
    overlap = np.einsum("vna,wna,n->vw", modes.displacements, modes.displacements, structure.masses)
    assert overlap == pytest.approx(np.eye(len(overlap)), abs=1e-10)


def test_mmff94_has_the_wavenumbers_of_water():
    structure, potential = relaxed("O")
    # Fundamentals of water: 1595, 3657 and 3756 1/cm; a force field comes near.
    assert modes_of(structure, potential).wavenumbers_per_cm == pytest.approx(
        [1595, 3657, 3756], rel=0.07
    )


def test_mmff94_forces_are_minus_the_gradient_in_a_batch():
    # RDKit's gradient is right only after the energy of the same geometry was asked for.
    structure, potential = relaxed("CCO")
    generator = np.random.default_rng(2)
    batch = [
        structure.moved_to(
            structure.positions + generator.normal(scale=0.05, size=(9, 3)), structure.origin
        )
        for _ in range(3)
    ]
    for geometry, prediction in zip(batch, potential.predict(batch), strict=True):
        direction = generator.normal(size=(9, 3))
        ends = [
            geometry.moved_to(geometry.positions + sign * 1e-4 * direction, geometry.origin)
            for sign in (1, -1)
        ]
        forward, backward = potential.predict(ends)
        slope = (forward.energy - backward.energy) / 2e-4
        assert -(prediction.forces * direction).sum() == pytest.approx(slope, rel=1e-4)


def test_mmff94_refuses_what_it_does_not_know():
    with pytest.raises(InputError, match="MMFF94 has no parameters for molecule B"):
        MMFF94(molecule_from_smiles("B"))
    # Of an electron more, less or unpaired it sees nothing: bonds and types of atoms are the same.
    for state in ({"charge": 1}, {"charge": -1}, {"multiplicity": 3}):
        with pytest.raises(InputError, match="MMFF94 has no parameters for molecule CO"):
            MMFF94(molecule_from_smiles("CO", **state))
    assert MMFF94(molecule_from_smiles("C[NH3+]")).molecule.charge == 1
    _, potential = relaxed("CCO")
    with pytest.raises(InputError, match="not of molecule CCO"):
        potential.predict([N2])
    assert potential.predict([]) == []


def test_a_bond_has_the_variance_of_a_classical_oscillator():
    stiffness = 143.0
    sampler = NormalModes(temperature_k=500.0, made_per_start=4000, kept_per_start=4000)
    molecule = molecule_from_smiles("N#N")
    sample = sampler.sample(molecule, [N2], Springs(rest=N2, stiffness=stiffness), seed=1)
    lengths = [np.ptp(o.structure.positions @ N2.positions[1]) for o in sample.offers]
    lengths = np.array(lengths) / np.linalg.norm(N2.positions[1])
    assert lengths.mean() == pytest.approx(np.linalg.norm(N2.positions[1]), abs=2e-3)
    assert lengths.var() == pytest.approx(BOLTZMANN_EV_PER_K * 500.0 / stiffness, rel=0.09)


@pytest.mark.parametrize("temperature_k", [300.0, 3000.0])
def test_a_bond_around_a_relaxed_conformer_has_the_variance_of_a_quantum_oscillator(temperature_k):
    stiffness = 143.0
    sampler = AnchorVibrations(temperature_k=temperature_k, made_per_start=4000)
    longer = N2.moved_to(1.02 * N2.positions, N2.origin)
    springs = Springs(rest=N2, stiffness=stiffness)
    sample = sampler.sample(molecule_from_smiles("N#N"), [longer], springs, seed=1)
    ends = np.array([offer.structure.positions for offer in sample.offers])
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    at_rest = np.linalg.norm(N2.positions[1] - N2.positions[0])
    assert lengths.mean() == pytest.approx(at_rest, abs=3e-3)
    quantum = HBAR_EV_FS * np.sqrt(
        stiffness / (N2.masses[0] / 2.0 * EV_PER_DALTON_ANGSTROM2_PER_FS2)
    )
    expected = 0.5 * quantum / np.tanh(quantum / (2.0 * BOLTZMANN_EV_PER_K * temperature_k))
    assert lengths.var() == pytest.approx(expected / stiffness, rel=0.09)


def test_each_mode_alone_goes_forth_and_back_by_its_root_mean_square():
    stiffness = 143.0
    sampler = AnchorVibrations(each_mode=True, made_per_start=3)
    springs = Springs(rest=N2, stiffness=stiffness)
    sample = sampler.sample(molecule_from_smiles("N#N"), [N2], springs, seed=1)
    ends = np.array([offer.structure.positions for offer in sample.offers])
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    at_rest = np.linalg.norm(N2.positions[1] - N2.positions[0])
    quantum = HBAR_EV_FS * np.sqrt(
        stiffness / (N2.masses[0] / 2.0 * EV_PER_DALTON_ANGSTROM2_PER_FS2)
    )
    spread = np.sqrt(0.5 * quantum / stiffness)  # 300 K adds nothing to so stiff a bond
    assert len(lengths) == 2 + 3
    assert sorted(lengths[:2]) == pytest.approx([at_rest - spread, at_rest + spread], abs=1e-3)


def test_each_mode_of_a_molecule_has_half_kt_of_energy():
    # At 5 K displacements are small enough for the springs to be harmonic.
    structure, _ = relaxed("CO")
    sampler = NormalModes(
        temperature_k=5.0, made_per_start=1500, kept_per_start=1500, softest_mode_per_cm=1.0
    )
    sample = sampler.sample(
        molecule_from_smiles("CO"), [structure], Springs(rest=structure, stiffness=20.0), seed=1
    )
    energies = [offer.prediction.energy for offer in sample.offers]
    assert np.mean(energies) == pytest.approx(12 * 0.5 * BOLTZMANN_EV_PER_K * 5.0, rel=0.05)


def test_imaginary_and_soft_modes_move_like_the_softest_allowed():
    # Springs that push: every mode is imaginary, and the floor alone sets the amplitude.
    sampler = NormalModes(
        temperature_k=300.0,
        made_per_start=4000,
        kept_per_start=4000,
        softest_mode_per_cm=1500.0,
        max_energy_ev_per_atom=1e3,
    )
    molecule = molecule_from_smiles("N#N")
    sample = sampler.sample(molecule, [N2], Springs(rest=N2, stiffness=-1.0), seed=1)
    lengths = [np.ptp(o.structure.positions @ N2.positions[1]) for o in sample.offers]
    omega = 1500.0 * PER_FS_PER_INVERSE_CM
    stiffness = N2.masses[0] / 2.0 * EV_PER_DALTON_ANGSTROM2_PER_FS2 * omega**2
    variance = np.var(np.array(lengths) / np.linalg.norm(N2.positions[1]))
    assert variance == pytest.approx(BOLTZMANN_EV_PER_K * 300.0 / stiffness, rel=0.09)


def test_of_those_over_the_threshold_the_most_different_are_kept():
    structure, _ = relaxed("CO")
    molecule = molecule_from_smiles("CO")
    committee = FakeCommittee(mean=Springs(rest=structure))
    settings = {"made_per_start": 40, "temperature_k": 400.0}
    every = NormalModes(kept_per_start=40, **settings)
    few = NormalModes(kept_per_start=3, **settings)
    free = every.sample(molecule, [structure], committee, seed=1)
    rhos = sorted(offer.prediction.rho_kcal_mol for offer in free.offers)
    threshold = Threshold(rho_kcal_mol=rhos[20])
    one, other = (
        sampler.sample(molecule, [structure, structure], committee, seed=1, threshold=threshold)
        for sampler in (every, few)
    )
    assert one.judged == other.judged == 80 - sum(one.rejected.values())
    assert one.over_threshold == other.over_threshold == len(one.offers)
    assert len(other.offers) == 6
    ids = {offer.structure.structure_id for offer in one.offers}
    assert {offer.structure.structure_id for offer in other.offers} <= ids


def test_structures_that_are_too_high_or_broken_are_counted_and_not_offered():
    structure, _ = relaxed("CO")
    molecule = molecule_from_smiles("CO")
    potential = Springs(rest=structure)
    low = NormalModes(max_energy_ev_per_atom=1e-9).sample(molecule, [structure], potential, seed=1)
    assert (low.offers, low.rejected) == ((), {"energy": 10})
    hot = NormalModes(temperature_k=1e5).sample(molecule, [structure], potential, seed=1)
    assert sum(hot.rejected.values()) + len(hot.offers) == 10
    assert not hot.offers


def test_one_displaced_geometry_without_an_answer_leaves_no_hessian():
    # Of the twelve around the first start one has an atom beyond the bound.
    beyond = float(N2.positions.max()) + 0.005
    elsewhere = N2.moved_to(N2.positions - 5.0, N2.origin)
    potential = Defiant(mean=Springs(rest=N2), beyond_angstrom=beyond)
    unknown, known = hessians([N2, elsewhere], potential, 0.01)
    assert np.isnan(unknown).all()
    assert np.isfinite(known).all()
