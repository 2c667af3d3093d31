"""Settled entries whose credit memos are to be read back: leased in batches, confirmed once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from worker.ledger.entry import Entry
from worker.ledger.scripts import Moves, to_json


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What is written to one entry.

    Attributes:
        facts: What the credit memo turned out to be.
        line: For the history, where that is not what was asked for.
    """

    key: str
    facts: Mapping[str, Any]
    line: Mapping[str, Any] | None = None


class Confirmations:
    """The part of the ledger that waits for confirmation.

    Args:
        redis: A client with `decode_responses=True`.
        now_ms: A clock for tests; by default the server's.
    """

    def __init__(self, redis: Redis, *, now_ms: Callable[[], float] | None = None) -> None:
        self._move = Moves(redis)
        self._clock = now_ms

    def _now(self) -> str | int:
        return int(self._clock()) if self._clock else ""

    async def take(self, shop: str, *, size: int, wait_seconds: float, lease_seconds: float) -> tuple[int, list[Entry]]:
        """Lease the next settled entries of a shop; gives the server's time in ms and the entries.

        Args:
            shop: Its name.
            size: A full batch, which is given at once.
            wait_seconds: How long fewer wait for others.
            lease_seconds: After this, what was not confirmed is given again.
        """
        times = (int(wait_seconds * 1000), int(lease_seconds * 1000))
        now_ms, *found = await self._move("take_unconfirmed", self._now(), shop, size, *times)
        entries = []
        for key, *flat in found:
            with suppress(ValueError, ArithmeticError):  # damaged: it must not stop the others, and comes again
                entries.append(Entry.read(key, dict(zip(flat[::2], flat[1::2], strict=True))))
        return int(now_ms), entries

    async def write(self, shop: str, confirmed: Sequence[Confirmed]) -> set[str]:
        """Add the facts to the entries; gives the keys that were not confirmed before."""
        args = [
            part for one in confirmed for part in (one.key, to_json(one.facts), to_json(one.line) if one.line else "")
        ]
        return set(await self._move("confirm", self._now(), shop, *args)) if args else set()
