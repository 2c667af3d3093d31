"""What a credit memo comes to, in the cases that Magento's rules make surprising."""

from typing import Any

import pytest

from worker.domain.money_math import RunningRounder, adjustment_number, php_round, php_text, price_text
from worker.domain.refund_rules import by_order
from worker.domain.totals import Asked, RefundRefused, memo_by_invoice, memo_by_order


def a_line(item_id: int, price: float, qty: int, *, tax: float = 0.0, discount: float = 0.0) -> dict[str, Any]:
    """One invoiced line in one currency."""
    amounts = {
        "price": price, "row_total": price * qty, "row_invoiced": round(price * qty, 2),
        "row_total_incl_tax": round(price * qty + tax, 2), "tax_invoiced": tax, "discount_invoiced": discount,
    }  # fmt: skip
    base = {f"base_{key}": value for key, value in amounts.items()}
    kept = {"item_id": item_id, "sku": f"SKU-{item_id}", "name": f"Name {item_id}", "product_type": "simple"}
    return kept | amounts | base | {"qty_ordered": qty, "qty_invoiced": qty, "qty_refunded": 0}


def an_order(
    *lines: dict[str, Any], shipping: float = 0.0, shipping_tax: float = 0.0, **given: float
) -> dict[str, Any]:
    """A paid order in US dollars."""
    tax = sum(line["tax_invoiced"] for line in lines) + shipping_tax
    discount = sum(line["discount_invoiced"] for line in lines) + given.get("shipping_discount_amount", 0.0)
    total = round(sum(line["row_invoiced"] for line in lines) + shipping + tax - discount, 2)
    amounts = {
        "grand_total": total, "total_paid": total, "shipping_amount": shipping, "tax_invoiced": tax,
        "shipping_incl_tax": shipping + shipping_tax, "shipping_tax_amount": shipping_tax, **given,
    }  # fmt: skip
    base = {f"base_{key}": value for key, value in amounts.items()}
    kept = {"entity_id": 1, "state": "processing", "status": "processing", "base_currency_code": "USD"}
    return kept | {"base_to_order_rate": 1} | amounts | base | {"items": list(lines), "payment": {"method": "checkmo"}}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param(1.005, 1.01, id="pre-rounding to 15 digits mends the float"),
        pytest.param(-2.5e-3, 0.0, id="a small negative"),
        pytest.param(-1.005, -1.01, id="away from zero"),
        pytest.param(0.30000000000000004, 0.3, id="noise"),
        pytest.param(1e308, 1e308, id="no digits left to round"),
    ],
)
def test_rounds_as_php_does(value: float, wanted: float) -> None:
    assert php_round(value) == wanted


def test_writes_numbers_as_php_does() -> None:
    assert [php_text(x) for x in (107.79999999999998, 10.0, 0.0, 1e25)] == ["107.8", "10", "0", "1.0E+25"]
    assert price_text(1234.5, "USD") == "$1,234.50"
    assert price_text(-3, "EUR") == "-€3.00"


def test_an_adjustment_in_exponent_form_is_mangled() -> None:
    assert adjustment_number(1e-5) == 1.0
    assert adjustment_number(-3.0) == -3.0


def test_the_carry_of_rounding_runs_along() -> None:
    rounder = RunningRounder()
    assert [rounder.cents(1 / 3, "regular") for _ in range(3)] == [0.33, 0.34, 0.33]


def test_a_taxed_line_is_refunded_in_parts_that_add_up() -> None:
    order = an_order(a_line(1, 7.33, 6, tax=3.62), shipping=5.0)
    first = memo_by_order(order, Asked(quantities={1: 1.0}, shipping_amount=0.0))
    assert (first.subtotal.base, first.tax.base) == (7.33, 0.6)
    order["items"][0] |= {"qty_refunded": 1, "base_amount_refunded": 7.33, "amount_refunded": 7.33, "tax_refunded": 0.6}
    order |= {"tax_refunded": 0.6, "base_tax_refunded": 0.6}
    order["items"][0]["base_tax_refunded"] = 0.6
    rest = memo_by_order(order, Asked())
    assert (php_round(rest.subtotal.base), php_round(rest.tax.base)) == (36.65, 3.02)


def test_a_line_not_asked_for_stays_and_all_shipping_goes_along() -> None:
    memo = memo_by_order(an_order(a_line(1, 10.0, 3), a_line(2, 5.0, 1), shipping=45.0), Asked(quantities={1: 1.0}))
    assert [line.qty for line in memo.lines] == [1.0, 0.0]
    assert memo.grand_total.base == 55.0


def test_shipping_above_what_is_left_is_refused_with_a_price() -> None:
    with pytest.raises(RefundRefused, match=r"allowed to refund is: \$45\.00"):
        memo_by_order(an_order(a_line(1, 10.0, 3), shipping=45.0), Asked(quantities={1: 1.0}, shipping_amount=45.01))


def test_shipping_of_an_order_without_is_refused() -> None:
    with pytest.raises(RefundRefused, match="no shipping amount"):
        memo_by_order(an_order(a_line(1, 10.0, 3)), Asked(quantities={1: 1.0}, shipping_amount=1.0))


