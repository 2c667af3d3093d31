"""Progress on standard error: a bar on a terminal when it takes long; for the demo, lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from worker.cli.output import remark

#: How long nothing is shown, in seconds.
_PATIENCE_SECONDS: Final = 1.0
#: How often a line is written where there is no terminal, in seconds.
_LINE_SECONDS: Final = 3.0


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


@contextmanager
def counting(what: str, *, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Count things that are done; the caller gets a function that takes how many more there are."""
    if not sys.stderr.isatty():
        yield lambda _more: None
        return
    progress = _bar()
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


@contextmanager
def following(total: int) -> Iterator[Callable[[int, str], None]]:
    """Follow a campaign; the caller gets a function that takes how many are finished and what to say of the rest."""
    if not sys.stderr.isatty():
        yield _lines(total)
        return
    with _bar() as progress:
        task = progress.add_task("", total=total)

        def show(done: int, words: str) -> None:
            progress.update(task, completed=done, description=words)

        yield show


def _lines(total: int) -> Callable[[int, str], None]:
    began = last = time.monotonic()

    def show(done: int, words: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _LINE_SECONDS or done == total:
            last = now
            remark(f"{now - began:5.1f} s  {done} of {total} finished  {words}")

    return show
