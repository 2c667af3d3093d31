"""A campaign file comes in: every line is judged first (survey), and only then are the good ones accepted (enlist).

Nothing is written to the ledger before the survey is complete and confirmed. Both steps may be cut off at any point:
the same file again finds what was accepted, and adds the rest.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Final

from worker.campaigns.read import Source
from worker.campaigns.rejected import Rejected
from worker.campaigns.seen import Seen, derived_key
from worker.campaigns.spool import Spool
from worker.campaigns.store import Campaigns
from worker.intake.crew import in_order
from worker.intake.lines import Bad, Good, Reading, judge, with_key

#: What is shown of the largest jobs, and of lines that look like twins.
LARGEST: Final = 10
Progress = Callable[[int], None]


@dataclass
class Sum:
    """What jobs of one shop and currency ask for.

    Attributes:
        unknown: Jobs that do not say a sum: lines and full refunds without an expected total.
    """

    jobs: int = 0
    cents: int = 0
    unknown: int = 0

    @property
    def amount(self) -> Decimal:
        """The known sum, base currency."""
        return Decimal(self.cents).scaleb(-2)


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A line with the content of an earlier one. Each is a refund of its own, which may or may not be meant."""

    line: int
    first: int
    key: str


@dataclass(kw_only=True)
class Survey:
    """What is in a file, once every line was judged.

    Attributes:
        lines: Lines that hold a job, good or bad.
        good: Jobs that will be accepted under the campaign, those that it has already included.
        known: Of the good ones, those that it has already.
        elsewhere: Lines whose very job was accepted before, outside of this campaign: they are not repeated.
        conflicts: Lines whose key the ledger knows with another content: they are rejected.
        sums: By shop and base currency ("" where the line does not say it), of the good lines that are not known.
        largest: The largest known amounts: cents, line, key.
        twins: The first few lines with the content of an earlier one, and how many there are.
        sha256: Hash of the file's content.
    """

    lines: int = 0
    good: int = 0
    rejected: int = 0
    known: int = 0
    elsewhere: int = 0
    conflicts: int = 0
    sums: dict[tuple[str, str], Sum] = field(default_factory=dict)
    largest: list[tuple[int, int, str]] = field(default_factory=list)
    twins: list[Twin] = field(default_factory=list)
    twin_count: int = 0
    sha256: str = ""

    @property
    def total(self) -> Decimal:
        """The known sum of all that is new."""
        return sum((one.amount for one in self.sums.values()), Decimal("0.00"))

    @property
    def unknown(self) -> int:
        """New jobs that do not say a sum."""
        return sum(one.unknown for one in self.sums.values())


