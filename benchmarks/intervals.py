"""Do error bars hold on molecules never seen, and what should their width be taken from?

    python benchmarks/intervals.py [--seeds 5] [--molecules 40] [--epochs 40]

84 molecules of two to four heavy atoms, labelled with GFN2-xTB. For each seed a committee learns
four structures of 40 molecules drawn at random; committees that leave a tenth of these out each
(`model.left_out`, as `rung intervals`) give the factors of 90 % intervals, which are held against
all structures of the other 44. The half-widths are proportional to one of four sources:

disagreement  the members' standard deviation: what rung uses
constant      nothing: the same for all structures
distance      of the nearest learned environment to each atom's, by the descriptor
posterior     the deviation of a linear regression in the last hidden layers of all members
              (Bigi et al., doi:10.1088/2632-2153/ad805f)

Those for molecules that were learned come from three more structures of each, and are held against
the rest.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from figures import print_figure
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from chemistry.engines import find_engine
from chemistry.engines.base import Engine, Resources
from chemistry.engines.potential import EnginePotential
from chemistry.readers.molecules import molecule_from_smiles
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.molecule import Molecule
from chemistry.records.structure import FloatArray, Structure
from chemistry.sampling.conformers import Conformers
from chemistry.sampling.normal_modes import NormalModes
from chemistry.sampling.torsions import TorsionScans
from chemistry.units import KCAL_MOL_PER_EV
from model import TrainingRequest, find_architecture
from model.architectures.ani.committee import AniCommittee
from model.architectures.ani.descriptor.batch import AtomBatch
from model.architectures.ani.descriptor.environments import environments
from model.conformal import conformal_factor, force_deviations, held_out_intervals
from model.intervals import LEVEL
from model.left_out import Step, leave_molecules_out
from model.protocol import Committee
from model.settings import TrainingSettings

SMILES = """
CC C=C C#C CN C=N CO C=O NN NO OO CCC CC=C CC#C C1CC1 CCO COC CC=O C1CO1 CCN CNC CC#N C1CN1
C=C=C OC=O NC=O OCO NCO NCN CNO CON NC#N C=NC CNN C=C=O CCCC CC(C)C C=CCC CC=CC C=CC=C C1CCC1
CC1CC1 CCCO CC(C)O CCOC OCCO CC(C)=O CCC=O C=CC=O C=CCO CC(=O)O COC=O CC(N)=O CNC=O NCCO NCCN
CCCN CC(C)N CN(C)C CCNC CCC#N C=CC#N O=CC=O OCC=O OCC#N NCC#N NC(N)=O NC(=O)O C1COC1 C1CNC1
CC1CO1 COCO CC#CC C#CCO C#CCN C=COC C=CCN CC=NO CNCO NCC=O COCN C=C(C)C CCC#C CC(C)=N C=CC=N
""".split()  # noqa: SIM905 (a list of 84 is 84 lines)
LEARNED, HELD_OUT = 4, 3
"""Structures of a molecule."""
FOLDS = 10
RIDGE = 1e-6
LEVEL_OF_THEORY = find_level("gfn2-xtb")
ELEMENTS = (1, 6, 7, 8)
QUANTITIES = ("energy", "relative_energy", "force")


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """One molecule's structures: errors by quantity, and what their widths are taken from.

    Attributes
    ----------
    errors : mapping of quantity to (n,) float64, kcal/mol or kcal/mol/Å
    sources : mapping of (quantity, source) to (n,) float64
    """

    errors: Mapping[str, FloatArray]
    sources: Mapping[tuple[str, str], FloatArray]

    def covered(self, quantity: str, source: str, factor: float) -> float:
        """Return the share of errors within half-widths of so many times the source."""
        return float(np.mean(self.errors[quantity] <= factor * self.sources[quantity, source]))


Row: TypeAlias = tuple[str, str, str]
"""Quantity, source and what is said of them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--molecules", type=int, default=40, help="Learned ones, of 84.")
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    engine = find_engine("tblite")(LEVEL_OF_THEORY, Resources(threads=1))
    molecules = [molecule_from_smiles(smiles) for smiles in SMILES]
    labelled = {m.molecule_id: label_all(m, engine) for m in molecules}
    print(
        f"{len(molecules)} molecules, {sum(map(len, labelled.values()))} labels; coverage of "
        f"{LEVEL:.0%} intervals, mean half-width, and Spearman's correlation of width and error"
    )
    seeds = []
    for seed in range(arguments.seeds):
        seeds.append(one_seed(seed, molecules, labelled, arguments))
        print(f"seed {seed} done", flush=True)
    report(seeds)


