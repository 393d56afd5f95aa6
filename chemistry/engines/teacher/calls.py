"""Processes of teachers: started once for all labels of a worker, spoken to over a socket.

A worker labels in forked children, each for one label: they inherit what is running, and a child
that is killed amid a request leaves the process as it was.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chemistry.engines.outcome import CalculationFailed
from chemistry.engines.teacher.program import TeacherProgram

_SCRIPT = Path(__file__).with_name("process.py")
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "HOME", "TMPDIR", "TORCHANI_DATA_DIR")
"""All that the process gets of the environment: nothing points its Python at other packages."""
_POLL_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class TeacherProcess:
    """A running potential.

    Attributes
    ----------
    program : TeacherProgram
    process : subprocess.Popen
    folder : Path
        With its socket and what it prints.
    parent : int
        Process id of who started it.
    """

    program: TeacherProgram
    process: "subprocess.Popen[bytes]"
    folder: Path
    parent: int

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and wait for the answer.

        Raises
        ------
        CalculationFailed
            The process has ended, or what it answers is an error.
        """
        with self._connected() as connection, connection.makefile("rw", encoding="utf-8") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            line = stream.readline()
        if not line:
            raise CalculationFailed("infrastructure", self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise CalculationFailed(
                "input", f"teacher {self.program.name} answered {answer['error']}"
            )
        return answer

    def _connected(self) -> socket.socket:
        """Wait until it listens."""
        folder = os.open(self.folder, os.O_PATH)
        try:
            while not self.is_over():
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                try:
                    # The whole path may be longer than the name of a socket can be.
                    connection.connect(f"/proc/self/fd/{folder}/socket")
                except (FileNotFoundError, ConnectionRefusedError):
                    connection.close()
                    time.sleep(_POLL_SECONDS)
                else:
                    return connection
        finally:
            os.close(folder)
        raise CalculationFailed("infrastructure", self._last_words())

    def is_over(self) -> bool:
        """Say whether it has ended; a forked child cannot wait for what its parent started."""
        if os.getpid() == self.parent:
            return self.process.poll() is not None
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return True
        return stat.rpartition(")")[2].split()[0] in "ZX"

    def _last_words(self) -> str:
        said = (self.folder / "output").read_text(errors="replace").strip().splitlines()
        return f"teacher {self.program.name} ended: {said[-1][:300] if said else 'without a word'}"


_RUNNING: dict[tuple[TeacherProgram, int], TeacherProcess] = {}


def teacher_process(program: TeacherProgram, threads: int) -> TeacherProcess:
    """Return the running process of a teacher; start one where there is none, without waiting."""
    running = _RUNNING.get((program, threads))
    if running is None or running.is_over():
        running = _RUNNING[program, threads] = _start(program, threads)
    return running


def version_of(program: TeacherProgram) -> str:
    """Start a teacher, ask what it is, and end it.

    Raises
    ------
    CalculationFailed
        It does not start, or cannot be made.
    """
    started = _start(program, threads=1)
    try:
        return str(started.ask({})["version"])
    finally:
        _end(started.process, started.folder, started.parent)


def _start(program: TeacherProgram, threads: int) -> TeacherProcess:
    folder = Path(tempfile.mkdtemp(prefix="rung-teacher-"))
    own = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)
    )
    kept = {k: v for k, v in os.environ.items() if k in _KEPT_VARIABLES}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [program.python or sys.executable, str(_SCRIPT)],
            cwd=folder,
            env=kept | own | {"PYTHONNOUSERSITE": "1", "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    asked = {
        "calculator": program.calculator,
        "arguments": json.loads(program.arguments),
    }
    assert process.stdin is not None, "it has a pipe"
    with suppress(BrokenPipeError):  # it has ended, and who asks it hears its last words
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
    atexit.register(_end, process, folder, os.getpid())
    return TeacherProcess(program=program, process=process, folder=folder, parent=os.getpid())


def _end(process: "subprocess.Popen[bytes]", folder: Path, parent: int) -> None:
    """End what this process has started; its forked children leave it alone."""
    if os.getpid() == parent:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
