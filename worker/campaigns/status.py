"""How a campaign stands now: jobs, money, pace and latency, all from counters. No entry is read, whatever its size."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, cast

from redis.asyncio import Redis

from worker.campaigns.latency import CLASSES_MS, percentile
from worker.campaigns.store import CAMPAIGN, Campaign, CampaignState, Counts
from worker.domain.lifecycle import State

#: How long one slot of the pace is, in ms, and how many are kept: the moves of the ledger count so.
SLOT_MS: Final = 10_000
SLOTS: Final = 60
#: What the rate is taken over, in slots: a minute.
_RATE_SLOTS: Final = 6
_BARS: Final = "▁▂▃▄▅▆▇█"
_PLAIN_BARS: Final = "_.-=+*%#"
#: States of jobs that end by themselves, as long as the campaign runs.
_UNDER_WAY: Final = (State.QUEUED, State.WAITING, State.CLAIMED, State.SENT, State.IN_DOUBT)


@dataclass(frozen=True, kw_only=True)
class Slot:
    """What ended within ten seconds."""

    ended: int = 0
    calls: int = 0
    ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast jobs end.

    Attributes:
        slots: The last ten minutes, oldest first; the last one is not over.
        latency: Settled jobs by class of the latency of their calls.
        into_ms: How much of the last slot has passed.
    """

    slots: Sequence[Slot] = ()
    latency: Sequence[int] = ()
    into_ms: int = SLOT_MS

    @classmethod
    def read(cls, fields: Mapping[str, str], now_ms: int) -> "Pace":
        """Build it from the fields of its hash; slots that were not counted in time hold older ones."""
        now = now_ms // SLOT_MS
        slots = []
        for number in range(now - SLOTS + 1, now + 1):
            at, ended, calls, ms = map(int, fields.get(f"slot:{number % SLOTS}", "-1 0 0 0").split(" "))
            slots.append(Slot(ended=ended, calls=calls, ms=ms) if at == number else Slot())
        latency = [int(fields.get(f"latency:{index}", 0)) for index in range(len(CLASSES_MS) + 1)]
        return cls(slots=slots, latency=latency, into_ms=now_ms % SLOT_MS)

    def rate(self) -> float:
        """Jobs that end in a second, over the last minute, or since they began within it."""
        recent = self.slots[-_RATE_SLOTS - 1 :]
        begun = next((index for index, slot in enumerate(recent) if slot.ended), None)
        if begun is None:
            return 0.0
        recent = recent[begun:]
        seconds = ((len(recent) - 1) * SLOT_MS + max(self.into_ms, 1)) / 1000
        return sum(slot.ended for slot in recent) / max(seconds, 1.0)

    def latencies(self) -> list[int | None]:
        """Mean latency of each slot in ms, oldest first, from the first that has one; None where no call was made."""
        means = [round(slot.ms / slot.calls) if slot.calls else None for slot in self.slots]
        first = next((index for index, mean in enumerate(means) if mean is not None), len(means))
        return means[first:]


