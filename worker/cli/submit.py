"""`refunds submit`: job documents from a file, and a receipt for each."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from stat import S_ISREG
from typing import Annotated, BinaryIO, Final

import typer
from redis.exceptions import RedisError

from config.queues import CHUNK
from config.settings import Settings
from worker.cli.documents import documents, opened_input
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure, Interrupted
from worker.cli.opening import NO_LEDGER, Desk, Publisher, opened_desk, producer, settings_for_a_command, unreachable
from worker.cli.output import remark
from worker.cli.progress import counting
from worker.cli.receipts import Receipts
from worker.cli.waiting import wait_for
from worker.domain.lifecycle import AT_REST, State
from worker.enqueue import Enqueue
from worker.intake.accept import Answer, enter
from worker.intake.crew import in_order
from worker.intake.numbered import Judged, Numbered, judge_numbered
from worker.ledger.row import Row

_EXAMPLES: Final = (
    "refunds submit job.json",
    "refunds submit --lane bulk --json refunds.jsonl",
    'echo \'{"idempotency_key": "rma-1", "order_id": 1, "full": true}\' | refunds submit - --wait',
)


class Lane(StrEnum):
    """Where jobs travel: single ones, or campaigns that must not delay them."""

    EXPRESS = "express"
    BULK = "bulk"


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command(epilog=examples(*_EXAMPLES))(submit)


def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON (one job) or JSONL (a job a line); - is stdin.")],
    lane: Annotated[Lane, typer.Option(help="bulk for campaigns, so that single jobs overtake them.")] = Lane.EXPRESS,
    as_json: Annotated[bool, typer.Option("--json", help="Receipts as JSONL.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the jobs are settled or dead letters.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Longest time for --wait.", min=0)] = 600.0,
) -> None:
    """Submit refund jobs. Submitting the same file again does no harm: what was accepted is answered `duplicate`."""
    settings = settings_for_a_command()
    receipts = Receipts(as_json=as_json, keys=[] if wait else None)
    with opened_input(file) as stream:
        try:
            asyncio.run(_submit(settings, stream, receipts, lane=lane, wait_seconds=timeout if wait else None))
        except KeyboardInterrupt:
            raise Interrupted(f"{receipts.summary()}; what was accepted goes on by itself") from None
    raise SystemExit(int(receipts.exit_code))


async def _submit(
    settings: Settings, stream: BinaryIO, receipts: Receipts, *, lane: Lane, wait_seconds: float | None
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's would wait for the end of a blocked read
    async with opened_desk(settings) as desk:
        if not await desk.has_ledger():
            remark(f"warning: {NO_LEDGER}. Jobs are accepted all the same.")
        publisher = Publisher(Enqueue(producer(settings)))
        with counting("submitted") as count:
            submission = _Submission(desk=desk, publisher=publisher, receipts=receipts, lane=lane, count=count)
            found = documents(stream, max_bytes=settings.max_document_bytes)
            if S_ISREG(os.fstat(stream.fileno()).st_mode):
                await submission.take_file(found)
            else:
                await submission.take_stream(found)
        receipts.finish()
        if publisher.unannounced:
            remark(f"note: the broker is away; upkeep will announce {publisher.unannounced} accepted job(s) later")
        if wait_seconds is not None:
            await _wait(desk, receipts, seconds=wait_seconds)


@dataclass(frozen=True, kw_only=True)
class _Submission:
    """Enters what was judged, in the order of the input, and gives the receipts."""

    desk: Desk
    publisher: Publisher
    receipts: Receipts
    lane: Lane
    count: Callable[[int], None]

    async def take_file(self, found: Iterator[Numbered]) -> None:
        """Take all of a file: judged in several processes where it is long, while Redis works on what was judged."""
        before: asyncio.Task[None] | None = None
        try:
            async with aclosing(in_order(found, partial(judge_numbered, settings=self.desk.settings))) as judged:
                async for batch in judged:
                    if before is not None:
                        await before
                    before = asyncio.create_task(self._enter_all(batch))
                if before is not None:
                    await before
        finally:
            if before is not None and not before.done():  # its receipts are given, whatever came of the rest
                await asyncio.wait({before})

    async def take_stream(self, found: Iterator[Numbered]) -> None:
        """Take what comes through a pipe: each message is done before the next line is waited for."""
        while batch := list(islice(found, CHUNK)):
            await self._enter_all(judge_numbered(batch, self.desk.settings))

    async def _enter_all(self, batch: Judged) -> None:
        """Enter a batch, its messages together; their receipts are given in the order of the input."""
        parts = list(batch.parts(CHUNK))
        done = await asyncio.gather(*(self._enter(part.found) for part in parts), return_exceptions=True)
        for part, answers in zip(parts, done, strict=True):
            if isinstance(answers, RedisError | OSError):
                raise _cut_off(self.desk.settings, answers, self.receipts, part.lines[0])
            if isinstance(answers, BaseException):
                raise answers
            self.receipts.add(zip(part.lines, answers, strict=True))
            self.count(len(answers))

    async def _enter(self, found: Sequence[Row | Answer]) -> list[Answer]:
        return await enter(found, self.desk, self.publisher, lane=self.lane, door="cli")


def _cut_off(settings: Settings, error: Exception, receipts: Receipts, line: int) -> Failure:
    reason = unreachable(settings, error)
    before = f"before that: {receipts.summary()}" if receipts.total else "nothing was accepted before"
    again = f"from line {line} on nothing is known; submit the same file again, duplicates do no harm"
    return Failure(f"{reason} ({before}; {again})", code=Exit.UNREACHABLE)


async def _wait(desk: Desk, receipts: Receipts, *, seconds: float) -> None:
    keys = receipts.keys or []
    with counting("finished", total=len(keys)) as count:
        done = 0

        def progress(finished: int) -> None:
            nonlocal done
            count(finished - done)
            done = finished

        states = await wait_for(desk.ledger, keys, seconds=seconds, progress=progress)
    dead = [key for key in keys if states.get(key) is State.DEAD]
    held = [key for key in keys if states.get(key) is State.HELD]
    open_ones = [key for key in keys if states.get(key) not in AT_REST]
    settled = len(keys) - len(dead) - len(held) - len(open_ones)
    of_held = f"{len(held)} held for approval, " if held else ""
    remark(f"{settled} settled, {len(dead)} dead, {of_held}{len(open_ones)} not finished")
    for key in dead:
        remark(f"  dead: {key} (refunds dead show {key})")
    for key in held:
        remark(f"  held: {key} (refunds held, refunds approve)")
    if open_ones:
        remark(f"  not finished within {seconds:g} s; they go on by themselves")
    receipts.has_failed_jobs = bool(dead or held or open_ones)
