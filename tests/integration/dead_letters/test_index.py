"""The promises of the index on a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.suites.dead_letters import IndexPromises

pytestmark = pytest.mark.integration


class TestOnRealRedis(IndexPromises):
    @pytest.fixture
    async def redis(self, redis_url: str) -> AsyncIterator[Redis]:
        async with Redis.from_url(redis_url.removesuffix("/0") + "/6", decode_responses=True) as redis:
            await redis.flushdb()
            yield redis
            await redis.flushdb()
