"""The data card: what a data set holds, in a README that lies beside it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from chemistry.checksum import sha256_of
from chemistry.engines.teacher.program import is_non_commercial
from chemistry.records.recipe import TEACHER
from chemistry.records.structure import hill_formula
from workflow.datasets.export.base import Exporter
from workflow.datasets.export.choice import ExportChoice
from workflow.run.store.records import ExportRow

_FORMULAS_SHOWN = 50


def card_path(data: Path) -> Path:
    """Return where the card of a data set lies."""
    return data.with_name(f"{data.name}.README.md")


@dataclass
class Tally:
    """Counts over the rows that pass by; its size is that of the chemistry, not of the data."""

    labels: int = 0
    levels: Counter[tuple[str, str]] = field(default_factory=Counter)
    with_forces: Counter[str] = field(default_factory=Counter)
    formulas: Counter[str] = field(default_factory=Counter)
    molecules: dict[str, Counter[str]] = field(default_factory=dict)
    elements: set[int] = field(default_factory=set)
    samplers: Counter[str] = field(default_factory=Counter)
    purposes: Counter[str] = field(default_factory=Counter)
    programs: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    teachers: dict[str, tuple[str, str]] = field(default_factory=dict)
    fewest_atoms: int = 0
    most_atoms: int = 0
    largest_force: float = 0.0

    def watch(self, rows: Iterable[ExportRow]) -> Iterator[ExportRow]:
        """Count rows on their way."""
        for row in rows:
            self._count(row)
            yield row

    def _count(self, row: ExportRow) -> None:
        structure, label = row.structure, row.label
        n_atoms = len(structure)
        self.fewest_atoms = min(self.fewest_atoms, n_atoms) if self.labels else n_atoms
        self.most_atoms = max(self.most_atoms, n_atoms)
        self.labels += 1
        self.levels[row.level_name, row.split] += 1
        self.with_forces[row.level_name] += label.forces is not None
        self.formulas[hill_formula(structure.atomic_numbers)] += 1
        self.molecules.setdefault(structure.molecule_id, Counter())[row.split] += 1
        self.elements.update(structure.atomic_numbers.tolist())
        self.samplers[structure.origin.sampler] += 1
        self.purposes[row.purpose] += 1
        self.programs[f"{label.provenance.program} {label.provenance.version}".strip()] += 1
        self.checked[label.provenance.checked] += 1
        if row.level_name.startswith(TEACHER):
            facts = label.provenance.surroundings
            license_ = facts.get("teacher_license", "not known")
            self.teachers[row.level_name] = (license_, facts.get("teacher_sha256", "none"))
        if label.forces is not None:
            largest = float(np.linalg.norm(label.forces, axis=1).max())
            self.largest_force = max(self.largest_force, largest)


def write_card(
    data: Path,
    exporter: Exporter,
    tally: Tally,
    choice: ExportChoice,
    *,
    self_energies: Mapping[str, Mapping[int, float]],
    unusable: Mapping[str, int],
) -> Path:
    """Write the card of a data set and return its path."""
    path = card_path(data)
    unfinished = path.with_name(f".{path.name}.part")
    sections = (
        _front(data, tally, choice),
        _reading(data, exporter, choice),
        _levels(tally, self_energies),
        _splits(tally, choice),
        _composition(tally),
        _origin(tally, choice, unusable),
        _citation(),
        _checksums(data),
    )
    unfinished.write_text("\n".join(sections), encoding="utf-8")
    unfinished.replace(path)
    return path


def _front(data: Path, tally: Tally, choice: ExportChoice) -> str:
    license_ = choice.license or "not chosen yet: rung export --license, for example CC-BY-4.0"
    return (
        f"# {data.name}\n\n"
        f"{tally.labels} labels (energies, and forces where there are any) of molecules in vacuum, "
        f"computed and chosen by active learning with rung {version('rung')}.\n\n"
        f"Licence: {license_}\n"
    )


def _reading(data: Path, exporter: Exporter, choice: ExportChoice) -> str:
    energy = (
        "total electronic energies"
        if choice.energy == "total"
        else "total electronic energies minus the self-energies below (parts of composite levels "
        "stay total)"
    )
    return (
        "## Reading it\n\n"
        f"```python\n{exporter.how_to_read.format(path=data.name)}\n```\n\n"
        f"Units: {exporter.units}. Energies: {energy}. Forces: minus the gradient.\n"
    )


def _levels(tally: Tally, self_energies: Mapping[str, Mapping[int, float]]) -> str:
    lines = ["## Levels of theory\n", "| level | labels | with forces |", "|---|---|---|"]
    names = sorted({level for level, _ in tally.levels})
    for name in names:
        count = sum(n for (level, _), n in tally.levels.items() if level == name)
        lines.append(f"| `{name}` | {count} | {tally.with_forces[name]} |")
    for name in sorted(self_energies):
        found = (f"{chemical_symbols[z]} {e!r}" for z, e in self_energies[name].items())
        lines.append(f"\nSelf-energies of `{name}`, eV: {', '.join(found)}")
    return "\n".join(lines) + "\n"


def _splits(tally: Tally, choice: ExportChoice) -> str:
    rule = {
        "molecule": "Whole molecules: no molecule is in two parts. Labels of all parts but "
        "molecules that were only tested on may have trained the campaign's own potentials; "
        "`purpose` `held_out` marks those that did not.",
        "campaign": "As in the campaign: `test` is its held-out set, which none of its potentials "
        "was trained on; it may have other structures of the same molecules as `train`.",
    }[choice.split]
    lines = ["## Splits\n", rule, "\n| part | labels | molecules |", "|---|---|---|"]
    for part in ("train", "validation", "test"):
        labels = sum(n for (_, split), n in tally.levels.items() if split == part)
        molecules = sum(part in splits for splits in tally.molecules.values())
        lines.append(f"| {part} | {labels} | {molecules} |")
    return "\n".join(lines) + "\n"


def _composition(tally: Tally) -> str:
    symbols = ", ".join(chemical_symbols[number] for number in sorted(tally.elements))
    common = tally.formulas.most_common(_FORMULAS_SHOWN)
    formulas = ", ".join(f"{formula} {count}" for formula, count in common)
    more = len(tally.formulas) - len(common)
    return (
        "## Composition\n\n"
        f"{len(tally.molecules)} molecules of {tally.fewest_atoms} to {tally.most_atoms} atoms; "
        f"elements: {symbols}; largest force on an atom: {tally.largest_force:.2f} eV/Å.\n\n"
        f"Labels by formula: {formulas}{f', and {more} more formulas' if more else ''}\n"
    )


def _origin(tally: Tally, choice: ExportChoice, unusable: Mapping[str, int]) -> str:
    failed = _listed(unusable) or "none"
    lines = [
        "## Where it comes from\n",
        f"- Sampled by: {_listed(tally.samplers)}",
        f"- Labelled because: {_listed(tally.purposes)}",
        f"- Computed by: {_listed(tally.programs)}",
        "- Each label bears its provenance: program, version, steps to convergence, time.",
        "- Only converged calculations are labels.",
        f"- Left out of the run, because they failed or a quality gate refused them: {failed}.",
    ]
    lines += _distilled(tally)
    if imported := tally.checked["sample"]:
        lines.append(f"- Imported: {imported}; a sample of each import was recomputed and agreed.")
    if unchecked := tally.checked["nobody"]:
        lines.append(
            f"- Imported on trust: {unchecked}; nobody has checked that they are of their level."
        )
    if choice.where:
        lines.append(f"- Chosen: {' and '.join(f'`{c}`' for c in choice.where)}")
    if choice.dedupe_angstrom is not None:
        lines.append(f"- Near duplicates left out, at {choice.dedupe_angstrom} Å.")
    return "\n".join(lines) + "\n"


def _distilled(tally: Tally) -> Iterator[str]:
    """Say which labels are a potential's, and what its licence means for them."""
    for level, (license_, sha256) in sorted(tally.teachers.items()):
        yield (
            f"- Distilled: labels of `{level}` are predictions of a potential, licence {license_}, "
            f"sha256 of its file: {sha256}."
        )
        if is_non_commercial(license_):
            yield (
                f"- **Not for commercial use**: the licence of `{level}` ({license_}) bars it, and "
                "what is distilled from it may be bound by that."
            )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _citation() -> str:
    method = (
        "the levels of theory and the programs above, rung, and the method: active learning "
        "(doi:10.1063/1.5023802), transfer learning to coupled cluster "
        "(doi:10.1038/s41467-019-10827-4)"
    )
    return f"## How to cite\n\nCite this data set by its checksum, {method}.\n"


def _checksums(data: Path) -> str:
    files = sorted(p for p in data.rglob("*") if p.is_file()) if data.is_dir() else [data]
    lines = [f"{sha256_of(p)}  {p.relative_to(data.parent).as_posix()}" for p in files]
    return "## Checksums (SHA-256)\n\n```\n" + "\n".join(lines) + "\n```\n"
