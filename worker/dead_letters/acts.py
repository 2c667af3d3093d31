"""What people do to a dead letter: replay, edit, clear, close. Each is one move, with its record in the audit trail."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from worker.dead_letters.letter import Letter
from worker.domain.asked import money_asked
from worker.domain.job import RefundJob
from worker.domain.key import fingerprint
from worker.domain.outcome import Verdict, Via
from worker.ledger.scripts import Moves
from worker.trail import Act, Seal, Trail

#: What a move answers when it did nothing, in words. Any other answer is the state of the job.
_WHY_NOT: Final = {
    "missing": "the ledger does not know this key",
    "closed": "people closed this letter for good",
    "changed": "the letter is another one by now: look at it again",
    "unknown": "money may have moved: look at the gateway, then `refunds dead resolve KEY --not-refunded`",
    "sent": "it was sent to its shop before, so the shop cannot be changed any more",
    "done": "it was replayed in this selection before",
}


@dataclass(frozen=True, kw_only=True)
class Who:
    """Who does something, and why.

    Attributes:
        by: A name.
        why: The reason, as people gave it.
    """

    by: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of an act.

    Attributes:
        answer: `replayed`, `edited`, `cleared`, `closed`; anything else means that nothing was done.
        why_not: Why nothing was done, in words; empty when it was.
    """

    answer: str
    why_not: str = ""


class LetterActs:
    """The acts in one Redis.

    Args:
        redis: A client with `decode_responses=True`.
        now_ms: The time for tests; by default the server's.
    """

    def __init__(self, redis: Redis, *, now_ms: int | None = None) -> None:
        self._move, self._trail = Moves(redis), Trail(redis)
        self._now: int | str = "" if now_ms is None else now_ms

    async def replay(self, letter: Letter, who: Who, *, selection: str = "", not_refunded: bool = False) -> Done:
        """Send the job of a letter again under its own key; the worker asks the shop before it sends.

        Args:
            selection: Id of the selection that is replayed; a letter is replayed once in it.
            not_refunded: Somebody looked at the gateway: no money moved.
        """
        more: dict[str, Any] = {"selection": selection} if selection else {}
        more |= {"not_refunded": True} if not_refunded else {}

        async def move(seal: Seal) -> Any:  # noqa: ANN401 - what a move answers
            line = _line(seal, "replayed", who, letter=letter.id, **more)
            head = (self._now, letter.key, line, letter.id, selection)
            return await self._move("replay", *head, *seal.args, int(not_refunded))

        act = _act("letter.replayed", letter, who, {"state": "queued", **more})
        return _done(await self._trail.together(act, move), "replayed")

    async def edit(self, letter: Letter, job: RefundJob, document: str, who: Who) -> Done:
        """Give the job of a letter another document, under its own key.

        Args:
            document: The new document as the ledger keeps it.
        """
        new = json.loads(document)
        was = {name: value for name, value in letter.job.items() if new.get(name) != value}
        now = {name: value for name, value in new.items() if letter.job.get(name) != value}
        money = money_asked(new)
        cents = "" if money is None else str(int(money.scaleb(2)))

        async def move(seal: Seal) -> Any:  # noqa: ANN401 - what a move answers
            line = _line(seal, "edited", who, letter=letter.id, revision=letter.revision + 1, was=was, now=now)
            head = (self._now, letter.key, letter.id, document, fingerprint(job), job.shop, cents, line)
            return await self._move("edit", *head, *seal.args)

        act = Act(
            act="letter.edited",
            subject=subject_of(letter),
            by=who.by,
            why=who.why,
            before={"revision": letter.revision, "document": dict(letter.job)},
            after={"revision": letter.revision + 1, "document": new},
        )
        return _done(await self._trail.together(act, move), "edited")

    async def clear(self, letter: Letter, who: Who) -> Done:
        """Note that people looked, and no money moved: the letter may be edited and replayed from then on."""

        async def move(seal: Seal) -> Any:  # noqa: ANN401 - what a move answers
            line = _line(seal, "cleared", who, letter=letter.id)
            return await self._move("clear_doubt", self._now, letter.key, letter.id, line, *seal.args)

        act = _act("letter.cleared", letter, who, {"verdict": Verdict.NOT_SENT.value})
        return _done(await self._trail.together(act, move), "cleared")

    async def close(self, letter: Letter, who: Who, *, how: str, result: Mapping[str, Any] | None = None) -> Done:
        """Close a letter for good; it is kept among the closed ones.

        Args:
            how: `refunded` (people found its credit memo), `discarded`, or `corrected` (accepted as another document).
            result: The credit memo of a refunded one.
        """
        found = {**result, "via": Via.HUMAN.value} if result else {}
        more = {"memo_id": found["memo_id"]} if found else {}
        key = letter.key if letter.was_a_job else ""

        async def move(seal: Seal) -> Any:  # noqa: ANN401 - what a move answers
            line = _line(seal, "closed", who, letter=letter.id, how=how, **more)
            head = (self._now, key, letter.id, how, who.by, who.why, _json(found) if found else "", line)
            return await self._move("close", *head, *seal.args)

        act = _act("letter.closed", letter, who, {"how": how, **({"result": found} if found else {})})
        return _done(await self._trail.together(act, move), "closed")


def subject_of(letter: Letter) -> str:
    """How the trail names a letter: by its key, or by its id where it never became a job."""
    return f"letter:{letter.key if letter.was_a_job else letter.id}"


def _act(act: str, letter: Letter, who: Who, after: Mapping[str, Any]) -> Act:
    before = {"letter": letter.id, "state": "dead", "reason": letter.reason, "verdict": letter.verdict}
    return Act(act=act, subject=subject_of(letter), by=who.by, why=who.why, before=before, after=after)


def _done(answer: str, wanted: str) -> Done:
    if answer == wanted:
        return Done(answer=answer)
    return Done(answer=answer, why_not=_WHY_NOT.get(answer, f"it is {answer} by now"))


def _line(seal: Seal, event: str, who: Who, **more: Any) -> str:  # noqa: ANN401 - facts of any kind
    """A line of the job's history, of the same moment as the record in the trail."""
    return _json({"at_ms": seal.at_ms, "event": event, "by": who.by, "why": who.why, **more})


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)
