"""One job of a campaign as a line of its report: what was asked, what came of it, when. Pure.

Nothing in it is formatted for one kind of file; the writers do that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from worker.domain.asked import money_asked
from worker.domain.facts import Document
from worker.domain.lifecycle import FINAL, State
from worker.domain.money import cents
from worker.ledger.entry import Entry

#: The service whose credit memo is only stored: no money moves.
_SAVE: Final = "creditmemo_save"


class Ending(StrEnum):
    """How a job stands, in the words of the report."""

    REFUNDED = "refunded"
    #: A credit memo was stored; no money moved.
    PERSISTED = "persisted only"
    #: A dead letter whose refund did not happen.
    NOT_REFUNDED = "not refunded"
    #: A dead letter of which nobody knows whether money moved: a human must look.
    UNKNOWN = "unknown"
    #: Its campaign was cancelled before anything of it was sent.
    CANCELLED = "cancelled"
    #: Not finished: queued, waiting, in flight, held or in doubt.
    OPEN = "not finished"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job. Times are ms since 1970; 0 where there is none. Money is in the base currency of the order.

    Attributes:
        order: Increment id of the order where the job names it, else its entity id.
        memo: Increment id of the credit memo, or its entity id where the number was not read.
        state: Where the ledger says it stands.
        why: Reason code of a dead letter, or of what an unfinished one waits for.
        words: Magento's words, or ours, on a dead letter.
        asked: What the job asks for: the amount it names, or what was computed from the order beforehand.
        confirmed: Grand total of the credit memo as it was read back; None where none was read.
        currency: Base currency, as the credit memo says; empty where none was read.
        in_order_currency: The same total in the currency of the customer.
        attempts: Runs of the handler; 0 for a job that was never begun.
        call_ms: How long the call of the last attempt took; None where it is not known.
        mismatch: What about the credit memo is not as it was asked.
    """

    key: str
    order: str
    shop: str
    service: str
    ending: Ending
    state: State
    memo: str = ""
    memo_id: int | None = None
    why: str = ""
    verdict: str = ""
    words: str = ""
    asked: Decimal | None = None
    confirmed: Decimal | None = None
    currency: str = ""
    in_order_currency: Decimal | None = None
    order_currency: str = ""
    attempts: int = 0
    sends: int = 0
    accepted_ms: int = 0
    finished_ms: int = 0
    call_ms: int | None = None
    mismatch: str = ""
    comment: str = ""
    reason: str = ""
    requested_by: str = ""
    metadata: str = ""


def row_of(entry: Entry, memo: Document | None = None) -> Row:
    """Tell of one ledger entry.

    Args:
        entry: The entry.
        memo: Its credit memo, where it was read just now; else what was kept of the confirmation counts.
    """
    document = entry.document()
    facts = entry.confirmed if memo is None else {**entry.confirmed, **memo}
    memo_id = entry.result.get("memo_id") if entry.state is State.SETTLED else None
    last: Mapping[str, Any] = next((line for line in reversed(entry.history) if "attempt" in line), {})
    is_final = entry.state in FINAL
    return Row(
        key=entry.key,
        order=_order(document, entry, facts),
        shop=entry.shop,
        service=str(entry.result.get("service") or entry.sent.get("service") or last.get("service") or ""),
        ending=_ending(entry),
        state=entry.state,
        memo=_memo_number(memo_id, entry, facts),
        memo_id=memo_id,
        why=entry.reason,
        verdict=entry.verdict,
        words=entry.message,
        asked=_asked(document, entry),
        confirmed=_money(facts, "base_grand_total") if memo_id is not None else None,
        currency=_text(facts, "base_currency_code"),
        in_order_currency=_money(facts, "grand_total") if memo_id is not None else None,
        order_currency=_text(facts, "order_currency_code"),
        attempts=_attempts(entry),
        sends=entry.sends,
        accepted_ms=entry.accepted_ms,
        finished_ms=entry.updated_ms if is_final else 0,
        call_ms=_whole(last.get("call_ms")) if is_final else None,
        mismatch="; ".join(str(one.get("detail", "")) for one in entry.confirmed.get("mismatches", ())),
        comment=_text(document, "comment"),
        reason=_text(document, "reason"),
        requested_by=_text(document, "requested_by"),
        metadata=json.dumps(document["metadata"], ensure_ascii=False) if document.get("metadata") else "",
    )


def _ending(entry: Entry) -> Ending:
    match entry.state:
        case State.SETTLED:
            return Ending.PERSISTED if entry.result.get("service") == _SAVE else Ending.REFUNDED
        case State.DEAD:
            return Ending.UNKNOWN if entry.verdict == "unknown" else Ending.NOT_REFUNDED
        case State.CANCELLED:
            return Ending.CANCELLED
        case _:
            return Ending.OPEN


def _order(document: Mapping[str, Any], entry: Entry, facts: Mapping[str, Any]) -> str:
    memo = document.get("creditmemo")
    inner = memo.get("order_id") if isinstance(memo, Mapping) else None
    known = (document.get("order_number"), document.get("order_id"), inner, facts.get("order_id"))
    return str(next((name for name in known if name), entry.sent.get("order_id") or ""))


def _memo_number(memo_id: int | None, entry: Entry, facts: Mapping[str, Any]) -> str:
    if memo_id is None:
        return ""
    return str(facts.get("increment_id") or entry.result.get("increment_id") or memo_id)


def _asked(document: Mapping[str, Any], entry: Entry) -> Decimal | None:
    named = money_asked(document)
    if named is not None:
        return named
    quote = entry.confirmed.get("quote", entry.sent.get("quote"))
    return None if quote is None else cents(quote)


def _attempts(entry: Entry) -> int:
    """Count attempts: the history has a line for each, but keeps no more than a hundred; the fence counts claims."""
    seen = sum("attempt" in line for line in entry.history)
    return seen or entry.fence


def _money(facts: Mapping[str, Any], name: str) -> Decimal | None:
    return None if facts.get(name) is None else cents(facts[name])


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return "" if value is None else str(value)


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None
