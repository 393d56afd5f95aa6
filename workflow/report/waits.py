"""What a person sees while a command is busy with something that may take a while."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

SILENT_SECONDS = 2.0
"""No wait is longer without a word."""


@contextmanager
def said_if_long(say: Callable[[str], None], text: str) -> Iterator[None]:
    """Say what is done inside if it takes longer than a person should wait without a word."""
    timer = threading.Timer(SILENT_SECONDS, say, (text,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def shown_wait(console: Console, text: str) -> Iterator[None]:
    """Show what is done inside: as a moving line in a terminal, elsewhere as a line if it lasts."""
    if console.is_terminal:
        with console.status(text):
            yield
        return
    with said_if_long(lambda said: console.print(said, markup=False), f"{text} …"):
        yield
