"""Commands that read a shop: they keep to what all processes together may do, and take no jobs."""

import pytest
from redis.asyncio import Redis

from config.settings import Settings
from tests.fakes import shop_settings
from worker.cli.opening_shops import opened_shops
from worker.guards.gate import NotNow

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return Settings(redis_url=redis_url, shops={"default": shop_settings()})


async def test_a_command_takes_its_part_of_the_slots_and_gives_it_back(redis: Redis, settings: Settings):
    async with opened_shops(settings, redis) as shops:
        async with shops["default"].gate.slot("bulk"):
            assert await redis.hlen("refunds:slots:default") == 1
        assert await redis.keys("refunds:room:*") == []
    assert await redis.hlen("refunds:slots:default") == 0


async def test_a_command_does_not_call_a_shop_whose_breaker_is_open(redis: Redis, settings: Settings):
    await redis.hset("refunds:shop:default", mapping={"breaker": "open", "until_ms": 2**42})
    async with opened_shops(settings, redis) as shops:
        with pytest.raises(NotNow, match="breaker_open"):
            async with shops["default"].gate.slot("bulk"):
                pytest.fail("it was let in")
