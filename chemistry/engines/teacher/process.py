"""The other end: an ASE calculator that answers over a socket, in whichever Python has it.

This file is run by its path, in the folder of its socket, with a line of JSON on standard input
that says what to make. It may import nothing but the standard library and ASE. It ends when its
standard input does: with the process that started it.

A request is a line of JSON: `numbers`, `positions` in Å, `info`; or nothing but `{}`, which asks
what there is. The answer is one, too: `energy` in eV, `forces` in eV/Å, `cpu_seconds`; or `error`.
"""

import json
import os
import socket
import sys
import threading
import time
from importlib import import_module
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any


def main() -> None:
    """Listen until standard input ends."""
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    here = str(Path(__file__).parent)
    sys.path[:] = [folder for folder in sys.path if folder not in ("", here)]
    made: dict[str, Any] = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind("socket")
        listener.listen(8)
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rw", encoding="utf-8") as stream:
                _converse(stream, asked, made)


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


def _converse(stream: Any, asked: dict[str, Any], made: dict[str, Any]) -> None:
    """Answer requests until the caller is gone; a caller that was killed is gone, too."""
    try:
        for line in stream:
            if not line.endswith("\n"):
                return
            stream.write(json.dumps(_answer(json.loads(line), asked, made)) + "\n")
            stream.flush()
    except (BrokenPipeError, ConnectionResetError):
        return


def _answer(request: dict[str, Any], asked: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    began = time.process_time()
    try:
        if "calculator" not in made:
            module, _, name = asked["calculator"].partition(":")
            made["calculator"] = getattr(import_module(module), name)(**asked["arguments"])
            made["version"] = _version(module.partition(".")[0])
        if not request:
            return {"version": made["version"]}
        return {**_computed(request, made["calculator"]), "cpu_seconds": _since(began)}
    except Exception as error:  # noqa: BLE001 (whatever a foreign library raises is an answer)
        first = (str(error).splitlines() or [""])[0]
        return {"error": f"{type(error).__name__}: {first}"[:500], "cpu_seconds": _since(began)}


def _computed(request: dict[str, Any], calculator: Any) -> dict[str, Any]:
    from ase import Atoms

    atoms = Atoms(numbers=request["numbers"], positions=request["positions"])
    atoms.info.update(request["info"])
    atoms.calc = calculator
    calculator.reset()  # `info` is no part of what ASE compares
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    return {"energy": float(energy), "forces": [[float(x) for x in row] for row in forces]}


def _version(package: str) -> str:
    """Return name and version of what a package was installed with; to look it up takes a while."""
    names = packages_distributions().get(package)
    return f"{names[0]} {version(names[0])}" if names else package


def _since(began: float) -> float:
    return time.process_time() - began


if __name__ == "__main__":
    main()
