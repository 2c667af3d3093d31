"""Replay a selection: at a rate, one after the other per order, until it is done or something says stop.

Whatever kills it, the same command goes on: the move that replays a letter also writes so into the selection, so no
letter is replayed twice and none is left out.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from redis.asyncio import Redis

from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.foresee import Outlook
from worker.dead_letters.selection import RUNNER_MS, Item, Result, Selection, Selections
from worker.domain.lifecycle import AT_REST, State
from worker.guards.view import open_breakers
from worker.ledger.ledger import Ledger

#: Replays under way at once, at most: enough to keep many workers busy, few enough to stop soon when they fail.
IN_FLIGHT: Final = 200
#: Ended letters before the share of failures says anything.
_SAMPLE: Final = 20
_TICK_SECONDS: Final = 0.1


class RunsElsewhere(Exception):
    """Another process replays this selection at this moment."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast, and when to stop.

    Attributes:
        per_second: Replays a second.
        max_failures: Share (0..1) of letters that died again unforeseen at which it stops.
    """

    per_second: float
    max_failures: float


@dataclass(kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        total: Letters to replay.
        settled: With a credit memo now.
        foreseen: Died again, as was foreseen.
        failed: Died again, which nobody foresaw.
        skipped: Not replayed, because the letter is another one by now.
        other: Held for approval, or cancelled.
        money: Of those that settled, as foreseen.
        under_way: Queued, not ended.
    """

    total: int = 0
    settled: int = 0
    foreseen: int = 0
    failed: int = 0
    skipped: int = 0
    other: int = 0
    under_way: int = 0
    money: Decimal = Decimal("0.00")
    stopped: str = ""

    @property
    def ended(self) -> int:
        """Letters that need nothing more."""
        return self.settled + self.foreseen + self.failed + self.skipped + self.other

    def add(self, item: Item, result: Result) -> None:
        """Count how one letter ended."""
        match result.status:
            case "settled":
                self.settled += 1
                self.money += item.money or Decimal(0)
            case "dead" if result.agrees(item) and item.outlook is Outlook.WOULD_BE_REFUSED:
                self.foreseen += 1
            case "dead":
                self.failed += 1
            case "skipped":
                self.skipped += 1
            case _:
                self.other += 1

    def words(self) -> str:
        """On one line."""
        parts = {
            "settled": self.settled, "refused as foreseen": self.foreseen, "failed": self.failed,
            "skipped": self.skipped, "held or cancelled": self.other, "under way": self.under_way,
        }  # fmt: skip
        return ", ".join(f"{count} {name}" for name, count in parts.items() if count) or "nothing yet"


Watch = Callable[[Progress], None]