def label_all(molecule: Molecule, engine: Engine) -> list[LabelledStructure]:
    """Return conformers, turned and hot structures of a molecule with their labels."""
    potential = EnginePotential(engine)
    found = Conformers(max_conformers=3, embeddings=10).sample(molecule, (), potential, seed=1)
    conformers = [offer.structure for offer in found.offers]
    hot = NormalModes(temperature_k=500, made_per_start=max(1, 8 // len(conformers)))
    turned = TorsionScans(angles=4, bonds_per_start=1)
    structures = conformers + [
        offer.structure
        for sample in (
            turned.sample(molecule, conformers[:1], potential, seed=3),
            hot.sample(molecule, conformers, potential, seed=2),
        )
        for offer in sample.offers
    ]
    labels = [(structure, engine.label(structure)) for structure in structures]
    return [
        LabelledStructure(structure=structure, label=label)
        for structure, label in labels
        if isinstance(label, Label)
    ]


def one_seed(
    seed: int,
    molecules: Sequence[Molecule],
    labelled: Mapping[str, list[LabelledStructure]],
    arguments: argparse.Namespace,
) -> dict[Row, float]:
    """Return what one draw of the learned molecules gives."""
    rng = np.random.default_rng(seed)
    order = [molecules[i] for i in rng.permutation(len(molecules))]
    known, unseen = order[: arguments.molecules], order[arguments.molecules :]
    shuffled = [
        [labelled[m.molecule_id][i] for i in rng.permutation(len(labelled[m.molecule_id]))]
        for m in known
    ]
    learned = [row for rows in shuffled for row in rows[:LEARNED]]
    held_out = [row for rows in shuffled for row in rows[LEARNED : LEARNED + HELD_OUT]]
    request = TrainingRequest(
        data=learned,
        settings=settings(arguments.epochs),
        elements=ELEMENTS,
        level=LEVEL_OF_THEORY,
        seed=seed,
    )
    committee = find_architecture("ani").train(request).committee
    left_out: list[Measured] = []
    for left in leave_molecules_out([Step(request=request, way=None)], folds=FOLDS):
        left_out += measured(left.committee, left.learned, by_molecule(left.left_out))
    tested = measured(committee, learned, [labelled[m.molecule_id] for m in unseen])
    found = compared(left_out, tested)

    predictions = committee.predict([row.structure for row in held_out])
    intervals = held_out_intervals(learned, held_out, predictions)
    assert intervals is not None
    assert intervals.known is not None
    others = measured(committee, learned, [rows[LEARNED + HELD_OUT :] for rows in shuffled])
    for quantity in QUANTITIES:
        factor = getattr(intervals.known, quantity)
        shares = [one.covered(quantity, "disagreement", factor) for one in others]
        found[quantity, "disagreement", "coverage, known molecules"] = float(np.mean(shares))
    return found


def settings(epochs: int) -> TrainingSettings:
    """Return those of small networks that train in seconds."""
    layers = dict.fromkeys("HCNO", (48, 32))
    return find_architecture("ani").settings.model_validate(
        {
            "members": 4,
            "folds": 8,
            "max_epochs": epochs,
            "batch_size": 32,
            "hidden_layers": layers,
        }
    )


def by_molecule(rows: Sequence[LabelledStructure]) -> list[list[LabelledStructure]]:
    """Return structures by their molecule."""
    found: dict[str, list[LabelledStructure]] = {}
    for row in rows:
        found.setdefault(row.structure.molecule_id, []).append(row)
    return list(found.values())


def measured(
    committee: Committee,
    learned: Sequence[LabelledStructure],
    molecules: Sequence[Sequence[LabelledStructure]],
) -> list[Measured]:
    """Return errors and sources of the structures of each molecule."""
    assert isinstance(committee, AniCommittee)
    known = environments_of(committee, [row.structure for row in learned])
    whiten = posterior(committee, [row.structure for row in learned])
    return [of_one_molecule(committee, rows, known, whiten) for rows in molecules if len(rows) > 1]


def of_one_molecule(
    committee: AniCommittee,
    rows: Sequence[LabelledStructure],
    known: Sequence[FloatArray],
    whiten: Callable[[Sequence[Structure]], FloatArray],
) -> Measured:
    structures = [row.structure for row in rows]
    predictions = committee.predict(structures)
    members = np.array([p.member_energies for p in predictions]) * KCAL_MOL_PER_EV
    error = members.mean(axis=1) - [row.label.energy * KCAL_MOL_PER_EV for row in rows]
    lowest = int(members.mean(axis=1).argmin())
    others = np.arange(len(rows)) != lowest
    off = [p.forces - row.label.forces for p, row in zip(predictions, rows, strict=True)]
    far = [nearest(committee, structure, known) for structure in structures]
    mean_far = np.array([np.sqrt((distance**2).mean()) for distance in far])
    white = whiten(structures)
    atoms = np.concatenate(far)
    spread = np.concatenate([force_deviations(p.member_forces) for p in predictions])
    return Measured(
        errors={
            "energy": np.abs(error),
            "relative_energy": np.abs(error - error[lowest])[others],
            "force": np.linalg.norm(np.concatenate(off), axis=1) * KCAL_MOL_PER_EV,
        },
        sources={
            ("energy", "disagreement"): members.std(axis=1, ddof=1),
            ("energy", "constant"): np.ones(len(rows)),
            ("energy", "distance"): mean_far,
            ("energy", "posterior"): np.linalg.norm(white, axis=1),
            ("relative_energy", "disagreement"): (members - members[lowest])[others].std(
                axis=1, ddof=1
            ),
            ("relative_energy", "constant"): np.ones(others.sum()),
            ("relative_energy", "distance"): mean_far[others],
            ("relative_energy", "posterior"): np.linalg.norm(white - white[lowest], axis=1)[others],
            ("force", "disagreement"): spread * KCAL_MOL_PER_EV,
            ("force", "constant"): np.ones(len(atoms)),
            ("force", "distance"): atoms,
        },
    )


def environments_of(committee: AniCommittee, structures: Sequence[Structure]) -> list[FloatArray]:
    """Return the environment vectors (n, F) of all atoms of each element."""
    batch = AtomBatch.of(structures, committee.elements)
    features = environments(batch, committee.shape, torch.float32).features.double().numpy()
    return np.split(features, batch.element_ends[:-1])


def nearest(
    committee: AniCommittee, structure: Structure, known: Sequence[FloatArray]
) -> FloatArray:
    """Return how far the environment of each atom, by element, is from the nearest learned one."""
    own = environments_of(committee, [structure])
    parts = [cdist(one, other).min(axis=1) for one, other in zip(own, known, strict=True)]
    return np.concatenate(parts)


def posterior(
    committee: AniCommittee, learned: Sequence[Structure]
) -> Callable[[Sequence[Structure]], FloatArray]:
    """Return what maps structures to vectors whose length is the deviation of a regression."""
    features = last_hidden(committee, learned)
    covariance = features.T @ features
    ridge = RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    root = np.linalg.cholesky(covariance + ridge)
    return lambda structures: (
        solve_triangular(root, last_hidden(committee, structures).T, lower=True).T
    )


def last_hidden(committee: AniCommittee, structures: Sequence[Structure]) -> FloatArray:
    """Return sums over the atoms of each element of all members' last hidden layers, (S, F)."""
    batch = AtomBatch.of(structures, committee.elements)
    features = environments(batch, committee.shape, torch.float32).features
    parts, start = [], 0
    for end, layers in zip(batch.element_ends, committee.networks.layers, strict=True):
        values = features[start:end].expand(committee.n_members, -1, -1)
        for layer in layers[:-1]:
            values = torch.nn.functional.celu(
                values @ layer.weight + layer.bias, alpha=committee.shape.celu_alpha
            )
        sums = values.new_zeros(committee.n_members, len(structures), values.shape[2])
        parts.append(sums.index_add(1, batch.owner[start:end], values))
        start = end
    stacked = torch.cat(parts, dim=2).transpose(0, 1)  # (S, M, F of a member)
    return np.asarray(stacked.reshape(len(structures), -1).double().numpy())


def compared(left_out: Sequence[Measured], tested: Sequence[Measured]) -> dict[Row, float]:
    """Return coverage, width and rank correlation of each source on the unseen molecules."""
    found: dict[Row, float] = {}
    for quantity, source in left_out[0].sources:
        factor = conformal_factor(
            [one.errors[quantity] / one.sources[quantity, source] for one in left_out]
        )
        assert factor is not None, "there are enough molecules"
        shares = [one.covered(quantity, source, factor) for one in tested]
        widths = [factor * one.sources[quantity, source].mean() for one in tested]
        every = [
            np.concatenate(list(c))
            for c in (
                (one.sources[quantity, source] for one in tested),
                (one.errors[quantity] for one in tested),
            )
        ]
        found[quantity, source, "coverage"] = float(np.mean(shares))
        found[quantity, source, "width"] = float(np.mean(widths))
        if source != "constant":
            found[quantity, source, "rank"] = float(spearmanr(*every).statistic)
    return found


def report(seeds: Sequence[Mapping[Row, float]]) -> None:
    """Print means over the seeds with their standard deviations, and the figures."""
    means = {row: float(np.mean([found[row] for found in seeds])) for row in seeds[0]}
    for row, mean in means.items():
        spread = np.std([found[row] for found in seeds])
        print(f"{row[0]:16s} {row[1]:13s} {row[2]:26s} {mean:8.3f} ± {spread:.3f}")
    for quantity in QUANTITIES:
        print_figure(
            f"coverage_of_90_percent_intervals_{quantity}_unseen",
            100 * means[quantity, "disagreement", "coverage"],
            digits=1,
            between=(87, 93),
        )
    for (quantity, source, what), mean in means.items():
        if what == "rank":
            print_figure(f"rank_correlation_{quantity}_{source}", mean)


if __name__ == "__main__":
    main()
