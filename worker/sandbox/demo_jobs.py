"""The sample campaign of the demo: orders, jobs of every kind, and what must come of each, computed from the orders."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import cycle
from typing import Any, Final

from worker.domain.money import cents
from worker.sandbox.orders import sample_orders

Document = dict[str, Any]
#: Jobs on one order, so that they get into each other's way.
_CROWD: Final = 6
#: Every how manieth job is one that must be refused.
_REFUSED_EVERY: Final = 20
#: Orders of nobody.
_NO_ORDER: Final = 9_000_000


class Door(StrEnum):
    """Where a job comes in."""

    FILE = "refunds submit"
    STREAM = "XADD refunds:intake"
    TASK = "send_task"


_DOORS: Final = (Door.FILE, Door.FILE, Door.FILE, Door.STREAM, Door.FILE, Door.TASK)


@dataclass(frozen=True, kw_only=True)
class SampleJob:
    """One job of the demo.

    Attributes:
        document: As a producer writes it.
        money: Base grand total that its credit memo must have; None when there must be no credit memo.
        dead_reason: Reason code of the dead letter that it must become; empty when it must settle.
    """

    document: Document
    door: Door
    money: Decimal | None = None
    dead_reason: str = ""

    @property
    def key(self) -> str:
        """The idempotency key."""
        return str(self.document["idempotency_key"])

    @property
    def is_persist(self) -> bool:
        """Whether the credit memo is only stored."""
        return self.document.get("mode") == "persist"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Everything that the demo sends.

    Attributes:
        seeds: For `POST /sandbox/orders`.
        jobs: Distinct jobs.
    """

    seeds: Document
    jobs: Sequence[SampleJob]


#: What a kind of job adds to its key and door, and the money it asks for; None where the order does not suit it.
Kind = Callable[[Document], tuple[Document, Decimal] | None]


def make_campaign(count: int, *, seed: int = 0) -> Campaign:
    """Make a campaign of `count` distinct jobs."""
    seeds = sample_orders(count, seed=seed)
    doors = cycle(_DOORS)
    jobs = list(_jobs(seeds["orders"], doors))
    return Campaign(seeds=seeds, jobs=jobs[:count])


def _jobs(orders: Sequence[Document], doors: Iterator[Door]) -> Iterator[SampleJob]:
    kinds, refusals = cycle(KINDS), cycle(REFUSALS)
    crowded = orders[0]
    for number in range(_CROWD):
        document = {"idempotency_key": f"demo-crowd-{number}", "order_id": crowded["entity_id"], "amount": "0.25"}
        yield SampleJob(document=document, door=next(doors), money=Decimal("0.25"))
    for number, order in enumerate(orders[1:], start=1):
        key = f"demo-{number:05d}"
        if number % _REFUSED_EVERY == 0:
            document, reason = next(refusals)(order)
            yield SampleJob(document={"idempotency_key": key, **document}, door=next(doors), dead_reason=reason)
            continue
        found = None
        while found is None:
            found = next(kinds)(order)
        document, money = found
        if number % 3 == 0:
            document["expected_total"] = str(money)
        yield SampleJob(
            document={"idempotency_key": key, "campaign": "demo", **document}, door=next(doors), money=money
        )


# --- the money of a line, as the order has it ---------------------------------------------------------------------


def _line_total(item: Mapping[str, Any]) -> Decimal:
    """What all units of a line come to: an exact share of the order, no rounding involved."""
    names = ("base_row_invoiced", "base_tax_amount")
    return sum((cents(item.get(name)) for name in names), Decimal(0)) - cents(item.get("base_discount_amount"))


def _lines(order: Document) -> list[Document]:
    """Lines that stand for themselves: no part of a set, and no set with parts that carry the money."""
    parents = {item.get("parent_item_id") for item in order["items"]}
    return [item for item in order["items"] if not item.get("parent_item_id") and item["item_id"] not in parents]


def _set_of(order: Document, product_type: str) -> tuple[Document, list[Document]] | None:
    for item in order["items"]:
        if item.get("product_type") == product_type and not item.get("parent_item_id"):
            return item, [child for child in order["items"] if child.get("parent_item_id") == item["item_id"]]
    return None


def _method(order: Document) -> str:
    return str(order["payment"]["method"])


# --- kinds of jobs ------------------------------------------------------------------------------------------------


def _full(order: Document) -> tuple[Document, Decimal]:
    return {"order_id": order["entity_id"], "full": True}, cents(order["base_grand_total"])


def _full_by_number(order: Document) -> tuple[Document, Decimal]:
    return {"order_number": order["increment_id"], "full": True, "notify": True}, cents(order["base_grand_total"])


def _partial(order: Document) -> tuple[Document, Decimal] | None:
    lines = _lines(order)
    if not lines:
        return None
    item = {"order_item_id": lines[0]["item_id"], "qty": lines[0]["qty_ordered"]}
    document = {"order_id": order["entity_id"], "items": [item], "comment": "Damaged on the way."}
    return document, _line_total(lines[0])


