"""The reader of `refunds:intake` against a real Redis: what it acknowledges, and what happens when it dies."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import Settings
from worker.cli.opening import Desk
from worker.dead_letters.store import DeadLetters
from worker.intake.stream import StreamIntake, open_stream
from worker.ledger.ledger import Ledger
from worker.ledger.row import Receipt, Row

pytestmark = pytest.mark.integration

SHOP = {"name": "default", "base_url": "http://127.0.0.1:1", "auth": "bearer", "token": "t"}


class Published:
    """Messages that would go to the broker."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, list[str]]] = []

    async def __call__(self, lane: str, _message: int, keys: Sequence[str]) -> None:
        self.messages.append((lane, list(keys)))


class FailsOnce(Ledger):
    """A ledger whose Redis is away at the first acceptance."""

    failures = 1

    async def accept(
        self, rows: Sequence[Row], *, lane: str, message: int | None = None
    ) -> tuple[int | None, list[Receipt]]:
        if self.failures:
            self.failures -= 1
            raise RedisConnectionError("away")
        return await super().accept(rows, lane=lane, message=message)


@pytest.fixture
async def desk(redis_url: str) -> AsyncIterator[Desk]:
    url = redis_url.removesuffix("/0") + "/5"
    settings = Settings(redis_url=url, shops={"default": SHOP})
    async with Redis.from_url(url, decode_responses=True) as redis:
        await redis.flushdb()
        yield Desk(settings=settings, redis=redis, ledger=Ledger(redis))
        await redis.flushdb()


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
async def stream(desk: Desk) -> AsyncIterator[Redis]:
    async with open_stream(desk.settings) as client:
        yield client


def a_document(key: str, **changes: object) -> str:
    return json.dumps({"idempotency_key": key, "order_id": 1, "amount": "1.00", **changes})


async def letters(desk: Desk) -> list[Any]:
    return [letter async for letter in DeadLetters(desk.redis).read()]


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - it happens in Redis
            await asyncio.sleep(0.05)


async def until_empty(reader: StreamIntake) -> None:
    while await reader.step():
        pass


async def test_what_came_in_one_read_travels_together_by_lane(desk: Desk, stream: Redis, published: Published):
    for number in range(5):
        lane = "bulk" if number % 2 else "no such lane"
        await desk.redis.xadd("refunds:intake", {"job": a_document(f"k{number}"), "lane": lane})

    await until_empty(StreamIntake(desk, stream, published, reader="a"))

    assert sorted(published.messages) == [("bulk", ["k1", "k3"]), ("express", ["k0", "k2", "k4"])]


async def test_what_stands_in_the_ledger_is_acknowledged_and_deleted(desk: Desk, stream: Redis, published: Published):
    await desk.redis.xadd("refunds:intake", {"job": a_document("k")})

    await until_empty(StreamIntake(desk, stream, published, reader="a"))

    assert await desk.ledger.find("k")
    assert await desk.redis.xlen("refunds:intake") == 0
    assert (await desk.redis.xpending("refunds:intake", "refunds"))["pending"] == 0


async def test_what_is_no_job_becomes_a_letter_with_its_bytes(desk: Desk, stream: Redis, published: Published):
    await stream.xadd("refunds:intake", {"job": b"\xff\x00garbage"})
    await stream.xadd("refunds:intake", {"jib": b"\xfe", "n": "1"})
    await stream.xadd("refunds:intake", {"job": a_document("k", amount=1.5)})

    await until_empty(StreamIntake(desk, stream, published, reader="a"))

    found = sorted(await letters(desk), key=lambda letter: len(letter.message))
    assert {letter.reason for letter in found} == {"invalid"}
    assert {letter.raw for letter in found} >= {b"\xff\x00garbage", b'{"jib": "\\\\xfe", "n": "1"}'}
    assert [letter.key for letter in found if letter.key] == ["k"]
    assert await desk.redis.xlen("refunds:intake") == 0


async def test_the_entries_of_a_dead_reader_are_taken_over(desk: Desk, stream: Redis, published: Published):
    first = StreamIntake(desk, stream, published, reader="dead one")
    await first.step()  # makes the group
    await desk.redis.xadd("refunds:intake", {"job": a_document("k")})
    await stream.xreadgroup("refunds", "dead one", {"refunds:intake": ">"})
    await asyncio.sleep(0.05)

    await until_empty(StreamIntake(desk, stream, published, reader="heir", abandoned_ms=20))

    assert await desk.ledger.find("k")
    assert (await desk.redis.xpending("refunds:intake", "refunds"))["pending"] == 0


async def test_a_living_reader_keeps_its_entries(desk: Desk, stream: Redis, published: Published):
    await StreamIntake(desk, stream, published, reader="alive").step()
    await desk.redis.xadd("refunds:intake", {"job": a_document("k")})
    await stream.xreadgroup("refunds", "alive", {"refunds:intake": ">"})

    await until_empty(StreamIntake(desk, stream, published, reader="other"))

    assert await desk.ledger.find("k") is None


async def test_nothing_is_acknowledged_while_the_ledger_is_away(desk: Desk, stream: Redis, published: Published):
    """The ledger fails once, after the entry was read: the same reader takes its own pending entry again."""
    await desk.redis.xadd("refunds:intake", {"job": a_document("k")})
    ledger = FailsOnce(desk.redis)
    desk = replace(desk, ledger=ledger)
    reader = StreamIntake(desk, stream, published, reader="a")
    stopping = asyncio.Event()
    running = asyncio.create_task(reader.run(stopping))
    await until(lambda: desk.ledger.find("k"))
    stopping.set()
    await running

    assert ledger.failures == 0
    assert published.messages == [("express", ["k"])]
    assert await desk.redis.xlen("refunds:intake") == 0


async def test_the_same_document_twice_is_taken_in_once(desk: Desk, stream: Redis, published: Published):
    for _ in range(3):
        await desk.redis.xadd("refunds:intake", {"job": a_document("k")})

    await until_empty(StreamIntake(desk, stream, published, reader="a"))

    assert (await desk.ledger.counts())["accepted"] == 1
    assert await letters(desk) == []


async def test_a_reader_that_stops_leaves_the_group(desk: Desk, stream: Redis, published: Published):
    stopping = asyncio.Event()
    running = asyncio.create_task(StreamIntake(desk, stream, published, reader="a").run(stopping))
    await until(lambda: desk.redis.exists("refunds:intake"))
    stopping.set()
    await running
    assert await desk.redis.xinfo_consumers("refunds:intake", "refunds") == []


async def test_a_group_that_was_deleted_is_made_again(desk: Desk, stream: Redis, published: Published):
    stopping = asyncio.Event()
    running = asyncio.create_task(StreamIntake(desk, stream, published, reader="a").run(stopping))
    await asyncio.sleep(0.1)
    await desk.redis.delete("refunds:intake")
    await desk.redis.xadd("refunds:intake", {"job": a_document("k")})
    await until(lambda: desk.ledger.find("k"))
    stopping.set()
    await running
