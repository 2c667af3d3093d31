"""Jobs in hand of this process for one shop and lane: enough to keep the shop busy, and not a whole campaign.

What comes above that waits here while the shop gets on; once it stops getting on, claims leave the rest parked, so that
jobs of other shops pass.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

#: A full hand from which nothing was finished for so long is stuck, in seconds.
_STUCK_SECONDS: Final = 1.0


class Hand:
    """Counts jobs in hand.

    Args:
        most: Jobs with which the hand is full.
        clock: Monotonic seconds.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._count, self._moved = 0, clock()
        self._has_room = asyncio.Event()

    @property
    def room(self) -> int:
        """Jobs that would be taken now."""
        return max(self._most - self._count, 0)

    @property
    def is_stuck(self) -> bool:
        """Whether the hand is full and nothing gets finished."""
        return self._count >= self._most and self._clock() - self._moved >= _STUCK_SECONDS

    def take(self, jobs: int) -> None:
        """Take jobs in hand; more than fit are taken all the same, since they are claimed already."""
        if self._count < self._most:
            self._moved = self._clock()
        self._count += jobs

    def finish(self) -> None:
        """Put one job away, however it ended."""
        self._count -= 1
        self._moved = self._clock()
        if self._count == self._most - 1:
            self._has_room.set()

    async def wait_for_room(self) -> None:
        """Wait until another job would be taken, or until it is clear that this takes long."""
        while self._count >= self._most and not self.is_stuck:
            self._has_room.clear()
            rest = self._moved + _STUCK_SECONDS - self._clock()
            try:
                await asyncio.wait_for(self._has_room.wait(), max(rest, 0.01))
            except TimeoutError:
                continue
