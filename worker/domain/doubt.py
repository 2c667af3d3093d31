"""What to do with a job that may have reached the shop, once the shop was asked for its marker. Pure.

Promise P4: unknown is never shown as failed. Promise P1: a new send only after proof that the last one had no effect,
or with the same nonce, which Magento takes only once (contract section 7).
"""

from dataclasses import dataclass
from typing import Final

from worker.domain.backoff import reconcile_seconds
from worker.domain.outcome import Verdict

#: Magento forgets nonces after 120 minutes; some of them are left for clocks that differ.
NONCE_GUARD_SECONDS: Final = 100 * 60


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """What is known of a job in doubt whose marker was not found.

    Attributes:
        age_seconds: Since the last moment at which it may have been sent.
        nonce_age_seconds: Since the first send of this number; None where the shop keeps no nonces of ours.
        is_spent: Whether the shop is known to have seen this number's nonce.
        is_online: Whether the gateway was asked: then a missing memo does not prove that no money moved.
        was_sent: Whether the ledger itself knows of the send; False where it may have lost the record of one.
        sends: Sends so far that may have reached the shop.
        refuse_if_absent: Whether the answer was a no that only an absent memo makes certain.
    """

    age_seconds: float
    longest_request_seconds: float
    nonce_age_seconds: float | None
    is_spent: bool
    is_online: bool
    was_sent: bool
    refuse_if_absent: bool
    looks: int
    sends: int
    max_sends: int


@dataclass(frozen=True)
class SendSame:
    """Send again under the same number: if the earlier call arrives after all, one of the two is refused."""


@dataclass(frozen=True)
class SendNext:
    """Proven absent: send under the next number."""


@dataclass(frozen=True)
class LookAgain:
    """Not known yet: ask again after the delay."""

    delay_seconds: float


@dataclass(frozen=True)
class GiveUp:
    """A dead letter; `reason` None means the reason of the answer that left it in doubt."""

    verdict: Verdict
    reason: str | None = None


def after_no_marker(doubt: Doubt, *, jitter: float) -> SendSame | SendNext | LookAgain | GiveUp:
    """Decide after a look at the shop that did not find the credit memo.

    Args:
        doubt: What is known.
        jitter: A random number in 0..1.
    """
    guarded = doubt.nonce_age_seconds is not None and doubt.nonce_age_seconds < NONCE_GUARD_SECONDS
    may_send = doubt.sends < doubt.max_sends
    if guarded and not doubt.is_spent and may_send:
        return SendSame()
    if doubt.age_seconds < doubt.longest_request_seconds:
        rest = doubt.longest_request_seconds - doubt.age_seconds
        return LookAgain(min(reconcile_seconds(doubt.looks, jitter=jitter), rest + 0.1))
    if not doubt.was_sent:
        return SendNext()
    if doubt.is_online:
        return GiveUp(Verdict.UNKNOWN, "outcome_unknown")
    if doubt.refuse_if_absent:
        return GiveUp(Verdict.REFUSED)
    return SendNext() if may_send else GiveUp(Verdict.NOT_SENT, "attempts_exhausted")


def send_number(*, sends: int, is_spent: bool) -> int:
    """Give the number of the next send: the same one again unless the shop has used it up."""
    return max(sends, 1) if not is_spent else sends + 1
