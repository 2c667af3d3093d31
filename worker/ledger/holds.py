"""Entries that are held for approval: listed oldest first, let go or made dead letters by people.

Each act of people and its record in the audit trail are one move.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from worker.domain.lifecycle import State
from worker.domain.limits import to_cents
from worker.ledger.entry import Entry
from worker.ledger.ledger import Ledger
from worker.ledger.scripts import Moves
from worker.trail import Act, Trail

_ON_HOLD: Final = "refunds:on_hold"
_PAGE: Final = 500


@dataclass(frozen=True, kw_only=True)
class Said:
    """Who decides on a held job, and why."""

    by: str
    why: str = ""


class Holds:
    """The part of the ledger that waits for people.

    Args:
        redis: A client with `decode_responses=True`.
        now_ms: A clock for tests; by default the server's.
    """

    def __init__(self, redis: Redis, *, now_ms: Callable[[], float] | None = None) -> None:
        self._redis, self._clock = redis, now_ms
        self._move, self._trail = Moves(redis), Trail(redis)
        self._ledger = Ledger(redis)

    async def count(self) -> int:
        """How many jobs are held."""
        return int(await self._redis.zcard(_ON_HOLD))

    async def entries(self, *, campaign: str = "", shop: str = "") -> AsyncIterator[Entry]:
        """Give what is held, longest first; what is decided meanwhile may be left out.

        Args:
            campaign: Only jobs of this campaign.
            shop: Only jobs of this shop.
        """
        name = f"refunds:campaign:{campaign}:on_hold" if campaign else _ON_HOLD
        keys: list[str] = [str(key) for key in await self._redis.zrange(name, 0, -1)]
        for start in range(0, len(keys), _PAGE):
            for entry in (await self._ledger.find_many(keys[start : start + _PAGE])).values():
                if (
                    entry.state is State.HELD
                    and campaign in {"", entry.campaign}
                    and shop in {"", entry.shop}
                ):  # fmt: skip
                    yield entry

    async def approve(self, entry: Entry, said: Said) -> str:
        """Let a held job go, as it was read: this content, and no more money.

        Returns:
            `queued`, `changed` where it is not what was read any more, `missing`, or the state that it is in.
        """
        asked = entry.hold.asked if entry.hold else None
        cents = "" if asked is None else to_cents(asked)
        after = {"state": "queued", "money": "unknown" if asked is None else str(asked)}
        act = _act("job.approved", entry, said, after)
        line = await self._line("approved", said)
        args = (entry.key, entry.fingerprint, cents, said.by, line)
        return str(await self._trail.together(act, lambda seal: self._move("approve", *seal.args, self._now(), *args)))

    async def decline(self, entry: Entry, said: Said) -> str:
        """Make a held job a dead letter.

        Returns:
            `dead`, `missing`, or the state that it is in.
        """
        act = _act("job.declined", entry, said, {"state": "dead"})
        line = await self._line("declined", said)
        words = f"declined by {said.by}" + (f": {said.why}" if said.why else "")
        args = (entry.key, words, line)
        return str(await self._trail.together(act, lambda seal: self._move("decline", *seal.args, self._now(), *args)))

    def _now(self) -> str | int:
        return int(self._clock()) if self._clock else ""

    async def _line(self, event: str, said: Said) -> str:
        seconds, micros = await self._redis.time()
        at_ms = self._now() or int(seconds) * 1000 + int(micros) // 1000
        line: dict[str, Any] = {"at_ms": at_ms, "event": event, "by": said.by, "why": said.why}
        return json.dumps({name: value for name, value in line.items() if value}, separators=(",", ":"))


def _act(act: str, entry: Entry, said: Said, after: Mapping[str, Any]) -> Act:
    hold = entry.hold
    before = {
        "state": entry.state.value,
        "fingerprint": entry.fingerprint,
        "reason": entry.reason,
        "limit": str(hold.limit) if hold and hold.limit is not None else None,
        "spent": str(hold.spent) if hold else None,
        "requested_by": entry.document().get("requested_by"),
    }
    return Act(act=act, subject=f"job:{entry.key}", by=said.by, why=said.why, before=before, after=after)
