"""What Magento will make of a call, computed from the order as it stands: the credit memo, or the refusal. Pure.

The order and the invoice service compute the memo themselves (contract 3.1, 3.6), which `totals` and `refund_rules`
restate; the two credit-memo services take it as it is given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from worker.domain import refund_rules
from worker.domain.facts import Document
from worker.domain.memo_lines import RefundRefused, counted_units
from worker.domain.money import cents
from worker.domain.money_math import (
    Amount,
    base_to_order_rate,
    number,
    php_round,
    php_text,
    price_text,
)
from worker.domain.order_lines import order_lines
from worker.domain.service import Service
from worker.domain.totals import Asked, MemoTotals, memo_by_invoice, memo_by_order
from worker.domain.would_refuse import WouldRefuse, of_computing, of_validators

_OPEN: Final = 1
#: Totals that only Commerce and add-ons have; their collectors are not known here (contract, section 12).
_FOREIGN_TOTALS: Final = ("gift_cards_amount", "customer_balance_amount", "reward_currency_amount", "gw_price")


@dataclass(frozen=True, slots=True)
class Money:
    """One amount in the currency of the order and in the base currency of the shop."""

    order: Decimal
    base: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class QuoteLine:
    """One line of the memo, with a quantity above 0.

    Attributes:
        discount: As Magento keeps it on a line: positive.
    """

    order_item_id: int
    sku: str
    qty: Decimal
    row_total: Money
    tax: Money
    discount: Money


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """The credit memo that will be made.

    Attributes:
        discount: Negative, as Magento keeps it on a memo.
        shipping: Without tax.
        currency: Of the order.
    """

    lines: tuple[QuoteLine, ...]
    subtotal: Money
    discount: Money
    shipping: Money
    shipping_incl_tax: Money
    tax: Money
    adjustment_positive: Money
    adjustment_negative: Money
    grand_total: Money
    currency: str
    base_currency: str

    @property
    def total(self) -> Decimal:
        """Grand total in base currency: what `expected_total` is compared with."""
        return self.grand_total.base

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be refunded: no line and no money."""
        return not self.lines and not self.total and not self.grand_total.order


def quote(
    service: Service,
    body: Mapping[str, Any],
    order: Document,
    *,
    invoice: Document | None = None,
    memos: Sequence[Document] = (),
) -> Quote:
    """Compute what a call makes.

    Args:
        service: Which of the four services is called.
        body: The body of the call.
        order: GET /V1/orders/:id.
        invoice: GET /V1/invoices/:id; the invoice service needs it.
        memos: Credit memos of the order, for the invoice service, which counts what the invoice has left.

    Raises:
        WouldRefuse: Magento will refuse.
    """
    match service:
        case Service.ORDER_REFUND | Service.INVOICE_REFUND:
            return _computed(body, order, invoice if service is Service.INVOICE_REFUND else None, memos)
        case Service.CREDITMEMO_REFUND:
            memo = body["creditmemo"]
            _check_given(memo, order)
            _check_number(memo, memos)
            return given_quote(memo, order)
        case Service.CREDITMEMO_SAVE:
            _check_number(body["entity"], memos)
            return given_quote(body["entity"], order)


def not_covered(order: Document) -> str | None:
    """Say why no quote can be made of an order: it has totals that are not computed here; None where it can."""
    extra = order.get("extension_attributes") or {}
    for name in _FOREIGN_TOTALS:
        if number(extra, f"base_{name}") or number(order, f"base_{name}"):
            return name
    items = order.get("items") or ()
    return "weee_tax" if any(number(item, "base_weee_tax_applied_row_amnt") for item in items) else None


def asked_of(body: Mapping[str, Any]) -> Asked:
    """Read what a body asks the order or the invoice service for."""
    given = body.get("arguments") or {}
    entries = tuple((item.get("order_item_id"), float(item.get("qty") or 0)) for item in body.get("items") or ())
    return Asked(
        quantities=dict(entries),
        entries=entries,
        shipping_amount=_float(given.get("shipping_amount")),
        adjustment_positive=_float(given.get("adjustment_positive")),
        adjustment_negative=_float(given.get("adjustment_negative")),
        return_to_stock=tuple((given.get("extension_attributes") or {}).get("return_to_stock_items") or ()),
    )


def given_quote(memo: Mapping[str, Any], order: Document | None = None) -> Quote:
    """Give the quote of a whole credit memo: Magento believes every amount of it (contract 3.3 step 7).

    Args:
        memo: The document, as it is sent.
        order: The order, for the rate and the currencies; where it is not known the document's own count.
    """
    rate = base_to_order_rate(order or memo)
    names = ("subtotal", "discount_amount", "shipping_amount", "shipping_incl_tax", "tax_amount", "grand_total")
    subtotal, discount, shipping, incl_tax, tax, total = (_money(Amount.read(memo, name)) for name in names)
    return Quote(
        lines=tuple(_given_lines(memo)),
        subtotal=subtotal,
        discount=discount,
        shipping=shipping,
        shipping_incl_tax=incl_tax,
        tax=tax,
        adjustment_positive=_given_adjustment(memo, "adjustment_positive", rate),
        adjustment_negative=_given_adjustment(memo, "adjustment_negative", rate),
        grand_total=total,
        currency=str(memo.get("order_currency_code") or ""),
        base_currency=str(memo.get("base_currency_code") or ""),
    )


