"""An earlier send of a job may have happened: ask the shop for its credit memo before anything is sent (promise P4)."""

from typing import Any

from worker.attempt import Attempt
from worker.domain.crash_point import CrashPoint
from worker.domain.doubt import Doubt, GiveUp, LookAgain, SendNext, SendSame, after_no_marker
from worker.domain.lifecycle import State
from worker.domain.outcome import DeadLettered, Deferred, Outcome, Settled, Via
from worker.guards.signals import GOOD
from worker.lookups import check_total, order_of
from worker.magento.reconcile import foreign_since, marked, seen


async def look_back(a: Attempt) -> Outcome | None:
    """Ask the shop for the marker of this key. None means: go on and send, under the number that was chosen."""
    a.order_id = await order_of(a.job, a.shop.magento, known=a.entry.sent.get("order_id"))
    memos = await a.shop.magento.creditmemos_of(a.order_id)
    a.slot.signal = GOOD
    a.r.crashes.pass_by(CrashPoint.AFTER_RECONCILE)
    if own := marked(memos, a.entry.key, a.job.creditmemo):
        return _found(a, own)
    if foreign := foreign_since(memos, a.entry.first_ms):
        a.evidence = {"foreign_memos": foreign}  # an admin, or a gateway's webhook: people will want to know
    doubt = _doubt(a)
    a.is_proven = doubt.age_seconds >= doubt.longest_request_seconds
    match after_no_marker(doubt, jitter=a.r.jitter()):
        case SendSame():
            a.number = max(a.entry.sends, 1)
            return None
        case SendNext():
            a.number = a.entry.sends + 1
            return None
        case LookAgain(delay_seconds=delay):
            to = State.IN_DOUBT if a.entry.state is State.IN_DOUBT else State.WAITING
            reason = a.entry.reason or "in_doubt"
            return Deferred(to=to, reason=reason, delay_seconds=delay, fields={"looks": a.entry.looks + 1})
        case GiveUp(verdict=verdict, reason=reason):
            a.evidence = {
                "sent": dict(a.entry.sent),
                "sent_ms": a.entry.sent_ms,
                "sends": a.entry.sends,
                "memos_of_the_order": seen(memos),
            }
            message = a.entry.message or "no credit memo with this job's marker came up at the shop"
            return DeadLettered(reason=reason or a.entry.reason or "unknown_refusal", verdict=verdict, message=message)


def _doubt(a: Attempt) -> Doubt:
    entry, now_ms = a.entry, a.server_ms()
    was_sent = entry.state is State.IN_DOUBT
    last_ms = max(entry.sent_ms if was_sent else 0, a.claim.possibly_sent_ms)
    first_ms = entry.first_ms if was_sent else min(entry.accepted_ms, last_ms)
    return Doubt(
        age_seconds=(now_ms - last_ms) / 1000,
        longest_request_seconds=a.shop.settings.longest_request_seconds + a.departs_within_seconds,
        nonce_age_seconds=(now_ms - first_ms) / 1000 if a.shop.has_nonces else None,
        is_spent=entry.is_spent,
        is_online=a.job.online,
        was_sent=was_sent,
        refuse_if_absent=entry.if_absent == "refuse",
        looks=entry.looks,
        sends=entry.calls + entry.deaths,
        max_sends=a.r.settings.max_attempts,
    )


def _found(a: Attempt, memos: list[Any]) -> Outcome:
    memo = memos[0]
    details: dict[str, Any] = {
        "increment_id": memo.get("increment_id"),
        "base_grand_total": str(memo.get("base_grand_total", "")),
    }
    if len(memos) > 1:
        details["twins"] = [other["entity_id"] for other in memos[1:]]
    if mismatch := check_total(a.job, memo):
        details["mismatch"] = mismatch
    return Settled(memo_id=int(memo["entity_id"]), via=Via.MARKER, details=details)
