"""What a worker asks of a shop's common limits, and what it gets: the two values that go over the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What happened at a shop since the last answer, and what is wanted now.

    Attributes:
        wanted: Slots: jobs that have one, and jobs that wait.
        in_use: Slots in use.
        kept: Slots that are not given back now: those in use, and those that the next jobs will need where nobody else
            could use them.
        sends: Send times wanted, where the shop has a rate.
        debt: Calls made beside those that had a send time (look-ups): the next ones wait for them.
        good: Answers of a shop that is well; as `bad` (not keeping up).
        fails: Failures after the last good answer.
        trip: Whether one of them opens the breaker by itself.
        reason: Of the last failure.
        alert: Whether people must act.
        retry_seconds: The longest wait that the shop asked for.
        latency_seconds: Mean over the good answers; 0 when there were none.
        room: Jobs that this worker would take, by lane.
    """

    wanted: int = 0
    in_use: int = 0
    kept: int = 0
    sends: int = 0
    debt: int = 0
    good: int = 0
    bad: int = 0
    fails: int = 0
    trip: bool = False
    reason: str = ""
    alert: bool = False
    retry_seconds: float = 0.0
    latency_seconds: float = 0.0
    room: Mapping[str, int] = field(default_factory=dict)

    def pairs(self) -> list[str | int | float]:
        """Give names and values as `allot.lua` takes them."""
        return [
            *("wanted", self.wanted, "in_use", self.in_use, "kept", self.kept, "sends", self.sends, "debt", self.debt),
            *("good", self.good, "bad", self.bad, "fails", self.fails, "trip", int(self.trip), "reason", self.reason),
            *("alert", int(self.alert), "retry_ms", int(self.retry_seconds * 1000)),
            *("latency_ms", round(self.latency_seconds * 1000, 1)),
            *(part for lane, room in self.room.items() for part in (f"room:{lane}", room)),
        ]


@dataclass(frozen=True, kw_only=True)
class Allotment:
    """What this worker may do at a shop until the next answer. Times are seconds of the monotonic clock.

    Attributes:
        slots: Calls at once with which another one may begin; more can be under way from before.
        times: When calls may leave, one each, oldest first; None where the shop has no rate.
        gap_seconds: Between two calls of all workers together.
        until: When the allotment runs out if no other comes.
        is_open: Whether the breaker is open: nothing is called.
        reason: Why it opened last.
        paused: Lanes that are paused.
        event: "opened" when our news opened the breaker, "alert" when people must be told, else "".
        limit: The limit in force for all workers together.
        is_contested: Whether others could use slots that we kept.
    """

    slots: int
    times: tuple[float, ...] | None = None
    gap_seconds: float = 0.0
    until: float = float("inf")
    is_open: bool = False
    reason: str = ""
    paused: frozenset[str] = frozenset()
    event: str = ""
    limit: int = 0
    is_contested: bool = False

    @classmethod
    def read(cls, answer: Sequence[str], *, has_rate: bool, at: float, lease_seconds: float) -> "Allotment":
        """Read the answer of `allot.lua`.

        Args:
            has_rate: Whether the shop limits calls a second.
            at: When the answer came; its own time is not later, so that no call leaves too early.
            lease_seconds: Counted from the answer.
        """
        now_ms, slots, first_ms, count, gap_ms, breaker, _until, reason, paused, event, limit, contested = answer
        start, gap = at + (float(first_ms) - float(now_ms)) / 1000, float(gap_ms) / 1000
        return cls(
            slots=int(slots),
            times=tuple(start + number * gap for number in range(int(count))) if has_rate else None,
            gap_seconds=gap,
            until=at + lease_seconds,
            is_open=breaker == "open",
            reason=reason,
            paused=frozenset(paused.split()),
            event=event,
            limit=int(limit),
            is_contested=contested == "contested",
        )