def _computed(body: Mapping[str, Any], order: Document, invoice: Document | None, memos: Sequence[Document]) -> Quote:
    asked = asked_of(body)
    try:
        if invoice is None:
            totals = memo_by_order(order, asked)
            messages = refund_rules.by_order(order, totals, asked)
        else:
            totals = memo_by_invoice(order, invoice, memos, asked)
            messages = refund_rules.by_invoice(order, invoice, totals, asked)
    except RefundRefused as refused:
        raise of_computing(refused) from None
    if messages:
        raise of_validators(messages, order, invoice)
    return _quote_of(totals, order)


def _quote_of(totals: MemoTotals, order: Document) -> Quote:
    zero = Amount()
    return Quote(
        lines=tuple(_lines_of(totals)),
        subtotal=_money(totals.subtotal),
        discount=_money(totals.discount),
        shipping=_money(totals.shipping),
        shipping_incl_tax=_money(totals.shipping_incl_tax),
        tax=_money(totals.tax),
        adjustment_positive=_money(totals.adjustment_positive or zero),
        adjustment_negative=_money(totals.adjustment_negative or zero),
        grand_total=_money(totals.grand_total),
        currency=str(order.get("order_currency_code") or ""),
        base_currency=str(order.get("base_currency_code") or ""),
    )


def _lines_of(totals: MemoTotals) -> Iterator[QuoteLine]:
    for line in totals.lines:
        if line.qty > 0:
            amounts = {name: _money(amount) for name, amount in line.amounts.items()}
            yield QuoteLine(
                order_item_id=line.order_line.item_id,
                sku=line.order_line.sku,
                qty=Decimal(php_text(line.units)),
                row_total=amounts.get("row_total", _ZERO),
                tax=amounts.get("tax_amount", _ZERO),
                discount=amounts.get("discount_amount", _ZERO),
            )


def _given_lines(memo: Mapping[str, Any]) -> Iterator[QuoteLine]:
    for item in memo.get("items") or ():
        if number(item, "qty") > 0:
            yield QuoteLine(
                order_item_id=int(item.get("order_item_id") or 0),
                sku=str(item.get("sku") or ""),
                qty=Decimal(str(item["qty"])),
                row_total=_money(Amount.read(item, "row_total")),
                tax=_money(Amount.read(item, "tax_amount")),
                discount=_money(Amount.read(item, "discount_amount")),
            )


def _given_adjustment(memo: Mapping[str, Any], name: str, rate: float) -> Money:
    """Read an adjustment as its setter does: what is given is base currency, and the twin is computed."""
    base = php_round(number(memo, name))
    return _money(Amount(php_round(base * rate), base))


def _check_given(memo: Mapping[str, Any], order: Document) -> None:
    """Refuse what creditmemo/refund refuses (contract 3.3 steps 2, 5 and 8)."""
    if memo.get("entity_id") and memo.get("state") != _OPEN:
        raise WouldRefuse("We cannot register an existing credit memo.", rules=(27,))
    paid, refunded = number(order, "base_total_paid"), number(order, "base_total_refunded")
    if php_round(refunded + number(memo, "base_grand_total")) > php_round(paid):
        limit = price_text(paid - refunded, str(order.get("base_currency_code") or "USD"))
        raise WouldRefuse("The most money available to refund is %1.", (limit,), rules=(12,))
    lines = order_lines(order)
    for item in memo.get("items") or ():
        line = lines.get(int(item.get("order_item_id") or 0))
        if line is None:
            message = "The creditmemo contains product item that is not part of the original order."
            raise WouldRefuse(message, rules=(7,))
        try:
            counted_units(line, number(item, "qty"), str(item.get("name") or ""))
        except RefundRefused as refused:
            raise WouldRefuse(str(refused), rules=(3,)) from None
    for comment in memo.get("comments") or ():
        given = comment.get("parent_id") is not None
        fault = "Parent Creditmemo Id can not be empty" if given else _PARENT_NEEDED
        raise WouldRefuse(f"Cannot save comment:\n{fault}", rules=(26,))


_PARENT_NEEDED: Final = '"Parent Creditmemo Id" is required. Enter and try again.'


def _check_number(memo: Mapping[str, Any], memos: Sequence[Document]) -> None:
    """Refuse a number of the caller's that another memo of the store has; no rule of section 8, but Magento's own."""
    mine = (memo.get("increment_id"), memo.get("store_id"))
    if None not in mine and any((other.get("increment_id"), other.get("store_id")) == mine for other in memos):
        raise WouldRefuse("Unique constraint violation found", rules=())


def _money(amount: Amount) -> Money:
    return Money(cents(php_round(amount.order)), cents(php_round(amount.base)))


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))


_ZERO: Final = Money(cents(0), cents(0))
