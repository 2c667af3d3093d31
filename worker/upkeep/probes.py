"""Probes: when a breaker's time is over, one read asks whether the shop is well again."""

import asyncio

import structlog
from redis.exceptions import RedisError

from worker.domain.errors import InDoubt, NotSent, RefundError, Throttled, Unauthorised
from worker.guards.scripts import Moves
from worker.guards.view import due_for_a_probe
from worker.resources import Resources, Shop

log = structlog.get_logger("upkeep")


class Probes:
    """Asks the shops whose breaker is open, each by a task of its own: one that hangs holds up nothing."""

    def __init__(self, r: Resources) -> None:
        self._r, self._moves = r, Moves(r.redis)
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def start_due(self) -> None:
        """Start the probes that are due.

        Raises:
            RedisError: The guards' state cannot be read.
        """
        if not self._r.shops:
            return
        self._under_way = {name: task for name, task in self._under_way.items() if not task.done()}
        for name in await due_for_a_probe(self._r.redis, list(self._r.shops)):
            if name not in self._under_way:
                self._under_way[name] = asyncio.create_task(self._probe(self._r.shops[name]), name=f"probe {name}")

    async def stop(self) -> None:
        """End those that are under way."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _probe(self, shop: Shop) -> None:
        name, reason, retry_seconds = shop.settings.name, "", 0.0
        try:
            await shop.magento.ping()
        except (NotSent, Throttled, Unauthorised, InDoubt) as error:
            reason = error.reason
            retry_seconds = (error.retry_after_seconds or 0.0) if isinstance(error, Throttled) else 0.0
        except RefundError:
            reason = ""  # whatever it refused, the shop works
        outcome = "failed" if reason else "good"
        try:
            retry_ms = int(retry_seconds * 1000)
            stands = await self._moves(
                "probed", "shop", name, "outcome", outcome, "reason", reason, "retry_ms", retry_ms
            )
        except (RedisError, OSError) as error:
            log.warning("shop.probe_lost", shop=name, error=type(error).__name__)
        else:
            log.info("shop.probed", shop=name, outcome=outcome, reason=reason, breaker=stands)
