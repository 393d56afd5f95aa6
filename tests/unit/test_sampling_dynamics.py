"""Langevin dynamics: statistics of the integrator, and where trajectories stop."""

import numpy as np
import pytest
from fake_potentials import FakeCommittee, Springs, Wells

from chemistry.geometries.geometry import check_geometry
from chemistry.geometries.rdkit_bridge import geometry_rules
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.molecule import Molecule
from chemistry.records.potential import Prediction, Threshold
from chemistry.records.structure import FloatArray, Structure, interatomic_distances
from chemistry.sampling.dynamics import LangevinDynamics
from chemistry.sampling.langevin import BAOAB, kinetic_energies, thermal_speeds
from chemistry.units import BOLTZMANN_EV_PER_K, EV_PER_DALTON_ANGSTROM2_PER_FS2

WATER = Structure(
    atomic_numbers=np.array([8, 1, 1]),
    positions=np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]),
)
LOOSE = {"max_energy_ev_per_atom": 50.0, "max_temperature_k": 1e6}


def water() -> Molecule:
    return molecule_from_smiles("O")


def run_in_wells(timestep_fs: float, temperature_k: float) -> tuple[FloatArray, FloatArray]:
    """Return positions and velocities of 2,000 trajectories after 300 steps in harmonic wells."""
    stiffness, masses = 5.0, np.array([1.0, 16.0])
    integrator = BAOAB(masses=masses, timestep_fs=timestep_fs, friction_per_fs=0.05)
    generator = np.random.default_rng(0)
    positions = np.zeros((2000, 2, 3))
    velocities = np.zeros_like(positions)
    for _ in range(300):
        noise = generator.standard_normal(positions.shape)
        positions, velocities = integrator.drift(
            positions, velocities, -stiffness * positions, noise, temperature_k
        )
        velocities = integrator.kick(velocities, -stiffness * positions)
    return positions, velocities


@pytest.mark.parametrize("timestep_fs", [0.5, 5.0])
def test_positions_have_the_temperature_of_the_bath_at_any_time_step(timestep_fs):
    # BAOAB samples harmonic positions without error of the time step; 5 fs is omega dt = 1.1.
    positions, _ = run_in_wells(timestep_fs, 300.0)
    expected = BOLTZMANN_EV_PER_K * 300.0 / 5.0
    assert (positions**2).mean(axis=(0, 2)) == pytest.approx([expected] * 2, rel=0.06)


def test_velocities_have_the_temperature_of_the_bath():
    _, velocities = run_in_wells(0.5, 300.0)
    masses = np.array([1.0, 16.0])
    energies = kinetic_energies(masses, velocities)
    assert energies.mean() == pytest.approx(6 * BOLTZMANN_EV_PER_K * 300.0 / 2, rel=0.04)
    assert velocities.std(axis=(0, 2)) == pytest.approx(thermal_speeds(masses, 300.0), rel=0.04)


def test_a_free_oscillator_has_the_right_period_and_keeps_its_energy():
    stiffness, mass = 5.0, 2.0
    integrator = BAOAB(masses=np.array([mass]), timestep_fs=0.1, friction_per_fs=0.0)
    omega = np.sqrt(stiffness / (mass * EV_PER_DALTON_ANGSTROM2_PER_FS2))
    positions, velocities = np.full((1, 1, 3), 0.3), np.zeros((1, 1, 3))
    energies = []
    steps = round(2 * np.pi / omega / 0.1)
    for _ in range(steps):
        positions, velocities = integrator.drift(
            positions, velocities, -stiffness * positions, np.ones((1, 1, 3)), 300.0
        )
        velocities = integrator.kick(velocities, -stiffness * positions)
        kinetic = kinetic_energies(integrator.masses, velocities)
        energies.append(kinetic[0] + 0.5 * stiffness * (positions**2).sum())
    assert positions == pytest.approx(np.full((1, 1, 3), 0.3), abs=1e-3)
    assert np.ptp(energies) < 1e-4 * energies[0]


def run_ramp_in_wells(first_k: float, last_k: float) -> list[float]:
    """Return the temperature of the positions, in K, at five times of a ramp."""
    sampler = LangevinDynamics(
        temperature_k=(first_k, last_k),
        steps=500,
        frames=5,
        trajectories=40,
        friction_per_fs=0.1,  # strong, so that the molecule follows the bath
        **LOOSE,
    )
    potential = Wells(centres=WATER.positions, stiffness=30.0)
    offers = sampler.sample(water(), [WATER], potential, seed=1).offers
    energies = np.array([offer.prediction.energy for offer in offers]).reshape(5, 40)
    return list(energies.mean(axis=1) / (4.5 * BOLTZMANN_EV_PER_K))  # kT/2 for each of 3N


