"""Crew: processes that judge the lines of a campaign file side by side; what they answer comes back in order.

Each has a pipe of its own and one batch in hand. A pipe ends when the importing process dies, however it dies, and the
helpers with it.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self

from worker.campaigns.read import Record
from worker.intake.lines import Bad, Good, Reading, judge

#: Records in a batch: some 10 ms of work, against a tenth of a millisecond that a batch costs on its way.
BATCH: Final = 500
#: Helpers at most. The importing process itself takes a third of the work, so more of them would wait for it.
_MOST: Final = 3
#: A file with fewer records is judged here: helpers take a second to start.
_WORTH_IT: Final = 4 * BATCH


def judged(records: Iterable[Record], reading: Reading, *, helpers: int | None = None) -> Iterator[list[Good | Bad]]:
    """Judge records, batch by batch, in the order of the file.

    Args:
        helpers: Processes beside this one; as many as the machine has processors to spare if not given.
    """
    source = iter(records)
    first = list(islice(source, _WORTH_IT))
    count = min(len(os.sched_getaffinity(0)), _MOST) if helpers is None else helpers
    if len(first) < _WORTH_IT or count < 1:
        for batch in _batches(chain(first, source)):
            yield judge(batch, reading)
        return
    with Crew(reading, count) as crew:
        yield from crew.work(_batches(chain(first, source)))


def _batches(records: Iterable[Record]) -> Iterator[Sequence[Record]]:
    source = iter(records)
    while batch := tuple(islice(source, BATCH)):
        yield batch


class Crew:
    """Helpers of one import."""

    def __init__(self, reading: Reading, count: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit threads and connections
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_help, args=(theirs, reading), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def work(self, batches: Iterator[Sequence[Record]]) -> Iterator[list[Good | Bad]]:
        """Hand out batches, and give the answers in order."""
        busy: deque[Connection] = deque()
        for pipe in self._pipes:
            if (batch := next(batches, None)) is not None:
                pipe.send(batch)
                busy.append(pipe)
        while busy:
            pipe = busy.popleft()
            answer = pipe.recv()
            if isinstance(answer, BaseException):
                raise answer
            if (batch := next(batches, None)) is not None:
                pipe.send(batch)
                busy.append(pipe)
            yield answer

    def __enter__(self) -> Self:
        """They have started."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.terminate()


def _help(pipe: Connection, reading: Reading) -> None:
    import signal  # noqa: PLC0415 - of the helper alone

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the importing process, which closes the pipe
    try:
        while True:
            batch = pipe.recv()
            try:
                pipe.send(judge(batch, reading))
            except Exception as error:  # noqa: BLE001 - told to whoever waits for it
                pipe.send(error)
    except (EOFError, OSError):
        return
