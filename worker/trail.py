"""The audit trail: every act of people on letters, campaigns and limits, each record with the hash of the one before.

The chain is computed here and appended by Lua under the condition that nobody was faster. Its end is noted in the
ledger's own record, so that a changed, removed, added or cut-off record is found by `verify`.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis

TRAIL_STREAM: Final = "refunds:trail"
#: What every script that appends a record begins with.
TRAIL_LUA: Final = (files("worker") / "trail.lua").read_text()
_LEDGER: Final = "refunds:ledger"
_APPEND: Final = """
local objection = trail_objection(ARGV[1])
if objection then return objection end
append_record(ARGV[2], ARGV[3])
return 'ok'
"""
_PAGE: Final = 500
#: How often an append is made anew because somebody else was faster. Each round somebody gets through, so this many
#: writers at once are let in; more is a fault.
_ROUNDS: Final = 1000


class TrailRefused(Exception):
    """Nothing was recorded, and nothing done: this Redis holds no ledger (run `refunds ledger init` first)."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """What somebody does, before it is in the trail.

    Attributes:
        act: What is done, as `letter.replayed`.
        subject: To what, as `letter:rma-1` or `campaign:spring`.
        by: Who does it.
        why: The reason that was given.
        before: What it changes, as it was.
        after: The same as it is from then on.
    """

    act: str
    subject: str
    by: str
    why: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Seal:
    """A record that is ready to be appended behind a certain other one.

    Attributes:
        previous: Hash of that one; empty for the first.
        text: The record as canonical JSON.
        hash: Its SHA-256.
        at_ms: The time that it says.
    """

    previous: str
    text: str
    hash: str
    at_ms: int

    @property
    def args(self) -> tuple[str, str, str]:
        """As a move takes it."""
        return self.previous, self.text, self.hash


@dataclass(frozen=True, kw_only=True)
class Record(Act):
    """One act in the trail.

    Attributes:
        id: Its place in the stream.
        number: Its place in the chain, from 1.
        at_ms: When it was appended, on the Redis server's clock.
        previous: Hash of the record before.
        hash: Its own.
    """

    id: str
    number: int
    at_ms: int
    previous: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What became of the chain.

    Attributes:
        count: Records that are whole.
        head: Hash of the last of them. Who notes it elsewhere can prove later that nothing before it was changed.
        broken_at: Number of the first record that is not as it was written; 0 when all are.
        why: What is wrong with it.
    """

    count: int
    head: str
    broken_at: int = 0
    why: str = ""


