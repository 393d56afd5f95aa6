"""What a training says of itself; without torch, for those who only read it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from model.forecast import Forecast


@dataclass(frozen=True, kw_only=True)
class MemberHistory:
    """How one member's training went.

    Attributes
    ----------
    best_epoch : int
        The epoch whose weights were kept, counted from 1; 0: the weights that it started from.
        Without early stopping the last one.
    epochs : int
        Epochs until it stopped.
    validation_loss : tuple of float
        On its own part of the data, after each epoch; NaN for a member that has none, and where
        none is needed, as nothing stops early.
    """

    best_epoch: int
    epochs: int
    validation_loss: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingHistory:
    """How a training went.

    Attributes
    ----------
    members : tuple of MemberHistory
    n_with_forces : int
        Labels of the training set that have forces.
    notes : tuple of str
        What a person should know, in sentences.
    seconds : float
        Wall time.
    transfer : str or None
        How it climbed from another level of theory; None where it did not.
    tried : mapping of str to float
        Error of each way of climbing that was compared, kcal/mol; empty where none was.
    forecast : Forecast or None
        What more labels would bring; None where the way of learning does not know.
    """

    members: tuple[MemberHistory, ...] = ()
    n_with_forces: int = 0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    transfer: str | None = None
    tried: Mapping[str, float] = field(default_factory=dict)
    forecast: Forecast | None = None


def history_to_json(history: TrainingHistory) -> dict[str, Any]:
    """Return a document that `json.dumps` takes and `history_from_json` reads back exactly."""
    document: dict[str, Any] = {
        "members": [asdict(member) for member in history.members],
        "n_with_forces": history.n_with_forces,
        "notes": list(history.notes),
        "seconds": history.seconds,
    }
    if history.transfer is not None:
        document |= {"transfer": history.transfer, "tried": dict(history.tried)}
    if history.forecast is not None:
        document["forecast"] = asdict(history.forecast)
    return document


def history_from_json(document: Any) -> TrainingHistory:
    """Read what `history_to_json` made.

    Raises
    ------
    KeyError, TypeError
        It is not such a document.
    """
    members = tuple(
        MemberHistory(**{**member, "validation_loss": tuple(member["validation_loss"])})
        for member in document.get("members", ())
    )
    forecast = document.get("forecast")
    return TrainingHistory(
        **{
            **document,
            "members": members,
            "notes": tuple(document.get("notes", ())),
            "forecast": None if forecast is None else Forecast(**forecast),
        }
    )
