"""Jobs in hand of this process for one shop and lane: enough to keep the shop busy, and not a whole campaign.

What comes above that waits here while the shop gets on. Once that would take long, claims leave the rest parked, so
that jobs of other shops and lanes pass: every message that waits here holds one of the threads of the process.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

#: A full hand from which nothing was finished for so long is stuck, in seconds.
_STUCK_SECONDS: Final = 1.0
#: So is one that would not have room for so long, as fast as jobs are finished, in seconds.
_LONGEST_WAIT_SECONDS: Final = 2.0
#: How long a message that was called in may take to come, in seconds; after that another one is called.
_CALLED_SECONDS: Final = 0.25


class Hand:
    """Counts jobs in hand.

    Args:
        most: Jobs with which the hand is full.
        clock: Monotonic seconds.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._count, self._moved = 0, clock()
        self._rate: float | None = None  # jobs finished a second; None until a second of work has shown it
        self._finished, self._since = 0, clock()
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._called, self._called_at = 0, 0.0

    @property
    def room(self) -> int:
        """Jobs that would be taken now."""
        return max(self._most - self._count, 0)

    @property
    def is_stuck(self) -> bool:
        """Whether the hand is full and will not have room soon."""
        if self._count < self._most:
            return False
        is_slow = self._rate is not None and self._count - self._most > self._rate * _LONGEST_WAIT_SECONDS
        return is_slow or self._is_quiet

    @property
    def _is_quiet(self) -> bool:
        """Whether nothing was finished lately: then nobody is called in, though there may be room."""
        return self._clock() - self._moved >= _STUCK_SECONDS

    def take(self, jobs: int) -> None:
        """Take jobs in hand; more than fit are taken all the same, since they are claimed already."""
        if self._count < self._most:
            self._moved = self._clock()
        if not self._count:
            self._rate, self._finished, self._since = None, 0, self._clock()
        self._count += jobs
        self._called = max(self._called - jobs, 0)

    def finish(self) -> None:
        """Put one job away, however it ended."""
        self._count -= 1
        self._finished += 1
        self._moved = now = self._clock()
        if now - self._since >= 1.0:
            self._rate = self._finished / (now - self._since)
            self._finished, self._since = 0, now
        self._call_in(now)

    async def wait_for_room(self, jobs: int = 1) -> None:
        """Wait until another message would be taken, or until it is clear that this takes long.

        Those who wait are called in one after the other, so that what they bring fits, and so that the next message to
        come is not always of the lane that waits.

        Args:
            jobs: As many as the next message is expected to have.
        """
        if self._count < self._most:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((jobs, turn))
        while not turn.done() and not self.is_stuck and not self._is_quiet:
            rest = self._moved + _STUCK_SECONDS - self._clock()
            await asyncio.wait((turn,), timeout=max(rest, 0.01))
        turn.cancel()

    def _call_in(self, now: float) -> None:
        if now - self._called_at >= _CALLED_SECONDS:
            self._called = 0
        while self._line and self._count + self._called < self._most:
            jobs, turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                self._called, self._called_at = self._called + jobs, now
