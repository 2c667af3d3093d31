"""The jobs of the benchmark: ~400 bytes each, one order each, explicit lines, so that each is one POST."""

import json
from collections.abc import Iterator
from typing import Any


def document(number: int, *, campaign: str = "") -> dict[str, Any]:
    """Give the document of one job; the same number gives the same document."""
    order_id = number + 1
    made = {
        "idempotency_key": f"bench-{number:09d}",
        "order_id": order_id,
        "items": [
            {"order_item_id": order_id * 2, "qty": "1"},
            {"order_item_id": order_id * 2 + 1, "qty": "2"},
        ],
        "shipping_amount": "0",
        "comment": "Recalled: the handle may come off. Refund of the affected pieces only.",
        "reason": "recall-2026-117",
        "requested_by": "returns@shop.example",
        "metadata": {"rma": f"RMA-{number:09d}", "batch": 17, "source": "warehouse"},
    }
    return made | ({"campaign": campaign} if campaign else {})


def texts(start: int, count: int, *, campaign: str = "") -> Iterator[str]:
    """Give documents as JSON, `count` of them from number `start` on."""
    return (
        json.dumps(document(number, campaign=campaign), separators=(",", ":")) for number in range(start, start + count)
    )
