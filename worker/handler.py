"""THE STORY: one attempt, from claim to settled, deferred or dead-lettered.

claim -> look back (only if an earlier send may have happened) -> plan -> order lock -> mark sent -> one Magento call
-> settle, defer, reconcile or dead-letter. The state `sent` is durable before the first byte leaves.
"""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Final

from worker.attempt import Attempt
from worker.domain.answers import AnswerClass, Reading, read_answer
from worker.domain.asked import preflight_under_a_limit, total_of
from worker.domain.backoff import reconcile_seconds, retry_seconds
from worker.domain.crash_point import CrashPoint
from worker.domain.doubt import send_number
from worker.domain.errors import InDoubt, NotSent, RefundError, Refused, Throttled, Unauthorised
from worker.domain.job import parse_stored
from worker.domain.lifecycle import State
from worker.domain.limits import Hold
from worker.domain.lines import PreflightRefusal
from worker.domain.nonce import nonce_for
from worker.domain.outcome import DeadLettered, Deferred, Held, Outcome, Settled, Verdict, Via, Withdrawn
from worker.domain.plan import Plan, plan
from worker.domain.problems import InvalidJob
from worker.guards.signals import of_error, of_reading
from worker.ledger.entry import Claim, Entry
from worker.ledger.ledger import Cancelled, OrderBusy, Paused, ServerChanged
from worker.ledger.over_limit import OverLimit
from worker.look_back import look_back
from worker.lookups import NotFound, read_facts
from worker.resources import Resources

#: How long a job waits in line for its order before it looks by itself; the holder wakes it earlier.
_ORDER_BUSY_SECONDS: Final = 5.0
#: Credentials are repaired by people; by then the breaker is open, which parks the job until a probe is let in.
#: The sign-in of an admin keeps its own, longer pause (contract section 6).
_UNAUTHORISED_SECONDS: Final = 2.0
#: A job that was paused between claim and send comes back so soon, to be parked; so does one whose Redis changed.
_PAUSED_SECONDS: Final = 0.2
#: A doubt whose order or invoice is gone from the shop goes to a human after this long, counted from the send.
_ESCALATE_SECONDS: Final = 900.0
#: A job whose shop, order or invoice is not there now is looked at again so soon, where that may still change.
_MISSING_SECONDS: Final = 30.0
#: Statuses with which Magento itself answers a refund: it has seen the nonce then. Others come from proxies.
_MAGENTO_SAW_IT: Final = frozenset({200, 400, 404, 500})


async def attempt(claim: Claim, r: Resources) -> tuple[Outcome, Attempt | None] | None:
    """Make one attempt for a claimed entry.

    Returns:
        The outcome, to be written to the ledger, and what happened on the way. None when the process is stopping
        and nothing was begun: the claim goes back.

    Raises:
        NotNow: The shop is not called now; the claim goes back, and nothing counts.
        StaleFence: The claim was lost; nothing may be written.
        RedisError: The ledger is away; the claim must be released later.
    """
    try:
        job = parse_stored(claim.entry.doc)
    except InvalidJob as error:  # an entry of another version, or a document that was tampered with
        return DeadLettered(reason="invalid", verdict=_verdict_of(claim), message=str(error)), None
    shop = r.shops.get(job.shop)
    if shop is None:
        message = f"shop {job.shop!r} is not configured on this worker"
        return _again(claim.entry, "shop_not_configured", message, _MISSING_SECONDS), None
    a = Attempt(claim, job, shop, r, time.monotonic())
    may_look = claim.entry.state is State.IN_DOUBT
    async with shop.gate.slot(claim.entry.lane, may_look=may_look) as a.slot:
        if r.draining.is_set():
            return None
        a.began, a.claim = time.monotonic(), replace(claim, now_ms=claim.now_ms + _ms_since(a.began))
        try:
            return await _attempt(a), a
        except (Paused, Cancelled, OrderBusy, ServerChanged, OverLimit) as no:
            return _not_let_go(a, no), a
        except PreflightRefusal as refusal:
            a.rule = f"pre-flight {refusal.rule}"
            return _of_refusal(a, refusal), a
        except NotFound as error:
            return _not_found(a, error), a
        except RefundError as error:  # of a look-up: nothing was sent in this attempt
            return _later(a, error), a


async def _attempt(a: Attempt) -> Outcome:
    is_repeated = a.entry.state is State.IN_DOUBT or a.claim.possibly_sent_ms > 0
    if is_repeated:
        known = await look_back(a)
        if known is not None:
            return known
    rules = a.shop.rules
    if a.is_limited:
        rules = replace(rules, preflight=preflight_under_a_limit(a.job, rules.preflight))
    facts = await read_facts(
        a.job, a.shop.magento, lambda order_id: _lock(a, order_id),
        order_id=a.order_id, preflight=rules.preflight, is_repeated=is_repeated,
    )  # fmt: skip
    a.plan = plan(a.job, facts, rules)
    a.number = a.number or send_number(sends=a.entry.sends, is_spent=a.entry.is_spent)
    return await _send(a, a.plan)