def test_frames_have_the_temperature_of_the_bath():
    assert np.mean(run_ramp_in_wells(400.0, 400.0)[1:]) == pytest.approx(400.0, rel=0.1)


def test_the_ramp_heats():
    temperatures = run_ramp_in_wells(50.0, 800.0)
    assert temperatures == pytest.approx([200.0, 350.0, 500.0, 650.0, 800.0], rel=0.3)


def test_frames_are_regularly_spaced_and_one_call_computes_all_trajectories():
    potential = Springs(rest=WATER)
    sampler = LangevinDynamics(steps=20, frames=4, trajectories=6)
    sample = sampler.sample(water(), [WATER, WATER], potential, seed=1)
    assert len(sample.offers) == 4 * 6
    assert [offer.reason.split()[3] for offer in sample.offers[::6]] == ["2.5", "5", "7.5", "10"]
    assert potential.calls == [6] * (1 + 20 + 4)  # at the start, after each step, at each frame
    assert len({offer.structure.structure_id for offer in sample.offers}) == 24
    # Each trajectory is a block of its own: data sets are split between, never within them.
    assert len({offer.structure.origin.block for offer in sample.offers}) == 6


def test_trajectories_begin_from_the_starts_in_turn():
    stretched = WATER.moved_to(WATER.positions * 1.05, WATER.origin)
    sampler = LangevinDynamics(steps=1, frames=1, trajectories=3)
    offers = sampler.sample(water(), [WATER, stretched], Springs(rest=WATER), seed=1).offers
    parents = [offer.structure.origin.parent_id for offer in offers]
    assert parents == [WATER.structure_id, stretched.structure_id, WATER.structure_id]


def test_a_trajectory_stops_at_the_first_structure_over_the_threshold():
    committee = FakeCommittee(mean=Springs(rest=WATER))
    threshold = Threshold(rho_kcal_mol=0.5)
    settings = {"trajectories": 6, "temperature_k": (600.0, 600.0)}
    sample = LangevinDynamics(steps=2000, **settings).sample(
        water(), [WATER], committee, seed=2, threshold=threshold
    )
    assert sample.over_threshold == len(sample.offers) == sample.judged == 6
    stopped = [
        round(float(offer.reason.split("after ")[1].split()[0]) / 0.5) for offer in sample.offers
    ]
    assert stopped == sorted(stopped)
    assert stopped[0] < stopped[-1]
    # One step earlier the first trajectory to stop was still under the threshold.
    short = LangevinDynamics(steps=stopped[0] - 1, frames=1, **settings)
    before = short.sample(water(), [WATER], committee, seed=2, threshold=threshold)
    assert (before.offers, before.judged, before.over_threshold) == ((), 6, 0)
    for offer in sample.offers:
        assert threshold.exceeded_by(offer.prediction)


@pytest.mark.parametrize(("judge_every", "after_fs"), [(4, "2"), (100, "3.5")])
def test_forces_are_judged_at_their_interval_and_at_the_last_step(judge_every, after_fs):
    committee = FakeCommittee(mean=Springs(rest=WATER), force_disagreement=0.1)
    sampler = LangevinDynamics(steps=7, frames=1, judge_every=judge_every, trajectories=2)
    threshold = Threshold(rho_kcal_mol=1e6, force_sigma_kcal_mol_angstrom=1.0)
    sample = sampler.sample(water(), [WATER], committee, seed=2, threshold=threshold)
    assert [offer.reason.split()[5] for offer in sample.offers] == [after_fs] * 2


def test_a_trajectory_goes_the_same_way_alone_and_beside_others():
    committee = FakeCommittee(mean=Springs(rest=WATER))
    settings = {"steps": 2000, "judge_every": 1, "temperature_k": (600.0, 600.0)}
    alone, together = (
        LangevinDynamics(trajectories=n, **settings)
        .sample(water(), [WATER], committee, seed=3, threshold=Threshold(rho_kcal_mol=0.5))
        .offers
        for n in (1, 4)
    )
    assert len(alone) == 1
    by_block = {offer.structure.origin.block: offer.structure.positions for offer in together}
    assert len(by_block) == 4
    assert np.array_equal(by_block[alone[0].structure.origin.block], alone[0].structure.positions)


