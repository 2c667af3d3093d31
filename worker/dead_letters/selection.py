"""A selection: dead letters that were looked at together, frozen with what was foreseen, to be replayed exactly so.

In Redis:
    refunds:selections             zset    id -> time (ms) it was made
    refunds:selection:<id>         hash    state, by, why, what, created_ms, letters, not_refunded, stopped
    refunds:selection:<id>:names   list    name of each letter in it, in the order of replay
    refunds:selection:<id>:letters hash    name -> the letter's id and what was foreseen (JSON)
    refunds:selection:<id>:results hash    name -> `queued` (by the move that replays it), then how it ended (JSON)
    refunds:selection:<id>:runner  string  who replays it now; expires
"""

import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from redis.asyncio import Redis

from worker.dead_letters.foresee import Foreseen, Outlook
from worker.dead_letters.letter import Letter

SELECTIONS: Final = "refunds:selections"
_PAGE: Final = 500
#: How long a runner that says nothing keeps others away, in ms: longer than one of its rounds, shorter than patience.
RUNNER_MS: Final = 3000
#: What the results hold between the replay of a letter and its end.
QUEUED: Final = "queued"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One letter of a selection.

    Attributes:
        name: Its key, or its id where it never became a job.
        letter: As much of the letter as a replay needs.
        order: "<shop>:<entity id>" of its order, where it is known.
        foreseen_reason: Reason of the next dead letter, where it would be refused.
        memo_id: The credit memo that was there already.
    """

    name: str
    letter: Letter
    outlook: Outlook
    detail: str
    foreseen_reason: str
    money: Decimal | None
    memo_id: int | None
    order: str

    @property
    def is_replayed(self) -> bool:
        """Whether a run of the selection replays it."""
        return self.outlook is not Outlook.NOT_REPLAYED


@dataclass(frozen=True, kw_only=True)
class Result:
    """How the replay of one letter ended.

    Attributes:
        status: `settled`, `dead` (again), `held`, `cancelled`, or `skipped`: it was not replayed.
        memo_id: The credit memo, where it settled.
        via: `answer` when it was sent, `marker` when its credit memo was there.
        reason: Reason of the new letter, or why it was skipped.
    """

    status: str
    memo_id: int | None = None
    via: str = ""
    reason: str = ""

    def agrees(self, item: Item) -> bool:
        """Whether it is what was foreseen; where nothing was, everything is."""
        match item.outlook:
            case Outlook.WOULD_REFUND:  # by its marker: the send was ours, but its answer was lost
                return self.status == "settled"
            case Outlook.ALREADY_REFUNDED:
                return (self.status, self.via, self.memo_id) == ("settled", "marker", item.memo_id)
            case Outlook.WOULD_BE_REFUSED:
                return (self.status, self.reason) == ("dead", item.foreseen_reason)
            case _:
                return True


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A selection as a whole.

    Attributes:
        state: `frozen`, `running`, `stopped` or `done`.
        what: Which letters were chosen, in words.
        letters: How many.
        stopped: Why it stopped, when it did.
    """

    id: str
    state: str
    by: str
    why: str
    what: str
    created_ms: int
    letters: int
    not_refunded: bool = False
    stopped: str = ""


