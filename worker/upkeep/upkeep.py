"""Upkeep: publish what is due, feed campaigns, adopt what dead workers held, find messages that got lost.

Every worker process runs it, and `refunds upkeep` too; a lease in Redis lets one of them act at a time. Two at once
would do no harm: each move is atomic, and a message that comes twice is refused by the claim.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import sentry_sdk
import structlog
from kombu.exceptions import OperationalError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.queues import LANES
from config.settings import Settings
from worker import metrics
from worker.campaigns.feed import Feed
from worker.domain.crash_point import CrashPoint
from worker.resources import Resources
from worker.upkeep.probes import Probes

log = structlog.get_logger("upkeep")

_LEADER_KEY: Final = "refunds:upkeep"
#: How long the acting upkeep may be silent before another takes over.
_LEADER_MS: Final = 3000
#: How often backlogs are looked at while a campaign runs, in seconds: what is ahead of the workers is some seconds of
#: work, and of a quick shop with a short window less.
_FEED_SECONDS: Final = 0.05
#: How long upkeep rests after a fault of its own, in seconds.
_FAILED_SECONDS: Final = 1.0
_KEEP_LEADING: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) return 1 end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""

Publish = Callable[[str, int, Sequence[str]], Awaitable[None]]


class Upkeep:
    """One upkeep loop.

    Args:
        r: Resources of the process.
        publish: Sends one message to a lane.
        broker: A client of the broker's Redis, to see how long the queues are.
        clock: Monotonic seconds, for tests.
    """

    def __init__(
        self, r: Resources, publish: Publish, broker: Redis, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._r, self._publish, self._broker, self._clock = r, publish, broker, clock
        self._lost = {lane: LostMessages(r.settings.lost_message_seconds) for lane in LANES}
        self._is_leading = self._has_campaigns = False
        self._feed = Feed(r.redis)
        self._probes = Probes(r)

    async def run(self) -> None:
        """Work until cancelled. Trouble with Redis is waited out."""
        try:
            await self._run()
        finally:
            await self._probes.stop()

    async def _run(self) -> None:
        settings: Settings = self._r.settings
        is_away = False
        while True:
            try:
                did = await self.tick()
                is_away = False
            except (RedisError, OperationalError, OSError) as error:
                if not is_away:
                    log.warning("upkeep.ledger_away", error=type(error).__name__)
                is_away, did = True, 0
            except Exception as error:  # without upkeep nothing that waits would come back
                sentry_sdk.capture_exception(error)
                log.exception("upkeep.failed")
                did = 0
                await asyncio.sleep(_FAILED_SECONDS)
            pause = settings.upkeep_interval_seconds
            if self._has_campaigns:
                pause = min(_FEED_SECONDS, pause)
            await asyncio.sleep(0 if did else pause)

    async def tick(self) -> int:
        """Do what is to be done now; gives the number of messages published, 0 when there was nothing or no lead."""
        leads = bool(await self._r.redis.eval(_KEEP_LEADING, 1, _LEADER_KEY, self._r.worker, _LEADER_MS))
        if leads != self._is_leading:
            self._is_leading = leads
            log.info("upkeep.lead_taken" if leads else "upkeep.lead_lost")
            self._lost = {lane: LostMessages(self._r.settings.lost_message_seconds) for lane in LANES}
        if not leads:
            self._has_campaigns = False
            return 0
        await self._adopt()
        await self._find_lost()
        await self._probes.start_due()
        return await self.publish_due() + await self.feed()

    async def _adopt(self) -> None:
        adopted = await self._r.ledger.adopt()
        for key, state, worker, silent_ms in adopted:
            metrics.ADOPTED.labels(state).inc()
            log.warning("job.adopted", key=key, state=state, worker=worker, silent_ms=silent_ms)

    async def publish_due(self) -> int:
        """Publish one message per lane with what is due."""
        messages = await self._r.ledger.publish()
        for lane, number, keys in messages:
            self._r.crashes.pass_by(CrashPoint.BEFORE_PUBLISH)
            await self._publish(lane, number, keys)
        return len(messages)

    async def feed(self) -> int:
        """Give running campaigns' jobs to the workers; gives how much was done, 0 when there was nothing."""
        fed = await self._feed.step()
        self._has_campaigns = fed.campaigns > 0
        for lane, number, keys in fed.messages:
            self._r.crashes.pass_by(CrashPoint.BEFORE_PUBLISH)
            await self._publish(lane, number, keys)
        return len(fed.messages) + fed.ended

    async def _find_lost(self) -> None:
        for lane, watch in self._lost.items():
            seq, mark = await self._r.redis.mget(f"refunds:seq:{lane}", f"refunds:mark:{lane}")
            length = await self._broker.llen(LANES[lane].value)
            up_to = watch.lost_up_to(published=int(seq or 0), claimed=int(mark or 0), is_empty=not length,
                                     now=self._clock())  # fmt: skip
            if up_to:
                lost = await self._r.ledger.find_lost(lane, up_to=up_to)
                if lost:
                    metrics.PUBLISHED_AGAIN.labels(lane).inc(len(lost))
                    log.warning("message.lost", lane=lane, jobs=len(lost), up_to=up_to)


class LostMessages:
    """Tells which messages of one lane can no longer arrive, from two looks that are some seconds apart. Pure.

    A lane is first in, first out. So a message is lost when later ones were claimed the time before last, or when
    the queue is empty although it was published the time before last.
    """

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._since: float | None = None
        self._published = self._claimed = 0

    def lost_up_to(self, *, published: int, claimed: int, is_empty: bool, now: float) -> int:
        """Give the highest number of which everything that is still queued is lost; 0 when that is not known yet.

        Args:
            published: Number of the newest message.
            claimed: Highest number that a worker has claimed.
            is_empty: Whether the lane's queue holds no message now.
            now: Monotonic seconds.
        """
        if self._since is None:
            self._since, self._published, self._claimed = now, published, claimed
        if now - self._since < self._grace_seconds:
            return 0
        lost = self._published if is_empty else self._claimed - 1
        self._since, self._published, self._claimed = now, published, claimed
        return max(lost, 0)
