"""Send the jobs of dead letters again, each under its own key: the worker looks for the marker before it sends."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from worker.dead_letters.letter import Letter


class Replays(Protocol):
    """What a ledger must do for a replay."""

    def replay(self, key: str, *, line: Mapping[str, Any]) -> Awaitable[str]:
        """Queue a dead letter's job again; answers `queued`, `missing`, or the state that forbids it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What became of the wish to replay one letter.

    Attributes:
        status: `queued`, `would_queue` (nothing was done), or `refused`.
        detail: Why it was refused, or what will happen.
    """

    key: str
    status: str
    detail: str


def objection(letter: Letter, *, not_refunded: bool = False) -> str:
    """Say why a letter cannot be replayed; empty when it can.

    Args:
        letter: The letter.
        not_refunded: Whether a human saw at the gateway that no money moved.
    """
    if not letter.was_a_job:
        return f"was never a job ({letter.message}): correct the document and submit it again"
    if letter.may_hide_money and not not_refunded:
        return (
            "the gateway may have moved the money although there is no credit memo: "
            "look there first; if it did not, replay with --not-refunded"
        )
    return ""


async def replay(  # noqa: PLR0913 - who, what, why and when
    letter: Letter,
    ledger: Replays,
    *,
    by: str,
    why: str,
    at_ms: int,
    dry_run: bool = False,
    not_refunded: bool = False,
) -> Replayed:
    """Replay one letter.

    Args:
        letter: The letter.
        ledger: Where its entry is.
        by: Who wants it, for the history.
        why: The reason, for the history.
        at_ms: The server's time.
        dry_run: Only say what would happen.
        not_refunded: A human saw at the gateway that no money moved; noted in the history.
    """
    if reason := objection(letter, not_refunded=not_refunded):
        return Replayed(key=letter.key, status="refused", detail=reason)
    will = "the shop is asked for the marker of this key first; only if there is no credit memo it is sent again"
    if dry_run:
        return Replayed(key=letter.key, status="would_queue", detail=will)
    line = {
        "at_ms": at_ms,
        "event": "replayed",
        "by": by,
        "why": why,
        "letter": letter.id,
        "not_refunded": not_refunded,
    }
    answer = await ledger.replay(letter.key, line={name: value for name, value in line.items() if value})
    if answer == "queued":
        return Replayed(key=letter.key, status="queued", detail=will)
    state = "the ledger does not know it" if answer == "missing" else f"it is {answer} by now"
    return Replayed(key=letter.key, status="refused", detail=state)
