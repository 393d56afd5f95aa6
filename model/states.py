"""Charges and multiplicities that a committee has learned, as its record holds them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chemistry.errors import InputError
from chemistry.records.structure import Structure


def states_of(structures: Iterable[Structure]) -> list[list[int]]:
    """Return each [charge, multiplicity] among structures once, in order, for a record."""
    return sorted(
        [charge, spin] for charge, spin in {(s.charge, s.multiplicity) for s in structures}
    )


def states_in(record: Mapping[str, Any]) -> list[tuple[int, int]] | None:
    """Return (charge, multiplicity) of what was learned; None where the record does not say.

    Checkpoints of rung 0.2.0 and before, and published ensembles, do not.
    """
    found = record.get("states")
    return None if found is None else [(charge, spin) for charge, spin in found]


def check_state(record: Mapping[str, Any], charge: int, multiplicity: int) -> None:
    """Refuse a state that a committee has not learned, where its record says which it has.

    Raises
    ------
    InputError
        It has learned others.
    """
    known = states_in(record)
    if known is not None and (charge, multiplicity) not in known:
        raise InputError(
            f"this potential has not learned molecules of {state_name(charge, multiplicity)}: it "
            f"knows {states_text(known)}"
        )


def states_text(states: Sequence[tuple[int, int]]) -> str:
    """Return states as people read them."""
    return "; ".join(state_name(charge, spin) for charge, spin in states)


def state_name(charge: int, multiplicity: int) -> str:
    """Return "charge +1, multiplicity 2"."""
    return (
        f"charge {charge:+d}, multiplicity {multiplicity}"
        if charge
        else (f"charge 0, multiplicity {multiplicity}")
    )