@dataclass(frozen=True, kw_only=True)
class Status:
    """One campaign at one moment. Money is in base currency.

    Attributes:
        at_ms: When it was read, on the Redis server's clock.
        reasons: Dead letters by reason code, most first.
        confirmed: Settled jobs whose credit memo was read back.
        mismatches: Those whose credit memo is not as asked.
        never_read: Settled jobs of shops whose credit memos are not read back (`confirm` = false).
        refunded: What the credit memos that were read back come to, by currency.
        persisted: What those that were only stored come to, by currency.
    """

    campaign: Campaign
    counts: Counts
    at_ms: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    confirmed: int = 0
    mismatches: int = 0
    never_read: int = 0
    refunded: Mapping[str, Decimal] = field(default_factory=dict)
    persisted: Mapping[str, Decimal] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)

    @property
    def asked(self) -> Decimal:
        """What all jobs ask for that say a sum."""
        return sum(self.counts.asked.values(), Decimal(0))

    @property
    def under_way(self) -> int:
        """Jobs that are not finished and wait for no human."""
        return sum(self.counts.jobs[state] for state in _UNDER_WAY)

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens by itself: all that is left, if anything, is up to people."""
        is_still = self.campaign.state in {CampaignState.DONE, CampaignState.CANCELLED}
        return is_still and not self.under_way

    @property
    def remaining_seconds(self) -> float | None:
        """How long it takes at the pace of the last minute; None where that cannot be said."""
        rate = self.pace.rate()
        if self.campaign.state is not CampaignState.RUNNING or not rate:
            return None
        return self.under_way / rate

    def groups(self) -> dict[str, int]:
        """Count jobs in the words of operators."""
        jobs = self.counts.jobs
        return {
            "queued": jobs[State.QUEUED] + jobs[State.WAITING],
            "in flight": jobs[State.CLAIMED] + jobs[State.SENT],
            "settled": jobs[State.SETTLED],
            "in doubt": jobs[State.IN_DOUBT],
            "held": jobs[State.HELD],
            "dead": jobs[State.DEAD],
            "cancelled": jobs[State.CANCELLED],
        }

    def summary(self) -> dict[str, Any]:
        """Give it as JSON can hold it; amounts are decimal strings."""
        one, pace, left = self.campaign, self.pace, self.remaining_seconds
        return {
            "name": one.name,
            "state": one.state.value,
            "at_ms": self.at_ms,
            "by": one.by,
            "file": one.file,
            "created_ms": one.created_ms,
            "started_ms": one.started_ms,
            "ended_ms": one.ended_ms,
            "jobs": self.counts.total,
            "finished": self.counts.finished,
            "rejected_lines": one.rejected,
            "groups": {name.replace(" ", "_"): count for name, count in self.groups().items()},
            "states": {state.value: count for state, count in self.counts.jobs.items()},
            "dead_by_reason": dict(self.reasons),
            "money": {
                "asked": f"{self.asked:.2f}",
                "asked_by_state": {state.value: f"{money:.2f}" for state, money in self.counts.asked.items() if money},
                "refunded": {currency: f"{money:.2f}" for currency, money in self.refunded.items()},
                "persisted": {currency: f"{money:.2f}" for currency, money in self.persisted.items()},
            },
            "confirmed": self.confirmed,
            "mismatches": self.mismatches,
            "never_read": self.never_read,
            "rate_per_second": round(pace.rate(), 2),
            "rate_limit": one.rate or None,
            "remaining_seconds": None if left is None else round(left),
            "latency_ms": {
                "p50": percentile(pace.latency, 0.5),
                "p95": percentile(pace.latency, 0.95),
                "up_to": [*CLASSES_MS, None],
                "jobs": list(pace.latency),
                "last_10_minutes": pace.latencies(),
            },
        }


async def read_status(redis: Redis, name: str, *, now_ms: int | None = None) -> Status | None:
    """Read how a campaign stands, in one round trip; None where there is none of that name.

    Args:
        redis: A client with `decode_responses=True`.
        name: The campaign.
        now_ms: A clock for tests; by default the server's.
    """
    async with redis.pipeline(transaction=True) as pipe:
        _ = pipe.time()
        for part in ("", ":counts", ":reasons", ":confirmed", ":pace"):
            _ = pipe.hgetall(f"{CAMPAIGN}{name}{part}")
        (seconds, micros), fields, counts, reasons, confirmed, pace = await pipe.execute()
    if not fields:
        return None
    now_ms = int(seconds) * 1000 + int(micros) // 1000 if now_ms is None else now_ms
    return Status(
        campaign=Campaign.read(name, cast("dict[str, str]", fields)),
        counts=Counts.read(counts),
        at_ms=now_ms,
        reasons=dict(sorted(((reason, int(count)) for reason, count in reasons.items()), key=lambda one: -one[1])),
        confirmed=int(confirmed.get("jobs", 0)),
        mismatches=int(confirmed.get("mismatches", 0)),
        never_read=int(confirmed.get("not_asked", 0)),
        refunded=_money(confirmed, "cents:"),
        persisted=_money(confirmed, "persisted_cents:"),
        pace=Pace.read(pace, now_ms),
    )


def sparkline(values: Sequence[float | None], *, width: int = 40, is_plain: bool = False) -> str:
    """Draw values as one line of bars, the last `width` of them; a blank where there is none.

    Args:
        values: Oldest first. The tallest bar is the largest of those shown.
        width: Characters, at most.
        is_plain: Whether only ASCII may be used.
    """
    bars = _PLAIN_BARS if is_plain else _BARS
    shown = values[-width:]
    most = max((value for value in shown if value is not None), default=0)
    if not most:
        return "".join(" " if value is None else bars[0] for value in shown)
    top = len(bars) - 1
    return "".join(" " if value is None else bars[min(round(value / most * top), top)] for value in shown)


def duration(seconds: float) -> str:
    """Say how long something takes, as people do: two units at most."""
    whole = max(round(seconds), 0)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{whole} s"
    for size, unit, below, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    raise AssertionError("bug: every length has a unit")


def lines(status: Status, *, width: int = 80, is_plain: bool = False) -> list[str]:
    """Write the status for a terminal, each line at most `width` characters.

    Args:
        width: Of the terminal; at least 60.
        is_plain: Whether only ASCII may be used.
    """
    counts, money = status.counts, _money_words(status)
    head = f"campaign {status.campaign.name}  {status.campaign.state.value}"
    at = dt.datetime.fromtimestamp(status.at_ms / 1000, tz=dt.UTC).strftime("%H:%M:%S UTC")
    said = [
        f"{head[: width - len(at) - 2]:<{width - len(at)}}{at}",
        _bar(counts.finished, counts.total, width, is_plain=is_plain),
        *_wrapped("money", money, width),
        *_wrapped("pace", _pace_words(status), width),
        *_wrapped(
            "jobs", [f"{name} {count:,}" for name, count in status.groups().items() if count or name in _ALWAYS], width
        ),
    ]
    if status.reasons:
        said += _wrapped("dead", [f"{reason} {count:,}" for reason, count in status.reasons.items()], width)
    if status.mismatches:
        said += _wrapped("WRONG", [f"{status.mismatches:,} credit memos are not as asked: `refunds audit`"], width)
    return [*said, *_latency_lines(status.pace, width, is_plain=is_plain)]


#: Groups of jobs that are shown also when there are none.
_ALWAYS: Final = ("queued", "in flight", "settled", "in doubt", "dead")


def _money_words(status: Status) -> list[str]:
    words = [f"refunded {money:,.2f} {currency}".rstrip() for currency, money in sorted(status.refunded.items())]
    words += [f"only stored {money:,.2f} {currency}".rstrip() for currency, money in sorted(status.persisted.items())]
    unread = status.counts.jobs[State.SETTLED] - status.confirmed - status.never_read
    words += [f"{unread:,} settled not read back yet"] if unread > 0 else []
    words += [f"{status.never_read:,} settled, never read back (confirm = false)"] if status.never_read else []
    if status.asked:
        words.append(f"asked {status.asked:,.2f}, of it settled {status.counts.asked[State.SETTLED]:,.2f}")
    return words or ["nothing refunded yet"]


def _pace_words(status: Status) -> list[str]:
    one = status.campaign
    if status.is_over and one.ended_ms > one.started_ms > 0:
        seconds = (one.ended_ms - one.started_ms) / 1000
        return [f"took {duration(seconds)}, {status.counts.finished / seconds:,.1f} jobs/s"]
    limit = f" (at most {status.campaign.rate:g})" if status.campaign.rate else ""
    words = [f"{status.pace.rate():,.1f} jobs/s{limit}"]
    left = status.remaining_seconds
    if left is not None and status.under_way:
        end = dt.datetime.fromtimestamp(status.at_ms / 1000 + left, tz=dt.UTC)
        words.append(f"about {duration(left)} left, until {end:%H:%M} UTC")
    return words


def _latency_lines(pace: Pace, width: int, *, is_plain: bool) -> list[str]:
    p50, p95 = percentile(pace.latency, 0.5), percentile(pace.latency, 0.95)
    if p50 is None:
        return []
    means = pace.latencies()
    drawn = sparkline(means, width=min(30, width - 50), is_plain=is_plain)
    parts = [f"half within {p50} ms, 95 % within {p95} ms"]
    if drawn.strip():
        last = next(mean for mean in reversed(means) if mean is not None)
        parts.insert(0, f"{drawn} {last} ms")
    return _wrapped("latency", parts, width)


def _bar(done: int, of: int, width: int, *, is_plain: bool) -> str:
    share = done / of if of else 0.0
    words = f" {int(share * 1000) / 10:.1f} %  {done:,} of {of:,} jobs"
    room = max(width - len(words), 10)
    full = int(room * share)
    on, off = ("#", "-") if is_plain else ("█", "░")
    return on * full + off * (room - full) + words


def _wrapped(name: str, parts: Sequence[str], width: int) -> list[str]:
    """Write parts side by side behind a name, on as many lines as they need."""
    said, line = [], f"{name:<9}"
    for part in parts:
        if len(line) > 9 and len(line) + len(part) + 2 > width:  # noqa: PLR2004 - the name's width
            said.append(line.rstrip())
            line = " " * 9
        line += part + "  "
    return [one[:width] for one in (*said, line.rstrip())]


def _money(fields: Mapping[str, str], prefix: str) -> dict[str, Decimal]:
    return {
        name.removeprefix(prefix): Decimal(int(cents)).scaleb(-2)
        for name, cents in sorted(fields.items())
        if name.startswith(prefix)
    }
