"""`refunds submit`: job documents from a file, and a receipt for each."""

import asyncio
import signal
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Final

import typer
from redis.exceptions import RedisError

from config.settings import Settings
from worker.cli.documents import Numbered, documents, opened_input
from worker.cli.examples import examples
from worker.cli.failure import Exit, Failure, Interrupted
from worker.cli.opening import NO_LEDGER, Desk, Publisher, opened_desk, producer, settings_for_a_command, unreachable
from worker.cli.output import remark
from worker.cli.progress import counting
from worker.cli.receipts import Receipts
from worker.cli.waiting import wait_for
from worker.domain.lifecycle import AT_REST, State
from worker.domain.problems import InvalidJob
from worker.enqueue import Enqueue
from worker.intake.accept import Answer, accept

#: Jobs that are accepted in one call; they travel together.
BATCH: Final = 100
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
    receipts = Receipts(as_json=as_json)
    with opened_input(file) as stream:
        found = documents(stream, max_bytes=settings.max_document_bytes)
        try:
            asyncio.run(_submit(settings, found, receipts, lane=lane, wait_seconds=timeout if wait else None))
        except KeyboardInterrupt:
            raise Interrupted(f"{receipts.summary()}; what was accepted goes on by itself") from None
    raise SystemExit(int(receipts.exit_code))


async def _submit(
    settings: Settings, found: Iterator[Numbered], receipts: Receipts, *, lane: Lane, wait_seconds: float | None
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's would wait for the end of a blocked read
    async with opened_desk(settings) as desk:
        if not await desk.has_ledger():
            remark(f"warning: {NO_LEDGER}. Jobs are accepted all the same.")
        publisher = Publisher(Enqueue(producer(settings)))
        with counting("submitted") as count:
            for batch in _batches(found, BATCH):
                try:
                    answers = await _accept(batch, desk, publisher, lane=lane)
                except (RedisError, OSError) as error:
                    raise _cut_off(settings, error, receipts, batch) from None
                for numbered, answer in zip(batch, answers, strict=True):
                    receipts.add(numbered.line, answer)
                count(len(batch))
        receipts.finish()
        if publisher.unannounced:
            remark(f"note: the broker is away; upkeep will announce {publisher.unannounced} accepted job(s) later")
        if wait_seconds is not None:
            await _wait(desk, receipts, seconds=wait_seconds)


async def _accept(batch: list[Numbered], desk: Desk, publisher: Publisher, *, lane: Lane) -> list[Answer]:
    """Accept a batch; documents that were too long to be read are refused here."""
    refused: dict[int, Answer] = {}
    for numbered in batch:
        try:
            numbered.refuse_if_too_long(desk.settings.max_document_bytes)
        except InvalidJob as error:
            refused[numbered.line] = Answer(idempotency_key=None, status="invalid", problems=tuple(error.problems))
    read = [numbered.raw for numbered in batch if numbered.line not in refused]
    answers = iter(await accept(read, desk, publisher, lane=lane, door="cli") if read else [])
    return [refused.get(numbered.line) or next(answers) for numbered in batch]


def _batches(found: Iterable[Numbered], size: int) -> Iterator[list[Numbered]]:
    batch: list[Numbered] = []
    for numbered in found:
        batch.append(numbered)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _cut_off(settings: Settings, error: Exception, receipts: Receipts, batch: list[Numbered]) -> Failure:
    reason = unreachable(settings, error)
    before = f"before that: {receipts.summary()}" if receipts.total else "nothing was accepted before"
    again = f"from line {batch[0].line} on nothing is known; submit the same file again, duplicates do no harm"
    return Failure(f"{reason} ({before}; {again})", code=Exit.UNREACHABLE)


async def _wait(desk: Desk, receipts: Receipts, *, seconds: float) -> None:
    keys = receipts.keys
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
