"""Samples that entries are packed against: one per campaign, written once and never changed, or they cannot be read."""

from collections.abc import Iterable
from typing import Final

from redis.asyncio import Redis

_SAMPLES: Final = "refunds:samples"


class Samples:
    """The samples in one Redis.

    Args:
        redis: A client with `decode_responses=True`.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, str] = {}

    async def known(self, campaigns: Iterable[str]) -> dict[str, str]:
        """Give the samples of campaigns for reading: each is asked for once; "" stands for jobs without a campaign."""
        if missing := set(campaigns) - self._known.keys():
            self._known |= await self.fresh(missing)
        return self._known

    async def fresh(self, campaigns: Iterable[str]) -> dict[str, str]:
        """Give the samples that this Redis has now."""
        names = list(set(campaigns))
        found = await self._redis.hmget(_SAMPLES, names) if names else []
        return {name: str(text) for name, text in zip(names, found, strict=True) if text is not None}

    def forget(self) -> None:
        """Ask anew: Redis may have lost its newest writes, and been given another sample since."""
        self._known = {}
