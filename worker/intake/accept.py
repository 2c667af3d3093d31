"""Accept: validate, fingerprint, write the ledger entry, then publish the keys. Shared by every door.

A job is accepted when its entry stands. If publishing fails after that, upkeep publishes it.
"""

import asyncio
import base64
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config.settings import Settings
from worker import metrics
from worker.domain.job import RefundJob, parse_job, parse_stored
from worker.domain.key import differences
from worker.domain.lifecycle import State
from worker.domain.limits import Limits
from worker.domain.problems import InvalidJob, Problem
from worker.guards.budget import limits_by_shop
from worker.ledger.ledger import Ledger
from worker.ledger.row import Receipt, Row

log = structlog.get_logger("intake")

#: How soon a document is taken in again after the ledger was away, in seconds.
_AWAY_SECONDS: Final = 1.0
Publish = Callable[[str, int, Sequence[str]], Awaitable[None]]
Document = bytes | str | dict[str, Any]


class Intake(Protocol):
    """What a door needs; the process's resources are one."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102 - the type says it
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102 - the type says it


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a producer is told of one document.

    Attributes:
        status: `accepted`, `duplicate`, `key_conflict` or `invalid`.
        state: Where the job of that key stands; None for an invalid document.
        problems: Why it is invalid, or where it differs from the first one of its key.
    """

    idempotency_key: str | None
    status: str
    state: str | None = None
    problems: tuple[Problem, ...] = ()


def check(document: Document, settings: Settings) -> RefundJob:
    """Validate a document against the rules and against this installation.

    Raises:
        InvalidJob: With every problem found.
    """
    job = parse_job(document, max_bytes=settings.max_document_bytes)
    problems = list(_against_settings(job, settings))
    if problems:
        raise InvalidJob(problems, idempotency_key=job.idempotency_key)
    return job


def _against_settings(job: RefundJob, settings: Settings) -> list[Problem]:
    if job.shop in settings.shops:
        return []
    known = ", ".join(sorted(settings.shops)) or "none"
    return [Problem("shop", f"{job.shop!r} is not configured (REFUNDS_SHOPS has: {known})")]


async def accept(documents: Sequence[Document], r: Intake, publish: Publish, *, lane: str, door: str) -> list[Answer]:
    """Accept documents that came together; they travel together.

    Args:
        documents: 1 to 100 documents.
        r: Settings and ledger.
        publish: Sends one message to a lane.
        lane: `express` or `bulk`.
        door: Where they came in, for the counters.

    Returns:
        One answer per document, in order.

    Raises:
        RedisError: The ledger is away; nothing of this call was accepted for sure: submit it again.
    """
    limits = limits_by_shop(r.settings)
    found = [judge(document, r.settings, limits) for document in documents]
    return await enter(found, r, publish, lane=lane, door=door)


def judge(document: Document, settings: Settings, limits: Mapping[str, Limits]) -> Row | Answer:
    """Make what the ledger takes of a document, or the answer that refuses it. Needs nothing but the processor.

    Args:
        limits: What the settings say, by shop.
    """
    try:
        job = check(document, settings)
    except InvalidJob as error:
        return refused(error)
    return Row.of(job, stored(job), limits[job.shop])


def refused(error: InvalidJob) -> Answer:
    """The answer to a document that is no job."""
    return Answer(idempotency_key=error.idempotency_key, status="invalid", problems=tuple(error.problems))


async def enter(found: Sequence[Row | Answer], r: Intake, publish: Publish, *, lane: str, door: str) -> list[Answer]:
    """Accept documents that were judged before; see `accept`."""
    rows = [one for one in found if isinstance(one, Row)]
    receipts = iter(await _enter(rows, r, publish, lane=lane) if rows else [])
    done = [_answer(one, next(receipts)) if isinstance(one, Row) else one for one in found]
    for status, count in Counter(answer.status for answer in done).items():
        metrics.ACCEPTED.labels(door, status).inc(count)
    return done


async def _enter(rows: Sequence[Row], r: Intake, publish: Publish, *, lane: str) -> list[Receipt]:
    message, receipts = await r.ledger.accept(rows, lane=lane)
    keys = [receipt.key for receipt in receipts if receipt.status == "accepted" and receipt.state != State.HELD]
    if message is not None:
        try:
            await publish(lane, message, keys)
        except (OperationalError, RedisError, OSError) as error:  # accepted all the same
            log.warning("message.not_published", lane=lane, jobs=len(keys), error=type(error).__name__)
    return receipts


def stored(job: RefundJob) -> str:
    """The document as the ledger keeps it: defaults left out, amounts as strings."""
    return job.model_dump_json(exclude_defaults=True)


def _answer(row: Row, receipt: Receipt) -> Answer:
    problems: tuple[Problem, ...] = ()
    if receipt.status == "key_conflict":
        changed = differences(parse_stored(receipt.first), parse_stored(row.document))
        problems = tuple(
            Problem(name, f"was {_said(old)} and is now {_said(new)}") for name, (old, new) in changed.items()
        )
    return Answer(idempotency_key=row.key, status=receipt.status, state=receipt.state, problems=problems)


def _said(value: object) -> str:
    return "not given" if value is None else repr(value)


async def take_in(documents: Sequence[Document], r: Intake, publish: Publish, *, lane: str, door: str) -> list[Answer]:
    """Accept documents of a producer that waits for no answer: what is refused becomes a dead letter.

    Raises:
        RedisError: The ledger is away; take them in again.
    """
    answers = await accept(documents, r, publish, lane=lane if lane in {"express", "bulk"} else "express", door=door)
    for document, answer in zip(documents, answers, strict=True):
        if answer.status in {"invalid", "key_conflict"}:
            reasons = "; ".join(map(str, answer.problems)) or answer.status
            key, raw = answer.idempotency_key or "", base64.b64encode(raw_bytes(document)).decode()
            await r.ledger.bury_invalid(key=key, raw_base64=raw, reason=answer.status, reasons=reasons, door=door)
            log.warning("document.refused", door=door, key=key, status=answer.status, reasons=reasons)
    return answers


async def take_in_at_last(  # noqa: PLR0913 - as `take_in`
    documents: Sequence[Document], r: Intake, publish: Publish, *, lane: str, door: str, stopping: asyncio.Event
) -> list[Answer]:
    """The same, for a message that is gone once it was read: trouble with the ledger is waited out.

    Raises:
        RedisError: We are to stop, and the ledger is still away: the message must go back.
    """
    is_away = False
    while True:
        try:
            return await take_in(documents, r, publish, lane=lane, door=door)
        except (RedisError, OSError) as error:
            if stopping.is_set():
                raise
            if not is_away:
                log.warning("intake.redis_away", door=door, error=type(error).__name__, detail=str(error)[:200])
            is_away = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _AWAY_SECONDS)


def raw_bytes(document: object) -> bytes:
    """The document as it came, or as JSON where it came decoded."""
    match document:
        case bytes():
            return document
        case str():
            return document.encode("utf-8", "surrogatepass")
        case _:
            return json.dumps(document, default=str).encode()
