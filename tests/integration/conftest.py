"""Fixtures of tests against a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of a database of its own, empty before and after."""
    async with Redis.from_url(redis_url.removesuffix("/0") + "/6", decode_responses=True) as client:
        await client.flushdb()
        yield client
        await client.flushdb()
