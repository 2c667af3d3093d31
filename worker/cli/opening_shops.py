"""The shops, for the commands that call them; the others do not load what that takes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.settings import Settings
from worker.cancelling import cancel_surely
from worker.guards.budget import limits_of
from worker.guards.limits import Limits
from worker.magento.session import open_session
from worker.resources import Shop, open_shop, process_name


@asynccontextmanager
async def opened_shops(settings: Settings, redis: Redis) -> AsyncIterator[Mapping[str, Shop]]:
    """Make the shops callable, within what all processes together may call (promise P5); the command takes no jobs."""
    async with open_session() as session:
        shops = {
            name: open_shop(shop, session, limits=limits_of(settings, shop), hands={})
            for name, shop in settings.shops.items()
        }
        name, lease_seconds = process_name(), settings.lease_seconds
        limits = [
            Limits(shop.gate, redis, shop.settings, worker=name, lease_seconds=lease_seconds) for shop in shops.values()
        ]
        asking = [asyncio.ensure_future(one.run()) for one in limits]
        try:
            yield shops
        finally:
            await cancel_surely(*asking)
            with suppress(RedisError, OSError):  # away: what it had comes back when its lease is over
                for one in limits:
                    await one.leave()