async def _lock(a: Attempt, order_id: int) -> None:
    await a.r.ledger.lock(a.claim, order_id=order_id)
    a.r.crashes.pass_by(CrashPoint.AFTER_LOCK)


# --- the call -------------------------------------------------------------------------------------------------------


async def _send(a: Attempt, made: Plan) -> Outcome:
    sent = {
        "service": made.service.value,
        "path": made.request.path,
        "order_id": made.order_id,
        "online": made.online,
        "rule": made.rule.name,
        "refunded_before": made.refunded_before,
        "quote": made.quote.total if made.quote else None,
    }
    send_before = time.monotonic() + a.departs_within_seconds  # from before the mark: a suspension may follow it
    cleared = bool(a.claim.possibly_sent_ms) and a.number > a.entry.sends and not a.shop.has_nonces
    await a.r.ledger.send(
        a.claim,
        order_id=made.order_id,
        number=a.number,
        sent=sent,
        is_cleared=cleared,
        money=_money(a, made) if a.is_limited else None,
        limits=a.shop.limits,
    )
    a.r.crashes.pass_by(CrashPoint.AFTER_SENT)
    called = time.monotonic()
    try:
        answer = await a.shop.magento.send(
            made.request,
            nonce=nonce_for(a.entry.key, a.number) if a.shop.has_nonces else None,
            idempotency_key=a.entry.key,
            send_before=send_before,
        )
    except InDoubt as error:
        a.slot.signal = of_error(error)
        return _in_doubt(a, error.reason, error.message, is_spent=False, if_absent="resend")
    except (NotSent, Throttled, Unauthorised) as error:
        return _later(a, error)
    a.r.crashes.pass_by(CrashPoint.AFTER_ANSWER)
    a.status = answer.status
    a.slot.latency_seconds = time.monotonic() - called
    reading = read_answer(made.service, answer, online=made.online, order_id=made.order_id)
    a.rule, a.slot.signal = reading.rule, of_reading(reading)
    return _of_reading(a, reading)


def _of_reading(a: Attempt, reading: Reading) -> Outcome:
    match reading.kind:
        case AnswerClass.DONE:
            return _done(a, reading)
        case AnswerClass.REFUSED:
            return _refused(a, reading)
        case AnswerClass.NONCE_USED:
            if a.number == a.entry.sends and a.entry.if_absent == "refuse":  # its refusal stays what is known of it
                return _in_doubt(a, a.entry.reason, a.entry.message, is_spent=True, if_absent="refuse")
            return _in_doubt(a, reading.reason, reading.message, is_spent=True, if_absent="resend")
        case AnswerClass.IN_DOUBT:
            is_spent = a.status in _MAGENTO_SAW_IT
            return _in_doubt(a, reading.reason, reading.message, is_spent=is_spent, if_absent=reading.after_absence)
        case AnswerClass.THROTTLED:
            wait = reading.retry_after_seconds
            return _later(a, Throttled(reading.message, reason=reading.reason, retry_after_seconds=wait))
        case AnswerClass.UNAUTHORISED:
            return _later(a, Unauthorised(reading.message, reason=reading.reason))
        case AnswerClass.NOT_SENT:
            return _later(a, NotSent(reading.message, reason=reading.reason))


def _refused(a: Attempt, reading: Reading) -> Outcome:
    """Magento's no is final: it saw this nonce for the first time. A proxy's says nothing of an earlier copy."""
    if a.status not in _MAGENTO_SAW_IT:
        if not a.is_proven:
            return _again(
                a.entry, reading.reason, reading.message, reconcile_seconds(a.entry.looks, jitter=a.r.jitter())
            )
        if a.job.online and a.entry.state is State.IN_DOUBT:
            return DeadLettered(reason="outcome_unknown", verdict=Verdict.UNKNOWN, message=reading.message)
    is_spent = a.status in _MAGENTO_SAW_IT
    return DeadLettered(reason=reading.reason, verdict=Verdict.REFUSED, message=reading.message, is_spent=is_spent)


def _done(a: Attempt, reading: Reading) -> Outcome:
    """The shop says done. What it made is read back later, many at a time (`worker.confirm`, promise P3)."""
    memo_id = reading.memo_id
    if memo_id is None:
        raise AssertionError("bug: an answer that is done names its credit memo")
    a.r.crashes.pass_by(CrashPoint.BEFORE_SETTLE)
    return Settled(memo_id=memo_id, via=Via.ANSWER)


# --- limits on money ------------------------------------------------------------------------------------------------


