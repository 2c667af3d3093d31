"""The guards' promises on a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.suites import guards
from tests.suites.guards import (  # noqa: F401 - pytest finds them by name
    TestBreaker,
    TestLimit,
    TestParking,
    TestRate,
    TestSlots,
    bench,
    common,
    test_the_view_tells_how_a_shop_stands,
)

pytestmark = pytest.mark.integration


class TestAnHourOfMaintenanceOfTenThousandJobs(guards.TestAnHourOfMaintenance):
    jobs = 10_000


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis.from_url(f"{redis_url.rpartition('/')[0]}/5", decode_responses=True)
    await redis.flushdb()
    yield redis
    await redis.aclose()
