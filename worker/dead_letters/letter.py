"""A dead letter as a value, and the money that its job asks for."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from worker.domain.asked import money_asked
from worker.domain.service import Service

#: Reasons of letters whose document never became a job: there is nothing to replay.
NEVER_A_JOB: Final = frozenset({"invalid", "key_conflict"})


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One dead letter.

    Attributes:
        id: Its place in the stream.
        key: The idempotency key, as far as one could be read.
        reason: Our reason code.
        verdict: `not_sent`, `refused` or `unknown`: whether money may have moved.
        message: Magento's words, or what is wrong with the document.
        at_ms: When it died, on the Redis server's clock.
        job: The document, for jobs; empty for what never became one.
        raw: The bytes as they came, for what never became a job.
        door: Where such a document came in.
        service: By which of Magento's services the refund was, or would have been, asked for.
        attempts: The history up to the death.
        revision: Number of its document: one more with every edit.
        closed: How, by whom, why and when people closed it; empty while it is open.
    """

    id: str
    key: str
    reason: str
    verdict: str
    message: str
    at_ms: int
    job: Mapping[str, Any]
    shop: str = ""
    lane: str = ""
    campaign: str = ""
    sends: int = 0
    attempts: tuple[Mapping[str, Any], ...] = ()
    raw: bytes = b""
    door: str = ""
    service: str = ""
    revision: int = 1
    closed: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, letter_id: str, fields: Mapping[str, str]) -> "Letter":
        """Build a letter from the fields of its stream entry; what cannot be read is left empty."""
        job = _object(fields.get("job", ""))
        attempts = tuple(line for line in map(_object, fields.get("attempts", "").splitlines()) if line)
        return cls(
            id=letter_id,
            key=fields.get("key", ""),
            reason=fields.get("reason", ""),
            verdict=fields.get("verdict", ""),
            message=fields.get("message", ""),
            at_ms=int(fields.get("at_ms") or 0),
            job=job,
            shop=fields.get("shop", ""),
            lane=fields.get("lane", ""),
            campaign=fields.get("campaign", ""),
            sends=int(fields.get("sends") or 0),
            attempts=attempts,
            raw=_decoded(fields.get("raw_base64", "")),
            door=fields.get("door", ""),
            service=fields.get("service") or _service_tried(attempts) or service_decided(job),
            revision=int(fields.get("revision") or 1),
            closed=_closed(fields),
        )

    @property
    def may_hide_money(self) -> bool:
        """Whether the gateway was asked and nobody knows how it answered: a missing credit memo proves nothing then."""
        return self.verdict == "unknown" and bool(self.job.get("online"))

    @property
    def was_a_job(self) -> bool:
        """Whether the ledger has an entry for it, so that it can be replayed."""
        return self.reason not in NEVER_A_JOB or not self.door

    @property
    def money(self) -> Decimal | None:
        """What the job asks for, in base currency; None where only the shop knows."""
        return money_asked(self.job) if self.job else None

    @property
    def raw_text(self) -> str:
        """The raw bytes as text; what is not UTF-8 is shown as escapes."""
        return self.raw.decode("utf-8", "backslashreplace")

    def summary(self) -> dict[str, Any]:
        """What `--json` says of it."""
        known: dict[str, Any] = {
            "id": self.id,
            "key": self.key,
            "reason": self.reason,
            "verdict": self.verdict,
            "message": self.message,
            "at_ms": self.at_ms,
            "shop": self.shop,
            "service": self.service,
            "campaign": self.campaign,
            "lane": self.lane,
            "sends": self.sends,
            "money": None if self.money is None else str(self.money),
            "revision": self.revision,
        }
        if self.closed:
            known["closed"] = dict(self.closed)
        if self.was_a_job:
            return known | {"job": dict(self.job), "attempts": [dict(line) for line in self.attempts]}
        return known | {"door": self.door, "raw": self.raw_text, "raw_base64": base64.b64encode(self.raw).decode()}


def service_decided(job: Mapping[str, Any]) -> str:
    """The service that a document alone decides, as `worker/domain/decision.py` has it; empty for no job."""
    if not job:
        return ""
    if job.get("mode") == "persist":
        return Service.CREDITMEMO_SAVE.value
    if job.get("creditmemo") is not None:
        return Service.CREDITMEMO_REFUND.value
    return (Service.INVOICE_REFUND if job.get("online") or job.get("invoice_id") else Service.ORDER_REFUND).value


def _service_tried(attempts: Sequence[Mapping[str, Any]]) -> str:
    """The service of the latest attempt for which one was planned."""
    return next((str(line["service"]) for line in reversed(attempts) if line.get("service")), "")


def _closed(fields: Mapping[str, str]) -> dict[str, Any]:
    if "closed_ms" not in fields:
        return {}
    return {"at_ms": int(fields["closed_ms"])} | {name: fields.get(name, "") for name in ("how", "by", "why")}


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""
