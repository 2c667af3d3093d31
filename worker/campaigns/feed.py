"""Feed: jobs of running campaigns go to the workers in chunks, never more than a window ahead of them.

What is not fed yet stands in its campaign's backlog, where a pause, a cancel or another rate takes effect at once.
Which and how many is one Lua move; upkeep's leader makes it, and publishes what it gives.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from config.queues import CHUNK
from worker.ledger.scripts import Moves

#: Messages that one step publishes at most: a thousand jobs, some 10 ms of Redis.
_MESSAGES: Final = 10
#: Work that may be ahead of the workers, in seconds: several rounds of upkeep on a busy machine, and little enough that
#: a campaign that is started later, or another rate, is felt soon.
_AHEAD_SECONDS: Final = 3
#: Jobs that may be ahead at most, however fast they pass.
_AHEAD_JOBS: Final = 10_000
#: Jobs of cancelled campaigns that are ended in one step at most: some 10 ms of Redis.
_ENDED: Final = 2000


@dataclass(frozen=True, kw_only=True)
class Fed:
    """What one step of feeding did.

    Attributes:
        campaigns: Campaigns that are running or being wound up.
        ended: Jobs of cancelled campaigns that were ended.
        messages: Lane, number and keys of each message to publish.
    """

    campaigns: int = 0
    ended: int = 0
    messages: tuple[tuple[str, int, tuple[str, ...]], ...] = ()


class Feed:
    """Takes jobs out of backlogs.

    Args:
        redis: The ledger's.
        now_ms: A clock for tests; by default the server's.
    """

    def __init__(self, redis: Redis, *, now_ms: Callable[[], float] | None = None) -> None:
        self._move, self._clock = Moves(redis), now_ms

    async def step(self) -> Fed:
        """Take what may go to the workers now; it is queued in the ledger, so a message that gets lost is found."""
        now = int(self._clock()) if self._clock else ""
        limits = (CHUNK, _MESSAGES, _AHEAD_SECONDS, _AHEAD_JOBS, _ENDED)
        campaigns, ended, *messages = await self._move("feed", now, *limits)
        taken = tuple((lane, int(number), tuple(keys)) for lane, number, *keys in messages)
        return Fed(campaigns=int(campaigns), ended=int(ended), messages=taken)
