"""How long it takes to find, sum and group among a million dead letters, and what a letter takes in Redis."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest
from redis.asyncio import Redis

from worker.dead_letters.filter import Filter
from worker.dead_letters.order import Order, Sort
from worker.dead_letters.query import Query
from worker.dead_letters.totals import Group, Totals
from worker.ledger.scripts import behind_shared
from worker.sandbox.redis_server import EmbeddedRedis

pytestmark = [pytest.mark.bench, pytest.mark.integration, pytest.mark.timeout(1800)]

LETTERS = 1_000_000
BATCH = 500
ROUNDS = 20
#: Letters of thirty days, in ms.
BEGAN_MS, STEP_MS = 1_790_000_000_000, 30 * 86_400_000 // LETTERS
DAY_MS = 86_400_000


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    with EmbeddedRedis(appendfsync="no") as server:
        async with Redis.from_url(server.url, decode_responses=True, socket_timeout=120) as client:
            await client.config_set("appendonly", "no")
            yield client


async def cpu_seconds(redis: Redis) -> float:
    """What the server has computed."""
    used = await redis.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


async def size_of(redis: Redis, name: str) -> int:
    """What a key takes in memory."""
    return await redis.memory_usage(name, samples=0) or 0


async def load(redis: Redis) -> None:
    """Bury a million jobs."""
    script = redis.register_script(behind_shared((Path(__file__).parent / "dead_letters.lua").read_text()))
    began, before, busy = time.perf_counter(), (await redis.info("memory"))["used_memory"], await cpu_seconds(redis)
    for start in range(0, LETTERS, 4 * BATCH):
        async with redis.pipeline(transaction=False) as pipe:
            for first in range(start, start + 4 * BATCH, BATCH):
                await script(args=[first, BATCH, BEGAN_MS, STEP_MS], client=pipe)
            await pipe.execute()
    took, busy = time.perf_counter() - began, await cpu_seconds(redis) - busy
    more = (await redis.info("memory"))["used_memory"] - before
    index = [await size_of(redis, name) async for name in redis.scan_iter("refunds:dead:*", count=1000)]
    stream, keys = await size_of(redis, "refunds:dead"), await size_of(redis, "refunds:dead_index")
    assert await redis.xlen("refunds:dead") == LETTERS
    print(f"\n{LETTERS:,} letters buried in {took:.0f} s; {busy / LETTERS * 1e6:.0f} us of the server each,")
    print("with their entries made and deleted")
    print(
        f"bytes a letter: {more / LETTERS:.0f} in all; stream {stream / LETTERS:.0f}, key to id {keys / LETTERS:.0f},"
    )
    print(f"index {sum(index) / LETTERS:.0f} in {len(index)} keys")


async def measured(redis: Redis, name: str, ask: Callable[[], Awaitable[Any]], found: Callable[[Any], int]) -> None:
    """Ask often, and print how long it took, and what of that was computing: the rest is waiting for a busy machine."""
    took, busy = [], []
    answer = None
    for _ in range(ROUNDS):
        server = await cpu_seconds(redis)
        began, own = time.perf_counter(), time.process_time()
        answer = await ask()
        took.append((time.perf_counter() - began) * 1000)
        own = time.process_time() - own
        busy.append((own + await cpu_seconds(redis) - server) * 1000)
    cuts, computed = quantiles(took, n=20), quantiles(busy, n=20)
    print(f"| {name} | {found(answer):,} | {cuts[9]:.0f} | {cuts[18]:.0f} | {computed[9]:.0f} | {computed[18]:.0f} |")


HEADER = "letters | p50 ms | p95 ms | CPU p50 ms | CPU p95 ms |\n|---|---|---|---|---|---|"
DAY_TEN = BEGAN_MS + 10 * DAY_MS
CAMPAIGN = ("campaign-7",)
PAGES: tuple[tuple[str, Filter, Order], ...] = (
    ("first page", Filter(), Order()),
    ("newest first", Filter(), Order(is_reverse=True)),
    ("reason and shop", Filter(reasons=("qty_too_large",), shops=("us",)), Order()),
    (
        "campaign, from 100 to 120",
        Filter(campaigns=CAMPAIGN, min_amount=Decimal(100), max_amount=Decimal(120)),
        Order(),
    ),
    ("at least 499.99 (rare)", Filter(min_amount=Decimal("499.99")), Order()),
    (
        "two hours of one day",
        Filter(since_ms=DAY_TEN, until_ms=DAY_TEN + 7_200_000),
        Order(),
    ),
    ("text in many: gateway", Filter(text="gateway"), Order()),
    ("text in few: 'article 2999'", Filter(text='"article 2999"'), Order()),
    ("text in none: kaput", Filter(text="kaput"), Order()),
    ("text, reason, amount", Filter(text="article 12", reasons=("qty_too_large",), min_amount=Decimal(400)), Order()),
    ("largest first", Filter(), Order(by=Sort.AMOUNT, is_reverse=True)),
    ("largest first of a reason", Filter(reasons=("over_refund",)), Order(by=Sort.AMOUNT, is_reverse=True)),
    ("by key", Filter(), Order(by=Sort.KEY)),
    ("by key of a campaign", Filter(campaigns=("campaign-7",)), Order(by=Sort.KEY)),
)
SUMS: tuple[tuple[str, Filter], ...] = (
    ("all", Filter()),
    ("reason and shop", Filter(reasons=("qty_too_large",), shops=("us",))),
    ("at least 100", Filter(min_amount=Decimal(100))),
    ("campaign, at least 100", Filter(campaigns=("campaign-7",), min_amount=Decimal(100))),
    ("since 13 days and 5 hours", Filter(since_ms=BEGAN_MS + 17 * DAY_MS - 18_000_000)),
    ("text in many: gateway", Filter(text="gateway")),
    ("text in few", Filter(text='"article 2999"')),
    ("text in none", Filter(text="kaput")),
)


async def test_a_million_letters(redis: Redis):
    await load(redis)
    query = Query(redis)
    print(f"\n| page of 100 | {HEADER}")
    middle = (await query.page(Filter(since_ms=BEGAN_MS + 15 * DAY_MS), Order(), limit=1))[0].id
    deep = Filter(reasons=("qty_too_large",), min_amount=Decimal(250))
    for name, wanted, order in (*PAGES, ("deep: after letter 500,000", deep, Order(after=middle))):
        await measured(redis, name, partial(query.page, wanted, order, limit=100), len)
    print(f"\n| sum by reason | {HEADER}")
    for name, wanted in SUMS:
        await measured(redis, name, partial(query.groups, wanted, Group.REASON), letters_of)
    for by in Group:
        await measured(redis, f"all, grouped by {by.value}", partial(query.groups, Filter(), by), letters_of)


def letters_of(groups: Mapping[tuple[str, str], Totals]) -> int:
    """How many letters were summed."""
    return sum(totals.letters for totals in groups.values())
