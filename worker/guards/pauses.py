"""Pause and resume: what people stop, every worker leaves alone from the next claim, gate and send on."""

import json
from dataclasses import dataclass
from typing import Any, Final, cast

from redis.asyncio import Redis

_KEY: Final = "refunds:pauses"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is paused: everything, a shop, a lane, or one lane of one shop."""

    shop: str | None = None
    lane: str | None = None

    @property
    def field(self) -> str:
        """The name under which the Lua moves look."""
        parts = [f"shop:{self.shop}" if self.shop else "", f"lane:{self.lane}" if self.lane else ""]
        return "/".join(filter(None, parts)) or "all"


async def pause(redis: Redis, scope: Scope, *, by: str) -> bool:
    """Pause; when this returns, no send is written down any more. False where it was paused already."""
    seconds, _ = await redis.time()
    value = json.dumps({"by": by, "at_ms": int(seconds) * 1000})
    return bool(await redis.hsetnx(_KEY, scope.field, value))


async def resume(redis: Redis, scope: Scope) -> bool:
    """End exactly this pause; what waited comes back through upkeep. False where there was none."""
    return bool(await redis.hdel(_KEY, scope.field))


async def pauses(redis: Redis) -> dict[str, dict[str, Any]]:
    """Give every pause by its field: who and when."""
    found = cast("dict[str, str]", await redis.hgetall(_KEY))
    return {name: json.loads(value) for name, value in sorted(found.items())}
