"""The promises of the index on fakeredis, which runs the same Lua."""

from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from tests.suites.dead_letters import IndexPromises


class TestOnFakeRedis(IndexPromises):
    @pytest.fixture
    async def redis(self) -> AsyncIterator[Redis]:
        redis = FakeAsyncRedis(decode_responses=True)
        yield redis
        await redis.aclose()
