"""The gate of one shop in one process: who may call it now. First come, first served, single jobs before campaigns.

Jobs wait here before they take their order's lock. Waiting is a future in a queue: no polling, no round trip.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from worker.guards.allotment import Allotment, Ask
from worker.guards.hand import Hand
from worker.guards.heard import Heard
from worker.guards.signals import Signal

LANES: Final = ("express", "bulk")
#: A job that got no slot for so long goes back, in seconds, so that another worker may have better luck with it.
_LONGEST_WAIT_SECONDS: Final = 60.0
#: Slots that a busy process asks for beyond those that it needs now, so that the next jobs need not ask first.
_SPARE_SLOTS: Final = 2
#: How long the most that was busy at once counts as what is needed, in seconds: jobs come a message at a time.
_REMEMBERED_SECONDS: Final = 0.5
#: Jobs in hand beyond those that can be called at once: those that begin or are being settled, and half a message (100
#: keys) when the next one is taken. With 50 a third of the slots stood empty.
#: More would only wait here, and for their next holder where this one dies.
_IN_RESERVE: Final = 150
#: How late a send time may be used, in seconds, if the gap to the next one is not longer: a bunch of late calls would
#: make a second too full.
_LATE_SECONDS: Final = 0.03


class NotNow(Exception):
    """The job waits somewhere else; nothing was done and no attempt is spent.

    Attributes:
        reason: `breaker_open`, `paused`, `shop_busy` or `stopping`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Slot:
    """The right to call the shop, for one job.

    Attributes:
        signal: What the attempt heard of the shop; None when nothing.
        latency_seconds: How long its refund call took.
    """

    signal: Signal | None = None
    latency_seconds: float = 0.0


