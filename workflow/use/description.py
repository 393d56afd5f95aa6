"""What a potential is, and how it is used in the programs that people simulate with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chemistry.errors import InputError
from chemistry.names import nearest
from model import Committee
from model.intervals import IntervalFactors, intervals_of
from model.simulation.snippets import PROGRAMS, snippet_for
from model.states import State, states_text
from workflow.run.potential import read_potential
from workflow.work.system.disk import disk_errors_explained

_UNKNOWN = "not in its file"


@dataclass(frozen=True, kw_only=True)
class PotentialFacts:
    """What a potential is.

    Attributes
    ----------
    file : str
    level, level_id : str
    elements : tuple of str
    states : tuple of (charge, multiplicity) or None
        That it was made for; None where its file does not say.
    members : int
    n_structures : int or None
        Size of its training set.
    data_hash : str or None
        Of the training set.
    n_molecules : int or None
        How many molecules it has learned.
    calibration_factor, rank_correlation : float or None
        On held-out structures: error over disagreement, and how well the one ranks the other.
    known, unseen : IntervalFactors or None
        Of error bars, for molecules that it has learned and for others.
    license : str or None
        Of the data that it has learned.
    begun_with : str or None
        What its run began with, and the licence of that.
    """

    file: str
    level: str
    level_id: str
    elements: tuple[str, ...]
    states: tuple[State, ...] | None
    members: int
    n_structures: int | None
    data_hash: str | None
    n_molecules: int | None
    calibration_factor: float | None
    rank_correlation: float | None
    known: IntervalFactors | None
    unseen: IntervalFactors | None
    license: str | None
    begun_with: str | None


def describe(potential: Path) -> PotentialFacts:
    """Read what a potential is; raises InputError as `read_potential` does."""
    file, committee = read_potential(potential)
    record, intervals = committee.record, intervals_of(committee.record)
    calibration = record.get("calibration") or {}
    return PotentialFacts(
        file=str(file),
        level=committee.level_name,
        level_id=committee.level_id,
        elements=tuple(chemical_symbols[number] for number in committee.elements),
        states=committee.states or None,
        members=committee.n_members,
        n_structures=record.get("n_structures"),
        data_hash=record.get("data_hash"),
        n_molecules=None if intervals is None else len(intervals.molecules),
        calibration_factor=calibration.get("factor"),
        rank_correlation=calibration.get("rank_correlation"),
        known=None if intervals is None else intervals.known,
        unseen=None if intervals is None else intervals.unseen,
        license=record.get("license"),
        begun_with=_begun_with(record.get("start")),
    )


def use_in(program: str, potential: Path, output: Path | None) -> tuple[str, tuple[Path, ...]]:
    """Return lines of Python that use a potential in a program, and the files written for them.

    A published ensemble is written as a checkpoint, and for torchani a state dict.

    Parameters
    ----------
    program : str
        One of `PROGRAMS`.
    potential : Path
        As `read_potential` takes it.
    output : Path or None
        Name of the file that is written; None: after the potential's, in this folder.

    Raises
    ------
    InputError
        There is no such program, or it cannot take this potential, or it cannot be read, or there
        is nothing to write.
    StoreError
        The file cannot be written.
    """
    if program not in PROGRAMS:
        raise InputError(f"rung knows no program `{program}`: {nearest(program, PROGRAMS)}")
    file, committee = read_potential(potential)
    if program == "torchani":
        written = output or Path(f"{file.stem}.torchani.pt")
        with disk_errors_explained(written):
            _write_for_torchani(committee, written)
        return snippet_for(program, committee, file, written), (written,)
    if file.is_dir():
        written = output or Path(f"{file.name}.safetensors")
        with disk_errors_explained(written):
            committee.save(written)
        return snippet_for(program, committee, written), (written,)
    if output is not None:
        raise InputError(f"--for {program} writes no file for {file}: leave --output out")
    return snippet_for(program, committee, file), ()


def _write_for_torchani(committee: Committee, path: Path) -> None:
    try:
        from model.simulation.torchani import write_state_dict
    except ModuleNotFoundError as error:
        raise InputError(f"this needs {error.name}: pip install 'rung[torchani]'") from error
    write_state_dict(committee, path)


def description_screen(facts: PotentialFacts) -> RenderableType:
    """Return what a potential is, as text."""
    table = Table.grid(padding=(0, 2))
    for name, value in _lines(facts):
        table.add_row(name, Text(value))
    programs = ", ".join(PROGRAMS)
    return Group(
        table, Text(f"\nhow to use it: rung potential {facts.file} --for NAME, of {programs}")
    )


def _lines(facts: PotentialFacts) -> list[tuple[str, str]]:
    data = _UNKNOWN
    if facts.n_structures is not None:
        data = f"{facts.n_structures} structures"
        data += f" of {facts.n_molecules} molecules" if facts.n_molecules is not None else ""
        data += f", hash {facts.data_hash}" if facts.data_hash else ""
    calibration = "none"
    if facts.calibration_factor is not None:
        calibration = f"errors are {facts.calibration_factor:.2f} times the disagreement"
        if facts.rank_correlation is not None:
            calibration += f", rank correlation {facts.rank_correlation:.2f}"
    return [
        ("file", facts.file),
        ("level", f"{facts.level} ({facts.level_id})" if facts.level_id else facts.level),
        ("elements", " ".join(facts.elements)),
        ("states", _UNKNOWN if facts.states is None else states_text(facts.states)),
        ("members", str(facts.members)),
        ("learned", data),
        ("calibration", calibration),
        ("error bars", f"known molecules: {_bar(facts.known)}; others: {_bar(facts.unseen)}"),
        ("licence", facts.license or f"{_UNKNOWN}: `license:` of a campaign, for its data"),
        *([] if facts.begun_with is None else [("begun with", facts.begun_with)]),
    ]


def _begun_with(start: Mapping[str, Any] | None) -> str | None:
    if start is None:
        return None
    return f"{start['title']}, {start['level']}, licence {start['license'] or 'not known'}"


def _bar(factors: IntervalFactors | None) -> str:
    return "not measured" if factors is None else f"from {factors.n_groups} {factors.source}"
