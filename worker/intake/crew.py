"""Crew: processes that do pure work on batches side by side; what they answer comes back in order.

Each has a pipe of its own and one batch in hand. A pipe ends when the process that began it dies, however it dies, and
the helpers with it.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

#: Items in a batch: some 10 ms of work, against a tenth of a millisecond that a batch costs on its way.
BATCH: Final = 500
#: Helpers at most. The process that began them itself has a third of the work, so more of them would wait for it.
_MOST: Final = 3
#: What has fewer items is done here: helpers take half a second to start.
_WORTH_IT: Final = 4 * BATCH
#: Helpers look for modules where this process does: on their own they would begin in the current directory, and take
#: a folder `worker` that stands there for ours.
_START: Final = "import sys; sys.path[:] = {path}; from worker.intake.crew import help_out; help_out()"

Item = TypeVar("Item")
Answer = TypeVar("Answer")


async def in_order(
    items: Iterable[Item], work: Callable[[Sequence[Item]], Answer], *, helpers: int | None = None
) -> AsyncGenerator[Answer, None]:
    """Do work on items, batch by batch, and give the answers in the order of the items.

    Args:
        items: However many; only a few batches stand in memory.
        work: Can be pickled, as what it takes and answers; it knows nothing but its batch.
        helpers: Processes beside this one; as many as the machine has processors to spare if not given.
    """
    source = iter(items)
    first = list(islice(source, _WORTH_IT))
    count = min(len(os.sched_getaffinity(0)), _MOST) if helpers is None else helpers
    batches = _batches(chain(first, source))
    if len(first) < _WORTH_IT or count < 1:
        for batch in batches:
            yield work(batch)
        return
    with Crew(work, count) as crew:
        async for answer in crew.answers(batches):
            yield answer


def _batches(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    source = iter(items)
    while batch := tuple(islice(source, BATCH)):
        yield batch


class HelperDied(OSError):
    """A helper was ended from outside. What was answered before counts."""

    def __init__(self) -> None:
        super().__init__("a helper process was ended (by hand, or for want of memory): run the same command again, "
                         "duplicates do no harm")  # fmt: skip


class Crew(Generic[Item, Answer]):
    """Helpers for one kind of work. They are one new process and its forks, so what they need is loaded once."""

    def __init__(self, work: Callable[[Sequence[Item]], Answer], count: int) -> None:
        pipes = [Pipe() for _ in range(count)]
        self._pipes = [ours for ours, _ in pipes]
        numbers = [theirs.fileno() for _, theirs in pipes]
        self._process = subprocess.Popen(  # noqa: S603 - a fixed command
            [sys.executable, "-c", _START.format(path=sys.path), *map(str, numbers)],
            pass_fds=numbers,
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for the process that began them, which closes the pipes
        )
        for _, theirs in pipes:
            theirs.close()
        self._pipes[0].send(work)

    async def answers(self, batches: Iterator[Sequence[Item]]) -> AsyncGenerator[Answer, None]:
        """Hand out batches, and give the answers in order; the loop is free while they are waited for."""
        busy: deque[Connection] = deque()
        for pipe in self._pipes:
            if (batch := next(batches, None)) is not None:
                pipe.send(batch)
                busy.append(pipe)
        while busy:
            pipe = busy.popleft()
            await _readable(pipe)
            try:
                answer = pipe.recv()
            except EOFError:
                raise HelperDied from None
            if isinstance(answer, BaseException):
                raise answer
            if (batch := next(batches, None)) is not None:
                pipe.send(batch)
                busy.append(pipe)
            yield answer

    def __enter__(self) -> Self:
        """They are starting."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them."""
        for pipe in self._pipes:
            pipe.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


async def _readable(pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    is_readable = asyncio.Event()
    loop.add_reader(pipe.fileno(), is_readable.set)
    try:
        await is_readable.wait()
    finally:
        loop.remove_reader(pipe.fileno())


def help_out() -> None:
    """Be the helpers: the arguments of the process are the numbers of their pipes; the first brings the work."""
    pipes = [Connection(int(number)) for number in sys.argv[1:]]
    with contextlib.suppress(EOFError, OSError):  # the other end is gone
        work = pipes[0].recv()
        place = next((number for number in range(1, len(pipes)) if not os.fork()), 0)
        mine = pipes.pop(place)
        for pipe in pipes:
            pipe.close()
        try:
            _work(mine, work)
        finally:
            for _ in pipes if place == 0 else ():
                os.wait()
    os._exit(0)  # nothing here needs to be put in order


def _work(pipe: Connection, work: Callable[[Any], Any]) -> None:
    while True:
        batch = pipe.recv()
        try:
            answer = work(batch)
        except Exception as error:  # noqa: BLE001 - told to whoever waits for it
            answer = error
        pipe.send(answer)
