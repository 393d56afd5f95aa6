"""Error against minutes of training, beside torchani trained by its own recipe on the same labels.

    python benchmarks/learning_curve.py [--labels 160] [--epochs 10 40 160] [--members 8]

Labels are GFN2-xTB energies and forces of displaced conformers of a few molecules; other conformers
of the same molecules are held out. Ours trains a whole committee for each number of epochs, with
the settings that a campaign has by default. torchani gets the same CPU seconds, shared out among
the same number of members, one after the other: same architecture, labels, self-energies and folds;
AdamW (0.5e-3, weight decay 1e-6) with ReduceLROnPlateau (half after 100 epochs without gain), a
loss of squared energy over sqrt(N) plus 0.1 times squared force over N, both in hartree, and the
weights that validate best, as its examples have it. Their batches of 2560 would be all labels at
once here, so batches are as large as ours. Needs torchani: pip install rung[oracle].
"""

import argparse
import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from committee import SYMBOLS, as_torchani, committee, conformers, padded
from torchani.arch import ANI

from chemistry.engines.base import Resources
from chemistry.engines.tblite import TBLiteEngine
from chemistry.records.label import Label, LabelledStructure
from chemistry.records.level import find_level
from chemistry.records.structure import FloatArray, Structure
from chemistry.units import EV_PER_HARTREE, KCAL_MOL_PER_EV
from model import train_committee
from model.architectures.ani.settings import AniSettings
from model.evaluation import held_out_errors
from model.folds import assign_folds
from model.self_energies import element_counts, fit_self_energies

LEVEL = find_level("gfn2-xtb")
ELEMENTS = (1, 6, 7, 8)
FORCE_COEFFICIENT = 0.1


def labels(count: int) -> list[LabelledStructure]:
    engine = TBLiteEngine(LEVEL, Resources())
    rows = []
    for structure in conformers(count):
        label = engine.label(structure)
        if isinstance(label, Label):
            rows.append(LabelledStructure(structure=structure, label=label))
    return rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Tensors:
    """Labels as torchani takes them: float32, hartree and Å, self-energies taken off."""

    numbers: torch.Tensor  # (B, N), -1 where there is no atom
    positions: torch.Tensor  # (B, N, 3)
    energies: torch.Tensor  # (B,)
    forces: torch.Tensor  # (B, N, 3)

    @classmethod
    def of(cls, rows: Sequence[LabelledStructure], self_energies_ev: FloatArray) -> "Tensors":
        """Return the tensors of labels with forces."""
        structures = [row.structure for row in rows]
        numbers, positions = padded(structures)
        counts = element_counts(structures, ELEMENTS)
        energies = np.array([row.label.energy for row in rows]) - counts @ self_energies_ev
        forces = np.zeros(positions.shape)
        for into, row in zip(forces, rows, strict=True):
            into[: len(row.structure)] = row.label.forces
        return cls(
            numbers=numbers,
            positions=positions,
            energies=torch.from_numpy(energies / EV_PER_HARTREE).float(),
            forces=torch.from_numpy(forces / EV_PER_HARTREE).float(),
        )

    def __len__(self) -> int:
        return len(self.energies)

    def __getitem__(self, rows: torch.Tensor) -> "Tensors":
        return Tensors(
            numbers=self.numbers[rows],
            positions=self.positions[rows],
            energies=self.energies[rows],
            forces=self.forces[rows],
        )

    def batches(self, size: int, generator: torch.Generator) -> Iterator["Tensors"]:
        """Yield all labels once, in random order."""
        for rows in torch.randperm(len(self), generator=generator).split(size):
            yield self[rows]


def initialize(model: ANI, *, seed: int) -> None:
    """Draw weights as PyTorch does by default, and as torchani's example has it."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.reset_parameters()


def their_answer(model: ANI, data: Tensors, *, learns: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return energies (B,) and forces (B, N, 3), hartree and hartree/Å."""
    positions = data.positions.clone().requires_grad_()
    energies = model((data.numbers, positions)).energies
    [slope] = torch.autograd.grad(energies.sum(), positions, create_graph=learns)
    return energies, -slope


