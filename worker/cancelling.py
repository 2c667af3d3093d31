"""Cancellation that is obeyed: redis-py swallows one in twenty, in the middle of a command."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def cancel_surely(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks until they are done."""
    while pending := {task for task in tasks if not task.done()}:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.5)


def run_until_done(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine, as `asyncio.run`, but one Ctrl-C is enough, wherever it falls.

    Not for work that must be tidied up for longer than half a second: the tidying would be cancelled as well.

    Raises:
        KeyboardInterrupt: It was interrupted, and has ended.
    """
    return asyncio.run(_obedient(work))


async def _obedient(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await cancel_surely(task)
        return task.result()
