"""Sample orders: paid, varied and consistent, as Magento's GET routes would give them."""

import random
from dataclasses import dataclass, field
from typing import Any, Final

from worker.domain.money_math import Amount, php_round

Document = dict[str, Any]
#: California's sales tax, as a share.
TAX_RATE: Final = 0.0825
EURO_RATE: Final = 0.9137
_CREATED: Final = "2026-01-05 09:30:00"
_PRODUCTS: Final = (
    ("MUG-01", "Stoneware mug", 10.0), ("LAMP-7", "Desk lamp", 24.99), ("PEN-3", "Gel pen", 7.33),
    ("BAG-12", "Canvas bag", 39.5), ("TEA-4", "Green tea", 5.95), ("CASE-9", "Laptop case", 59.9),
)  # fmt: skip
#: What an order is like; sixteen in turn, so that every sixteenth is alike.
_KINDS: Final = (
    "plain", "plain", "taxed", "taxed", "discount", "configurable", "taxed", "plain",
    "bundle", "virtual", "taxed", "euro", "discount", "plain", "fixed_bundle", "taxed",
)  # fmt: skip


@dataclass
class _Basket:
    """An order while it is being filled."""

    order_id: int
    rate: float
    tax_rate: float
    discount_rate: float
    items: list[Document] = field(default_factory=list)

    def money(self, base: float) -> Amount:
        """Give an amount that was priced in base currency in both currencies."""
        return Amount(php_round(base * self.rate), base)

    def add(self, product: tuple[str, str, float], qty: int, **given: Any) -> Document:  # noqa: ANN401 - any column
        """Put a line with a price of its own into the basket."""
        sku, name, base_price = product
        price = self.money(base_price)
        row = Amount(php_round(price.order * qty), php_round(price.base * qty))
        discount = Amount(php_round(row.order * self.discount_rate), php_round(row.base * self.discount_rate))
        tax = Amount(*(php_round((r - d) * self.tax_rate) for r, d in zip(_pair(row), _pair(discount), strict=True)))
        item = _line(self.order_id, len(self.items), sku, name, qty)
        for key, amount in {
            "price": price,
            "original_price": price,
            "price_incl_tax": Amount(*(php_round(p * (1 + self.tax_rate)) for p in _pair(price))),
            "row_total": _cents(row - discount),  # shown less the discount, as the order's routes do
            "row_invoiced": row,
            "row_total_incl_tax": _cents(row - discount + tax),
            "tax_amount": tax,
            "tax_invoiced": tax,
            "discount_amount": discount,
            "discount_invoiced": discount,
        }.items():
            item[key], item[f"base_{key}"] = amount.order, amount.base
        item |= {"tax_percent": self.tax_rate * 100, "weee_tax_applied": "[]", **given}
        self.items.append(item)
        return item

    def add_child(self, product: tuple[str, str, float], qty: int, parent: Document) -> None:
        """Put a line without a price into the basket: its parent carries the money."""
        item = _line(self.order_id, len(self.items), product[0], product[1], qty)
        item |= dict.fromkeys(
            ("price", "base_price", "row_total", "base_row_total", "row_invoiced", "base_row_invoiced"), 0
        )
        self.items.append(item | {"parent_item_id": parent["item_id"]})

    def total(self, key: str) -> Amount:
        """Sum a column over the lines."""
        return Amount(
            php_round(sum(item.get(key) or 0 for item in self.items)),
            php_round(sum(item.get(f"base_{key}") or 0 for item in self.items)),
        )


def sample_orders(count: int, *, seed: int = 0, first_id: int = 1) -> dict[str, list[Document]]:
    """Make paid orders with one invoice each, ready for `POST /sandbox/orders`.

    A mix of plain, taxed (8.25 %), discounted (10 %), configurable, bundle, virtual and two-currency orders, of one to
    three lines; every third is paid by `checkmo`, the others by `gateway`. Order and invoice ids are the same.

    Args:
        count: How many.
        seed: Same seed, same orders.
        first_id: Entity id of the first order.
    """
    orders, invoices = [], []
    for order_id in range(first_id, first_id + count):
        source = random.Random(f"{seed}:{order_id}")  # noqa: S311 - sample data
        order = _order(order_id, _KINDS[order_id % len(_KINDS)], source)
        orders.append(order)
        invoices.append(_invoice(order))
    return {"orders": orders, "invoices": invoices, "creditmemos": []}


