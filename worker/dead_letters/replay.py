"""Send the jobs of dead letters again, each under its own key: the worker looks for the marker before it sends."""

from dataclasses import dataclass

from worker.dead_letters.acts import LetterActs, Who
from worker.dead_letters.letter import Letter


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What became of the wish to replay one letter.

    Attributes:
        status: `queued`, or `refused`.
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


async def replay(letter: Letter, acts: LetterActs, who: Who, *, not_refunded: bool = False) -> Replayed:
    """Replay one letter.

    Args:
        letter: The letter.
        acts: What can be done to it.
        who: Who wants it, and why.
        not_refunded: A human saw at the gateway that no money moved; noted in the history.
    """
    if reason := objection(letter, not_refunded=not_refunded):
        return Replayed(key=letter.key, status="refused", detail=reason)
    will = "the shop is asked for the marker of this key first; only if there is no credit memo it is sent again"
    done = await acts.replay(letter, who, not_refunded=not_refunded)
    return Replayed(key=letter.key, status="refused" if done.why_not else "queued", detail=done.why_not or will)
