"""What a gold potential is used for, against the gold level itself: wavenumbers, forces, torsions.

    OMP_NUM_THREADS=1 python benchmarks/gold_uses.py [--seeds 3] [--committees FOLDER] [--label]

The potentials are those of gold.py's ladder of most labels. What they are compared with is kept in
benchmarks/data/gold_uses, one file a molecule; with --label what is not there is computed (half an
hour), at geometries that the potential of the first seed relaxes.

vibrations  energies a small step forth and back along each normal mode: slopes and curvatures on
            the gold level. How modes mix is taken from forces of the level below; on the Newton
            step to rest the potential says how the Hessian changes.
forces      differences of energies along internal movements, all of them or some drawn at random
torsion     relaxed scans of one bond in twelve points, by the gold level and by the rung below it
"""

import argparse
import gzip
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from figures import print_figure
from gold import GOLD, LABELS, MIDDLE, WHOLE, LowerRungs, Row, read_rows, request_for
from gold_labels import MOLECULES

from chemistry.engines import default_engine, find_engine
from chemistry.engines.base import Resources
from chemistry.geometries.movements import internal_space
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label
from chemistry.records.level import find_level
from chemistry.records.record_json import (
    label_from_json,
    label_to_json,
    structure_from_json,
    structure_to_json,
)
from chemistry.records.structure import FloatArray, Structure
from chemistry.sampling.modes import Vibrations, hessians, vibrations
from chemistry.units import EV_PER_HARTREE, KCAL_MOL_PER_EV
from model import Committee, climb
from workflow.use.relaxation import relax_subject
from workflow.use.subject import Subject
from workflow.use.torsion import torsion_profile
from workflow.use.vibrations import vibrations_of

DATA = Path(__file__).parent / "data" / "gold_uses"
VIBRATING = ("hydrogen peroxide", "formic acid", "formamide", "methylamine")
PUSHED = {"hydrogen peroxide": None, "formic acid": 3}
"""Molecules whose forces are compared, and along how many internal movements; None: all."""
TURNED = ("hydrogen peroxide", "formic acid", "methylamine")
N_FORCES = 10
"""Structures a molecule."""
RISE_EV = 1e-5 * EV_PER_HARTREE
"""By which a step along a mode raises the energy: above the noise of energies, below
anharmonicity."""
SOFTEST_PER_CM = 200.0
STEP_ANGSTROM = 0.003
POINTS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """A structure of a comparison.

    Attributes
    ----------
    part : str
        "vibrations", "torsion", or "forces" and a number: one structure's.
    structure : Structure
    labels : dict of str to Label
        By level.
    """

    part: str
    structure: Structure
    labels: dict[str, Label]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--committees", type=Path, help="Where those of lower rungs are kept.")
    parser.add_argument("--label", action="store_true", help="Compute what is not there.")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_rows(LABELS)
    potentials = []
    for seed in range(chosen.seeds):
        potentials.append(potentials_of(rows, seed, chosen.committees))
        if chosen.label and seed == 0:
            for name in VIBRATING:
                label_file(name, potentials[0], rows)
    points = {name: read_points(path_of(name)) for name in VIBRATING}
    found = [compared(points, one) for one in potentials]
    for what in found[0]:
        print(f"{what:<44}" + "".join(f"{one[what]:9.3f}" for one in found))
    print_figures(found)


@dataclass(frozen=True, kw_only=True, eq=False)
class Potentials:
    """Committees of one seed.

    Attributes
    ----------
    below, gold : Committee
    climb_cpu_seconds : float
        Of a climb with 60 labels.
    """

    below: Committee
    gold: Committee
    climb_cpu_seconds: float


