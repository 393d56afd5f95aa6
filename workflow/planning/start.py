"""What a run remembers of the committee that it began with."""

import json
from dataclasses import asdict, dataclass

FACT = "start"
"""The fact of a run under which it is kept."""


@dataclass(frozen=True, kw_only=True)
class StartFacts:
    """A potential from elsewhere that became version 0 of the first rung's committee.

    Attributes
    ----------
    source : str
        As the campaign file had it, absolute.
    title : str
        What people call it.
    sha256 : str
        Of the file, or of the folder's files.
    license, doi : str or None
        None where neither its files nor the campaign file say.
    level : str
    members : int
        That it had; the run's copy has as many as the campaign asks for.
    elements : tuple of int
        Atomic numbers that it knew; the run's copy may know more.
    known : tuple of molecule_id
        The campaign's molecules that it knows: it samples their first sets and explores them.
    labels : int
        Labels that came with it from an earlier run.
    """

    source: str
    title: str
    sha256: str
    license: str | None
    doi: str | None
    level: str
    members: int
    elements: tuple[int, ...]
    known: tuple[str, ...]
    labels: int = 0

    def to_json(self) -> str:
        """Return it as text for the store."""
        return json.dumps(asdict(self))


def start_facts(text: str | None) -> StartFacts | None:
    """Read what `StartFacts.to_json` wrote; None for a run that began with nothing."""
    if text is None:
        return None
    document = json.loads(text)
    lists = {name: tuple(document[name]) for name in ("elements", "known")}
    return StartFacts(**(document | lists))
