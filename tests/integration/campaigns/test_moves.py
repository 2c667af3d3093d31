"""The campaigns' promises on a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.suites.campaigns import CampaignPromises, FeedPromises

pytestmark = pytest.mark.integration


class TestOnRealRedis(CampaignPromises):
    @pytest.fixture
    async def redis(self, redis_url: str) -> AsyncIterator[Redis]:
        redis = Redis.from_url(f"{redis_url.rpartition('/')[0]}/9", decode_responses=True)
        await redis.flushdb()
        yield redis
        await redis.aclose()


class TestFeedOnRealRedis(FeedPromises):
    @pytest.fixture
    async def redis(self, redis_url: str) -> AsyncIterator[Redis]:
        redis = Redis.from_url(f"{redis_url.rpartition('/')[0]}/9", decode_responses=True)
        await redis.flushdb()
        yield redis
        await redis.aclose()
