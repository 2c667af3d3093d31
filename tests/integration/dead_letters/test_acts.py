"""The acts on letters on a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.suites.letter_acts import LetterActPromises

pytestmark = pytest.mark.integration


class TestOnRealRedis(LetterActPromises):
    @pytest.fixture
    async def redis(self, redis_url: str) -> AsyncIterator[Redis]:
        async with Redis.from_url(redis_url.removesuffix("/0") + "/6", decode_responses=True) as client:
            await client.flushdb()
            yield client
            await client.flushdb()
