"""Progress on standard error: only on a terminal, and only when it takes long enough to wonder."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

#: How long nothing is shown, in seconds.
_PATIENCE_SECONDS: Final = 1.0


@contextmanager
def counting(what: str, *, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Count things that are done; the caller gets a function that takes how many more there are."""
    if not sys.stderr.isatty():
        yield lambda _more: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task(what, total=total)
    began = time.monotonic()
    is_shown = False

    def count(more: int) -> None:
        nonlocal is_shown
        progress.advance(task, more)
        if not is_shown and time.monotonic() - began > _PATIENCE_SECONDS:
            progress.start()
            is_shown = True

    try:
        yield count
    finally:
        if is_shown:
            progress.stop()
