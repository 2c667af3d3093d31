"""What a process heard of a shop since it told the others."""

from dataclasses import dataclass
from typing import Any, Final

from worker.guards.signals import Kind, Signal

#: So many failures in a row are told at once.
_URGENT_FAILURES: Final = 5


@dataclass
class Heard:
    """Counts signals. The order of good and failed ones matters: only failures after the last good one are in a row."""

    good: int = 0
    bad: int = 0
    fails: int = 0
    trip: bool = False
    alert: bool = False
    reason: str = ""
    retry_seconds: float = 0.0
    seconds: float = 0.0
    measured: int = 0
    debt: int = 0

    @property
    def is_urgent(self) -> bool:
        """Whether the others should know now."""
        return self.trip or self.fails >= _URGENT_FAILURES

    def note(self, signal: Signal, latency_seconds: float = 0.0) -> None:
        """Count one signal."""
        if signal.kind is Kind.GOOD:
            self.good += 1
            self.fails = 0
            self.seconds += latency_seconds
            self.measured += latency_seconds > 0
            return
        self.bad += signal.is_slow
        self.retry_seconds = max(self.retry_seconds, signal.retry_after_seconds or 0.0)
        self.fails += 1
        self.trip = self.trip or signal.kind is Kind.TRIPPED
        self.alert = self.alert or signal.needs_people
        if signal.kind is Kind.TRIPPED or not self.trip:
            self.reason = signal.reason

    def add(self, later: "Heard") -> None:
        """Add what was heard after this."""
        self.fails = later.fails if later.good else self.fails + later.fails
        self.good, self.bad = self.good + later.good, self.bad + later.bad
        self.trip, self.alert = self.trip or later.trip, self.alert or later.alert
        self.reason = later.reason or self.reason
        self.retry_seconds = max(self.retry_seconds, later.retry_seconds)
        self.seconds, self.measured = self.seconds + later.seconds, self.measured + later.measured
        self.debt += later.debt

    def fields(self) -> dict[str, Any]:
        """Give the fields of an `Ask`."""
        return {
            **{name: getattr(self, name) for name in ("good", "bad", "fails", "trip", "alert", "reason", "debt")},
            "retry_seconds": self.retry_seconds,
            "latency_seconds": self.seconds / self.measured if self.measured else 0.0,
        }
