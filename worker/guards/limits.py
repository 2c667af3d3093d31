"""Common limits: keeps the gates of a process supplied with its part of what each shop allows.

One question about every quarter of a second for a shop that has work, and at once when jobs wait and more may be had:
no round trip per job.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import sentry_sdk
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from worker import metrics
from worker.guards.allotment import Allotment
from worker.guards.gate import Gate
from worker.guards.scripts import Moves

log = structlog.get_logger("guards")
#: Between two questions, in seconds: for a shop without work, with work, and with work and a rate (send times are given
#: out at most 0.3 s ahead).
_IDLE_SECONDS: Final = 1.0
_BUSY_SECONDS: Final = 0.25
_RATED_SECONDS: Final = 0.1
#: However many jobs come, questions are not closer than this, in seconds.
_LEAST_SECONDS: Final = 0.02
#: Share of the lease that a worker trusts: it must stop before the others take over its slots.
_TRUST: Final = 0.7


class Shop(Protocol):
    """What the settings of a shop must say."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as the settings say it
    @property
    def max_concurrency(self) -> int: ...  # noqa: D102 - as the settings say it
    @property
    def rate_per_second(self) -> float | None: ...  # noqa: D102 - as the settings say it


class Limits:
    """The common limits of one shop, as one process sees them.

    Args:
        worker: Name of this process.
        lease_seconds: A process that is silent so long loses its slots.
        now_ms: A clock for tests; by default the server's.
    """

    def __init__(  # noqa: PLR0913 - each is one thing that differs
        self,
        gate: Gate,
        redis: Redis,
        shop: Shop,
        *,
        worker: str,
        lease_seconds: float,
        now_ms: Callable[[], float] | None = None,
    ) -> None:
        self._gate, self._shop, self._worker, self._lease_seconds = gate, shop, worker, lease_seconds
        self._moves, self._now_ms = Moves(redis), now_ms
        self._was_open = False

    async def run(self) -> None:
        """Work until cancelled; while Redis is away, nobody new is let in once the lease is over."""
        is_away = False
        while True:
            self._gate.wake.clear()
            try:
                await self.renew()
                is_away = False
            except (RedisError, OSError) as error:
                self._gate.no_answer()
                if not is_away:
                    log.warning("limits.away", shop=self._shop.name, error=type(error).__name__)
                is_away = True
            except Exception as error:
                self._gate.no_answer()
                sentry_sdk.capture_exception(error)
                log.exception("limits.failed", shop=self._shop.name)
                await asyncio.sleep(_IDLE_SECONDS)
            await asyncio.sleep(_LEAST_SECONDS)
            try:
                await asyncio.wait_for(self._gate.wake.wait(), self._pause_seconds())
            except TimeoutError:
                continue

    async def renew(self) -> None:
        """Ask once.

        Raises:
            RedisError: No answer; whether the question arrived is not known.
        """
        ask = self._gate.ask()
        answer = await self._moves("allot", *self._identity(), *ask.pairs())
        allotment = Allotment.read(
            answer,
            has_rate=self._shop.rate_per_second is not None,
            at=time.monotonic(),
            lease_seconds=self._lease_seconds * _TRUST,
        )
        self._gate.answer(allotment)
        self._tell(allotment)

    async def leave(self) -> None:
        """Give everything back."""
        self._gate.close()
        await self._moves("allot", *self._identity(), *self._gate.ask().pairs(), "leave", 1)

    def _identity(self) -> list[Any]:
        return [
            *("now", "" if self._now_ms is None else int(self._now_ms())),
            *("shop", self._shop.name, "worker", self._worker, "lease_ms", int(self._lease_seconds * 1000)),
            *("ceiling", self._shop.max_concurrency, "rate", self._shop.rate_per_second or 0),
        ]

    def _pause_seconds(self) -> float:
        if not self._gate.waiting and not self._gate.in_use:
            return _IDLE_SECONDS
        return _BUSY_SECONDS if self._shop.rate_per_second is None else _RATED_SECONDS

    def _tell(self, allotment: Allotment) -> None:
        shop = self._shop.name
        metrics.SHOP_LIMIT.labels(shop).set(allotment.limit)
        metrics.SHOP_BREAKER_OPEN.labels(shop).set(allotment.is_open)
        if allotment.event:
            log.warning("shop.breaker_opened", shop=shop, reason=allotment.reason)
        if allotment.event == "alert":
            words = "the shop does not accept our credentials or permissions; its jobs wait until it does"
            log.error("shop.unauthorised", shop=shop, reason=allotment.reason, detail=words)
            sentry_sdk.capture_message(f"shop.unauthorised: {shop}: {allotment.reason}", level="error")
        if self._was_open and not allotment.is_open:
            log.info("shop.breaker_closed", shop=shop)
        self._was_open = allotment.is_open