@dataclass(eq=False)
class _Waiter:
    lane: str
    may_look: bool
    since: float
    future: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Gate:
    """Keeps one process within its part of a shop's limits.

    Args:
        most: Slots of this process at most, whatever the shop allows.
        requests: Counts all requests that this process made to the shop, where look-ups count against its rate.
        hands: Jobs in hand, by lane; empty for a process that takes none, so that nobody sends it any.
        clock: Monotonic seconds; must be that of the loop.
    """

    def __init__(
        self,
        *,
        most: int,
        requests: Callable[[], int] = lambda: 0,
        hands: Mapping[str, Hand] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._requests, self._clock = most, requests, clock
        self.hands = {lane: Hand(most + _IN_RESERVE) for lane in LANES} if hands is None else hands
        #: Set when an answer before the next regular one would help.
        self.wake = asyncio.Event()
        self.allotment = Allotment(slots=0, until=0.0)
        self._in_use = 0
        self._asked: Ask | None = None
        self._heard, self._under_way = Heard(), Heard()
        self._times: deque[float] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._lines: dict[str, deque[_Waiter]] = {lane: deque() for lane in LANES}
        self._started = self._charged = 0
        self._peak, self._peak_until = 0, 0.0
        self._is_scarce = self._is_slow = False  # fewer slots, or fewer send times, than were wanted
        self._is_closed = False

    @classmethod
    def fixed(cls, slots: int) -> "Gate":
        """Make a gate that needs no Redis: so many slots, for ever. For tests and tools."""
        gate = cls(most=slots)
        gate.allotment = Allotment(slots=slots)
        return gate

    # --- jobs -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def slot(self, lane: str, *, may_look: bool = False) -> AsyncIterator[Slot]:
        """Wait for a slot, and for the time at which the shop may be called; hold the slot inside.

        Args:
            lane: `express` goes first.
            may_look: Whether the job only asks about an earlier send at first, which a pause allows.

        Raises:
            NotNow: The shop is not called now; give the job back.
        """
        await self._enter(lane, may_look=may_look)
        slot = Slot()
        try:
            yield slot
        finally:
            self._in_use -= 1
            if slot.signal is not None:
                self._heard.note(slot.signal, slot.latency_seconds)
                if self._heard.is_urgent and not self.allotment.is_open:
                    self.wake.set()
            self._let_in()

    async def _enter(self, lane: str, *, may_look: bool) -> None:
        if self._is_closed:
            raise NotNow("stopping")
        waiter = _Waiter(lane if lane in self._lines else LANES[-1], may_look, self._clock())
        self._lines[waiter.lane].append(waiter)
        self._let_in()
        if not waiter.future.done() and not self._is_scarce and not self._is_slow:
            self.wake.set()  # all that was wanted so far was given, so there may be more
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                self._in_use -= 1
                self._let_in()
            raise

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return sum(len(line) for line in self._lines.values())

    @property
    def in_use(self) -> int:
        """Jobs that have a slot."""
        return self._in_use

    def close(self) -> None:
        """Let nobody in any more; those who wait go back."""
        self._is_closed = True
        self._turn_away("stopping", lambda _: True)

    # --- the common limits ----------------------------------------------------------------------------------------

    def ask(self) -> Ask:
        """Begin a question to the common limits. Until it is answered no more slots are used than it declares."""
        self._under_way.add(self._heard)
        self._heard = Heard()
        debt = max(self._requests() - self._started - self._charged, 0)
        self._charged += debt
        self._under_way.debt += debt
        wanted = min(self._need() + _SPARE_SLOTS, self._most) if self._in_use + self.waiting else 0
        spare = 0 if self.allotment.is_contested else min(wanted, self.allotment.slots)
        sends = max(min(self.waiting, self._most) - len(self._times), 0)
        room = {lane: 0 if self._is_closed else hand.room for lane, hand in self.hands.items()}
        self._asked = Ask(
            wanted=wanted,
            in_use=self._in_use,
            kept=max(self._in_use, spare),
            sends=sends,
            room=room,
            **self._under_way.fields(),
        )
        return self._asked

    def _need(self) -> int:
        """Slots that jobs in hand need, or needed a moment ago."""
        busy, now = self._in_use + self.waiting, self._clock()
        if busy >= self._peak or now >= self._peak_until:
            self._peak, self._peak_until = busy, now + _REMEMBERED_SECONDS
        return self._peak

    def answer(self, allotment: Allotment) -> None:
        """Take the answer."""
        asked = self._asked or Ask()
        times = asked.sends if allotment.times is None else len(allotment.times)
        self._is_scarce = not asked.wanted <= allotment.slots < self._most
        self._is_slow = times < asked.sends
        self.allotment, self._asked, self._under_way = allotment, None, Heard()
        if allotment.times is not None:
            self._times.extend(allotment.times)
        if allotment.is_open:
            self._turn_away("breaker_open", lambda _: True)
        if allotment.paused:
            self._turn_away("paused", lambda waiter: waiter.lane in allotment.paused and not waiter.may_look)
        late = self._clock() - _LONGEST_WAIT_SECONDS
        self._turn_away("shop_busy", lambda waiter: waiter.since < late)
        self._let_in()

    def no_answer(self) -> None:
        """Go on with what the unanswered question declared, while the old allotment lasts."""
        if self._asked is not None:
            self.allotment = replace(self.allotment, slots=min(self.allotment.slots, self._asked.kept))
            self._asked = None

    # --- letting in -----------------------------------------------------------------------------------------------

    def _let_in(self) -> None:
        now = self._clock()
        while (waiter := self._first()) is not None and self._has_slot(now):
            if self.allotment.times is not None and not self._takes_time(now):
                if not self._times and not self._is_slow:
                    self.wake.set()  # a slot without a send time: as many as were wanted so far could be had
                return
            self._lines[waiter.lane].popleft()
            self._in_use += 1
            self._started += 1
            waiter.future.set_result(None)

    def _first(self) -> _Waiter | None:
        for line in self._lines.values():
            while line and line[0].future.done():  # cancelled
                line.popleft()
            if line:
                return line[0]
        return None

    def _has_slot(self, now: float) -> bool:
        slots = self.allotment.slots if self._asked is None else min(self.allotment.slots, self._asked.kept)
        return self._in_use < min(slots, self._most) and now < self.allotment.until

    def _takes_time(self, now: float) -> bool:
        """Take the next send time; if it is yet to come, be woken then."""
        late = now - max(self.allotment.gap_seconds, _LATE_SECONDS)
        while self._times and self._times[0] < late:
            self._times.popleft()
        if not self._times:
            return False
        if self._times[0] <= now:
            self._times.popleft()
            return True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._times[0] - now, self._on_time)
        return False

    def _on_time(self) -> None:
        self._timer = None
        self._let_in()

    def _turn_away(self, reason: str, concerns: Callable[[_Waiter], bool]) -> None:
        for lane, line in self._lines.items():
            stay: deque[_Waiter] = deque()
            for waiter in line:
                if not concerns(waiter):
                    stay.append(waiter)
                elif not waiter.future.done():
                    waiter.future.set_exception(NotNow(reason))
            self._lines[lane] = stay
