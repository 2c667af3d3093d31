"""Did it happen? Find the credit memos that carry the marker of a key."""

from collections.abc import Sequence
from typing import Any

from worker.domain.facts import Document
from worker.domain.key import bears_marker, own_number
from worker.domain.plan import transaction_marker
from worker.magento.client import Magento


async def find_memos(magento: Magento, *, order_id: int, key: str, own: Document | None) -> list[Document]:
    """Find the credit memos of a key among those of its order, oldest first.

    All memos of the order are read and compared here, because a search by text would take the letters `%` and `_`
    of a key for wildcards, and a misspelt condition is answered with an empty list (contract section 0, fact 12).

    Args:
        magento: The shop.
        order_id: Entity id of the order.
        key: The idempotency key.
        own: The job's own credit memo document, whose `increment_id` and `store_id` are a marker too.

    Raises:
        NotSent, Throttled, Unauthorised: The shop could not be asked; nothing is known.
    """
    return marked(await magento.creditmemos_of(order_id), key, own)


def marked(memos: Sequence[Document], key: str, own: Document | None) -> list[Document]:
    """Keep the credit memos that carry the marker of a key: in a comment, the transaction id or the number."""
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