def train_theirs(
    model: ANI, data: Tensors, validation: Tensors, budgets: Sequence[float], *, seed: int
) -> list[ANI]:
    """Train one member; return the weights that validated best within each budget (CPU seconds)."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.neural_networks.parameters(), lr=0.5e-3, weight_decay=1e-6)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=100, threshold=0
    )
    batch_size = AniSettings().batch_size
    best, least, kept, spent = copy.deepcopy(model), float("inf"), [], 0.0
    while True:
        began = time.process_time()
        for batch in data.batches(batch_size, generator):
            energies, forces = their_answer(model, batch, learns=True)
            n_atoms = (batch.numbers >= 0).sum(1)
            energy_loss = ((energies - batch.energies) ** 2 / n_atoms.sqrt()).mean()
            force_loss = (((forces - batch.forces) ** 2).sum((1, 2)) / n_atoms).mean()
            optimizer.zero_grad()
            (energy_loss + FORCE_COEFFICIENT * force_loss).backward()
            optimizer.step()
        with torch.no_grad():
            wrong = model((validation.numbers, validation.positions)).energies - validation.energies
        loss = float((wrong**2).mean().sqrt())
        scheduler.step(loss)
        spent += time.process_time() - began
        # An epoch that ends past a budget does not count for it.
        while len(kept) < len(budgets) and spent > budgets[len(kept)]:
            kept.append(copy.deepcopy(best))
        if len(kept) == len(budgets):
            return kept
        if loss < least:
            least = loss
            best.load_state_dict(model.state_dict())


def their_errors(members: Sequence[ANI], data: Tensors) -> tuple[float, float]:
    """Return the mean absolute errors of the mean of members, kcal/mol and kcal/mol/Å."""
    answers = [their_answer(member, data, learns=False) for member in members]
    energies = torch.stack([e.detach() for e, _ in answers]).mean(0)
    forces = torch.stack([f for _, f in answers]).mean(0)
    is_atom = data.numbers >= 0
    scale = EV_PER_HARTREE * KCAL_MOL_PER_EV
    return (
        scale * float((energies - data.energies).abs().mean()),
        scale * float((forces - data.forces)[is_atom].abs().mean()),
    )


def our_errors(
    data: Sequence[LabelledStructure],
    held_out: Sequence[LabelledStructure],
    settings: AniSettings,
) -> tuple[float, float, float]:
    """Return CPU seconds of a training and its mean absolute errors."""
    began = time.process_time()
    result = train_committee(data, settings, elements=ELEMENTS, level=LEVEL, seed=0)
    seconds = time.process_time() - began
    errors = held_out_errors(result.committee, held_out)
    assert errors is not None
    assert errors.force_mae_kcal_mol_angstrom is not None
    return seconds, errors.energy_mae_kcal_mol, errors.force_mae_kcal_mol_angstrom


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=160)
    parser.add_argument("--epochs", type=int, nargs="+", default=[10, 40, 160])
    parser.add_argument("--members", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = labels(2 * arguments.labels)
    data, held_out = rows[: arguments.labels], rows[arguments.labels :]
    print(
        f"{len(data)} {LEVEL.name} labels, {len(held_out)} held out, {arguments.members} members; "
        f"symbols {' '.join(SYMBOLS)}, one thread"
    )

    ours = []
    for epochs in sorted(arguments.epochs):
        settings = AniSettings(members=arguments.members, max_epochs=epochs)
        ours.append(our_errors(data, held_out, settings))
    budgets = [seconds / arguments.members for seconds, _, _ in ours]

    structures: list[Structure] = [row.structure for row in data]
    energies = np.array([row.label.energy for row in data])
    self_energies = fit_self_energies(structures, energies, ELEMENTS)
    tensors, test = (Tensors.of(part, self_energies) for part in (data, held_out))
    folds = assign_folds(structures, members=arguments.members, folds=settings.folds, seed=0)
    start = committee(arguments.members)
    trained = []
    for member, validates in enumerate(torch.from_numpy(folds.validates)):
        model = as_torchani(start, [member])
        initialize(model, seed=member)
        own = tensors[~validates], tensors[validates]
        trained.append(train_theirs(model, *own, budgets, seed=member))

    print("minutes; mean absolute errors in kcal/mol and kcal/mol/Å: rung, torchani")
    worst = 0.0
    for (seconds, *own), members in zip(ours, zip(*trained, strict=True), strict=True):
        theirs = their_errors(members, test)
        worst = max(worst, *(a / b for a, b in zip(own, theirs, strict=True)))
        shown = " ".join(f"{value:8.2f}" for value in (*own, *theirs))
        print(f"{seconds / 60:8.2f} {shown}")
    verdict = "met" if worst <= 1 else "missed"
    print(f"FIGURE learning_curve_worst_error_ratio {worst:.2f} <=1 (not worse) {verdict}")


if __name__ == "__main__":
    main()
