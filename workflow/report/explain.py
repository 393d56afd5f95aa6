"""`rung explain`: all that a run knows of one structure, and why it did what it did with it."""

from collections.abc import Iterator, Mapping
from typing import Any

from chemistry.errors import InputError
from workflow.run.folder import RunFolder
from workflow.run.store.store import StoreReader


def explain(folder: RunFolder, beginning: str) -> dict[str, Any]:
    """Return what a run knows of the structure whose id begins so, as plain values.

    Raises
    ------
    InputError
        No structure's id begins so, or several do.
    StoreError
        The folder has no readable store.
    """
    with StoreReader.open(folder.store) as store:
        found = store.molecules.structures_beginning(beginning, limit=2)
        if not found:
            raise InputError(
                f"{folder.path} has no structure {beginning}…: exports and "
                "`rung status --failures` name structures"
            )
        if len(found) > 1:
            raise InputError(f"several structures begin with {beginning}: give more of the id")
        [structure] = found
        names = {molecule_id: name for molecule_id, name, _ in store.molecules.names()}
        return {
            "structure_id": structure.structure_id,
            "molecule": names[structure.molecule_id],
            "atoms": len(structure),
            "made_by": structure.origin.sampler,
            "parent_id": structure.origin.parent_id,
            "candidate": store.candidates.history(structure.structure_id),
            "labels": store.labels.history(structure.structure_id),
        }


def sentences(known: Mapping[str, Any]) -> Iterator[str]:
    """Say for people what `explain` found."""
    parent = known["parent_id"]
    yield (
        f"structure {known['structure_id']} of {known['molecule']}, {known['atoms']} atoms, made "
        f"by {known['made_by'] or 'nobody known'}{f' from {parent}' if parent else ''}"
    )
    for row in known["candidate"]:
        yield f"rung {row['rung'] + 1}: {row['status']}, {row['purpose']}; {row['reason']}"
        if row["judged_by"]:
            yield (
                f"  committee {row['judged_by']} disagreed by {row['rho_kcal_mol']:.2f} kcal/mol, "
                f"{row['force_sigma_kcal_mol_angstrom']:.1f} kcal/mol/Å: "
                f"{row['excess']:.1f} x the threshold"
            )
        if row["chosen_by"] is not None:
            newest = f"committee {row['chosen_by']}" if row["chosen_by"] else "no committee yet"
            yield f"  chosen when the newest committee was: {newest}"
    for row in known["labels"]:
        took = f"{row['cpu_seconds']:.1f} CPU s"
        if row["energy"] is None:
            yield f"{row['level']}: failed ({row['kind']}) after {took}: {row['message']}"
            continue
        yield f"{row['level']}: {row['energy']:.6f} eV in {took}"
        for finding in row["findings"]:
            verdict = "refused" if finding["refused"] else "passed"
            yield (
                f"  gate {finding['gate']}: {finding['value']:.3g}, "
                f"limit {finding['limit']:.3g}, {verdict}"
            )
        if row["quarantine"]:
            yield f"  not trained on: {row['quarantine']}"
        if row["second"]:
            yield f"  second opinion: {row['second']}"