def _by_sku(order: Document) -> tuple[Document, Decimal] | None:
    lines = _lines(order)
    if not lines:
        return None
    item = {"sku": lines[-1]["sku"], "qty": lines[-1]["qty_ordered"]}
    document = {"order_number": order["increment_id"], "items": [item], "return_to_stock": True}
    return document, _line_total(lines[-1])


def _goodwill(order: Document) -> tuple[Document, Decimal]:
    return {"order_id": order["entity_id"], "amount": "3.50", "comment": "Sorry for the delay."}, Decimal("3.50")


def _shipping(order: Document) -> tuple[Document, Decimal] | None:
    if not order["base_shipping_amount"]:
        return None
    return {"order_id": order["entity_id"], "shipping_amount": "2.50"}, Decimal("2.50")


def _adjusted(order: Document) -> tuple[Document, Decimal] | None:
    found = _partial(order)
    if found is None:
        return None
    document, money = found
    return {**document, "adjustment_positive": "1.00", "adjustment_negative": "0.40"}, money + Decimal("0.60")


def _invoice(order: Document) -> tuple[Document, Decimal]:
    """Of an order paid by checkmo the order service does it; of others the invoice service."""
    return {"invoice_id": order["entity_id"], "full": True}, cents(order["base_grand_total"])


def _online(order: Document) -> tuple[Document, Decimal] | None:
    found = _partial(order)
    if found is None or _method(order) != "gateway":
        return None
    document, money = found
    return {**document, "invoice_id": order["entity_id"], "online": True}, money


def _online_by_order(order: Document) -> tuple[Document, Decimal] | None:
    if _method(order) != "gateway":
        return None
    return {"order_id": order["entity_id"], "full": True, "online": True}, cents(order["base_grand_total"])


def _configurable(order: Document) -> tuple[Document, Decimal] | None:
    found = _set_of(order, "configurable")
    if found is None:
        return None
    parent, children = found
    item = {"order_item_id": children[0]["item_id"], "qty": parent["qty_ordered"]}
    return {"order_id": order["entity_id"], "items": [item]}, _line_total(parent)


def _bundle(order: Document) -> tuple[Document, Decimal] | None:
    found = _set_of(order, "bundle")
    if found is None:
        return None
    parent, children = found
    money = sum((_line_total(child) for child in children), Decimal(0)) or _line_total(parent)
    return {"order_id": order["entity_id"], "items": [{"sku": parent["sku"], "qty": parent["qty_ordered"]}]}, money


def _memo(order: Document) -> Document | None:
    """A whole credit memo for the first line."""
    lines = _lines(order)
    if not lines or order["order_currency_code"] != order["base_currency_code"]:
        return None
    line, total = lines[0], str(_line_total(lines[0]))
    names = ("row_invoiced", "tax_amount", "discount_amount", "price")  # the order shows row_total less its discount
    columns = (*names, *(f"base_{name}" for name in names))
    amounts = {name.replace("invoiced", "total"): str(cents(line.get(name))) for name in columns}
    totals = {"shipping_amount": "0", "subtotal": amounts["row_total"], "grand_total": total}
    totals |= {"tax_amount": amounts["tax_amount"], "discount_amount": f"-{amounts['discount_amount']}"}
    return {
        "order_id": order["entity_id"],
        "store_id": 1,
        "base_currency_code": order["base_currency_code"],
        "order_currency_code": order["order_currency_code"],
        **totals,
        **{f"base_{name}": value for name, value in totals.items()},
        "items": [{"order_item_id": line["item_id"], "qty": line["qty_ordered"], "sku": line["sku"], **amounts}],
    }


def _creditmemo(order: Document) -> tuple[Document, Decimal] | None:
    memo = _memo(order)
    return None if memo is None else ({"creditmemo": memo}, Decimal(memo["base_grand_total"]))


def _persist(order: Document) -> tuple[Document, Decimal] | None:
    memo = _memo(order)
    return None if memo is None else ({"mode": "persist", "creditmemo": memo}, Decimal(memo["base_grand_total"]))


KINDS: Final[tuple[Kind, ...]] = (
    _full, _partial, _by_sku, _online, _creditmemo, _goodwill, _invoice, _persist, _configurable, _bundle,
    _full_by_number, _adjusted, _online_by_order, _shipping, _creditmemo, _persist, _invoice, _online,
)  # fmt: skip


# --- kinds of jobs that must be refused ---------------------------------------------------------------------------


def _too_many(order: Document) -> tuple[Document, str]:
    item = order["items"][0]
    line = {"order_item_id": item["item_id"], "qty": int(item["qty_ordered"]) * 2 + 50}
    return {"order_id": order["entity_id"], "items": [line], "shipping_amount": "all"}, "qty_too_large"


def _nowhere(order: Document) -> tuple[Document, str]:
    return {"order_id": _NO_ORDER + order["entity_id"], "full": True}, "order_not_found"


def _foreign_sku(order: Document) -> tuple[Document, str]:
    return {"order_id": order["entity_id"], "items": [{"sku": "NO-SUCH-SKU", "qty": 1}]}, "item_not_on_order"


REFUSALS: Final = (_too_many, _nowhere, _foreign_sku)
