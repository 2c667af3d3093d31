"""How one attempt can end: a closed union of values. The caller writes them to the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from worker.domain.lifecycle import State
from worker.domain.limits import Hold


class Verdict(StrEnum):
    """Whether money may have moved for a dead letter."""

    #: Nothing was sent, or it is proven that nothing happened.
    NOT_SENT = "not_sent"
    #: Magento said no, before any effect.
    REFUSED = "refused"
    #: The shop may have moved money; a human must look.
    UNKNOWN = "unknown"


class Via(StrEnum):
    """How we know that a job is settled."""

    #: The answer to our call said so.
    ANSWER = "answer"
    #: The credit memo of an earlier send was found by its marker.
    MARKER = "marker"
    #: People found it, and closed the dead letter.
    HUMAN = "human"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Refunded (or, for mode persist, stored): the credit memo exists.

    Attributes:
        memo_id: Entity id of the credit memo.
        details: What else is known: its increment id, its base grand total, a difference from what was asked.
    """

    memo_id: int
    via: Via
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Deferred:
    """Not now; the job comes again by itself.

    Attributes:
        to: `WAITING` when nothing of it is at the shop, `IN_DOUBT` when something may be.
        delay_seconds: Counted from the moment it is written.
        fields: What the ledger keeps for the next attempt.
    """

    to: State
    reason: str
    delay_seconds: float
    message: str = ""
    fields: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DeadLettered:
    """It will not succeed by itself.

    Attributes:
        is_spent: Whether the shop has used up the send number; a replay then takes the next one.
    """

    reason: str
    verdict: Verdict
    message: str
    is_spent: bool = False


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """Its campaign was cancelled, and nothing of it is at the shop."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """Over a limit on money; nothing was sent. It waits until people approve or decline it."""

    hold: Hold


Outcome = Settled | Deferred | DeadLettered | Withdrawn | Held