def potentials_of(rows: Sequence[Row], seed: int, folder: Path | None) -> Potentials:
    learned = [r for r in rows if r.part == "train"]
    pool = [r for r in rows if r.part == "pool"]
    below = LowerRungs(seed=seed, folder=folder).committee(WHOLE, learned, pool)
    request = request_for(learned, GOLD, seed, WHOLE.settings)
    committee = climb(request, below, WHOLE.way).result.committee
    began = time.process_time()
    few = learned[:: len(learned) // 60][:60]
    climb(request_for(few, GOLD, seed, WHOLE.settings), below, WHOLE.way)
    return Potentials(below=below, gold=committee, climb_cpu_seconds=time.process_time() - began)


def path_of(name: str) -> Path:
    return DATA / f"{name.replace(' ', '-')}.jsonl.gz"


def read_points(path: Path) -> list[Point]:
    found = []
    with gzip.open(path, "rt") as lines:
        for line in lines:
            document = json.loads(line)
            answers = {level: label_from_json(v) for level, v in document["labels"].items()}
            found.append(
                Point(
                    part=document["part"],
                    structure=structure_from_json(document["structure"]),
                    labels={k: v for k, v in answers.items() if isinstance(v, Label)},
                )
            )
    return found


def label_file(name: str, potentials: Potentials, rows: Sequence[Row]) -> None:
    """Make the points of a molecule where there are none, and label what is not labelled."""
    path = path_of(name)
    points = read_points(path) if path.exists() else list(unlabelled(name, potentials.gold, rows))
    for level_name in (GOLD, MIDDLE):
        level = find_level(level_name)
        engine = find_engine(default_engine(level))(level, Resources(threads=1, memory_gb=3.0))
        for point in points:
            wanted = level_name == GOLD or not point.part.startswith("forces")
            if not wanted or level_name in point.labels:
                continue
            label = engine.label(point.structure)
            assert isinstance(label, Label), label
            point.labels[level_name] = label
            print(f"{name}, {point.part}, {level_name}: {label.energy:.5f} eV", flush=True)
            keep(path, points)


def keep(path: Path, points: Sequence[Point]) -> None:
    """Replace the file at once, so that an interruption loses nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with gzip.open(new, "wt") as file:
        for point in points:
            document = {
                "part": point.part,
                "structure": structure_to_json(point.structure),
                "labels": {level: label_to_json(label) for level, label in point.labels.items()},
            }
            file.write(json.dumps(document) + "\n")
    new.replace(path)


def subject_of(name: str, committee: Committee, start: Structure) -> Subject:
    return Subject(
        molecule=molecule_from_smiles(MOLECULES[name]), structure=start, committee=committee
    )


def unlabelled(name: str, committee: Committee, rows: Sequence[Row]) -> Iterator[Point]:
    """Yield the points of a molecule, at geometries that a potential relaxes."""
    own = [row for row in rows if row.molecule == name.replace(" ", "-")]
    start = next(r.structure for r in own if (r.part, r.kind) == ("train", "anchor"))
    subject = subject_of(name, committee, start)
    rest = relax_subject(subject, max_force_ev_per_angstrom=1e-3, max_steps=500).structure
    for structure in (rest, *along_modes(rest, modes_at(rest, committee))):
        yield Point(part="vibrations", structure=structure, labels={})
    if name in PUSHED:
        tested = [row.structure for row in own if row.part == "test"]
        picked = np.random.default_rng(0).permutation(len(tested))[:N_FORCES]
        for number, index in enumerate(sorted(picked.tolist())):
            for structure in pushed(tested[index], PUSHED[name], seed=number):
                yield Point(part=f"forces {number}", structure=structure, labels={})
    if name in TURNED:
        profile = torsion_profile(
            subject, torsion=None, points=POINTS, max_force_ev_per_angstrom=0.01, max_steps=500
        )
        assert all(profile.converged), f"{name}: a point of the scan is not at rest"
        for structure in profile.structures:
            yield Point(part="torsion", structure=structure, labels={})


def modes_at(structure: Structure, committee: Committee) -> Vibrations:
    [hessian] = hessians([structure], committee, STEP_ANGSTROM)
    return vibrations(hessian, structure.positions, structure.masses)


def along_modes(rest: Structure, modes: Vibrations) -> Iterator[Structure]:
    """Yield the ends of a step forth and back along each mode."""
    softest = (SOFTEST_PER_CM / modes.wavenumbers_per_cm[-1]) ** 2 * modes.curvatures[-1]
    for curvature, direction in zip(modes.curvatures, modes.displacements, strict=True):
        step = np.sqrt(2.0 * RISE_EV / max(curvature, softest)) * direction
        for sign in (1.0, -1.0):
            yield rest.moved_to(rest.positions + sign * step, rest.origin)


def pushed(structure: Structure, n_directions: int | None, seed: int) -> Iterator[Structure]:
    """Yield the ends of steps forth and back along internal movements, orthogonal ones."""
    space = internal_space(structure.positions, np.ones(len(structure)))  # (3N, V)
    if n_directions is not None:
        drawn = np.random.default_rng(seed).standard_normal((space.shape[1], n_directions))
        space = space @ np.linalg.qr(drawn)[0]
    for direction in space.T.reshape(-1, len(structure), 3):
        for sign in (1.0, -1.0):
            step = sign * STEP_ANGSTROM * direction
            yield structure.moved_to(structure.positions + step, structure.origin)


def compared(points: Mapping[str, Sequence[Point]], potentials: Potentials) -> dict[str, float]:
    """Return mean absolute errors by what they are of."""
    found: dict[str, float] = {"climb with 60 labels, CPU s": potentials.climb_cpu_seconds}
    for name, own in points.items():
        vibrating = [point for point in own if point.part == "vibrations"]
        error = np.abs(wavenumber_errors(name, vibrating, potentials.gold))
        found[f"wavenumbers, 1/cm: {name}"] = float(error.mean())
        found[f"largest of them, 1/cm: {name}"] = float(error.max())
        forces = [point for point in own if point.part.startswith("forces")]
        if forces:
            error = np.abs(slope_errors(forces, potentials.gold))
            found[f"forces, kcal/mol/Å: {name}"] = float(error.mean()) * KCAL_MOL_PER_EV
        turned = [point for point in own if point.part == "torsion"]
        if turned:
            for level, committee in ((GOLD, potentials.gold), (MIDDLE, potentials.below)):
                error = np.abs(torsion_errors(turned, level, committee))
                found[f"torsion, kcal/mol, {level}: {name}"] = float(error.mean())
    return found


def wavenumber_errors(name: str, points: Sequence[Point], committee: Committee) -> FloatArray:
    """Return the errors of the harmonic wavenumbers at rest, (V,) 1/cm, ascending."""
    rest, ends = points[0].structure, [point.structure.positions for point in points[1:]]
    steps = (np.array(ends[0::2]) - np.array(ends[1::2])) / 2.0  # (V, N, 3)
    weighted = steps * np.sqrt(rest.masses)[:, None]
    lengths = np.sqrt((weighted**2).sum(axis=(1, 2)))  # sqrt(Da) Å
    directions = (steps / lengths[:, None, None]).reshape(len(steps), -1)  # (V, 3N)
    energies = np.array([point.labels[GOLD].energy for point in points])
    forth, back = energies[1::2], energies[2::2]
    slopes = (forth - back) / (2.0 * lengths)
    forces = np.array([point.labels[MIDDLE].forces for point in points[1:]])
    differences = (forces[1::2] - forces[0::2]).reshape(len(steps), -1) / (2.0 * lengths[:, None])
    hessian = differences @ directions.T
    hessian = (hessian + hessian.T) / 2.0
    np.fill_diagonal(hessian, (forth + back - 2.0 * energies[0]) / lengths**2)
    newton = (np.linalg.solve(hessian, -slopes) @ directions).reshape(-1, 3)
    there = rest.moved_to(rest.positions + newton, rest.origin)
    before, after = (
        directions @ found @ directions.T
        for found in hessians([rest, there], committee, STEP_ANGSTROM)
    )
    curvatures = np.linalg.eigvalsh(hessian + after - before)
    truth = Vibrations(curvatures=curvatures, displacements=steps)
    said = vibrations_of(subject_of(name, committee, rest)).wavenumbers_per_cm
    return np.asarray(said - truth.wavenumbers_per_cm)


def slope_errors(points: Sequence[Point], committee: Committee) -> FloatArray:
    """Return errors of the derivative of the energy along steps, eV/Å."""
    errors = []
    for forth, back in zip(points[0::2], points[1::2], strict=True):
        step = forth.structure.positions - back.structure.positions
        length = np.linalg.norm(step)
        truth = (forth.labels[GOLD].energy - back.labels[GOLD].energy) / length
        one, other = committee.predict([forth.structure, back.structure])
        said = -((one.forces + other.forces) / 2.0 * step).sum() / length
        errors.append(said - truth)
    return np.array(errors)


def torsion_errors(points: Sequence[Point], level: str, committee: Committee) -> FloatArray:
    """Return errors of the energies above the lowest point, kcal/mol."""
    truth = np.array([point.labels[level].energy for point in points])
    said = np.array([p.energy for p in committee.predict([point.structure for point in points])])
    lowest = int(truth.argmin())
    errors = (said - said[lowest]) - (truth - truth[lowest])
    return np.asarray(np.delete(errors, lowest) * KCAL_MOL_PER_EV)


def print_figures(found: Sequence[Mapping[str, float]]) -> None:
    """Print means over the seeds; of torsions the worst molecule."""

    def mean_of(begin: str) -> list[float]:
        names = [what for what in found[0] if what.startswith(begin)]
        return [float(np.mean([one[what] for one in found])) for what in names]

    wavenumbers, forces = mean_of("wavenumbers"), mean_of("forces")
    print_figure("gold_wavenumbers_1_per_cm", float(np.mean(wavenumbers)), digits=1, at_most=10)
    print_figure("gold_forces_kcal_mol_angstrom", float(np.mean(forces)), at_most=0.5)
    print_figure("gold_torsions_kcal_mol", max(mean_of(f"torsion, kcal/mol, {GOLD}")), at_most=0.15)
    print_figure(
        "middle_torsions_kcal_mol", max(mean_of(f"torsion, kcal/mol, {MIDDLE}")), at_most=0.15
    )
    print_figure("climb_with_60_labels_cpu_s", mean_of("climb")[0], digits=1, at_most=10)


if __name__ == "__main__":
    main()
