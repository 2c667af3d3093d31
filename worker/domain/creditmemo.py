"""The whole credit memo of a job: only keys that Magento knows, and the totals that it trusts blindly.

Both credit-memo services take every amount from the body (contract 3.3, 3.8), so what is missing or
contradictory here would become a wrong memo with HTTP 200. Unknown nested keys are a masked 500 (4.3).
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from worker.domain.problems import Problem

_INTS: Final = frozenset(
    {"store_id", "order_id", "invoice_id", "billing_address_id", "shipping_address_id", "state"}
    | {"creditmemo_status", "email_sent"},
)
_STRINGS: Final = frozenset(
    {"increment_id", "transaction_id", "created_at", "updated_at", "discount_description"}
    | {"base_currency_code", "order_currency_code", "store_currency_code", "global_currency_code"},
)
_AMOUNTS: Final = frozenset(
    prefix + name
    for prefix in ("", "base_")
    for name in (
        *("grand_total", "subtotal", "subtotal_incl_tax", "tax_amount", "discount_amount", "shipping_amount"),
        *("shipping_incl_tax", "shipping_tax_amount", "discount_tax_compensation_amount"),
        *("adjustment", "adjustment_positive", "adjustment_negative"),
    )
) | frozenset(
    {"shipping_discount_tax_compensation_amount", "base_shipping_discount_tax_compensation_amnt"}
    | {"base_to_global_rate", "base_to_order_rate", "store_to_base_rate", "store_to_order_rate"},
)
_ITEM_INTS: Final = frozenset({"order_item_id", "product_id"})
_ITEM_STRINGS: Final = frozenset({"sku", "name", "description", "additional_data", "weee_tax_applied"})
_ITEM_AMOUNTS: Final = frozenset(
    prefix + name
    for prefix in ("", "base_")
    for name in (
        *("price", "price_incl_tax", "row_total", "row_total_incl_tax", "tax_amount", "discount_amount"),
        *("discount_tax_compensation_amount", "weee_tax_applied_amount", "weee_tax_disposition"),
        "weee_tax_row_disposition",
    )
) | frozenset({"qty", "base_cost", "weee_tax_applied_row_amount", "base_weee_tax_applied_row_amnt"})

#: Fields that hold a number with decimals; every other text stays as it is, `increment_id` with its zeros above all.
AMOUNT_FIELDS: Final = _AMOUNTS | _ITEM_AMOUNTS

#: Keys that Magento has but that hurt here, with the reason (contract 3.3 steps 2 and 8).
_FORBIDDEN: Final[Mapping[str, str]] = {
    "entity_id": "must not be given: Magento would overwrite that credit memo",
    "comments": "must not be given: Magento refuses a credit memo that carries comments",
    "customer_note": "is not a field of Magento's credit memo document",
}
_MAX_ITEMS: Final = 1000
_MAX_TEXT: Final = 1000
_SIGNED: Final = ("discount_amount", "adjustment", "rate", "weee", "compensation")


def memo_problems(memo: Mapping[str, object], *, process: bool) -> Iterator[Problem]:
    """Yield what is wrong with a credit memo document.

    Args:
        memo: The document as given in the job.
        process: True for `process` jobs, where Magento adds the totals to the order as they stand.
    """
    for name, value in memo.items():
        field = f"creditmemo.{name}"
        if name in _FORBIDDEN:
            yield Problem(field, _FORBIDDEN[name])
        elif name == "items":
            yield from _item_problems(value, process=process)
        elif reason := _wrong_value(name, value, _INTS, _STRINGS, _AMOUNTS):
            yield Problem(field, reason)
    for name in ("shipping_amount", "base_shipping_amount"):
        if memo.get(name) is None:
            yield Problem(f"creditmemo.{name}", 'is required; say "0" when no shipping is refunded')
    if process:
        yield from _total_problems(memo)


def _total_problems(memo: Mapping[str, object]) -> Iterator[Problem]:
    for name in ("base_grand_total", "grand_total"):
        amount = amount_of(memo.get(name))
        if memo.get(name) is None:
            yield Problem(f"creditmemo.{name}", "is required: Magento books exactly what is given here")
        elif amount is not None and amount <= 0:
            yield Problem(f"creditmemo.{name}", "must be more than 0: an empty or negative memo refunds nothing")
    base, total = amount_of(memo.get("base_grand_total")), amount_of(memo.get("grand_total"))
    same_currency = memo.get("base_currency_code") == memo.get("order_currency_code")
    rate = amount_of(memo.get("base_to_order_rate")) or (Decimal(1) if same_currency else None)
    if base and total and rate and abs(base * rate - total) > Decimal("0.02"):
        yield Problem("creditmemo.grand_total", f"does not match base_grand_total {base} at the rate {rate}")


def _item_problems(items: object, *, process: bool) -> Iterator[Problem]:
    if not isinstance(items, list):
        yield Problem("creditmemo.items", "must be a list")
        return
    if len(items) > _MAX_ITEMS:
        yield Problem("creditmemo.items", f"has more than {_MAX_ITEMS} lines")
        return
    seen: set[object] = set()
    for index, item in enumerate(items):
        field = f"creditmemo.items[{index}]"
        if not isinstance(item, dict):
            yield Problem(field, "must be an object")
            continue
        yield from _line_problems(field, item, process=process)
        line = item.get("order_item_id")
        if isinstance(line, int) and line in seen:
            yield Problem(f"{field}.order_item_id", f"names line {line} a second time")
        seen.add(line if isinstance(line, int) else None)


def _line_problems(field: str, item: Mapping[str, object], *, process: bool) -> Iterator[Problem]:
    required = ("order_item_id", "qty", "row_total", "base_row_total") if process else ("order_item_id", "qty")
    for name in required:
        if item.get(name) is None:
            yield Problem(f"{field}.{name}", "is required")
    for name, value in item.items():
        if reason := _wrong_value(name, value, _ITEM_INTS, _ITEM_STRINGS, _ITEM_AMOUNTS):
            yield Problem(f"{field}.{name}", reason)


def _wrong_value(
    name: str,
    value: object,
    ints: frozenset[str],
    strings: frozenset[str],
    amounts: frozenset[str],
) -> str | None:
    if name in ints:
        is_id = isinstance(value, int) and not isinstance(value, bool) and value >= (0 if name == "store_id" else 1)
        return None if value is None or is_id else "must be a positive whole number"
    if name in strings:
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            return "holds half a character (a lone surrogate)"
        if value is None or (isinstance(value, str) and len(value) <= _MAX_TEXT):
            return None
        return f"must be a text of at most {_MAX_TEXT} characters"
    if name not in amounts:
        return "is not a field of Magento's credit memo (unknown fields make Magento fail)"
    if value is None:
        return None
    amount = amount_of(value)
    if amount is None:
        return "must be a number or a decimal string"
    if amount < 0 and not any(word in name for word in _SIGNED):
        return "must not be negative"
    return None


def amount_of(value: object) -> Decimal | None:
    """Read a number of the document exactly, or None when it is not one (exponents are not)."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    is_plain = amount.is_finite() and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", str(value)) is not None
    return amount if is_plain and abs(amount.adjusted()) < 12 else None  # noqa: PLR2004 - digits before the point
