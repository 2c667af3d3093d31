"""What an answer, or the lack of one, says about the shop as a whole. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.domain.answers import AnswerClass, Reading
from worker.domain.errors import InDoubt, NotSent, RefundError, Throttled, Unauthorised

#: Told by whoever cannot do anything for us now: one of them is enough.
_TRIPPING: Final = frozenset({"maintenance", "shop_misconfigured", "shop_redirects"})
#: A shop that asks for so long a pause, in seconds, means all of us; a shorter one is for the call that was too early.
_LONG_PAUSE_SECONDS: Final = 5.0
#: Our own doing: this process was suspended until it was too late to send.
_OURS: Final = frozenset({"too_late"})
#: Reasons that say that the shop does not keep up, and should get fewer calls at once.
_SLOW: Final = frozenset({"rate_limited", "unavailable", "timeout", "answer_timeout", "connect_timeout"})


class Kind(StrEnum):
    """What the guards make of it."""

    #: The shop worked on the call, whatever it decided.
    GOOD = "good"
    #: No answer, or one that says "not now": several in a row open the breaker.
    FAILED = "failed"
    #: Opens the breaker at once.
    TRIPPED = "tripped"


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One thing heard of a shop.

    Attributes:
        reason: Reason code of the error or answer.
        retry_after_seconds: How long the shop asked us to wait.
        needs_people: Whether nothing but a repair of credentials or permissions will help.
    """

    kind: Kind
    reason: str = ""
    retry_after_seconds: float | None = None
    needs_people: bool = False

    @property
    def is_slow(self) -> bool:
        """Whether the shop does not keep up."""
        return self.reason in _SLOW


GOOD: Final = Signal(kind=Kind.GOOD)


def of_error(error: RefundError) -> Signal | None:
    """Say what an error says about the shop; None when it says nothing."""
    match error:
        case Throttled(reason=reason, retry_after_seconds=wait):
            is_final = reason in _TRIPPING or (wait or 0) >= _LONG_PAUSE_SECONDS
            kind = Kind.TRIPPED if is_final else Kind.FAILED
            return Signal(kind=kind, reason=reason, retry_after_seconds=wait)
        case Unauthorised(reason=reason):
            return Signal(kind=Kind.TRIPPED, reason=reason, needs_people=True)
        case NotSent(reason=reason) if reason in _OURS:
            return None
        case NotSent(reason=reason) | InDoubt(reason=reason):  # in doubt here: no answer came
            return Signal(kind=Kind.FAILED, reason=reason)
        case _:
            return GOOD  # refused: the shop is well


def of_reading(reading: Reading) -> Signal | None:
    """Say what an answer to a refund call says about the shop; None when it says nothing."""
    match reading.kind:
        case AnswerClass.DONE | AnswerClass.REFUSED | AnswerClass.NONCE_USED:
            return GOOD
        case AnswerClass.IN_DOUBT if reading.reason in _SLOW:
            return Signal(kind=Kind.FAILED, reason=reading.reason)
        case AnswerClass.IN_DOUBT:
            return None  # a fault with this job, or of the shop with this kind of job
        case AnswerClass.THROTTLED:
            wait = reading.retry_after_seconds
            return of_error(Throttled(reason=reading.reason, retry_after_seconds=wait))
        case AnswerClass.UNAUTHORISED:
            return of_error(Unauthorised(reason=reading.reason))
        case AnswerClass.NOT_SENT:
            return of_error(NotSent(reason=reading.reason))