@dataclass(kw_only=True)
class Surveyor:
    """Goes through a file.

    Args:
        campaigns: The ledger's, to find keys that it knows; None to look at the file alone.
        helpers: Processes beside this one; None for what the machine has.
    """

    source: Source
    reading: Reading
    rejected: Rejected
    seen: Seen
    spool: Spool
    campaigns: Campaigns | None
    progress: Progress = lambda _lines: None
    helpers: int | None = None
    found: Survey = field(default_factory=Survey)

    async def run(self) -> Survey:
        """Judge every line: bad ones go to the list of rejected lines, good ones to the spool.

        Raises:
            WrongFile: The file changed while it was read.
        """
        judged = in_order(self.source.records(), partial(judge, reading=self.reading), helpers=self.helpers)
        async with aclosing(judged):
            async for answers in judged:
                await self._take(answers)
                self.progress(len(answers))
        self.source.check_unchanged()
        self.found.sha256, self.found.rejected = self.source.sha256, self.rejected.count
        self.found.largest.sort(key=lambda one: (-one[0], one[1]))
        return self.found

    async def _take(self, answers: list[Good | Bad]) -> None:
        good = list(self._keyed(answers))
        known = await self.campaigns.known([(key, line.fingerprint) for key, line in good]) if self.campaigns else {}
        rows: list[list[str]] = []
        for place, (key, line) in enumerate(good):
            old = known.get(place)
            if old is not None and not old.is_same:
                self.found.conflicts += 1
                document = with_key(line.document, key)
                self.rejected.add(line.line, key, "the key was accepted before, with another content", document)
            elif old is not None and old.campaign != self.reading.campaign:
                self.found.elsewhere += 1
            else:
                self.found.good += 1
                self.found.known += old is not None
                if old is None:
                    self._count(key, line)
                    document = with_key(line.document, key)
                    rows.append([key, line.fingerprint, line.shop, line.cents, document, line.limits])
        self.spool.add(rows)

    def _keyed(self, answers: list[Good | Bad]) -> Iterator[tuple[str, Good]]:
        """Give each good line its key; lines whose key came before are rejected."""
        self.found.lines += len(answers)
        good = list(self._first_of_their_key(answers))
        occurrences = self.seen.occurrences([one.fingerprint for one in good], [one.line for one in good])
        for line, (times, first) in zip(good, occurrences, strict=True):
            key = line.key or derived_key(self.reading.campaign, line.fingerprint, times)
            if times > 1:
                self.found.twin_count += 1
                if len(self.found.twins) < LARGEST:
                    self.found.twins.append(Twin(line=line.line, first=first, key=key))
            yield key, line

    def _first_of_their_key(self, answers: list[Good | Bad]) -> Iterator[Good]:
        """Give the good lines that have no key, or one that did not come before; the others are rejected."""
        named = [line for line in answers if isinstance(line, Good) and line.key]
        firsts = iter(self.seen.lines_of_keys([line.key for line in named], [line.line for line in named]))
        for line in answers:
            if isinstance(line, Bad):
                self.rejected.add(*line)
            elif line.key and (first := next(firsts)) != line.line:
                document = with_key(line.document, line.key)
                self.rejected.add(line.line, line.key, f"the key is on line {first} already", document)
            else:
                yield line

    def _count(self, key: str, line: Good) -> None:
        one = self.found.sums.setdefault((line.shop, line.currency), Sum())
        one.jobs += 1
        if not line.cents:
            one.unknown += 1
            return
        cents = int(line.cents)
        one.cents += cents
        entry = (cents, line.line, key)
        if len(self.found.largest) < LARGEST:
            heapq.heappush(self.found.largest, entry)
        elif cents > self.found.largest[0][0]:
            heapq.heapreplace(self.found.largest, entry)


@dataclass(kw_only=True)
class Enlisted:
    """What became of the good lines.

    Attributes:
        conflicts: Keys that somebody else gave another content since the survey; the first few.
    """

    accepted: int = 0
    duplicates: int = 0
    conflicts: list[str] = field(default_factory=list)


class NoDraft(Exception):
    """The campaign takes no jobs any more: somebody cancelled it meanwhile."""


async def enlist(name: str, spool: Spool, campaigns: Campaigns, progress: Progress = lambda _jobs: None) -> Enlisted:
    """Accept the jobs of a spool under a campaign's name, in the order of the file.

    Raises:
        NoDraft: The campaign takes no jobs any more.
        RedisError: The ledger is away; the same again adds what is missing.
    """
    done = Enlisted()

    async def accept(rows: list[list[str]]) -> None:
        answers = await campaigns.accept(name, rows)
        if answers is None:
            raise NoDraft
        for row, (status, _) in zip(rows, answers, strict=True):
            done.accepted += status == "accepted"
            done.duplicates += status == "duplicate"
            if status == "key_conflict":
                done.conflicts.append(row[0])
        progress(len(rows))

    before: asyncio.Task[None] | None = None
    try:
        for rows in spool.batches():  # the next one is read while Redis works; the order of the file is kept
            if before is not None:
                await before
            before = asyncio.create_task(accept(rows))
            await asyncio.sleep(0)
        if before is not None:
            await before
    finally:
        if before is not None:
            before.cancel()
    return done