@dataclass(kw_only=True)
class Run:
    """One run of one selection.

    Attributes:
        watch: Is told how far it is.
        pause: Waits so many seconds; tests hand in their own.
        most: Replays under way at once.
    """

    redis: Redis
    ledger: Ledger
    selection: Selection
    who: Who
    pace: Pace
    watch: Watch = lambda _progress: None
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    most: int = IN_FLIGHT
    progress: Progress = field(default_factory=Progress)
    _waiting: list[Item] = field(default_factory=list)
    _under_way: dict[str, Item] = field(default_factory=dict)
    _runner: str = field(default_factory=lambda: secrets.token_hex(8))
    _next_at: float = 0.0

    async def __call__(self) -> Progress:
        """Replay what is left of it, and wait until all of it has ended or something says stop.

        Raises:
            RunsElsewhere: Another process does; wait for it, or end it.
        """
        await self._take()
        store = self._store
        try:
            await store.to_state(self.selection.id, "running")
            await self._load()
            stopped = await self._work()
            self.progress.stopped = stopped
            await store.to_state(self.selection.id, "stopped" if stopped else "done", stopped=stopped)
        except asyncio.CancelledError:
            await store.to_state(self.selection.id, "stopped", stopped="interrupted")
            raise
        finally:
            await store.leave(self.selection.id, self._runner)
        return self.progress

    @property
    def _store(self) -> Selections:
        return Selections(self.redis)

    async def _take(self) -> None:
        """Become its runner; one that was killed is waited for as long as its lease holds."""
        until = time.monotonic() + 2 * RUNNER_MS / 1000
        while not await self._store.take(self.selection.id, self._runner):
            if time.monotonic() > until:
                raise RunsElsewhere
            await self.pause(_TICK_SECONDS)

    async def _load(self) -> None:
        async for item, result in self._store.items(self.selection.id):
            if not item.is_replayed:
                continue
            self.progress.total += 1
            if isinstance(result, Result):
                self.progress.add(item, result)
            elif result is None:
                self._waiting.append(item)
            else:
                self._under_way[item.name] = item
        self._waiting.reverse()  # taken from the end

    async def _work(self) -> str:
        """Replay and look, in turns. Gives why it stopped; empty when it is done."""
        acts = LetterActs(self.redis)
        shops = sorted({item.letter.shop for item in self._waiting if item.letter.shop})
        self._next_at = time.monotonic()
        while self._waiting or self._under_way:
            if not await self._store.take(self.selection.id, self._runner):
                return "another process took over"
            await self._look()
            self._tell()
            if why := await self._must_stop(shops):
                return why
            await self._replay_some(acts)
            if self._waiting or self._under_way:
                await self.pause(_TICK_SECONDS)
        self._tell()
        return ""

    async def _replay_some(self, acts: LetterActs) -> None:
        """Replay as many as the rate allows, in rounds short enough to keep the lease."""
        busy = {item.order for item in self._under_way.values() if item.order}
        aside: list[Item] = []
        until = time.monotonic() + RUNNER_MS / 3000
        self._next_at = max(self._next_at, time.monotonic() - 1.0)  # a pause is not made up for
        while self._waiting and len(self._under_way) < self.most and self._next_at <= time.monotonic() < until:
            item = self._waiting.pop()
            if item.order in busy:
                aside.append(item)
                if len(aside) > self.most:
                    break
                continue
            self._next_at += 1 / self.pace.per_second
            done = await acts.replay(
                item.letter, self.who, selection=self.selection.id, not_refunded=self.selection.not_refunded
            )
            if done.why_not and done.answer != "done":
                await self._end({item.name: Result(status="skipped", reason=done.why_not)}, {item.name: item})
                continue
            self._under_way[item.name] = item
            if item.order:
                busy.add(item.order)
        self._waiting.extend(reversed(aside))

    async def _look(self) -> None:
        """See which of those under way have ended."""
        names, ended = list(self._under_way), {}
        for start in range(0, len(names), 100):
            states = await self.ledger.states(names[start : start + 100])
            at_rest = [name for name, state in states.items() if state in AT_REST]
            for name, entry in (await self.ledger.find_many(at_rest)).items():
                is_settled = entry.state is State.SETTLED
                ended[name] = Result(
                    status=entry.state.value,
                    memo_id=int(entry.result["memo_id"]) if is_settled else None,
                    via=str(entry.result.get("via", "")) if is_settled else "",
                    reason="" if is_settled else entry.reason,
                )
        await self._end(ended, self._under_way)
        for name in ended:
            del self._under_way[name]

    async def _end(self, ended: dict[str, Result], items: dict[str, Item]) -> None:
        await self._store.end(self.selection.id, ended)
        for name, result in ended.items():
            self.progress.add(items[name], result)

    async def _must_stop(self, shops: list[str]) -> str:
        if not self._waiting:
            return ""  # nothing more would be sent; what is under way ends by itself
        if away := await open_breakers(self.redis, shops):
            return f"the circuit breaker of {', '.join(away)} is open"
        ran = self.progress.settled + self.progress.foreseen + self.progress.failed
        if ran >= _SAMPLE and self.progress.failed / ran > self.pace.max_failures:
            return f"{self.progress.failed} of {ran} died again, which nobody foresaw"
        return ""

    def _tell(self) -> None:
        self.progress.under_way = len(self._under_way)
        self.watch(self.progress)