def _money(a: Attempt, made: Plan) -> Decimal | None:
    """What the refund will be. What nobody can tell before the call is for people, unless it was sent before."""
    money = total_of(a.job, made.quote)
    if money is None and a.entry.state is not State.IN_DOUBT and not a.entry.is_approved_blindly:
        raise OverLimit(Hold(reason="amount_unknown"))
    return money


def _not_let_go(a: Attempt, no: Paused | Cancelled | OrderBusy | ServerChanged | OverLimit) -> Outcome:
    """The ledger did not let the call go."""
    match no:
        case Paused():
            return _again(a.entry, "paused", "the shop or lane was paused", _PAUSED_SECONDS)
        case OrderBusy():
            return _again(a.entry, "order_busy", "another refund of this order is in flight", _ORDER_BUSY_SECONDS)
        case ServerChanged():
            message = "Redis was restarted or replaced since the claim: the shop is asked first"
            return _again(a.entry, "redis_changed", message, _PAUSED_SECONDS)
        case Cancelled():
            return _cancelled(a)
        case OverLimit(hold=hold):
            return _over_limit(a, hold)


def _over_limit(a: Attempt, hold: Hold) -> Outcome:
    """What may still come of an earlier send is found out first."""
    if not a.is_proven:
        return _again(a.entry, hold.reason, hold.words, reconcile_seconds(a.entry.looks, jitter=a.r.jitter()))
    return Held(hold=hold)


# --- not now --------------------------------------------------------------------------------------------------------


def _in_doubt(a: Attempt, reason: str, message: str, *, is_spent: bool, if_absent: str) -> Deferred:
    return Deferred(
        to=State.IN_DOUBT,
        reason=reason,
        message=message,
        delay_seconds=reconcile_seconds(0, jitter=a.r.jitter()),
        fields={
            "looks": 1,
            "spent": int(is_spent),
            "if_absent": if_absent,
            "calls": a.entry.calls + 1,
            "reason": reason,
            "message": message,
        },
    )


def _later(a: Attempt, error: RefundError) -> Deferred:
    """The shop is away, busy or does not let us in. A doubt that there was before stays one."""
    a.slot.signal = of_error(error)
    delay = retry_seconds(a.entry.tries, jitter=a.r.jitter())
    fields: dict[str, str | int] = {"tries": a.entry.tries + 1}
    if isinstance(error, Throttled) and error.retry_after_seconds is not None:
        delay = max(error.retry_after_seconds, 0.0) + a.r.jitter()
    if isinstance(error, Unauthorised):
        delay = _UNAUTHORISED_SECONDS * (0.5 + a.r.jitter())
        if a.status is not None and a.entry.state is not State.IN_DOUBT:
            fields["spent"] = 1  # Magento notes the nonce before it looks at permissions
    outcome = _again(a.entry, error.reason, error.message, delay)
    return replace(outcome, fields=fields)


def _again(entry: Entry, reason: str, message: str, delay_seconds: float) -> Deferred:
    to = State.IN_DOUBT if entry.state is State.IN_DOUBT else State.WAITING
    return Deferred(to=to, reason=reason, message=message, delay_seconds=delay_seconds)


def _cancelled(a: Attempt) -> Outcome:
    """Its campaign was cancelled. What an earlier send may have done is waited for (P4)."""
    if a.is_proven:
        return Withdrawn()
    message = "its campaign was cancelled; the shop is asked again until an earlier call can no longer arrive"
    return _again(a.entry, "campaign_cancelled", message, reconcile_seconds(a.entry.looks, jitter=a.r.jitter()))


def _of_refusal(a: Attempt, refusal: PreflightRefusal) -> Outcome:
    """Nothing of this attempt was sent. Of an earlier one something may be: the order may show its very effect."""
    if not a.is_proven:
        return _again(a.entry, refusal.reason, refusal.message, reconcile_seconds(a.entry.looks, jitter=a.r.jitter()))
    is_unknown = a.entry.state is State.IN_DOUBT and a.job.online
    verdict = Verdict.UNKNOWN if is_unknown else Verdict.NOT_SENT
    return DeadLettered(reason="outcome_unknown" if is_unknown else refusal.reason, verdict=verdict,
                        message=refusal.message)  # fmt: skip


def _not_found(a: Attempt, error: Refused) -> Outcome:
    if a.entry.state is State.IN_DOUBT and a.server_ms() - a.entry.sent_ms < _ESCALATE_SECONDS * 1000:
        return _again(a.entry, error.reason, error.message, _MISSING_SECONDS)
    return DeadLettered(reason=error.reason, verdict=_verdict_of(a.claim), message=error.message)


def _verdict_of(claim: Claim) -> Verdict:
    is_unknown = claim.entry.state is State.IN_DOUBT or claim.possibly_sent_ms
    return Verdict.UNKNOWN if is_unknown else Verdict.NOT_SENT


def _ms_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
