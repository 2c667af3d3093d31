"""The campaigns' promises on fakeredis, which runs the same Lua."""

from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from tests.suites.campaigns import CampaignPromises, FeedPromises


class TestOnFakeRedis(CampaignPromises):
    @pytest.fixture
    async def redis(self) -> AsyncIterator[Redis]:
        redis = FakeAsyncRedis(decode_responses=True)
        yield redis
        await redis.aclose()


class TestFeedOnFakeRedis(FeedPromises):
    @pytest.fixture
    async def redis(self) -> AsyncIterator[Redis]:
        redis = FakeAsyncRedis(decode_responses=True)
        yield redis
        await redis.aclose()
