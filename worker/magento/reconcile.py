"""Did it happen? Find the credit memos that carry the marker of a key."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from worker.domain.facts import Document
from worker.domain.key import bears_marker, markers_in, own_number
from worker.domain.plan import transaction_marker


def marked(memos: Sequence[Document], key: str, own: Document | None) -> list[Document]:
    """Keep the credit memos that carry the marker of a key: in a comment, the transaction id or the number.

    All memos of the order are read and compared here, because a search by text would take the letters `%` and `_`
    of a key for wildcards, and a misspelt condition is answered with an empty list (contract section 0, fact 12).

    Args:
        memos: Every credit memo of the order.
        key: The idempotency key.
        own: The job's own credit memo document, whose `increment_id` and `store_id` are a marker too.
    """
    return [memo for memo in memos if _is_marked(memo, key, own or {})]


def _is_marked(memo: Document, key: str, own: Document) -> bool:
    if any(bears_marker(comment.get("comment"), key) for comment in memo.get("comments") or ()):
        return True
    if memo.get("transaction_id") == transaction_marker(key) or memo.get("increment_id") == own_number(key):
        return True
    has_own = own.get("increment_id") and own.get("store_id") is not None
    return bool(
        has_own
        and memo.get("increment_id") == str(own["increment_id"])[:50]
        and str(memo.get("store_id")) == str(own["store_id"]),
    )


def seen(memos: Sequence[Document]) -> list[dict[str, Any]]:
    """Give what a dead letter says about the credit memos that an order had: evidence for a human."""
    names = ("entity_id", "increment_id", "base_grand_total", "created_at")
    return [{name: memo.get(name) for name in names} for memo in memos]


def foreign_since(memos: Sequence[Document], since_ms: int) -> list[int]:
    """Give the ids of credit memos that came after our first send and carry no marker of ours.

    An admin or a gateway's webhook made them; jobs of ours on the same order cannot have, since they wait in line.
    """
    return [int(memo["entity_id"]) for memo in memos if _created_ms(memo) > since_ms > 0 and not markers_in(memo)]


def _created_ms(memo: Document) -> float:
    """When a memo was made, in ms; Magento says UTC to the second, and nothing is 0."""
    try:
        made = datetime.strptime(str(memo.get("created_at")), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return made.timestamp() * 1000