class Selections:
    """The selections in one Redis.

    Args:
        redis: A client with `decode_responses=True`.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def freeze(self, found: Sequence[Foreseen], *, by: str, why: str, what: str, not_refunded: bool) -> Selection:
        """Keep letters with what was foreseen for them, under a new id."""
        made = Selection(
            id=f"s-{secrets.token_hex(4)}", state="frozen", by=by, why=why, what=what,
            created_ms=await self._now_ms(), letters=len(found), not_refunded=not_refunded,
        )  # fmt: skip
        head = _name(made.id)
        for start in range(0, len(found), _PAGE):
            page = found[start : start + _PAGE]
            async with self._redis.pipeline(transaction=True) as pipe:
                _ = pipe.rpush(f"{head}:names", *(one.name for one in page))
                _ = pipe.hset(f"{head}:letters", mapping={one.name: _written(one) for one in page})
                await pipe.execute()
        meta = {"state": made.state, "by": by, "why": why, "what": what, "created_ms": made.created_ms,
                "letters": made.letters, "not_refunded": int(not_refunded)}  # fmt: skip
        async with self._redis.pipeline(transaction=True) as pipe:
            _ = pipe.hset(head, mapping=meta)  # type: ignore[arg-type]  # invariant in redis-py's stub
            _ = pipe.zadd(SELECTIONS, {made.id: made.created_ms})
            await pipe.execute()
        return made

    async def find(self, selection_id: str) -> Selection | None:
        """Give one selection, or None where there is no such."""
        known: Any = await self._redis.hgetall(_name(selection_id))
        return _selection(selection_id, known) if known else None

    async def all(self) -> list[Selection]:
        """Give every selection, the newest first."""
        ids: Any = await self._redis.zrevrange(SELECTIONS, 0, -1)
        return [one for selection_id in ids if (one := await self.find(selection_id))]

    async def items(self, selection_id: str) -> AsyncIterator[tuple[Item, Result | str | None]]:
        """Give the letters in the order of replay, each with its result: None before, `queued` while under way."""
        head, start = _name(selection_id), 0
        while True:
            names: Any = await self._redis.lrange(f"{head}:names", start, start + _PAGE - 1)
            if not names:
                return
            async with self._redis.pipeline(transaction=False) as pipe:
                _ = pipe.hmget(f"{head}:letters", names)
                _ = pipe.hmget(f"{head}:results", names)
                letters, results = await pipe.execute()
            for name, letter, result in zip(names, letters, results, strict=True):
                yield _item(name, json.loads(letter)), _result(result)
            start += len(names)

    async def end(self, selection_id: str, results: Mapping[str, Result]) -> None:
        """Write down how replays ended."""
        if results:
            mapping = {name: json.dumps({k: v for k, v in vars(one).items() if v}) for name, one in results.items()}
            await self._redis.hset(f"{_name(selection_id)}:results", mapping=mapping)  # type: ignore[arg-type]  # invariant in redis-py's stub

    async def to_state(self, selection_id: str, state: str, *, stopped: str = "") -> None:
        """Write down where the run stands."""
        await self._redis.hset(_name(selection_id), mapping={"state": state, "stopped": stopped})

    async def take(self, selection_id: str, runner: str) -> bool:
        """Become the one that replays it, or stay it; False when somebody else is."""
        name = f"{_name(selection_id)}:runner"
        if await self._redis.set(name, runner, nx=True, px=RUNNER_MS):
            return True
        if await self._redis.get(name) != runner:
            return False
        return bool(await self._redis.set(name, runner, xx=True, px=RUNNER_MS))

    async def has_runner(self, selection_id: str) -> bool:
        """Whether some process replays it at this moment."""
        return bool(await self._redis.exists(f"{_name(selection_id)}:runner"))

    async def leave(self, selection_id: str, runner: str) -> None:
        """Let others replay it."""
        name = f"{_name(selection_id)}:runner"
        if await self._redis.get(name) == runner:
            await self._redis.delete(name)

    async def _now_ms(self) -> int:
        seconds, micros = await self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000


def _name(selection_id: str) -> str:
    return f"refunds:selection:{selection_id}"


def _written(one: Foreseen) -> str:
    known = {
        "letter": one.letter.id,
        "reason": one.letter.reason,
        "verdict": one.letter.verdict,
        "door": one.letter.door,
        "shop": one.letter.shop,
        "outlook": one.outlook.value,
        "detail": one.detail,
        "would_be": one.reason,
        "money": None if one.money is None else str(one.money),
        "memo_id": one.memo_id,
        "order": one.order,
    }
    return json.dumps({name: value for name, value in known.items() if value not in (None, "")})


def _item(name: str, known: Mapping[str, Any]) -> Item:
    letter = Letter(
        id=known["letter"], key=name, reason=known.get("reason", ""), verdict=known.get("verdict", ""),
        message="", at_ms=0, job={}, door=known.get("door", ""), shop=known.get("shop", ""),
    )  # fmt: skip
    return Item(
        name=name,
        letter=letter,
        outlook=Outlook(known["outlook"]),
        detail=known.get("detail", ""),
        foreseen_reason=known.get("would_be", ""),
        money=Decimal(known["money"]) if "money" in known else None,
        memo_id=known.get("memo_id"),
        order=known.get("order", ""),
    )


def _result(text: str | None) -> Result | str | None:
    return text if text is None or text == QUEUED else Result(**json.loads(text))


def _selection(selection_id: str, known: Mapping[str, str]) -> Selection:
    return Selection(
        id=selection_id,
        state=known["state"],
        by=known.get("by", ""),
        why=known.get("why", ""),
        what=known.get("what", ""),
        created_ms=int(known.get("created_ms") or 0),
        letters=int(known.get("letters") or 0),
        not_refunded=known.get("not_refunded") == "1",
        stopped=known.get("stopped", ""),
    )
