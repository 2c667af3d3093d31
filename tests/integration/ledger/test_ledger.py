"""The ledger's promises on a real Redis, and what only a real one has: a clock and a run id."""

from collections.abc import AsyncIterator
from time import time

import pytest
from redis.asyncio import Redis

from tests.factories import a_job, rows_of
from tests.suites.ledger import LedgerPromises
from worker.ledger.connection import connect
from worker.ledger.ledger import Ledger

pytestmark = pytest.mark.integration


@pytest.fixture
def empty_url(redis_url: str) -> str:
    """A database of our own."""
    return f"{redis_url.rpartition('/')[0]}/6"


class TestOnRealRedis(LedgerPromises):
    @pytest.fixture
    async def redis(self, empty_url: str) -> AsyncIterator[Redis]:
        redis = Redis.from_url(empty_url, decode_responses=True)
        await redis.flushdb()
        yield redis
        await redis.aclose()


async def test_times_are_those_of_the_server(empty_url: str):
    redis = connect(empty_url)
    await redis.flushdb()
    ledger = Ledger(redis)
    await ledger.initialise("first")
    job = a_job()
    await ledger.accept(rows_of(job), lane="express", message=1)
    (claim,) = await ledger.claim([job.idempotency_key], worker="w", lane="express", message=1)

    assert abs(claim.now_ms - time() * 1000) < 5000
    assert abs(claim.entry.accepted_ms - time() * 1000) < 5000
    await redis.aclose()


async def test_every_connection_tells_the_ledger_which_server_it_reached(empty_url: str):
    redis = connect(empty_url)
    await redis.flushdb()
    await Ledger(redis).initialise("first", run_id="another process")
    await redis.aclose()

    again = connect(empty_url)
    identity = await Ledger(again).identity()

    assert identity["run_id"] == (await again.info("server"))["run_id"]
    assert identity["epochs"] == "1"
    await again.aclose()
