"""The guards' promises on fakeredis, which runs the same Lua."""

from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from tests.suites.guards import (  # noqa: F401 - pytest finds them by name
    TestAnHourOfMaintenance,
    TestBreaker,
    TestLimit,
    TestParking,
    TestRate,
    TestSlots,
    bench,
    common,
    test_the_view_tells_how_a_shop_stands,
)


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    redis = FakeAsyncRedis(decode_responses=True)
    yield redis
    await redis.aclose()