def test_too_much_is_refused_by_the_name_of_the_product() -> None:
    with pytest.raises(RefundRefused, match="Name 1"):
        memo_by_order(an_order(a_line(1, 10.0, 3)), Asked(quantities={1: 4.0}))


def test_a_shipping_discount_goes_with_the_shipping() -> None:
    order = an_order(a_line(1, 10.0, 2), shipping=10.0, shipping_discount_amount=4.0)
    half = memo_by_order(order, Asked(quantities={1: 0.0}, shipping_amount=5.0))
    assert (half.shipping.base, half.discount.base, half.grand_total.base) == (5.0, -2.0, 3.0)


def test_shipping_0_with_taxed_and_discounted_shipping_is_wrong_as_in_magento() -> None:
    order = an_order(a_line(1, 10.0, 2), shipping=10.0, shipping_tax=1.0, shipping_discount_amount=5.0)
    memo = memo_by_order(order, Asked(quantities={1: 1.0}, shipping_amount=0.0))
    assert memo.discount.base == 0.5


def test_half_of_a_taxed_shipping_takes_half_of_its_tax() -> None:
    order = an_order(a_line(1, 10.0, 2), shipping=10.0, shipping_tax=0.83)
    memo = memo_by_order(order, Asked(quantities={1: 0.0}, shipping_amount=5.0))
    assert (memo.shipping_tax.base, memo.tax.base) == (0.42, 0.42)


def test_an_invoice_caps_the_quantity_without_a_word() -> None:
    order = an_order(a_line(1, 10.0, 5), shipping=5.0)
    invoice = {"entity_id": 7, "base_shipping_amount": 5.0, "items": [{"order_item_id": 1, "qty": 3}]}
    memos = [{"invoice_id": 7, "state": 2, "items": [{"order_item_id": 1, "qty": 1}]}]
    memo = memo_by_invoice(order, invoice, memos, Asked(quantities={1: 4.0}, shipping_amount=0.0))
    assert [line.qty for line in memo.lines] == [2.0]


def test_an_adjustment_is_converted_to_the_order_currency() -> None:
    order = an_order(a_line(1, 10.0, 5)) | {"base_to_order_rate": 0.9137}
    memo = memo_by_order(order, Asked(quantities={1: 0.0}, shipping_amount=0.0, adjustment_positive=1.5))
    assert (memo.adjustment.base, memo.adjustment.order) == (1.5, 1.37)


def test_a_fraction_of_a_whole_product_is_refused_by_its_sku() -> None:
    order, asked = an_order(a_line(1, 10.0, 5)), Asked(quantities={1: 0.5})
    assert by_order(order, memo_by_order(order, asked), asked) == [
        'We found an invalid quantity to refund item "SKU-1".'
    ]


def test_more_money_than_was_paid_is_refused_with_a_bare_number() -> None:
    order, asked = an_order(a_line(1, 10.0, 5)), Asked(quantities={1: 1.0}, adjustment_positive=100.0)
    assert by_order(order, memo_by_order(order, asked), asked) == ["The most money available to refund is 50."]


def test_an_invoice_refund_of_everything_takes_all_tax_of_the_invoice() -> None:
    """The memo of an order refund has no invoice, so its tax is not taken off (contract 3.6, section 9: ACSD-69311)."""
    order = an_order(a_line(1, 10.0, 2, tax=1.65))
    order["items"][0] |= {"qty_refunded": 1, "amount_refunded": 10, "base_amount_refunded": 10}
    order["items"][0] |= {"tax_refunded": 0.83, "base_tax_refunded": 0.83}
    order |= {"tax_refunded": 0.83, "base_tax_refunded": 0.83, "base_total_refunded": 10.83, "total_refunded": 10.83}
    units = [{"order_item_id": 1, "qty": 2}]
    invoice = {"entity_id": 7, "state": 2, "tax_amount": 1.65, "base_tax_amount": 1.65, "items": units}
    memos = [{"state": 2, "tax_amount": 0.83, "base_tax_amount": 0.83, "items": [{"order_item_id": 1, "qty": 1}]}]
    memo = memo_by_invoice(order, invoice, memos, Asked())
    assert (memo.tax.base, memo.grand_total.base) == (1.65, 11.65)
    memos[0]["invoice_id"] = 7
    assert php_round(memo_by_invoice(order, invoice, memos, Asked()).tax.base) == 0.82


def test_a_row_with_tax_is_reckoned_without_the_discount_that_the_order_shows() -> None:
    """The order shows rows less their discount; a memo has them whole (contract 2.8, scenario of coupon and tax)."""
    rows = {"row_total": 13.19, "row_total_incl_tax": 14.28, "discount_amount": 1.47, "tax_percent": 8.25}
    first = a_line(1, 7.33, 2, tax=1.09, discount=1.47) | rows | {f"base_{key}": rows[key] for key in rows}
    rows = {"row_total": 67.48, "row_total_incl_tax": 73.05, "discount_amount": 7.49, "tax_percent": 8.25}
    second = a_line(2, 24.99, 3, tax=5.57, discount=7.49) | rows | {f"base_{key}": rows[key] for key in rows}
    memo = memo_by_order(an_order(first, second), Asked())
    assert [php_round(line.amounts["row_total_incl_tax"].order) for line in memo.lines] == [15.87, 81.15]