class Trail:
    """The audit trail in one Redis.

    Args:
        redis: A client with `decode_responses=True`.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._append = redis.register_script(TRAIL_LUA + _APPEND)

    async def record(  # noqa: PLR0913 - who, what, why, before and after
        self,
        *,
        act: str,
        subject: str,
        by: str,
        why: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one act; for acts that are no Lua move themselves.

        Raises:
            TrailRefused: This Redis holds no ledger.
        """
        done = Act(act=act, subject=subject, by=by, why=why, before=before or {}, after=after or {})
        await self.together(done, lambda seal: self._append(args=list(seal.args)))

    async def together(self, act: Act, move: Callable[[Seal], Awaitable[Any]]) -> Any:  # noqa: ANN401 - what it answers
        """Make a move that appends the record of this act itself; made anew when another record came between.

        Args:
            act: What is done.
            move: Runs a script that begins with `TRAIL_LUA`, asks `trail_objection` before it changes anything and
                answers that, and calls `append_record`.

        Raises:
            TrailRefused: This Redis holds no ledger.
        """
        count, head, at_ms = await self._head()
        for _ in range(_ROUNDS):
            answer = await move(seal(act, number=count + 1, at_ms=at_ms, previous=head))
            if answer == "no ledger":
                raise TrailRefused
            if not isinstance(answer, list) or answer[:1] != ["moved on"]:
                return answer
            count, head, at_ms = int(answer[1] or 0), str(answer[2] or ""), int(answer[3])
        raise AssertionError(f"bug: {_ROUNDS} others were faster at the audit trail")

    async def _head(self) -> tuple[int, str, int]:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hmget(_LEDGER, ["trail_count", "trail_hash"])  # type: ignore[unused-awaitable]  # queued
            pipe.time()  # type: ignore[unused-awaitable]  # queued
            (count, head), (seconds, micros) = await pipe.execute()
        return int(count or 0), str(head or ""), int(seconds) * 1000 + int(micros) // 1000

    async def records(self, *, subject: str = "") -> AsyncIterator[Record]:
        """Give what was done, oldest first; what cannot be read is left out, `verify` names it.

        Args:
            subject: Only acts on this one.
        """
        async for record_id, fields in self._stream():
            found = _read(record_id, fields)
            if found and subject in {"", found.subject}:
                yield found

    async def verify(self, *, noted: str = "") -> Chain:
        """Go through the whole chain and find the first record that is not as it was written.

        Args:
            noted: A head that somebody kept elsewhere: it must be in the chain. Without it, whoever can write
                all of Redis could forge the whole chain anew.
        """
        count, head, has_noted = 0, "", not noted
        end = await self._head()
        async for record_id, fields in self._stream():
            if count == end[0]:  # was appended while we read, or has no place at all
                later = await self._head()
                if later[0] == end[0]:
                    return Chain(count=count, head=head, broken_at=count + 1, why=f"{record_id}: {_NO_PLACE}")
                end = later
            if why := _fault(fields, number=count + 1, previous=head):
                return Chain(count=count, head=head, broken_at=count + 1, why=f"{record_id}: {why}")
            count, head = count + 1, fields["hash"]
            has_noted = has_noted or head == noted
        if count != end[0]:
            why = f"the trail ends with record {count}, the ledger knows of {end[0]}: the end was cut off"
            return Chain(count=count, head=head, broken_at=count + 1, why=why)
        if head != end[1]:
            return Chain(count=count - 1, head="", broken_at=count, why="the ledger noted another one at this place")
        if not has_noted:
            return Chain(count=count, head=head, broken_at=1, why=f"no record has the noted hash {noted}")
        return Chain(count=count, head=head)

    async def _stream(self) -> AsyncIterator[tuple[str, dict[str, str]]]:
        start = "-"
        while True:
            page: Any = await self._redis.xrange(TRAIL_STREAM, min=start, max="+", count=_PAGE)
            for record_id, fields in page:
                yield record_id, fields
            if not page:
                return
            start = f"({page[-1][0]}"


_NO_PLACE: Final = "the ledger does not know this record: it was added past the door"
_FIELDS: Final = frozenset({"record", "hash"})


def seal(act: Act, *, number: int, at_ms: int, previous: str) -> Seal:
    """Make the record of an act, for its place in the chain."""
    text = _canonical(
        {
            "number": number,
            "at_ms": at_ms,
            "act": act.act,
            "subject": act.subject,
            "by": act.by,
            "why": act.why,
            "before": dict(act.before),
            "after": dict(act.after),
            "previous": previous,
        }
    )
    return Seal(previous=previous, text=text, hash=_hash(text), at_ms=at_ms)


def _fault(fields: Mapping[str, str], *, number: int, previous: str) -> str:
    """Say what is wrong with a record at its place; empty when nothing is."""
    if fields.keys() != _FIELDS:
        return f"it has the fields {sorted(fields)}, not {sorted(_FIELDS)}"
    if _hash(fields["record"]) != fields["hash"]:
        return "its text is not what its hash was made of: it was changed"
    found = _read("", fields)
    if found is None:
        return "its text is no record"
    if found.number != number:
        return f"it is number {found.number} at place {number}: a record was removed or put in"
    if found.previous != previous:
        return "it does not follow the record before it: that one was exchanged"
    return ""


def _read(record_id: str, fields: Mapping[str, str]) -> Record | None:
    try:
        return Record(id=record_id, hash=fields["hash"], **json.loads(fields["record"]))
    except (KeyError, TypeError, ValueError):
        return None


def _canonical(value: Mapping[str, Any]) -> str:
    """One text for one value: keys sorted, no spaces, ASCII; what JSON does not know (amounts) as text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
