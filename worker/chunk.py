"""One message: claim its keys, make an attempt for each, write down how each ended.

Jobs run side by side, but those of one order one after the other. Whatever goes wrong with one job
touches no other.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import sentry_sdk
import structlog
from redis.exceptions import RedisError

from worker import metrics
from worker.attempt import Attempt
from worker.domain.crash_point import CrashPoint
from worker.domain.lifecycle import State
from worker.domain.money import cents
from worker.domain.outcome import DeadLettered, Deferred, Held, Outcome, Settled, Withdrawn
from worker.guards.gate import NotNow
from worker.guards.hand import Hand
from worker.handler import attempt
from worker.ledger.entry import Claim
from worker.ledger.ledger import LedgerMissing, ServerChanged, StaleFence
from worker.resources import Resources, Shop

log = structlog.get_logger("worker")
#: A job that got no slot is looked at so soon by upkeep, which parks it where its shop is away or paused.
_PUT_BACK_SECONDS: Final = 0.1
_ORDER: Final = re.compile(r'"order_id": *([0-9]{1,10})\b')


async def receive(keys: Sequence[str], lane: str, message: int, r: Resources) -> None:
    """Take one message in hand. Returns as soon as there is room for another one.

    From the claim on, its jobs are safe without the message: they are ours under our lease, or somebody adopts them.
    So a message that waits for a slow shop holds no thread.

    Args:
        keys: 1 to 100 idempotency keys.
        lane: The lane it came by.
        message: Its number in the lane.
        r: The process's resources.

    Raises:
        RedisError: The ledger is away; upkeep publishes the keys again. What was claimed all the same is given back.
    """
    claims = await _claim(keys, lane, message, r)
    for group in by_order(claims):
        task = asyncio.create_task(_one_after_the_other(group, r))
        r.in_hand.add(task)
        task.add_done_callback(r.in_hand.discard)
    for hand in {id(hand): hand for claim in claims if (hand := _hand(claim, r))}.values():
        await hand.wait_for_room(len(claims))


async def _claim(keys: Sequence[str], lane: str, message: int, r: Resources) -> list[Claim]:
    hands = {f"{name}/{lane}": hand for name, shop in r.shops.items() for lane, hand in shop.gate.hands.items()}
    full = [name for name, hand in hands.items() if hand.is_stuck]
    try:
        claims = await r.ledger.claim(keys, worker=r.worker, lane=lane, message=message, full=full)
    except LedgerMissing as error:
        log.error(  # noqa: TRY400 - expected, no traceback
            "ledger.missing", detail=str(error), jobs=len(keys)
        )
        return []
    r.held.update(claim.key for claim in claims)
    for claim in claims:
        if hand := _hand(claim, r):
            hand.take(1)
    r.crashes.pass_by(CrashPoint.AFTER_CLAIM)
    return claims


def by_order(claims: Sequence[Claim]) -> list[list[Claim]]:
    """Group claims that name the same order, so that they do not get into each other's way."""
    groups: dict[object, list[Claim]] = {}
    for claim in claims:
        order = _order_named(claim)
        groups.setdefault(claim.key if order is None else (claim.entry.shop, order), []).append(claim)
    return list(groups.values())


def _order_named(claim: Claim) -> int | None:
    """Guess a claim's order from the text of its document; a wrong guess only costs time."""
    found = _ORDER.search(claim.entry.doc)
    return int(found[1]) if found else None


async def _one_after_the_other(claims: Sequence[Claim], r: Resources) -> None:
    waiting = deque(claims)
    while waiting:
        claim = waiting.popleft()
        try:
            await work(claim, r)
        except asyncio.CancelledError:
            for left in waiting:
                r.orphans.append((left.key, left.token, False))
                _put_away(left, r)
            raise
        finally:
            _put_away(claim, r)


def _put_away(claim: Claim, r: Resources) -> None:
    r.held.discard(claim.key)
    if hand := _hand(claim, r):
        hand.finish()


def _hand(claim: Claim, r: Resources) -> Hand | None:
    shop = r.shops.get(claim.entry.shop)
    return shop.gate.hands.get(claim.entry.lane) if shop else None


async def work(claim: Claim, r: Resources) -> None:
    """Make one attempt and conclude it; never raises."""
    began = time.monotonic()
    try:
        try:
            ended = await attempt(claim, r)
        except NotNow as why:
            await _put_back(claim, why, r)
            return
        if ended is None:
            await r.ledger.release(claim.key, claim.token)
            return
        outcome, made = ended
        line = _line(claim, outcome, made, r, took_ms=int((time.monotonic() - began) * 1000))
        await conclude(claim, outcome, line, r)
        r.crashes.pass_by(CrashPoint.AFTER_SETTLE)
    except StaleFence:
        log.warning("refund.claim_lost", key=claim.key, fence=claim.fence)
    except ServerChanged:  # the claim goes back, and the next one asks the shop first
        r.orphans.append((claim.key, claim.token, False))
        log.warning("refund.redis_changed", key=claim.key)
    except RedisError as error:
        r.orphans.append((claim.key, claim.token, False))
        log.warning("ledger.away", key=claim.key, error=type(error).__name__)
    except asyncio.CancelledError:
        r.orphans.append((claim.key, claim.token, False))
        raise
    except Exception as error:
        r.orphans.append((claim.key, claim.token, True))
        sentry_sdk.capture_exception(error)
        log.exception("refund.attempt_failed", key=claim.key)
    else:
        metrics.attempt_finished(line)


