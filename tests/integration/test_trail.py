"""The audit trail on a real Redis: writers on connections of their own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.suites.trail import TrailPromises
from worker.ledger.ledger import Ledger
from worker.trail import Trail

pytestmark = pytest.mark.integration


@pytest.fixture
def own_url(redis_url: str) -> str:
    return redis_url.removesuffix("/0") + "/5"


@pytest.fixture
async def redis(own_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(own_url, decode_responses=True) as client:
        await client.flushdb()
        yield client
        await client.flushdb()


class TestOnRealRedis(TrailPromises):
    pass


async def test_clients_at_once_make_one_chain(redis: Redis, own_url: str):
    await Ledger(redis).initialise("first")

    async def write(name: str) -> None:
        async with Redis.from_url(own_url, decode_responses=True) as client:
            for number in range(20):
                await Trail(client).record(act="letter.replayed", subject=f"letter:{name}", by=name, why=str(number))

    await asyncio.gather(*(write(f"w{number}") for number in range(16)))

    trail = Trail(redis)
    chain = await trail.verify()
    assert (chain.count, chain.broken_at) == (320, 0)
    said = [record.why async for record in trail.records(subject="letter:w7")]
    assert said == [str(number) for number in range(20)]