def _order(order_id: int, kind: str, source: random.Random) -> Document:
    is_taxed = kind in {"taxed", "discount", "euro"}
    basket = _Basket(
        order_id,
        EURO_RATE if kind == "euro" else 1.0,
        TAX_RATE if is_taxed else 0.0,
        0.1 if kind == "discount" else 0.0,
    )
    _fill(basket, kind, source)
    is_virtual = kind == "virtual"
    shipping = basket.money(0.0 if is_virtual else float(5 * sum(i["qty_ordered"] for i in basket.items if _is_top(i))))
    method = "checkmo" if order_id % 3 == 0 else "gateway"
    order = {
        **_header(order_id, method, "EUR" if kind == "euro" else "USD", basket.rate),
        **_amounts(basket, shipping),
        "is_virtual": int(is_virtual),
        "state": "complete" if is_virtual else "processing",
        "status": "complete" if is_virtual else "processing",
        "total_item_count": sum(1 for item in basket.items if _is_top(item)),
        "total_qty_ordered": sum(item["qty_ordered"] for item in basket.items if _is_top(item)),
        "items": basket.items,
    }
    order["payment"] = _payment(order, method)
    return order


def _fill(basket: _Basket, kind: str, source: random.Random) -> None:
    if kind == "configurable":
        parent = basket.add(("SHIRT-M", "Shirt", 30.0), source.randint(1, 3), product_type="configurable")
        basket.add_child(("SHIRT-M", "Shirt M", 0.0), parent["qty_ordered"], parent)
    elif kind == "fixed_bundle":
        parent = basket.add(("SET-F", "Gift set", 45.0), source.randint(1, 2), product_type="bundle")
        basket.add_child(_PRODUCTS[0], parent["qty_ordered"] * 2, parent)
    elif kind == "bundle":
        qty = source.randint(1, 2)
        parent = basket.add(("SET-D", "Picnic set", 44.99), qty, product_type="bundle")
        parent |= {key: 0 for key in parent if key.endswith(("row_invoiced", "tax_invoiced", "discount_invoiced"))}
        basket.add(_PRODUCTS[0], qty * 2, parent_item_id=parent["item_id"])
        basket.add(_PRODUCTS[1], qty, parent_item_id=parent["item_id"])
        return
    is_virtual = kind == "virtual"
    for product in source.sample(_PRODUCTS, source.randint(1, 3 if kind in {"plain", "taxed"} else 2)):
        extra = {"product_type": "virtual", "is_virtual": 1} if is_virtual else {}
        basket.add(product, source.randint(1, 4), **extra)


def _line(order_id: int, position: int, sku: str, name: str, qty: int) -> Document:
    return {
        "amount_refunded": 0,
        "base_amount_refunded": 0,
        "is_qty_decimal": 0,
        "is_virtual": 0,
        "item_id": order_id * 10 + position,
        "name": name,
        "order_id": order_id,
        "product_id": sum(sku.encode()),
        "product_type": "simple",
        "qty_canceled": 0,
        "qty_invoiced": qty,
        "qty_ordered": qty,
        "qty_refunded": 0,
        "qty_shipped": 0,
        "sku": sku,
        "store_id": 1,
    }


def _header(order_id: int, method: str, currency: str, rate: float) -> Document:
    codes = {f"{kind}_currency_code": "USD" for kind in ("base", "global", "store")}
    return {
        **codes,
        "order_currency_code": currency,
        "base_to_global_rate": 1,
        "base_to_order_rate": rate,
        "billing_address_id": order_id * 2,
        "created_at": _CREATED,
        "customer_email": "ada@example.com",
        "customer_firstname": "Ada",
        "customer_is_guest": 1,
        "customer_lastname": "Lovelace",
        "entity_id": order_id,
        "increment_id": f"{order_id:09d}",
        "shipping_description": "Flat Rate - Fixed",
        "status_histories": [],
        "store_id": 1,
        "updated_at": _CREATED,
        "extension_attributes": {"payment_additional_info": [{"key": "method_title", "value": method.title()}]},
    }