async def _put_back(claim: Claim, why: NotNow, r: Resources) -> None:
    """Give a job back that got no slot. It was no attempt: its history says nothing of it."""
    if why.reason == "stopping":
        await r.ledger.release(claim.key, claim.token)
        return
    is_in_doubt = claim.entry.state is State.IN_DOUBT
    to = State.IN_DOUBT if is_in_doubt else State.WAITING
    delay = _PUT_BACK_SECONDS * (1 + r.jitter())
    await r.ledger.defer(claim, to=to, delay_seconds=delay, keep_order=is_in_doubt)
    log.debug("refund.put_back", key=claim.key, shop=claim.entry.shop, reason=why.reason)


async def conclude(claim: Claim, outcome: Outcome, line: dict[str, Any], r: Resources) -> None:
    """Write an outcome to the ledger.

    Raises:
        ServerChanged: Redis was restarted or replaced since the claim; the outcome rests on what may be lost.
        StaleFence: The claim was lost.
    """
    match outcome:
        case Settled(memo_id=memo_id, via=via, details=details):
            service = (claim.entry.sent or {}).get("service") or line.get("service")
            result = {"memo_id": memo_id, "via": via.value, "service": service, **details}
            shop = r.shops.get(claim.entry.shop)
            is_read_back = shop is not None and shop.settings.confirm  # which also tells what is wrong
            await r.ledger.settle(
                claim, result=result, line=line, confirm=is_read_back, money=_money_found(claim, details, shop)
            )
            if not is_read_back and ("mismatch" in details or "twins" in details):
                log.error("refund.mismatch_found", key=claim.key, memo_id=memo_id, **dict(details))
                sentry_sdk.capture_message("refund.mismatch_found", level="error")
        case Deferred():
            keep = outcome.to is State.IN_DOUBT
            await r.ledger.defer(
                claim,
                to=outcome.to,
                delay_seconds=outcome.delay_seconds,
                keep_order=keep,
                line=line,
                **outcome.fields,
            )
        case DeadLettered():
            await r.ledger.bury(
                claim,
                reason=outcome.reason,
                verdict=outcome.verdict.value,
                message=outcome.message,
                line=line,
                is_spent=outcome.is_spent,
            )
        case Withdrawn():
            await r.ledger.withdraw(claim, line=line)
        case Held(hold=hold):
            await r.ledger.hold(claim, hold, line=line)
    level = log.warning if isinstance(outcome, DeadLettered) else log.info
    level("refund.attempt_finished", key=claim.key, shop=claim.entry.shop, **line)


def _line(claim: Claim, outcome: Outcome, made: Attempt | None, r: Resources, *, took_ms: int) -> dict[str, Any]:
    """The canonical line of an attempt: for the log and, the same, for the entry's history."""
    line: dict[str, Any] = {"at_ms": claim.now_ms, "attempt": claim.fence, "worker": r.worker, "took_ms": took_ms}
    if made is not None:
        if made.plan is not None:
            line |= {"service": made.plan.service.value, "decision": made.plan.rule.name}
        line |= {"send": made.number} if made.number else {}
        line |= {"status": made.status} if made.status else {}
        line |= {"call_ms": round(made.slot.latency_seconds * 1000)} if made.slot.latency_seconds else {}
        line |= {"rule": made.rule} if made.rule else {}
        line |= {"evidence": made.evidence} if made.evidence else {}
    match outcome:
        case Settled():
            return line | {
                "outcome": _settled_name(line, outcome),
                "memo_id": outcome.memo_id,
                "via": outcome.via.value,
            }
        case Deferred():
            words = {"message": outcome.message} if outcome.message else {}
            name = "in_doubt" if outcome.to is State.IN_DOUBT else "deferred"
            return (
                line | {"outcome": name, "reason": outcome.reason, "delay_s": round(outcome.delay_seconds, 2)} | words
            )
        case Held(hold=hold):
            words = {"reason": hold.reason, "message": hold.words}
            return line | {"outcome": "held"} | words
        case DeadLettered():
            words = {"reason": outcome.reason, "verdict": outcome.verdict.value, "message": outcome.message}
            return line | {"outcome": "dead_lettered"} | words
        case Withdrawn():
            return line | {"outcome": "cancelled"}


def _money_found(claim: Claim, details: Mapping[str, Any], shop: Shop | None) -> Decimal | None:
    """The total of a credit memo that was found by its marker, where a limit on money applies to its job."""
    is_limited = claim.entry.is_limited or (shop is not None and bool(shop.limits))
    return cents(details["base_grand_total"]) if is_limited and "base_grand_total" in details else None


def _settled_name(line: dict[str, Any], outcome: Settled) -> str:
    if outcome.via.value == "marker":
        return "already_refunded"
    return "persisted" if line.get("service") == "creditmemo_save" else "refunded"
