"""How a shop stands, as people and dashboards read it: nothing here changes anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis

from worker.guards.gate import LANES


@dataclass(frozen=True, kw_only=True)
class ShopView:
    """One shop now. Times are ms since 1970 on the Redis server's clock.

    Attributes:
        breaker: `closed`, `open`, or `half_open` when it is time for a probe.
        reason: Why the breaker opened last.
        until_ms: When the breaker asks the shop again; 0 while it is closed.
        paused: Pauses that concern the shop, by lane.
        limit: Calls at once that are allowed now, all workers together; at most `ceiling`.
        latency_ms: Of refund calls that went well, lately.
        in_use: Calls in hand, of all workers.
        waiting: Jobs that workers hold and that wait for a slot.
        parked: Jobs that wait for the breaker, a pause or their turn, by lane.
    """

    name: str
    breaker: str
    reason: str
    until_ms: int
    paused: tuple[str, ...]
    limit: int
    ceiling: int
    rate_per_second: float | None
    latency_ms: float
    in_use: int
    waiting: int
    parked: Mapping[str, int]

    @property
    def backlog(self) -> int:
        """Jobs known to be the shop's that are not at it; those in the queue are not told apart by shop."""
        return self.waiting + sum(self.parked.values())


async def view(redis: Redis, shop: str, *, ceiling: int, rate_per_second: float | None) -> ShopView:
    """Read how a shop stands.

    Args:
        ceiling: Calls at once by our settings.
        rate_per_second: As our settings say.
    """
    async with redis.pipeline(transaction=False) as pipe:
        _ = pipe.time()
        _ = pipe.hgetall(f"refunds:shop:{shop}")
        _ = pipe.zrangebyscore(f"refunds:slots:{shop}:lease", "-inf", "+inf", withscores=True)
        _ = pipe.hgetall(f"refunds:slots:{shop}")
        _ = pipe.hmget("refunds:pauses", *_fields(shop))
        for lane in LANES:
            _ = pipe.zcard(f"refunds:parked:{shop}/{lane}")
        (seconds, micros), known, leases, slots, paused, *parked = await pipe.execute()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    living = {name for name, until in leases if until > now_ms}
    use = [text.split() for worker, text in slots.items() if worker in living]
    until_ms = int(known.get("until_ms", 0))
    breaker = str(known.get("breaker", "closed"))
    return ShopView(
        name=shop,
        breaker="half_open" if breaker == "open" and until_ms <= now_ms else breaker,
        reason=str(known.get("reason", "")),
        until_ms=until_ms if breaker == "open" else 0,
        paused=tuple(name for name, found in zip(_fields(shop), paused, strict=True) if found),
        limit=min(int(known.get("limit", ceiling)), ceiling),
        ceiling=ceiling,
        rate_per_second=rate_per_second,
        latency_ms=float(known.get("latency_ms", 0)),
        in_use=sum(int(parts[2]) for parts in use),
        waiting=sum(max(int(parts[1]) - int(parts[2]), 0) for parts in use),
        parked=dict(zip(LANES, parked, strict=True)),
    )


def _fields(shop: str) -> list[str]:
    return ["all", f"shop:{shop}", *(f"lane:{lane}" for lane in LANES), *(f"shop:{shop}/lane:{lane}" for lane in LANES)]


async def due_for_a_probe(redis: Redis, shops: list[str]) -> list[str]:
    """Give the shops whose breaker is open and whose time is over; one round trip for all."""
    async with redis.pipeline(transaction=False) as pipe:
        _ = pipe.time()
        for shop in shops:
            _ = pipe.hmget(f"refunds:shop:{shop}", "breaker", "until_ms")
        (seconds, micros), *found = await pipe.execute()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    states = cast("list[list[Any]]", found)
    return [
        shop
        for shop, (breaker, until_ms) in zip(shops, states, strict=True)
        if breaker == "open" and int(until_ms or 0) <= now_ms
    ]


async def open_breakers(redis: Redis, shops: Sequence[str]) -> list[str]:
    """Name the shops whose circuit breaker is open at this moment."""
    async with redis.pipeline(transaction=False) as pipe:
        for shop in shops:
            _ = pipe.hget(f"refunds:shop:{shop}", "breaker")
        found = await pipe.execute()
    return [shop for shop, breaker in zip(shops, found, strict=True) if breaker == "open"]