@pytest.mark.parametrize(
    ("bounds", "stiffness", "last_k", "reasons"),
    [
        ({}, 0.5, 30000.0, {"clash", "bond broken", "bond formed"}),
        ({"max_energy_ev_per_atom": 0.3}, 20.0, 3000.0, {"energy"}),
        ({"max_temperature_k": 1500.0}, 20.0, 3000.0, {"temperature"}),
    ],
)
def test_of_trajectories_that_go_wrong_the_last_sane_structure_is_offered(
    bounds, stiffness, last_k, reasons
):
    sampler = LangevinDynamics(
        temperature_k=(300.0, last_k), steps=1000, trajectories=5, **{**LOOSE, **bounds}
    )
    committee = FakeCommittee(mean=Springs(rest=WATER, stiffness=stiffness))
    sample = sampler.sample(
        water(), [WATER], committee, seed=1, threshold=Threshold(rho_kcal_mol=1e6)
    )
    assert sum(sample.rejected.values()) == 5
    assert set(sample.rejected) <= reasons
    # They are neither judged nor over the threshold: the committee may be sure of nonsense.
    assert (sample.judged, sample.over_threshold) == (0, 0)
    assert {offer.reason.split("(")[1].split(")")[0] for offer in sample.offers} == set(
        sample.rejected
    )
    assert len({offer.structure.origin.block for offer in sample.offers}) == len(sample.offers)
    for offer in sample.offers:
        assert check_geometry(offer.structure, geometry_rules(water())) is None
        assert offer.structure.structure_id != WATER.structure_id
    # The first and the held-out set are to be distributed as trajectories are.
    frames = sampler.sample(water(), [WATER], committee, seed=1).offers
    assert all(offer.reason.startswith("Langevin dynamics") for offer in frames)


def test_a_trajectory_without_an_answer_ends_and_what_was_before_it_is_offered():
    class Blind:
        """A committee without an answer where the O-H bonds are longer than at rest; fake."""

        def predict(self, structures):
            known = FakeCommittee(mean=Springs(rest=WATER)).predict(structures)
            return [
                Prediction(
                    member_energies=np.full(2, np.nan), member_forces=np.full((2, 3, 3), np.nan)
                )
                if interatomic_distances(structure.positions)[0, 1:].max() > 1.0
                else prediction
                for structure, prediction in zip(structures, known, strict=True)
            ]

    sample = LangevinDynamics(trajectories=4).sample(
        water(), [WATER], Blind(), seed=1, threshold=Threshold(rho_kcal_mol=1e6)
    )
    assert sample.rejected == {"not_computed": 4}
    assert len(sample.offers) == 4
    for offer in sample.offers:
        assert offer.prediction.is_computed


def test_a_start_with_clashing_atoms_is_rejected():
    squeezed = WATER.moved_to(WATER.positions * 0.3, WATER.origin)
    potential = Springs(rest=WATER)
    sample = LangevinDynamics(steps=5, frames=1, trajectories=2).sample(
        water(), [squeezed, WATER], potential, seed=1
    )
    assert sample.rejected == {"clash": 1}
    assert [offer.structure.origin.parent_id for offer in sample.offers] == [WATER.structure_id]
    assert set(potential.calls) == {1}


def test_no_friction_conserves_energy_on_a_molecular_potential():
    sampler = LangevinDynamics(
        temperature_k=(300.0, 300.0),
        steps=400,
        frames=400,
        friction_per_fs=0.0,
        timestep_fs=0.25,
        trajectories=1,
    )
    potential = Springs(rest=WATER, stiffness=30.0)
    offers = sampler.sample(water(), [WATER], potential, seed=4).offers
    positions = np.array([offer.structure.positions for offer in offers])
    velocities = (positions[2:] - positions[:-2]) / 0.5
    kinetic = kinetic_energies(WATER.masses, velocities)
    total = kinetic + [offer.prediction.energy for offer in offers[1:-1]]
    assert np.ptp(total) < 0.03 * kinetic.mean()


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="5 frames do not fit into 3 steps"):
        LangevinDynamics(steps=3)
    with pytest.raises(ValueError, match="temperature_k"):
        LangevinDynamics(temperature_k=(300.0, -1.0))


def test_springs_are_at_rest_where_they_say():
    prediction = Springs(rest=WATER).predict([WATER])[0]
    assert prediction.energy == 0.0
    assert np.abs(prediction.forces).max() == 0.0
    assert interatomic_distances(WATER.positions).shape == (3, 3)
