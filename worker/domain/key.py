"""Keys: the fingerprint of a job's content, and the marker by which Magento can be asked for a key."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from worker.domain.creditmemo import AMOUNT_FIELDS, amount_of
from worker.domain.job import Line, RefundJob

#: Said about a refund but not part of it: a producer may stamp its retries with them.
_CARRIED_ALONG: Final = frozenset({"idempotency_key", "reason", "requested_by", "campaign", "metadata"})
_CONTENT: Final = tuple(name for name in RefundJob.model_fields if name not in _CARRIED_ALONG)
_AMOUNTS: Final = frozenset(
    {"amount", "shipping_amount", "adjustment_positive", "adjustment_negative", "expected_total"}
)
MARKER_PREFIX: Final = "ref "
#: How lines are sorted and contents hashed. Both are part of every fingerprint in every ledger: never to be changed.
_in_order: Final = json.JSONEncoder(sort_keys=True).encode
_compact: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


def canonical(job: RefundJob) -> dict[str, Any]:
    """Give the content that makes a job the refund that it is: what is sent, defaults resolved, lines sorted."""
    values = job.__dict__  # a dump by pydantic takes twice as long
    content = {name: value for name in _CONTENT if (value := values[name]) is not None}
    content["mode"] = str(job.mode)
    for name in _AMOUNTS & content.keys():
        if isinstance(amount := content[name], Decimal):
            content[name] = format(amount, "f")
    for name in ("adjustment_positive", "adjustment_negative"):
        if values[name] == 0:
            del content[name]
    if job.items:
        content["items"] = _canonical_lines(job.items)
    if isinstance(job.return_to_stock, list):
        content["return_to_stock"] = sorted(job.return_to_stock)
    if job.creditmemo is not None:
        content["creditmemo"] = _canonical_memo(job.creditmemo)
    else:
        content.setdefault("shipping_amount", "all" if job.full else "0.00")
    return content


def _canonical_lines(items: Sequence[Line]) -> list[dict[str, Any]]:
    """Lines in the order of their JSON."""
    lines: list[tuple[str, dict[str, Any]]] = []
    for line in items:
        number, quantity = line.order_item_id, format(line.qty, "f")
        if number is not None:
            text = f'{{"order_item_id": {number}, "qty": "{quantity}"}}'
            lines.append((text, {"order_item_id": number, "qty": quantity}))
        else:
            text = f'{{"qty": "{quantity}", "sku": {json.dumps(line.sku)}}}'
            lines.append((text, {"sku": line.sku, "qty": quantity}))
    lines.sort(key=itemgetter(0))
    return [content for _, content in lines]


def _canonical_memo(memo: Mapping[str, Any]) -> dict[str, Any]:
    """A credit memo with its amounts as plain numbers (`10`, `"10.00"` and `10.0` are one) and its lines sorted."""
    content: dict[str, Any] = {}
    for name, value in memo.items():
        if name == "items" and isinstance(value, list):
            content[name] = sorted(map(_canonical_memo, value), key=_in_order)
        elif value is not None:
            amount = amount_of(value) if name in AMOUNT_FIELDS else None
            content[name] = value if amount is None else format(amount.normalize(), "f")
    return content


def fingerprint(job: RefundJob) -> str:
    """Hash the canonical content: equal exactly when two documents ask for the same refund. 32 hex digits."""
    return hashlib.sha256(_compact(canonical(job)).encode()).hexdigest()[:32]


def differences(old: RefundJob, new: RefundJob) -> dict[str, tuple[Any, Any]]:
    """Name each field in which two documents of one key differ, with the value of each."""
    before, after = canonical(old), canonical(new)
    fields = sorted(before.keys() | after.keys())
    return {name: (before.get(name), after.get(name)) for name in fields if before.get(name) != after.get(name)}


def marker(key: str) -> str:
    """Write the marker of a key. Keys hold no spaces and no line breaks, so no marker is part of another."""
    return f"{MARKER_PREFIX}{key}"


def marked_comment(key: str, comment: str | None) -> str:
    """Put the marker on the last line of a comment: `comment.comment` is stored with the memo (measured A)."""
    return f"{comment}\n{marker(key)}" if comment else marker(key)


def bears_marker(text: object, key: str) -> bool:
    """Tell whether a comment carries the marker of exactly this key, on its last line."""
    return isinstance(text, str) and text.replace("\r\n", "\n").rstrip().rpartition("\n")[2].strip() == marker(key)


def markers_in(memo: Mapping[str, Any]) -> set[str]:
    """Give the keys whose markers a credit memo bears, in a comment's last line or as its transaction id."""
    texts = [memo.get("transaction_id"), *(comment.get("comment") for comment in memo.get("comments") or ())]
    last = [text.replace("\r\n", "\n").rstrip().rpartition("\n")[2] for text in texts if isinstance(text, str)]
    return {line.removeprefix(MARKER_PREFIX) for line in last if line.startswith(MARKER_PREFIX)}


def own_number(key: str) -> str:
    """Derive a credit memo increment id from a key, for shops that allow it: 26 characters of the 50 Magento keeps."""
    return f"RF{hashlib.sha256(key.encode()).hexdigest()[:24].upper()}"
