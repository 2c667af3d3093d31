"""One event loop thread per process: Celery's threads hand it their messages and wait.

Built on first use and keyed by pid, because Celery's threads pool fires no signal per child and a fork must never
inherit a loop. The loop also keeps the lease alive and runs upkeep.
"""

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

import sentry_sdk
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from config.settings import Settings
from worker.cancelling import cancel_surely
from worker.confirm import confirm
from worker.guards.limits import Limits
from worker.pack import pack
from worker.resources import Resources, opened
from worker.upkeep.upkeep import Publish, Upkeep

T = TypeVar("T")
log = structlog.get_logger("worker")
#: How long opening the resources may take before the process gives up.
_START_SECONDS: Final = 30.0
#: How soon a heartbeat that failed is tried again: the lease must not end because Redis was away at a bad moment.
_AWAY_SECONDS: Final = 0.25


class Runtime:
    """The loop thread of one process with everything that lives on it.

    Args:
        settings: The settings.
        publish: Sends one message to a lane.
        with_upkeep: Whether this process also takes part in upkeep.
    """

    def __init__(self, settings: Settings, publish: Publish, *, with_upkeep: bool = True) -> None:
        self._settings, self._publish, self._with_upkeep = settings, publish, with_upkeep
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._limits: list[Limits] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="refunds-loop", daemon=True)
        self._thread.start()
        self.resources: Resources = self.run(self._open, timeout_seconds=_START_SECONDS)

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], *, timeout_seconds: float | None = None) -> T:
        """Run a coroutine on the loop and wait for it, from any other thread.

        Args:
            work: Makes the coroutine.
            timeout_seconds: After this the coroutine is cancelled; None waits.
        """
        future = asyncio.run_coroutine_threadsafe(work(), self._loop)
        try:
            return future.result(timeout_seconds)
        except TimeoutError:
            future.cancel()
            raise

    def drain(self) -> None:
        """Begin to stop: what was not sent goes back to the queue, calls that are under way end."""
        self._loop.call_soon_threadsafe(self.resources.drain)

    def close(self) -> None:
        """Stop the loop; claims that are still held are given back."""
        if not self._loop.is_running():
            return
        try:
            self.run(self._close, timeout_seconds=self._settings.shutdown_grace_seconds + 10)
        except (TimeoutError, RedisError, OSError) as error:
            log.warning("worker.close_failed", error=type(error).__name__)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    async def _open(self) -> Resources:
        r = await self._stack.enter_async_context(opened(self._settings))
        self._tasks.append(asyncio.create_task(heartbeat(r), name="heartbeat"))
        self._tasks.append(asyncio.create_task(confirm(r), name="confirm"))
        self._tasks.append(asyncio.create_task(pack(r), name="pack"))
        for shop in r.shops.values():
            limits = Limits(shop.gate, r.redis, shop.settings, worker=r.worker, lease_seconds=r.settings.lease_seconds)
            self._limits.append(limits)
            self._tasks.append(asyncio.create_task(limits.run(), name=f"limits {shop.settings.name}"))
        if self._with_upkeep:
            broker = Redis.from_url(str(self._settings.broker_url), socket_timeout=self._settings.redis_timeout_seconds)
            self._stack.push_async_callback(broker.aclose)
            self._tasks.append(asyncio.create_task(Upkeep(r, self._publish, broker).run(), name="upkeep"))
        return r

    async def _close(self) -> None:
        r = self.resources
        r.drain()
        if r.in_hand:
            await asyncio.wait(r.in_hand, timeout=self._settings.shutdown_grace_seconds)
        await cancel_surely(*self._tasks, *r.in_hand)
        try:
            await give_back(r)
            for limits in self._limits:
                await limits.leave()
            if not await r.redis.scard(f"refunds:held:{r.worker}"):
                await r.redis.zrem("refunds:workers", r.worker)
        finally:
            await self._stack.aclose()


async def heartbeat(r: Resources) -> None:
    """Keep the lease alive, watch which Redis process answers, and give back what trouble left in our hands."""
    is_away = False
    while True:
        try:
            await r.ledger.beat(r.worker)
            info = await r.redis.info("server")
            await r.ledger.note_server(str(info["run_id"]))
            if r.settings.wait_for_disk:
                await r.ledger.learn_durability()
            await give_back(r)
            is_away = False
        except (RedisError, OSError) as error:
            if not is_away:
                log.warning("worker.heartbeat_failed", error=type(error).__name__)
            is_away = True
        except Exception as error:  # without a heartbeat others would take over whatever we claim
            sentry_sdk.capture_exception(error)
            log.exception("worker.heartbeat_broken")
        await asyncio.sleep(min(r.settings.heartbeat_seconds, _AWAY_SECONDS if is_away else math.inf))


async def give_back(r: Resources) -> None:
    """Release claims whose last move failed: queued if surely not sent, else in doubt.

    And those that only the ledger knows of: the answer to a claim was lost, or Redis lost the record of its end. As
    long as we live nobody else would take them. Two heartbeats in a row must see one, for a claim may be on its way.
    """
    while r.orphans:
        key, token, is_fault = r.orphans[0]
        await _release(key, token, r, is_fault=is_fault)
        del r.orphans[0]
    strangers = {str(key) for key in await r.redis.smembers(f"refunds:held:{r.worker}")} - r.held
    for key in strangers & r.strangers:
        if token := await r.ledger.token_of(key, r.worker):
            log.warning("claim.given_back", key=key)
            await _release(key, token, r)
    r.strangers = strangers


async def _release(key: str, token: str, r: Resources, *, is_fault: bool = False) -> None:
    """Release one claim. Where Redis refuses, the others go on; this one is a stranger from now on, and tried again."""
    try:
        await r.ledger.release(key, token, is_fault=is_fault)
    except ResponseError as error:
        log.error(  # noqa: TRY400 - Redis says why
            "claim.not_given_back", key=key, error=type(error).__name__, detail=str(error)[:200]
        )