def _amounts(basket: _Basket, shipping: Amount) -> Document:
    """Give the totals of an order; a dynamic bundle's parent does not count, its children do."""
    subtotal, tax, discount = (basket.total(key) for key in ("row_invoiced", "tax_invoiced", "discount_invoiced"))
    grand = Amount(
        *(php_round(s + t - d + h) for s, t, d, h in zip(*map(_pair, (subtotal, tax, discount, shipping)), strict=True))
    )
    incl_tax = Amount(php_round(subtotal.order + tax.order), php_round(subtotal.base + tax.base))
    named = {
        **dict.fromkeys(("subtotal", "subtotal_invoiced"), subtotal),
        **dict.fromkeys(("tax_amount", "tax_invoiced"), tax),
        **dict.fromkeys(("discount_amount", "discount_invoiced"), -discount),
        **dict.fromkeys(("shipping_amount", "shipping_invoiced", "shipping_incl_tax"), shipping),
        **dict.fromkeys(("grand_total", "total_paid", "total_invoiced"), grand),
        **dict.fromkeys(("shipping_tax_amount", "shipping_discount_amount", "total_due"), Amount()),
        "subtotal_incl_tax": incl_tax,
    }
    return {key: a.order + 0.0 for key, a in named.items()} | {f"base_{key}": a.base + 0.0 for key, a in named.items()}


def _payment(order: Document, method: str) -> Document:
    paid = {
        "amount_ordered": order["grand_total"],
        "amount_paid": order["grand_total"],
        "base_amount_ordered": order["base_grand_total"],
        "base_amount_paid": order["base_grand_total"],
        "shipping_amount": order["shipping_amount"],
        "base_shipping_amount": order["base_shipping_amount"],
    }
    trace = {"last_trans_id": f"CAP-{order['entity_id']:09d}"} if method == "gateway" else {}
    return {"entity_id": order["entity_id"], "parent_id": order["entity_id"], "method": method, **paid, **trace}


def _invoice(order: Document) -> Document:
    copied = ("subtotal", "subtotal_incl_tax", "tax_amount", "discount_amount", "grand_total", "shipping_amount",
              "shipping_incl_tax", "shipping_tax_amount")  # fmt: skip
    invoice = {key: order[key] for name in copied for key in (name, f"base_{name}")}
    invoice |= {key: order[key] for key in order if key.endswith(("_currency_code", "_rate"))}
    if order["payment"]["method"] == "gateway":
        invoice["transaction_id"] = order["payment"]["last_trans_id"]
    return invoice | {
        "entity_id": order["entity_id"],
        "increment_id": order["increment_id"],
        "order_id": order["entity_id"],
        "created_at": order["created_at"],
        "updated_at": order["updated_at"],
        "state": 2,
        "store_id": 1,
        "total_qty": order["total_qty_ordered"],
        "comments": [],
        "items": [_invoice_item(order, position, item) for position, item in enumerate(order["items"])],
    }


def _invoice_item(order: Document, position: int, item: Document) -> Document:
    names = ("name", "sku", "product_id")
    amounts = ("price", "price_incl_tax", "tax_amount", "discount_amount")
    kept = (*names, *(key for name in amounts for key in (name, f"base_{name}")))
    rows = {key: item[key.replace("total", "invoiced")] for key in ("row_total", "base_row_total")}
    return (
        rows
        | {key: item[key] for key in kept if key in item}
        | {
            "entity_id": order["entity_id"] * 10 + position,
            "order_item_id": item["item_id"],
            "parent_id": order["entity_id"],
            "qty": item["qty_invoiced"],
        }
    )


def _is_top(item: Document) -> bool:
    return "parent_item_id" not in item


def _cents(amount: Amount) -> Amount:
    return Amount(php_round(amount.order), php_round(amount.base))


def _pair(amount: Amount) -> tuple[float, float]:
    return amount.order, amount.base
