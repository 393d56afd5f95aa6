"""Resuming a run: what of it holds, and what may have changed since it began."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chemistry.errors import InputError
from chemistry.records.molecule import Molecule
from workflow.settings.campaign import Campaign

# What may change between two launches of one run: how much to do, never what the data mean. Files
# may lie elsewhere, and what a SMILES or a file left open may be stated: the molecules themselves
# must be the same.
_EXTENDABLE = re.compile(
    r"rungs\.\d+\.(budget|stop)\.|start\.(from|license)|exports|license|gates\.|failures\.|grow\.pool"
    r"|molecules\.\d+\.(file|charge|multiplicity|spin_means|states)"
)
_NAMED = 4
# What names the kind of a section: settings of different kinds are not mixed.
_TAGS = ("kind", "architecture")


def given(campaign: Campaign) -> str:
    """Return, as JSON, what a campaign file says, without what it leaves to the defaults."""
    return campaign.model_dump_json(exclude_unset=True)


def as_begun(new: Campaign, stored: Campaign, stored_given: Any) -> Campaign:
    """Return a campaign with the settings of its run where it leaves them to the defaults.

    Defaults get better from one version of rung to the next; a run continues as it began.

    Parameters
    ----------
    new, stored : Campaign
        As it is now, and as the run was launched last.
    stored_given : JSON document
        Of `given`, when the run was launched last.
    """
    return Campaign.model_validate(
        _kept(
            new.model_dump(mode="json"),
            new.model_dump(mode="json", exclude_unset=True),
            stored.model_dump(mode="json"),
            stored_given,
        )
    )


def _kept(new: Any, is_given: Any, stored: Any, was_given: Any) -> Any:
    """Return `new`, but `stored` where neither was given."""
    if isinstance(new, dict) and isinstance(stored, dict):
        if any(new.get(tag) != stored.get(tag) for tag in _TAGS):
            return new
        now, then = (part if isinstance(part, dict) else {} for part in (is_given, was_given))
        return {
            key: _kept(value, now.get(key), stored.get(key), then.get(key))
            if key in now or key in then or key not in stored
            else stored[key]
            for key, value in new.items()
        }
    parts = (new, is_given, stored, was_given)
    if all(isinstance(part, list) and len(part) == len(new) for part in parts):
        return [_kept(*each) for each in zip(*parts, strict=True)]
    return new


def differences(old: Campaign, new: Campaign) -> list[str]:
    """Name the fields in which two campaigns differ, as "rungs.0.budget.labels: 100 -> 200"."""
    return _differences(old.model_dump(mode="json"), new.model_dump(mode="json"), "")


def _differences(old: Any, new: Any, where: str) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            line
            for key in keys
            for line in _differences(old.get(key), new.get(key), f"{where}.{key}".lstrip("."))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for i, (a, b) in enumerate(zip(old, new, strict=True))
            for line in _differences(a, b, f"{where}.{i}")
        ]
    return [] if old == new else [f"{where}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def require_same_campaign(old: Campaign, new: Campaign, run_folder: Path) -> None:
    """Refuse to resume in a run folder that another campaign made.

    Budgets, stop rules, exports, licence, gates and what may fail can change: raising a budget is
    how a run is extended. A changed gate holds for the labels to come.

    Raises
    ------
    InputError
        Says what differs.
    """
    moved = tuple(f"train.{path}:" for path in new.train.paths)
    refused = [
        line
        for line in differences(old, new)
        if not _EXTENDABLE.match(line) and not line.startswith(moved)
    ]
    if refused:
        raise _another_campaign(run_folder, refused)


def require_same_molecules(
    old: Iterable[tuple[Molecule, bool]], new: Iterable[tuple[Molecule, bool]], run_folder: Path
) -> None:
    """Refuse to resume with other molecules, or others that are only tested on.

    Raises
    ------
    InputError
        Says which.
    """
    then = {(m.molecule_id, held_out): m.name for m, held_out in old}
    now = {(m.molecule_id, held_out): m.name for m, held_out in new}
    differ = [
        *(f"molecule {name} is new" for key, name in now.items() if key not in then),
        *(f"molecule {name} is missing" for key, name in then.items() if key not in now),
    ]
    if then and differ:
        raise _another_campaign(run_folder, differ)


def _another_campaign(run_folder: Path, differ: list[str]) -> InputError:
    return InputError(
        f"{run_folder} was made by another campaign file ({'; '.join(differ[:_NAMED])}"
        f"{'; …' if len(differ) > _NAMED else ''}): give the campaign another name, "
        f"or --force-new to set that folder aside and start anew"
    )
