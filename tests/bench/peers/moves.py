"""What every peer does for one job: three Redis moves and one POST. Needs redis-py and aiohttp, nothing of ours.

The moves are the least that somebody careful would write: claim (refused when the job was sent before), mark sent,
settle; one script each, over one hash per key. No order lock, no limits, no lease, no history, no signature.
"""

import os
from typing import Final, Self

import aiohttp
from redis.asyncio import Redis

REDIS_URL: Final = os.environ.get("BENCH_REDIS_URL", "")  # noqa: TID251 - their command lines take no arguments of ours
SHOP_URL: Final = os.environ.get("BENCH_SHOP_URL", "")  # noqa: TID251
#: Jobs in flight at once, for everybody.
IN_FLIGHT: Final = 200

CLAIM: Final = """
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'sent' or state == 'settled' then return 0 end
redis.call('HSET', KEYS[1], 'state', 'claimed', 'doc', ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'fence', 1)
"""
SENT: Final = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'sent')
return 1
"""
SETTLE: Final = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'settled', 'result', ARGV[2])
return redis.call('INCR', 'bench:settled')
"""


class Moves:
    """One Redis client and one HTTP session; made on the loop that uses it."""

    def __init__(self) -> None:
        self.redis = Redis.from_url(REDIS_URL, decode_responses=True, max_connections=IN_FLIGHT)
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._claim = self.redis.register_script(CLAIM)
        self._sent = self.redis.register_script(SENT)
        self._settle = self.redis.register_script(SETTLE)

    async def __aenter__(self) -> Self:
        """Nothing is opened before its first use."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close both."""
        await self.session.close()
        await self.redis.aclose()

    async def refund(self, number: int, body: str) -> None:
        """Do one job."""
        entry = [f"bench:entry:{number}"]
        fence = await self._claim(keys=entry, args=[body])
        if not fence or not await self._sent(keys=entry, args=[fence]):
            return
        url = f"{SHOP_URL}/rest/V1/order/{number + 1}/refund"
        async with self.session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
            memo = await answer.text()
        await self._settle(keys=entry, args=[fence, memo])
