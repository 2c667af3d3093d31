"""Packing on a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.suites.packing import PackingPromises

pytestmark = pytest.mark.integration


class TestOnRealRedis(PackingPromises):
    @pytest.fixture
    async def redis(self, redis_url: str) -> AsyncIterator[Redis]:
        redis = Redis.from_url(f"{redis_url.rpartition('/')[0]}/5", decode_responses=True)
        await redis.flushdb()
        yield redis
        await redis.aclose()
